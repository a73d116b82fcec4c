//! Where logs are, when they roll, how long they are kept, when they are flushed and cleaned.

use crate::define::{Setting, settings};

pub(super) const SETTINGS: &[Setting] = settings! {
    /// Directory of the logs, where log.dirs is not set.
    "log.dir": String = "/tmp/kafka-logs", Any, High [acted];
    /// Directories of the logs, separated by commas.
    "log.dirs": String = null, Any, High [acted];
    /// How long a failed directory may go unreported before the broker stops (KRaft).
    "log.dir.failure.timeout.ms": Long = "30000", AtLeast(1), Low;
    /// A segment is closed before it grows beyond this.
    "log.segment.bytes": Int = "1073741824", AtLeast(14), High [cluster_wide, acted];
    /// A segment is closed when it is this old; log.roll.hours, where it is not set.
    "log.roll.ms": Long = null, Any, High [cluster_wide, acted];
    /// A segment is closed when it is this many hours old.
    "log.roll.hours": Int = "168", AtLeast(1), High [acted];
    /// Up to this much is taken off a segment's age, so that not all close at once.
    "log.roll.jitter.ms": Long = null, Any, High [cluster_wide, acted];
    /// The same in hours, where log.roll.jitter.ms is not set.
    "log.roll.jitter.hours": Int = "0", AtLeast(0), High [acted];
    /// Segments older than this are deleted; -1 keeps them.
    "log.retention.ms": Long = null, Any, High [cluster_wide, acted];
    /// The same in minutes, where log.retention.ms is not set.
    "log.retention.minutes": Int = null, Any, High [acted];
    /// The same in hours, where neither of the others is set.
    "log.retention.hours": Int = "168", Any, High [acted];
    /// Size of a partition beyond which its oldest segments are deleted; -1 sets no limit.
    "log.retention.bytes": Long = "-1", Any, High [cluster_wide, acted];
    /// How often logs are looked through for segments to delete.
    "log.retention.check.interval.ms": Long = "300000", AtLeast(1), Medium [acted];
    /// delete drops old segments, compact keeps the last record of each key; both may be given.
    "log.cleanup.policy": List = "delete", EachOf(&["compact", "delete"]), Medium [cluster_wide, acted];
    /// How long a dropped segment's files stay on disk.
    "log.segment.delete.delay.ms": Long = "60000", AtLeast(0), High [cluster_wide, acted];
    /// A segment is closed when its index has grown to this.
    "log.index.size.max.bytes": Int = "10485760", AtLeast(4), Medium [cluster_wide, acted];
    /// Bytes of records between two entries of an index.
    "log.index.interval.bytes": Int = "4096", AtLeast(0), Medium [cluster_wide, acted];
    /// Records after which a log is flushed to disk.
    "log.flush.interval.messages": Long = "9223372036854775807", AtLeast(1), High [cluster_wide, acted];
    /// Time after which a log is flushed; log.flush.scheduler.interval.ms, where it is not set.
    "log.flush.interval.ms": Long = null, Any, High [cluster_wide, acted];
    /// How often logs are looked through for those to flush.
    "log.flush.scheduler.interval.ms": Long = "9223372036854775807", Any, High [acted];
    /// How often the points that are known to be on disk are written down.
    "log.flush.offset.checkpoint.interval.ms": Int = "60000", AtLeast(0), High [acted];
    /// How often the first offsets of logs are written down.
    "log.flush.start.offset.checkpoint.interval.ms": Int = "60000", AtLeast(0), High [acted];
    /// How long the regular work on logs waits after a start.
    "log.initial.task.delay.ms": Long = "30000", AtLeast(0), Low [internal, acted];
    /// Gives a new segment its full size on disk at once.
    "log.preallocate": Boolean = "false", Any, Medium [cluster_wide, acted];
    /// Record format on disk; of no effect with a protocol between brokers of 3.0 or later.
    "log.message.format.version": String = "3.0-IV1", ProtocolVersion, Medium;
    /// Whether a record carries the producer's time or the broker's.
    "log.message.timestamp.type": String =
        "CreateTime", OneOf(&["CreateTime", "LogAppendTime"]), Medium [cluster_wide, acted];
    /// How far a record's time may lie behind the broker's clock.
    "log.message.timestamp.before.max.ms": Long = "9223372036854775807", AtLeast(0), Medium [cluster_wide, acted];
    /// How far a record's time may lie ahead of the broker's clock.
    "log.message.timestamp.after.max.ms": Long = "9223372036854775807", AtLeast(0), Medium [cluster_wide, acted];
    /// Old form of the two limits; used for one that is not set.
    "log.message.timestamp.difference.max.ms": Long = "9223372036854775807", AtLeast(0), Medium [cluster_wide, acted];
    /// Rewrites records for consumers that know only an older format.
    "log.message.downconversion.enable": Boolean = "true", Any, Low [cluster_wide];
    /// Size of a partition that stays local under tiered storage; -2 follows log.retention.bytes.
    "log.local.retention.bytes": Long = "-2", AtLeast(-2), Medium [cluster_wide];
    /// Age of segments that stay local under tiered storage; -2 follows log.retention.ms.
    "log.local.retention.ms": Long = "-2", AtLeast(-2), Medium [cluster_wide];
    /// Runs the cleaner, which compacts logs.
    "log.cleaner.enable": Boolean = "true", Any, Medium;
    /// Logs that are compacted side by side.
    "log.cleaner.threads": Int = "1", AtLeast(0), Medium [cluster_wide];
    /// How long the cleaner rests when nothing needs it.
    "log.cleaner.backoff.ms": Long = "15000", AtLeast(0), Medium [cluster_wide];
    /// Memory for the keys of the logs being compacted.
    "log.cleaner.dedupe.buffer.size": Long = "134217728", Any, Medium [cluster_wide];
    /// Memory for reading and writing while compacting.
    "log.cleaner.io.buffer.size": Int = "524288", AtLeast(0), Medium [cluster_wide];
    /// How full the memory for keys may get, from 0 to 1.
    "log.cleaner.io.buffer.load.factor": Double = "0.9", Any, Medium [cluster_wide];
    /// Most bytes per second that the cleaner reads and writes.
    "log.cleaner.io.max.bytes.per.second": Double = "1.7976931348623157E308", Any, Medium [cluster_wide];
    /// Share of a log that must be uncompacted before it is compacted.
    "log.cleaner.min.cleanable.ratio": Double = "0.5", Between(0.0, 1.0), Medium [cluster_wide];
    /// How long a record stays as it was written.
    "log.cleaner.min.compaction.lag.ms": Long = "0", AtLeast(0), Medium [cluster_wide];
    /// How long a record may wait for compaction.
    "log.cleaner.max.compaction.lag.ms": Long = "9223372036854775807", AtLeast(1), Medium [cluster_wide];
    /// How long the mark of a deleted key stays readable.
    "log.cleaner.delete.retention.ms": Long = "86400000", AtLeast(0), Medium [cluster_wide];
};
