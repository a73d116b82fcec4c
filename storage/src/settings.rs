//! What a log is told about its topic: plain values which the broker makes from its configuration.
//!
//! A value out of Kafka's range cannot come here, since the configuration refuses it. Source: LogConfig of Kafka 3.9.

use protocol::batch::TimestampType;

/// `cleanup.policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleanup {
    Delete,
    Compact,
    CompactDelete,
}

impl Cleanup {
    /// Whether segments go by age and size, not only below the start offset.
    pub fn deletes(self) -> bool {
        self != Cleanup::Compact
    }

    /// Whether older records of a key go.
    pub fn compacts(self) -> bool {
        self != Cleanup::Delete
    }
}

/// A topic's settings as far as its logs act on them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// `segment.bytes`
    pub segment_bytes: u32,
    /// `segment.ms`
    pub segment_ms: i64,
    /// `segment.jitter.ms`: a segment's age limit is lowered by up to this, at random.
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`
    pub index_bytes_max: u32,
    /// `index.interval.bytes`
    pub index_interval_bytes: u32,
    /// `retention.bytes`; none keeps any size.
    pub retention_bytes: Option<u64>,
    /// `retention.ms`; none keeps any age.
    pub retention_ms: Option<i64>,
    /// `cleanup.policy`
    pub cleanup: Cleanup,
    /// `max.compaction.lag.ms`: a compacted topic's segment is not written for longer than this either.
    pub compaction_lag_max_ms: i64,
    /// `file.delete.delay.ms`
    pub file_delete_delay_ms: i64,
    /// `flush.messages`: this many unflushed records make a flush due.
    pub flush_messages: u64,
    /// `flush.ms`; none leaves it to the operating system.
    pub flush_ms: Option<i64>,
    /// `message.timestamp.type`; with log append time the log stamps every batch.
    pub timestamp_type: TimestampType,
    /// `preallocate`: the whole segment's blocks are reserved when it begins, instead of a little ahead.
    pub preallocate: bool,
    /// `producer.id.expiration.ms`
    pub producer_id_expiration_ms: i64,
}

impl Default for LogSettings {
    /// Kafka's defaults.
    fn default() -> LogSettings {
        LogSettings {
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 3_600_000,
            segment_jitter_ms: 0,
            index_bytes_max: 10 << 20,
            index_interval_bytes: 4096,
            retention_bytes: None,
            retention_ms: Some(7 * 24 * 3_600_000),
            cleanup: Cleanup::Delete,
            compaction_lag_max_ms: i64::MAX,
            file_delete_delay_ms: 60_000,
            flush_messages: i64::MAX as u64,
            flush_ms: None,
            timestamp_type: TimestampType::CreateTime,
            preallocate: false,
            producer_id_expiration_ms: 24 * 3_600_000,
        }
    }
}
