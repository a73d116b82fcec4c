//! Tiered storage.

use crate::define::{Setting, settings};

pub(super) const SETTINGS: &[Setting] = settings! {
    /// Keeps old segments in a remote store.
    "remote.log.storage.system.enable": Boolean = "false", Any, Medium
        refused "tiered storage is not served, so segments that are remote would be missing; only false is allowed";
    /// Class that reads and writes the remote store.
    "remote.log.storage.manager.class.name": String = null, NonEmpty, Medium;
    /// Where that class is found.
    "remote.log.storage.manager.class.path": String = null, Any, Medium;
    /// Prefix of that class's own settings.
    "remote.log.storage.manager.impl.prefix": String = "rsm.config.", NonEmpty, Medium;
    /// Class that keeps track of remote segments.
    "remote.log.metadata.manager.class.name": String =
        "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager", NonEmpty, Medium;
    /// Where that class is found.
    "remote.log.metadata.manager.class.path": String = null, Any, Medium;
    /// Prefix of that class's own settings.
    "remote.log.metadata.manager.impl.prefix": String = "rlmm.config.", NonEmpty, Medium;
    /// Listener that class connects to.
    "remote.log.metadata.manager.listener.name": String = null, NonEmpty, Medium;
    /// Most bytes that the remote store may note about a segment.
    "remote.log.metadata.custom.metadata.max.bytes": Int = "128", AtLeast(0), Low;
    /// Disk space for indexes of remote segments.
    "remote.log.index.file.cache.total.size.bytes": Long = "1073741824", AtLeast(1), Low [cluster_wide];
    /// Threads that work with the remote store.
    "remote.log.manager.thread.pool.size": Int = "10", AtLeast(1), Medium;
    /// Threads that copy segments; -1 follows the pool's size.
    "remote.log.manager.copier.thread.pool.size": Int = "-1", CountOrMinusOne, Medium;
    /// Threads that delete remote segments; -1 follows the pool's size.
    "remote.log.manager.expiration.thread.pool.size": Int = "-1", CountOrMinusOne, Medium;
    /// How often partitions are looked through for such work.
    "remote.log.manager.task.interval.ms": Long = "30000", AtLeast(1), Low;
    /// First wait before failed work is tried again.
    "remote.log.manager.task.retry.backoff.ms": Long = "500", AtLeast(1), Low [internal];
    /// Longest wait before failed work is tried again.
    "remote.log.manager.task.retry.backoff.max.ms": Long = "30000", AtLeast(1), Low [internal];
    /// Random part of that wait.
    "remote.log.manager.task.retry.jitter": Double = "0.2", Between(0.0, 0.5), Low [internal];
    /// Most bytes per second copied to the remote store.
    "remote.log.manager.copy.max.bytes.per.second": Long = "9223372036854775807", AtLeast(1), Medium [cluster_wide];
    /// Windows that copying is measured over.
    "remote.log.manager.copy.quota.window.num": Int = "11", AtLeast(1), Medium;
    /// Length of such a window.
    "remote.log.manager.copy.quota.window.size.seconds": Int = "1", AtLeast(1), Medium;
    /// Most bytes per second read from the remote store.
    "remote.log.manager.fetch.max.bytes.per.second": Long =
        "9223372036854775807", AtLeast(1), Medium [cluster_wide];
    /// Windows that reading is measured over.
    "remote.log.manager.fetch.quota.window.num": Int = "11", AtLeast(1), Medium;
    /// Length of such a window.
    "remote.log.manager.fetch.quota.window.size.seconds": Int = "1", AtLeast(1), Medium;
    /// Threads that read from the remote store.
    "remote.log.reader.threads": Int = "10", AtLeast(1), Medium;
    /// Remote reads that may wait.
    "remote.log.reader.max.pending.tasks": Int = "100", AtLeast(1), Medium;
    /// How long a fetch waits for the remote store.
    "remote.fetch.max.wait.ms": Int = "500", AtLeast(1), Medium [cluster_wide];
};
