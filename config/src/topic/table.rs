//! The settings of a topic, as in Kafka's `LogConfig`, and the broker settings that give their defaults.

use crate::define::{Setting, settings};

/// All settings of a topic.
pub const SETTINGS: &[Setting] = settings! {
    /// delete drops old segments, compact keeps the last record of each key; both may be given.
    "cleanup.policy": List = "delete", EachOf(&["compact", "delete"]), Medium;
    /// Codec that batches are stored in; producer keeps what was sent.
    "compression.type": String =
        "producer", OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), Medium;
    /// Level of gzip, where it is the stored codec.
    "compression.gzip.level": Int = "-1", GzipLevel, Medium;
    /// Level of lz4, where it is the stored codec.
    "compression.lz4.level": Int = "9", Between(1.0, 17.0), Medium;
    /// Level of zstd, where it is the stored codec.
    "compression.zstd.level": Int = "3", Between(-131072.0, 22.0), Medium;
    /// Largest record batch that is accepted, as it comes, compressed or not.
    "max.message.bytes": Int = "1048588", AtLeast(0), Medium;
    /// Replicas that must have a record before a producer with acks=all is answered.
    "min.insync.replicas": Int = "1", AtLeast(1), Medium;
    /// Lets a replica outside the in-sync set lead when nobody else can, losing records.
    "unclean.leader.election.enable": Boolean = "false", Any, Medium;
    /// Whether a record carries the producer's time or the broker's.
    "message.timestamp.type": String = "CreateTime", OneOf(&["CreateTime", "LogAppendTime"]), Medium;
    /// How far a record's time may lie behind the broker's clock.
    "message.timestamp.before.max.ms": Long = "9223372036854775807", AtLeast(0), Medium;
    /// How far a record's time may lie ahead of the broker's clock.
    "message.timestamp.after.max.ms": Long = "9223372036854775807", AtLeast(0), Medium;
    /// Old form of the two limits; used for one that is not set.
    "message.timestamp.difference.max.ms": Long = "9223372036854775807", AtLeast(0), Medium;
    /// Record format on disk; of no effect with a protocol between brokers of 3.0 or later.
    "message.format.version": String = "3.0-IV1", ProtocolVersion, Medium;
    /// Rewrites records for consumers that know only an older format.
    "message.downconversion.enable": Boolean = "true", Any, Low;
    /// A segment is closed before it grows beyond this.
    "segment.bytes": Int = "1073741824", AtLeast(14), Medium;
    /// A segment is closed when it is this old.
    "segment.ms": Long = "604800000", AtLeast(1), Medium;
    /// Up to this much is taken off a segment's age, so that not all close at once.
    "segment.jitter.ms": Long = "0", AtLeast(0), Medium;
    /// A segment is closed when its index has grown to this.
    "segment.index.bytes": Int = "10485760", AtLeast(4), Medium;
    /// Bytes of records between two entries of an index.
    "index.interval.bytes": Int = "4096", AtLeast(0), Medium;
    /// Gives a new segment its full size on disk at once.
    "preallocate": Boolean = "false", Any, Medium;
    /// Segments older than this are deleted; -1 keeps them.
    "retention.ms": Long = "604800000", AtLeast(-1), Medium;
    /// Size of a partition beyond which its oldest segments are deleted; -1 sets no limit.
    "retention.bytes": Long = "-1", Any, Medium;
    /// How long a dropped segment's files stay on disk.
    "file.delete.delay.ms": Long = "60000", AtLeast(0), Medium;
    /// Records after which a log is flushed to disk.
    "flush.messages": Long = "9223372036854775807", AtLeast(1), Medium;
    /// Time after which a log is flushed to disk.
    "flush.ms": Long = "9223372036854775807", AtLeast(0), Medium;
    /// How long the mark of a deleted key stays readable.
    "delete.retention.ms": Long = "86400000", AtLeast(0), Medium;
    /// How long a record stays as it was written.
    "min.compaction.lag.ms": Long = "0", AtLeast(0), Medium;
    /// How long a record may wait for compaction.
    "max.compaction.lag.ms": Long = "9223372036854775807", AtLeast(1), Medium;
    /// Share of a log that must be uncompacted before it is compacted.
    "min.cleanable.dirty.ratio": Double = "0.5", Between(0.0, 1.0), Medium;
    /// Replicas throttled where they lead, as partition:broker, or * for all.
    "leader.replication.throttled.replicas": List = "", ThrottledReplicas, Medium;
    /// Replicas throttled where they follow, as partition:broker, or * for all.
    "follower.replication.throttled.replicas": List = "", ThrottledReplicas, Medium;
    /// Keeps old segments of the topic in the remote store.
    "remote.storage.enable": Boolean = "false", Any, Medium;
    /// Copies no more segments to the remote store.
    "remote.log.copy.disable": Boolean = "false", Any, Medium;
    /// Deletes the remote segments when tiered storage is turned off.
    "remote.log.delete.on.disable": Boolean = "false", Any, Medium;
    /// Age of segments that stay local under tiered storage; -2 follows retention.ms.
    "local.retention.ms": Long = "-2", AtLeast(-2), Medium;
    /// Size of a partition that stays local under tiered storage; -2 follows retention.bytes.
    "local.retention.bytes": Long = "-2", AtLeast(-2), Medium;
};

/// For each topic setting the broker settings it comes from, the first that is set being the one in force
/// (`ServerTopicConfigSynonyms`).
pub(crate) const BROKER_SYNONYMS: &[(&str, &[&str])] = &[
    ("cleanup.policy", &["log.cleanup.policy"]),
    ("compression.type", &["compression.type"]),
    ("compression.gzip.level", &["compression.gzip.level"]),
    ("compression.lz4.level", &["compression.lz4.level"]),
    ("compression.zstd.level", &["compression.zstd.level"]),
    ("max.message.bytes", &["message.max.bytes"]),
    ("min.insync.replicas", &["min.insync.replicas"]),
    ("unclean.leader.election.enable", &["unclean.leader.election.enable"]),
    ("message.timestamp.type", &["log.message.timestamp.type"]),
    ("message.timestamp.before.max.ms", &["log.message.timestamp.before.max.ms"]),
    ("message.timestamp.after.max.ms", &["log.message.timestamp.after.max.ms"]),
    ("message.timestamp.difference.max.ms", &["log.message.timestamp.difference.max.ms"]),
    ("message.format.version", &["log.message.format.version"]),
    ("message.downconversion.enable", &["log.message.downconversion.enable"]),
    ("segment.bytes", &["log.segment.bytes"]),
    ("segment.ms", &["log.roll.ms", "log.roll.hours"]),
    ("segment.jitter.ms", &["log.roll.jitter.ms", "log.roll.jitter.hours"]),
    ("segment.index.bytes", &["log.index.size.max.bytes"]),
    ("index.interval.bytes", &["log.index.interval.bytes"]),
    ("preallocate", &["log.preallocate"]),
    ("retention.ms", &["log.retention.ms", "log.retention.minutes", "log.retention.hours"]),
    ("retention.bytes", &["log.retention.bytes"]),
    ("file.delete.delay.ms", &["log.segment.delete.delay.ms"]),
    ("flush.messages", &["log.flush.interval.messages"]),
    ("flush.ms", &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"]),
    ("delete.retention.ms", &["log.cleaner.delete.retention.ms"]),
    ("min.compaction.lag.ms", &["log.cleaner.min.compaction.lag.ms"]),
    ("max.compaction.lag.ms", &["log.cleaner.max.compaction.lag.ms"]),
    ("min.cleanable.dirty.ratio", &["log.cleaner.min.cleanable.ratio"]),
    ("local.retention.ms", &["log.local.retention.ms"]),
    ("local.retention.bytes", &["log.local.retention.bytes"]),
];
