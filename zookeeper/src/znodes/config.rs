//! `/config/TYPE/ENTITY` and `/config/changes/config_change_N`: settings, and the notice that some have changed.
//!
//! Owns both layouts. Values are strings always; an absent, null or empty entity has no settings.
//! Source: Kafka 3.9 `ConfigEntityZNode`, `ConfigEntityChangeNotificationSequenceZNode`, `ZkConfigManager`.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::ZnodeError;
use super::json::{Fields, Object};
use super::key_order::java_properties;

/// All settings of one entity, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntityConfig(pub BTreeMap<String, String>);

impl EntityConfig {
    /// Version 1.
    pub fn encode(&self) -> Bytes {
        let settings = java_properties(self.0.iter().collect(), |(key, _)| key.as_str());
        let config =
            settings.into_iter().fold(Object::new(), |object, (key, value)| object.string(key, value));
        Object::new().raw("version", 1).raw("config", config.finish()).into_bytes()
    }

    /// Any version; null and empty are no settings.
    pub fn decode(path: &str, data: &[u8]) -> Result<EntityConfig, ZnodeError> {
        if data.is_empty() {
            return Ok(EntityConfig::default());
        }
        let fields = Fields::parse(path, data)?;
        let Some(config) = fields.object("config")? else { return Ok(EntityConfig::default()) };
        let setting = |(key, value): (&String, &serde_json::Value)| match value.as_str() {
            Some(text) => Ok((key.clone(), text.to_owned())),
            None => Err(fields.wrong(key, "a string", value)),
        };
        config.iter().map(setting).collect::<Result<_, _>>().map(EntityConfig)
    }
}

/// Which entity changed. Says nothing of how: whoever hears of it reads the entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigChange {
    /// `topics`, `brokers`, …; not checked here.
    pub entity_type: String,
    /// The sanitised rest of the path: `bob/clients/c1` for a client of a user.
    pub entity: String,
}

impl ConfigChange {
    /// Version 2.
    pub fn encode(&self) -> Bytes {
        let path = format!("{}/{}", self.entity_type, self.entity);
        Object::new().raw("version", 2).string("entity_path", &path).into_bytes()
    }

    /// Versions 1 and 2.
    pub fn decode(path: &str, data: &[u8]) -> Result<ConfigChange, ZnodeError> {
        let fields = Fields::parse(path, data)?;
        let (entity_type, entity) = match fields.int("version")? {
            1 => (fields.string("entity_type")?, fields.string("entity_name")?),
            2 => {
                let entity = fields.string("entity_path")?;
                let wrong = || fields.error(format!("the entity_path {entity} has no type before a slash"));
                entity.split_once('/').ok_or_else(wrong)?
            }
            version => return Err(fields.error(format!("version {version} is neither 1 nor 2"))),
        };
        Ok(ConfigChange { entity_type: entity_type.to_owned(), entity: entity.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(live: &str) -> EntityConfig {
        let config = EntityConfig::decode("/config/topics/t", live.as_bytes()).unwrap();
        assert_eq!(config.encode(), live);
        config
    }

    #[test]
    fn settings_are_written_in_kafkas_order() {
        check(r#"{"version":1,"config":{}}"#);
        check(r#"{"version":1,"config":{"cleanup.policy":"compact","retention.ms":"100000"}}"#);
        check(
            r#"{"version":1,"config":{"compression.type":"uncompressed","cleanup.policy":"compact","min.insync.replicas":"2","segment.bytes":"104857600","unclean.leader.election.enable":"false"}}"#,
        );
        let config = check(
            r#"{"version":1,"config":{"compression.type":"gzip","file.delete.delay.ms":"1000","max.message.bytes":"2000000","min.insync.replicas":"1","segment.jitter.ms":"100","index.interval.bytes":"8192","unclean.leader.election.enable":"true","delete.retention.ms":"5","cleanup.policy":"compact,delete","flush.ms":"99999","segment.bytes":"1000000","segment.ms":"100000","flush.messages":"7"}}"#,
        );
        assert_eq!(config.0["cleanup.policy"], "compact,delete");
    }

    #[test]
    fn no_data_is_no_settings() {
        for data in ["", "{}", r#"{"version":1}"#, r#"{"version":1,"config":null}"#] {
            let config = EntityConfig::decode("/config/topics/t", data.as_bytes());
            assert_eq!(config, Ok(EntityConfig::default()), "{data}");
        }
    }

    #[test]
    fn a_value_that_is_no_string_is_named() {
        let data = br#"{"version":1,"config":{"retention.ms":5}}"#;
        let error = EntityConfig::decode("/config/topics/t", data).unwrap_err().to_string();
        assert_eq!(error, "znode /config/topics/t: the key retention.ms should be a string and is 5");
        assert!(EntityConfig::decode("/config/topics/t", b"{\"version\":1,\"config\":[]}").is_err());
    }

    #[test]
    fn notices_of_both_versions() {
        let change =
            |data: &str| ConfigChange::decode("/config/changes/config_change_0000000000", data.as_bytes());
        let live = r#"{"version":2,"entity_path":"users/bob/clients/cl2"}"#;
        let read = change(live).unwrap();
        assert_eq!((read.entity_type.as_str(), read.entity.as_str()), ("users", "bob/clients/cl2"));
        assert_eq!(read.encode(), live);
        let old = change(r#"{"version":1,"entity_type":"topics","entity_name":"t"}"#).unwrap();
        assert_eq!((old.entity_type.as_str(), old.entity.as_str()), ("topics", "t"));
        for wrong in
            [r#"{"version":3}"#, r#"{"version":2,"entity_path":"topics"}"#, r#"{"version":1}"#, "7", ""]
        {
            assert!(change(wrong).is_err(), "{wrong}");
        }
    }
}
