//! One topic's settings, split by who acts on them: the log, the replica, the checks of a produce and of a fetch.
//! Made from the configuration here and nowhere else; plain values that travel to shards.

use config::topic::{
    Compression as ConfiguredCompression, TimestampType as ConfiguredTimestampType, TopicConfig,
};
use protocol::batch::{Keys, ProduceRules, StoredAs, TimestampType};
use protocol::record::Compression;
use storage::{Cleanup, LogSettings};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TopicSettings {
    pub(crate) log: LogSettings,
    pub(crate) min_insync_replicas: usize,
    pub(crate) rules: ProduceRules,
    pub(crate) fetch: FetchRules,
}

/// What keeps old clients from fetching.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FetchRules {
    /// The topic's own codec is zstd, which clients older than Fetch v10 do not know (KIP-110).
    pub(crate) is_zstd: bool,
    /// Records may be converted for clients of older formats (KIP-283).
    pub(crate) may_convert: bool,
}

impl TopicSettings {
    /// `producer_id_expiration_ms` is the broker's, the rest the topic's with the broker's defaults.
    pub(crate) fn new(topic: &TopicConfig, producer_id_expiration_ms: u64) -> Self {
        let timestamp_type = match topic.timestamp_type {
            ConfiguredTimestampType::CreateTime => TimestampType::CreateTime,
            ConfiguredTimestampType::LogAppendTime => TimestampType::LogAppendTime,
        };
        Self {
            log: LogSettings {
                segment_bytes: topic.segment_bytes,
                segment_ms: signed(topic.segment_ms),
                segment_jitter_ms: signed(topic.segment_jitter_ms),
                index_bytes_max: topic.segment_index_bytes,
                index_interval_bytes: topic.index_interval_bytes,
                retention_bytes: topic.retention_bytes,
                retention_ms: topic.retention_ms.map(signed),
                cleanup: cleanup(topic),
                compaction_lag_max_ms: signed(topic.max_compaction_lag_ms),
                file_delete_delay_ms: signed(topic.file_delete_delay_ms),
                flush_messages: topic.flush_messages.unwrap_or(u64::MAX),
                flush_ms: topic.flush_ms.map(signed),
                timestamp_type,
                preallocate: topic.preallocate,
                producer_id_expiration_ms: signed(producer_id_expiration_ms),
            },
            min_insync_replicas: topic.min_insync_replicas as usize,
            rules: ProduceRules {
                max_message_bytes: topic.max_message_bytes as usize,
                timestamp_type,
                timestamp_before_max_ms: topic.timestamp_before_max_ms,
                timestamp_after_max_ms: topic.timestamp_after_max_ms,
                keys: if topic.cleanup.compact { Keys::Required } else { Keys::Optional },
                stored_as: stored_as(topic.compression),
            },
            fetch: FetchRules {
                is_zstd: matches!(topic.compression, ConfiguredCompression::Zstd { .. }),
                may_convert: topic.message_down_conversion,
            },
        }
    }
}

fn cleanup(topic: &TopicConfig) -> Cleanup {
    match (topic.cleanup.delete, topic.cleanup.compact) {
        (_, false) => Cleanup::Delete,
        (true, true) => Cleanup::CompactDelete,
        (false, true) => Cleanup::Compact,
    }
}

fn stored_as(configured: ConfiguredCompression) -> StoredAs {
    StoredAs::Always(match configured {
        ConfiguredCompression::Producer => return StoredAs::Sent,
        ConfiguredCompression::Uncompressed => Compression::None,
        ConfiguredCompression::Gzip { level } => Compression::Gzip(level),
        ConfiguredCompression::Snappy => Compression::Snappy,
        ConfiguredCompression::Lz4 { level } => Compression::Lz4(level),
        ConfiguredCompression::Zstd { level } => Compression::Zstd(level),
    })
}

/// Kafka's times are signed; its largest stands for "never".
fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}
