//! All settings of a topic (Kafka's `LogConfig`, 3.9.1): their table, the broker settings they come from,
//! the check of a topic's own map, and the typed form. `broker` combines it with the layers of its own
//! settings; CreateTopics and both AlterConfigs check a map here before it is written.

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
    pub message_downconversion: bool,
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

/// What happens to old segments; both may be set.
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
