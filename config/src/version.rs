//! Versions of the protocol between brokers (Kafka's `MetadataVersion`), of which this broker speaks 2.8
//! to 3.9. A mixed cluster names one in `inter.broker.protocol.version`.

use std::fmt;

/// A version by its place in Kafka's list; later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProtocolVersion(usize);

/// Every version Kafka 3.9.1 knows, oldest first: the release and, where there is one, its step.
const VERSIONS: &[&str] = &[
    "0.8.0",
    "0.8.1",
    "0.8.2",
    "0.9.0",
    "0.10.0-IV0",
    "0.10.0-IV1",
    "0.10.1-IV0",
    "0.10.1-IV1",
    "0.10.1-IV2",
    "0.10.2-IV0",
    "0.11.0-IV0",
    "0.11.0-IV1",
    "0.11.0-IV2",
    "1.0-IV0",
    "1.1-IV0",
    "2.0-IV0",
    "2.0-IV1",
    "2.1-IV0",
    "2.1-IV1",
    "2.1-IV2",
    "2.2-IV0",
    "2.2-IV1",
    "2.3-IV0",
    "2.3-IV1",
    "2.4-IV0",
    "2.4-IV1",
    "2.5-IV0",
    "2.6-IV0",
    "2.7-IV0",
    "2.7-IV1",
    "2.7-IV2",
    "2.8-IV0",
    "2.8-IV1",
    "3.0-IV0",
    "3.0-IV1",
    "3.1-IV0",
    "3.2-IV0",
    "3.3-IV0",
    "3.3-IV1",
    "3.3-IV2",
    "3.3-IV3",
    "3.4-IV0",
    "3.5-IV0",
    "3.5-IV1",
    "3.5-IV2",
    "3.6-IV0",
    "3.6-IV1",
    "3.6-IV2",
    "3.7-IV0",
    "3.7-IV1",
    "3.7-IV2",
    "3.7-IV3",
    "3.7-IV4",
    "3.8-IV0",
    "3.9-IV0",
    "4.0-IV0",
    "4.0-IV1",
];

impl ProtocolVersion {
    /// Reads `3.9-IV0`, `3.9` (the last step of that release) or `3.9.1` (the same).
    pub fn parse(text: &str) -> Option<ProtocolVersion> {
        let parts = if text.starts_with("0.") { 3 } else { 2 };
        let end = text.match_indices('.').nth(parts - 1).map_or(text.len(), |(at, _)| at);
        let text = &text[..end];
        let release = |version: &str| version.split('-').next() == Some(text);
        VERSIONS.iter().rposition(|version| *version == text || release(version)).map(ProtocolVersion)
    }

    /// The oldest version that this broker speaks.
    pub fn oldest_served() -> ProtocolVersion {
        ProtocolVersion::at("2.8-IV0")
    }

    /// The latest version that this broker speaks, and the default.
    pub fn latest_served() -> ProtocolVersion {
        ProtocolVersion::at("3.9-IV0")
    }

    /// Levels of the feature metadata.version that Kafka's tools name (KIP-778).
    pub const METADATA_LEVELS: std::ops::RangeInclusive<i16> = 4..=21;

    /// The level of the feature metadata.version; none before there was one.
    pub fn feature_level(self) -> Option<i16> {
        let before = ProtocolVersion::at("3.0-IV0").0;
        i16::try_from(self.0.checked_sub(before)?).ok().filter(|level| *level > 0)
    }

    /// The version that a level of the feature metadata.version stands for.
    pub fn of_feature_level(level: i16) -> Option<ProtocolVersion> {
        let level = usize::try_from(level).ok().filter(|level| *level > 0)?;
        let version = ProtocolVersion::at("3.0-IV0").0 + level;
        (version < VERSIONS.len()).then_some(ProtocolVersion(version))
    }

    /// Whether this version is `name` or a later one; for rules such as "topic ids from 2.8-IV0 on".
    pub fn is_at_least(self, name: &str) -> bool {
        ProtocolVersion::parse(name).is_some_and(|other| self >= other)
    }

    fn at(name: &str) -> ProtocolVersion {
        ProtocolVersion::parse(name).unwrap_or(ProtocolVersion(VERSIONS.len() - 1))
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(VERSIONS[self.0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(ProtocolVersion::parse(text).map(|v| v.to_string()).as_deref(), expected, "{text}");
    }

    #[test]
    fn reads_releases_steps_and_patches() {
        check("3.9-IV0", Some("3.9-IV0"));
        check("3.9.1", Some("3.9-IV0"));
        check("2.8", Some("2.8-IV1"));
        check("3.3", Some("3.3-IV3"));
        check("0.8.2.1", Some("0.8.2"));
        check("0.10.0", Some("0.10.0-IV1"));
        check("9.9", None);
        check("", None);
        check("3", None);
    }

    #[test]
    fn versions_have_levels_since_there_is_a_feature_for_them() {
        for (text, level) in [("3.0-IV1", 1), ("3.3", 7), ("3.7-IV4", 19), ("3.9", 21), ("4.0-IV1", 23)] {
            let version = ProtocolVersion::parse(text).unwrap();
            assert_eq!(version.feature_level(), Some(level), "{text}");
            assert_eq!(ProtocolVersion::of_feature_level(level), Some(version));
        }
        assert_eq!(ProtocolVersion::parse("3.0-IV0").unwrap().feature_level(), None);
        assert_eq!(ProtocolVersion::parse("2.8").unwrap().feature_level(), None);
        assert_eq!([-1, 0, 24].map(ProtocolVersion::of_feature_level), [None; 3]);
    }

    #[test]
    fn later_versions_are_greater() {
        assert!(ProtocolVersion::oldest_served() < ProtocolVersion::latest_served());
        assert!(ProtocolVersion::latest_served().is_at_least("3.9"));
        assert!(!ProtocolVersion::oldest_served().is_at_least("2.8-IV1"));
    }
}
