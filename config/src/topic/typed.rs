//! From a topic's map over the broker's defaults to typed values, and what they must be together.

use std::collections::BTreeMap;

use crate::define::Value;
use crate::error::ConfigError;
use crate::layers::ConfigMap;
use crate::topic::table::SETTINGS;
use crate::topic::{CleanupPolicy, Compression, TimestampType, TopicConfig, TopicConfigError};

/// The value of every setting of one topic.
#[derive(Debug)]
pub(crate) struct Values(BTreeMap<&'static str, Value>);

impl Values {
    /// An override that cannot be used leaves the default in place.
    pub(super) fn read(defaults: &ConfigMap, overrides: &ConfigMap) -> (Values, Vec<ConfigError>) {
        let mut errors = Vec::new();
        let mut values = BTreeMap::new();
        for setting in SETTINGS {
            let given = [overrides, defaults].into_iter().filter_map(|map| map.get(setting.name));
            let read = given.filter_map(|text| setting.parse(text).map_err(|error| errors.push(error)).ok());
            if let Some(value) = read.into_iter().next().or_else(|| setting.default_value()) {
                values.insert(setting.name, value);
            }
        }
        (Values(values), errors)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    pub(super) fn check(&self) -> Result<(), TopicConfigError> {
        let (least, most) = (self.number("min.compaction.lag.ms"), self.number("max.compaction.lag.ms"));
        if least > most {
            return Err(TopicConfigError::CompactionLag { least, most });
        }
        if self.flag("remote.log.delete.on.disable") || self.flag("remote.log.copy.disable") {
            return Err(TopicConfigError::RemoteInZooKeeper);
        }
        match self.flag("remote.storage.enable") {
            true => Err(TopicConfigError::TieredStorage),
            false => Ok(()),
        }
    }

    pub(super) fn typed(&self) -> TopicConfig {
        TopicConfig {
            cleanup: self.cleanup(),
            compression: self.compression(),
            max_message_bytes: self.small("max.message.bytes"),
            min_insync_replicas: self.small("min.insync.replicas"),
            unclean_leader_election: self.flag("unclean.leader.election.enable"),
            timestamp_type: match self.text("message.timestamp.type") {
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            timestamp_before_max_ms: self.timestamp_limit("message.timestamp.before.max.ms"),
            timestamp_after_max_ms: self.timestamp_limit("message.timestamp.after.max.ms"),
            message_down_conversion: self.flag("message.downconversion.enable"),
            segment_bytes: self.small("segment.bytes"),
            segment_ms: self.number("segment.ms"),
            segment_jitter_ms: self.number("segment.jitter.ms"),
            segment_index_bytes: self.small("segment.index.bytes"),
            index_interval_bytes: self.small("index.interval.bytes"),
            preallocate: self.flag("preallocate"),
            retention_bytes: self.limit("retention.bytes"),
            retention_ms: self.limit("retention.ms"),
            file_delete_delay_ms: self.number("file.delete.delay.ms"),
            flush_messages: self.limit("flush.messages"),
            flush_ms: self.limit("flush.ms"),
            delete_retention_ms: self.number("delete.retention.ms"),
            min_compaction_lag_ms: self.number("min.compaction.lag.ms"),
            max_compaction_lag_ms: self.number("max.compaction.lag.ms"),
            min_cleanable_dirty_ratio: match self.get("min.cleanable.dirty.ratio") {
                Some(Value::Double(ratio)) => *ratio,
                _ => 0.5,
            },
        }
    }

    fn cleanup(&self) -> CleanupPolicy {
        let policies: &[String] = match self.get("cleanup.policy") {
            Some(Value::List(policies)) => policies,
            _ => &[],
        };
        let has = |policy: &str| policies.iter().any(|given| given == policy);
        CleanupPolicy { delete: has("delete"), compact: has("compact") }
    }

    fn compression(&self) -> Compression {
        let level = |name| self.integer(name).try_into().unwrap_or(i32::MAX);
        match self.text("compression.type") {
            "uncompressed" => Compression::Uncompressed,
            "gzip" => Compression::Gzip { level: level("compression.gzip.level") },
            "snappy" => Compression::Snappy,
            "lz4" => Compression::Lz4 { level: level("compression.lz4.level") },
            "zstd" => Compression::Zstd { level: level("compression.zstd.level") },
            _ => Compression::Producer,
        }
    }

    /// A limit that is not set follows the old setting that was both.
    fn timestamp_limit(&self, name: &str) -> u64 {
        match self.integer(name) {
            i64::MAX => self.number("message.timestamp.difference.max.ms"),
            _ => self.number(name),
        }
    }

    /// Negative and the greatest number both stand for no limit.
    fn limit(&self, name: &str) -> Option<u64> {
        u64::try_from(self.integer(name)).ok().filter(|limit| *limit < i64::MAX as u64)
    }

    fn number(&self, name: &str) -> u64 {
        self.integer(name).try_into().unwrap_or_default()
    }

    fn small(&self, name: &str) -> u32 {
        self.integer(name).try_into().unwrap_or_default()
    }

    fn integer(&self, name: &str) -> i64 {
        match self.get(name) {
            Some(Value::Integer(number)) => *number,
            _ => 0,
        }
    }

    fn flag(&self, name: &str) -> bool {
        self.get(name) == Some(&Value::Boolean(true))
    }

    fn text(&self, name: &str) -> &str {
        match self.get(name) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }
}
