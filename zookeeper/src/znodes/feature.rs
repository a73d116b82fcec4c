//! `/feature`: the finalized features of the cluster, of which ZooKeeper mode has none.
//!
//! Owns the layout: writes version 2, reads 1 and 2. Its data version is the finalized features' epoch.
//! Source: Kafka 3.9 `FeatureZNode`, `FeatureZNodeStatus`.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::ZnodeError;
use super::json::{Fields, Object};

/// The finalized features.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    pub version: i32,
    pub status: FeatureStatus,
    /// The highest level of each feature.
    pub features: BTreeMap<String, i32>,
}

/// Whether the features count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeatureStatus {
    Disabled,
    Enabled,
}

impl Feature {
    /// What a 3.9 controller in ZooKeeper mode writes.
    pub fn none_enabled() -> Feature {
        Feature { version: 2, status: FeatureStatus::Enabled, features: BTreeMap::new() }
    }

    /// Always in the layout of version 2.
    pub fn encode(&self) -> Bytes {
        let level = |object: Object, (name, level): (&String, &i32)| {
            object.raw(name, Object::new().raw("max_version_level", level).finish())
        };
        Object::new()
            .raw("features", self.features.iter().fold(Object::new(), level).finish())
            .raw("version", 2)
            .raw("status", self.status as i32)
            .into_bytes()
    }

    /// Versions 1 and 2.
    pub fn decode(path: &str, data: &[u8]) -> Result<Feature, ZnodeError> {
        let fields = Fields::parse(path, data)?;
        let version = fields.int("version")?;
        if !(1..=2).contains(&version) {
            return Err(fields.error(format!("version {version} is neither 1 nor 2")));
        }
        let status = match fields.int("status")? {
            0 => FeatureStatus::Disabled,
            1 => FeatureStatus::Enabled,
            status => return Err(fields.error(format!("the status {status} is neither 0 nor 1"))),
        };
        let mut features = BTreeMap::new();
        for (name, value) in fields.object("features")?.into_iter().flatten() {
            let level = value.get("max_version_level").unwrap_or(value);
            features.insert(name.clone(), fields.as_int(name, level)?);
        }
        Ok(Feature { version, status, features })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_kafka_writes_it() {
        let live = br#"{"features":{},"version":2,"status":1}"#;
        assert_eq!(Feature::decode("/feature", live), Ok(Feature::none_enabled()));
        assert_eq!(Feature::none_enabled().encode().as_ref(), &live[..]);
    }

    #[test]
    fn levels_are_read_and_written() {
        let old =
            br#"{"version":1,"status":0,"features":{"f":{"min_version_level":1,"max_version_level":3}}}"#;
        let feature = Feature::decode("/feature", old).unwrap();
        assert_eq!((feature.status, feature.features["f"]), (FeatureStatus::Disabled, 3));
        assert_eq!(feature.encode(), r#"{"features":{"f":{"max_version_level":3}},"version":2,"status":0}"#);
    }

    #[test]
    fn garbage_is_named() {
        for (data, problem) in [
            (r#"{"version":3,"status":1}"#, "version 3"),
            (r#"{"version":2}"#, "status is missing"),
            (r#"{"version":2,"status":7}"#, "status 7"),
            (r#"{"version":2,"status":1,"features":{"f":"x"}}"#, "f should be a number"),
        ] {
            let error = Feature::decode("/feature", data.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }
}
