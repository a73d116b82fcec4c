//! Leaders, followers, and what brokers tell each other.

use crate::define::{Setting, settings};

pub(super) const SETTINGS: &[Setting] = settings! {
    /// Version of Kafka whose protocol the brokers of this cluster speak to each other.
    "inter.broker.protocol.version": String = "3.9-IV0", ProtocolVersion, Medium [acted];
    /// A follower that has not caught up for this long leaves the in-sync set.
    "replica.lag.time.max.ms": Long = "30000", Any, High [acted];
    /// How often high watermarks are written down.
    "replica.high.watermark.checkpoint.interval.ms": Long = "5000", Any, High [acted];
    /// Bytes that a follower asks for per partition.
    "replica.fetch.max.bytes": Int = "1048576", AtLeast(0), Medium;
    /// Bytes that a leader should gather before it answers a follower.
    "replica.fetch.min.bytes": Int = "1", Any, High;
    /// Most bytes in one answer to a follower.
    "replica.fetch.response.max.bytes": Int = "10485760", AtLeast(0), Medium;
    /// How long a leader may let a follower wait for records.
    "replica.fetch.wait.max.ms": Int = "500", Any, High;
    /// How long a follower rests after an error of a partition.
    "replica.fetch.backoff.ms": Int = "1000", AtLeast(0), Medium;
    /// How long a follower waits for its leader's answer.
    "replica.socket.timeout.ms": Int = "30000", Any, High;
    /// Size of a follower's receive buffer in the kernel; -1 leaves the system's own.
    "replica.socket.receive.buffer.bytes": Int = "65536", Any, High;
    /// Class that chooses which replica a consumer reads from.
    "replica.selector.class": String = null, Any, Medium;
    /// Connections by which a follower fetches from one leader's broker.
    "num.replica.fetchers": Int = "1", Any, High [cluster_wide];
    /// How long the controller waits for a broker's answer.
    "controller.socket.timeout.ms": Int = "30000", Any, Medium;
    /// Gives leadership back to the preferred replicas from time to time.
    "auto.leader.rebalance.enable": Boolean = "true", Any, High;
    /// How often the balance of leaders is looked at.
    "leader.imbalance.check.interval.seconds": Long = "300", AtLeast(1), High;
    /// Share of a broker's partitions that others may lead before they are given back.
    "leader.imbalance.per.broker.percentage": Int = "10", Any, High;
    /// Moves leadership away before the broker stops.
    "controlled.shutdown.enable": Boolean = "true", Any, Medium [acted];
    /// How often moving leadership away is tried again.
    "controlled.shutdown.max.retries": Int = "3", Any, Medium [acted];
    /// How long to wait before it is tried again.
    "controlled.shutdown.retry.backoff.ms": Long = "5000", Any, Medium [acted];
    /// Finished fetches that Kafka keeps before it forgets them.
    "fetch.purgatory.purge.interval.requests": Int = "1000", Any, Medium;
    /// Finished produces that Kafka keeps before it forgets them.
    "producer.purgatory.purge.interval.requests": Int = "1000", Any, Medium;
    /// Finished deletions of records that Kafka keeps before it forgets them.
    "delete.records.purgatory.purge.interval.requests": Int = "1", Any, Medium;
};
