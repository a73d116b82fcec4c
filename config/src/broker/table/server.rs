//! The broker itself: its id, its place, its threads.

use crate::define::{Setting, settings};

pub(super) const SETTINGS: &[Setting] = settings! {
    /// Number of this broker in the cluster; -1 has one generated through ZooKeeper.
    "broker.id": Int = "-1", Any, High [acted];
    /// Allows broker.id to be -1.
    "broker.id.generation.enable": Boolean = "true", Any, Medium [acted];
    /// Largest id an operator may give; generated ids start above it.
    "reserved.broker.max.id": Int = "1000", AtLeast(0), Medium [acted];
    /// Name of the rack or zone, for spreading replicas.
    "broker.rack": String = null, Any, Medium [acted];
    /// Threads of Kafka that carry out requests.
    "num.io.threads": Int = "8", AtLeast(1), High [cluster_wide];
    /// Threads of Kafka that read and write sockets.
    "num.network.threads": Int = "3", AtLeast(1), High [cluster_wide];
    /// Threads of Kafka for work without a client.
    "background.threads": Int = "10", AtLeast(1), High [cluster_wide];
    /// Logs of one directory that are recovered, or flushed at the end, side by side.
    "num.recovery.threads.per.data.dir": Int = "1", AtLeast(1), High [cluster_wide, acted];
    /// Threads that move replicas between log directories.
    "num.replica.alter.log.dirs.threads": Int = null, Any, High [acted];
    /// How long the broker, as a client of another broker, waits for an answer.
    "request.timeout.ms": Int = "30000", Any, High;
    /// Largest record batch that is accepted, as it comes, compressed or not.
    "message.max.bytes": Int = "1048588", AtLeast(0), High [cluster_wide, acted];
    /// Most bytes of records in one answer to a fetch; the first batch is sent even if it is larger.
    "fetch.max.bytes": Int = "57671680", AtLeast(1024), Medium [acted];
    /// Fetch sessions that are remembered at one time.
    "max.incremental.fetch.session.cache.slots": Int = "1000", AtLeast(0), Medium [acted];
    /// Most partitions that one DescribeTopicPartitions request is answered for.
    "max.request.partition.size.limit": Int = "2000", AtLeast(1), Medium;
    /// Requests that may wait before no more are read from sockets.
    "queued.max.requests": Int = "500", AtLeast(1), High [acted];
    /// Bytes of requests that may wait before no more are read; -1 sets no limit.
    "queued.max.request.bytes": Long = "-1", Any, Medium [acted];
    /// How long a start may take; for tests.
    "server.max.startup.time.ms": Long = "9223372036854775807", AtLeast(0), Medium [internal];
    /// Serves versions of requests that are not released; for tests.
    "unstable.api.versions.enable": Boolean = "false", Any, High [internal];
    /// Allows feature levels that are not released; for tests.
    "unstable.feature.versions.enable": Boolean = "false", Any, High [internal];
    /// Keeps replicas that may become leader without losing records (KRaft).
    "eligible.leader.replicas.enable": Boolean = "false", Any, High;
};
