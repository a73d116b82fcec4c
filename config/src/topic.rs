//! All settings of a topic (Kafka's `LogConfig`, 3.9.1): their table, the broker settings they come from,
//! the check of a topic's own map, and the typed form. It never writes a map. CreateTopics and both
//! AlterConfigs check a map here before it is written; the broker types each topic's map when it is read.

use crate::error::ConfigError;
use crate::layers::ConfigMap;

mod table;
mod typed;

pub(crate) use table::BROKER_SYNONYMS;
pub use table::SETTINGS;

use typed::Values;

/// How the records of one topic are kept: its own settings over the broker's.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicConfig {
    pub cleanup: CleanupPolicy,
    pub compression: Compression,
    pub max_message_bytes: u32,
    pub min_insync_replicas: u32,
    pub unclean_leader_election: bool,
    pub timestamp_type: TimestampType,
    /// How far a record's timestamp may lie behind and ahead of the broker's clock.
    pub timestamp_before_max_ms: u64,
    pub timestamp_after_max_ms: u64,
    /// Whether clients that know only older formats get their records rewritten.
    pub message_down_conversion: bool,
    pub segment_bytes: u32,
    pub segment_ms: u64,
    pub segment_jitter_ms: u64,
    pub segment_index_bytes: u32,
    pub index_interval_bytes: u32,
    pub preallocate: bool,
    /// None: no limit.
    pub retention_bytes: Option<u64>,
    pub retention_ms: Option<u64>,
    pub file_delete_delay_ms: u64,
    /// None: never because of the count, or the time, alone.
    pub flush_messages: Option<u64>,
    pub flush_ms: Option<u64>,
    pub delete_retention_ms: u64,
    pub min_compaction_lag_ms: u64,
    pub max_compaction_lag_ms: u64,
    pub min_cleanable_dirty_ratio: f64,
}

/// What happens to old segments. Both may be set, and Kafka also allows neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanupPolicy {
    pub delete: bool,
    pub compact: bool,
}

/// What a batch is compressed with when it is appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// As the producer sent it.
    Producer,
    Uncompressed,
    Gzip {
        level: i32,
    },
    Snappy,
    Lz4 {
        level: i32,
    },
    Zstd {
        level: i32,
    },
}

/// Whose clock the times of a topic's records are from (message.timestamp.type).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    CreateTime,
    LogAppendTime,
}

/// What every topic of a broker starts from.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicDefaults {
    /// The broker's settings under the topic's names.
    values: ConfigMap,
    /// The configuration of a topic that has no settings of its own.
    pub config: TopicConfig,
}

/// Why a topic may not have a map of settings, in Kafka's words. Always INVALID_CONFIG.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicConfigError {
    #[error("Unknown topic config name: {0}")]
    UnknownName(String),
    #[error("{}", .0.wire_message())]
    Value(ConfigError),
    #[error("conflict topic config setting min.compaction.lag.ms ({least}) > max.compaction.lag.ms ({most})")]
    CompactionLag { least: u64, most: u64 },
    #[error(
        "It is invalid to set `remote.log.delete.on.disable` or `remote.log.copy.disable` under Zookeeper's mode."
    )]
    RemoteInZooKeeper,
    #[error(
        "Tiered Storage functionality is disabled in the broker. \
         Topic cannot be configured with remote log storage."
    )]
    TieredStorage,
}

impl TopicDefaults {
    /// From the broker's settings under the topic's names, with what topics cannot use.
    pub(crate) fn new(values: ConfigMap) -> (TopicDefaults, Vec<ConfigError>) {
        let (parsed, errors) = Values::read(&values, &ConfigMap::new());
        (TopicDefaults { config: parsed.typed(), values }, errors)
    }

    /// The configuration of a topic with these settings of its own, as its znode has them. Those that cannot
    /// be used are left out and returned, for the log.
    pub fn topic(&self, overrides: &ConfigMap) -> (TopicConfig, Vec<ConfigError>) {
        let (values, errors) = Values::read(&self.values, overrides);
        (values.typed(), errors)
    }

    /// Whether a topic may be given these settings (`LogConfig.validate`).
    pub fn check(&self, overrides: &ConfigMap) -> Result<(), TopicConfigError> {
        if let Some(name) = overrides.keys().find(|name| setting(name).is_none()) {
            return Err(TopicConfigError::UnknownName(name.clone()));
        }
        let (values, errors) = Values::read(&self.values, overrides);
        if let Some(error) = errors.into_iter().next() {
            return Err(TopicConfigError::Value(error));
        }
        values.check()
    }

    pub(crate) fn values(&self, overrides: &ConfigMap) -> Values {
        Values::read(&self.values, overrides).0
    }
}

/// The setting of that name.
pub fn setting(name: &str) -> Option<&'static crate::define::Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> ConfigMap {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn defaults() -> TopicDefaults {
        let (defaults, errors) = TopicDefaults::new(map(&[("retention.ms", "1000"), ("segment.ms", "50")]));
        assert_eq!(errors, []);
        defaults
    }

    /// What Kafka 3.9.1 answered to CreateTopics with these settings.
    fn refused(pairs: &[(&str, &str)], expected: &str) {
        let found = defaults().check(&map(pairs)).map_err(|error| error.to_string());
        assert_eq!(found.as_ref().map_err(String::as_str), Err(expected));
    }

    #[test]
    fn bad_settings_are_refused_in_kafkas_words() {
        refused(&[("nosuch", "1"), ("retention.ms", "abc")], "Unknown topic config name: nosuch");
        refused(
            &[("cleanup.policy", "compact,foo")],
            "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete",
        );
        refused(
            &[("compression.type", "foo")],
            "Invalid value foo for configuration compression.type: String must be one of: uncompressed, zstd, lz4, \
             snappy, gzip, producer",
        );
        refused(
            &[("preallocate", "yes")],
            "Invalid value yes for configuration preallocate: Expected value to be either true or false",
        );
        refused(
            &[("min.cleanable.dirty.ratio", "1.5")],
            "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1",
        );
        refused(
            &[("leader.replication.throttled.replicas", "*,0:1")],
            "Invalid value [*, 0:1] for configuration leader.replication.throttled.replicas: \
             leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the following \
             format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
        );
        refused(
            &[("message.format.version", "9.9")],
            "Invalid value 9.9 for configuration message.format.version: Version 9.9 is not a valid version",
        );
        refused(
            &[("compression.gzip.level", "0")],
            "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1",
        );
        refused(
            &[("compression.zstd.level", "99")],
            "Invalid value 99 for configuration compression.zstd.level: Value must be no more than 22",
        );
        refused(
            &[("segment.bytes", "99999999999")],
            "Invalid value 99999999999 for configuration segment.bytes: Not a number of type INT",
        );
        refused(
            &[("retention.ms", "")],
            "Invalid value  for configuration retention.ms: Not a number of type LONG",
        );
        refused(
            &[("retention.ms", "-2")],
            "Invalid value -2 for configuration retention.ms: Value must be at least -1",
        );
    }

    #[test]
    fn a_topics_own_settings_lie_over_the_brokers() {
        let own = map(&[("retention.ms", "-1"), ("cleanup.policy", "compact"), ("compression.type", "zstd")]);
        let (config, errors) = defaults().topic(&own);
        assert_eq!(errors, []);
        assert_eq!((config.retention_ms, config.segment_ms), (None, 50));
        assert_eq!(config.cleanup, CleanupPolicy { delete: false, compact: true });
        assert_eq!(config.compression, Compression::Zstd { level: 3 });
        assert_eq!((config.flush_messages, config.flush_ms, config.retention_bytes), (None, None, None));
    }

    #[test]
    fn a_setting_that_cannot_be_used_leaves_the_brokers_in_place() {
        let (config, errors) = defaults().topic(&map(&[("retention.ms", "abc"), ("future.setting", "1")]));
        assert_eq!(config.retention_ms, Some(1000));
        assert_eq!(errors.iter().map(|error| error.key.as_str()).collect::<Vec<_>>(), ["retention.ms"]);
    }

    #[test]
    fn limits_of_timestamps_follow_the_old_setting_where_they_are_not_set() {
        let own = [("message.timestamp.difference.max.ms", "7"), ("message.timestamp.after.max.ms", "3")];
        let (config, _) = defaults().topic(&map(&own));
        assert_eq!((config.timestamp_before_max_ms, config.timestamp_after_max_ms), (7, 3));
    }
}
