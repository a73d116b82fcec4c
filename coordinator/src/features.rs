//! Finalized features (KIP-584): which changes are refused, and which features a broker cannot live with.
//!
//! A broker in ZooKeeper mode supports none, so none is ever finalized: every change is refused, and one that is found finalized is a
//! stranger's. Called by UpdateFeatures and by whoever reads `/feature`. Source: KafkaController.validateFeatureUpdate, BrokerFeatures (3.9).

use std::collections::BTreeMap;

/// How a feature is to change, by UpdateFeatures' codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpgradeType {
    Unknown,
    Upgrade,
    SafeDowngrade,
    UnsafeDowngrade,
}

/// Why a feature does not change; the texts are Kafka's, since tools print them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeatureRefusal {
    #[error("Feature name can not be empty.")]
    Nameless,
    #[error("Received unknown upgrade type.")]
    UnknownUpgradeType,
    #[error("Can not delete non-existing finalized feature.")]
    NotFinalized,
    #[error(
        "Can not provide versionLevel: {0} less than 1 without setting the SAFE downgradeType in the request."
    )]
    LevelTooLow(i16),
    #[error("Could not apply finalized feature update because the provided feature is not supported.")]
    NotSupported,
}

impl UpgradeType {
    /// Any other number is unknown as well.
    pub fn from_code(code: i8) -> UpgradeType {
        match code {
            1 => UpgradeType::Upgrade,
            2 => UpgradeType::SafeDowngrade,
            3 => UpgradeType::UnsafeDowngrade,
            _ => UpgradeType::Unknown,
        }
    }
}

/// What is wrong with finalizing `level` of a feature; something always is.
pub fn refuse(feature: &str, level: i16, upgrade: UpgradeType) -> FeatureRefusal {
    match upgrade {
        _ if feature.is_empty() => FeatureRefusal::Nameless,
        UpgradeType::Unknown => FeatureRefusal::UnknownUpgradeType,
        UpgradeType::Upgrade if level < 1 => FeatureRefusal::LevelTooLow(level),
        UpgradeType::SafeDowngrade | UpgradeType::UnsafeDowngrade if level < 1 => {
            FeatureRefusal::NotFinalized
        }
        UpgradeType::Upgrade | UpgradeType::SafeDowngrade | UpgradeType::UnsafeDowngrade => {
            FeatureRefusal::NotSupported
        }
    }
}

/// The finalized features that a broker of this version does not support: all there are.
pub fn incompatible(finalized: &BTreeMap<String, i32>) -> impl Iterator<Item = &str> {
    finalized.keys().map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_refused_for_kafkas_reason() {
        use UpgradeType::*;
        for (feature, level, upgrade, expected) in [
            ("", 1, Upgrade, FeatureRefusal::Nameless),
            ("", 1, Unknown, FeatureRefusal::Nameless),
            ("f", -1, Unknown, FeatureRefusal::UnknownUpgradeType),
            ("f", 0, Upgrade, FeatureRefusal::LevelTooLow(0)),
            ("f", -1, Upgrade, FeatureRefusal::LevelTooLow(-1)),
            ("f", 0, SafeDowngrade, FeatureRefusal::NotFinalized),
            ("f", -1, UnsafeDowngrade, FeatureRefusal::NotFinalized),
            ("f", 1, SafeDowngrade, FeatureRefusal::NotSupported),
            ("metadata.version", 7, Upgrade, FeatureRefusal::NotSupported),
        ] {
            assert_eq!(refuse(feature, level, upgrade), expected, "{feature} {level} {upgrade:?}");
        }
        assert_eq!([-1, 0, 4, 9].map(UpgradeType::from_code), [Unknown; 4]);
        assert_eq!([1, 2, 3].map(UpgradeType::from_code), [Upgrade, SafeDowngrade, UnsafeDowngrade]);
    }
}
