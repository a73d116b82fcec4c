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
