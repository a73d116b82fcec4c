//! Consumer groups, share groups and committed offsets.

use crate::define::{Setting, settings};

pub(super) const SETTINGS: &[Setting] = settings! {
    /// Shortest session time-out a member may ask for.
    "group.min.session.timeout.ms": Int = "6000", Any, Medium;
    /// Longest session time-out a member may ask for.
    "group.max.session.timeout.ms": Int = "1800000", Any, Medium;
    /// Most members of a group.
    "group.max.size": Int = "2147483647", AtLeast(1), Medium;
    /// How long an empty group waits for more members before its first rebalance.
    "group.initial.rebalance.delay.ms": Int = "3000", Any, Medium;
    /// Uses Kafka's new coordinator of groups.
    "group.coordinator.new.enable": Boolean = "false", Any, Medium [internal];
    /// Protocols that groups may use: classic, consumer, share.
    "group.coordinator.rebalance.protocols": List =
        "classic", EachOf(&["consumer", "classic", "share", "unknown"]), Medium;
    /// Threads of Kafka's new coordinator.
    "group.coordinator.threads": Int = "1", AtLeast(1), Medium;
    /// How long the coordinator gathers records before it writes them.
    "group.coordinator.append.linger.ms": Int = "10", AtLeast(0), Medium;
    /// Assignors of the consumer protocol; the first is the default.
    "group.consumer.assignors": List =
        "org.apache.kafka.coordinator.group.assignor.UniformAssignor,org.apache.kafka.coordinator.group.assignor.RangeAssignor", Any, Medium;
    /// How often a member of a consumer group should report.
    "group.consumer.heartbeat.interval.ms": Int = "5000", AtLeast(1), Medium;
    /// Shortest such interval a group may set.
    "group.consumer.min.heartbeat.interval.ms": Int = "5000", AtLeast(1), Medium;
    /// Longest such interval a group may set.
    "group.consumer.max.heartbeat.interval.ms": Int = "15000", AtLeast(1), Medium;
    /// After this much silence a member leaves its consumer group.
    "group.consumer.session.timeout.ms": Int = "45000", AtLeast(1), Medium;
    /// Shortest such time-out a group may set.
    "group.consumer.min.session.timeout.ms": Int = "45000", AtLeast(1), Medium;
    /// Longest such time-out a group may set.
    "group.consumer.max.session.timeout.ms": Int = "60000", AtLeast(1), Medium;
    /// Most members of a consumer group.
    "group.consumer.max.size": Int = "2147483647", AtLeast(1), Medium;
    /// Whether groups may change between the classic and the consumer protocol.
    "group.consumer.migration.policy": String =
        "disabled", OneOfAnyCase(&["DISABLED", "DOWNGRADE", "UPGRADE", "BIDIRECTIONAL"]), Medium [internal];
    /// Serves share groups.
    "group.share.enable": Boolean = "false", Any, Medium [internal];
    /// Most share groups.
    "group.share.max.groups": Short = "10", Between(1.0, 100.0), Medium;
    /// Most members of a share group.
    "group.share.max.size": Short = "200", Between(10.0, 1000.0), Medium;
    /// How often a record is delivered to a share group before it is given up.
    "group.share.delivery.count.limit": Int = "5", Between(2.0, 10.0), Medium;
    /// Records of one partition that may be out for delivery in a share group.
    "group.share.partition.max.record.locks": Int = "200", Between(100.0, 10000.0), Medium;
    /// How long a delivered record is reserved for its consumer.
    "group.share.record.lock.duration.ms": Int = "30000", Between(1000.0, 60000.0), Medium;
    /// Shortest such time a group may set.
    "group.share.min.record.lock.duration.ms": Int = "15000", Between(1000.0, 30000.0), Medium;
    /// Longest such time a group may set.
    "group.share.max.record.lock.duration.ms": Int = "60000", Between(30000.0, 3600000.0), Medium;
    /// How often a member of a share group should report.
    "group.share.heartbeat.interval.ms": Int = "5000", AtLeast(1), Medium;
    /// Shortest such interval a group may set.
    "group.share.min.heartbeat.interval.ms": Int = "5000", AtLeast(1), Medium;
    /// Longest such interval a group may set.
    "group.share.max.heartbeat.interval.ms": Int = "15000", AtLeast(1), Medium;
    /// After this much silence a member leaves its share group.
    "group.share.session.timeout.ms": Int = "45000", AtLeast(1), Medium;
    /// Shortest such time-out a group may set.
    "group.share.min.session.timeout.ms": Int = "45000", AtLeast(1), Medium;
    /// Longest such time-out a group may set.
    "group.share.max.session.timeout.ms": Int = "60000", AtLeast(1), Medium;
    /// Largest text that may go with a committed offset.
    "offset.metadata.max.bytes": Int = "4096", Any, High;
    /// Replicas that must have a commit before it is answered; -1 stands for all in sync.
    "offsets.commit.required.acks": Short = "-1", Any, High;
    /// How long a commit may wait for its replicas.
    "offsets.commit.timeout.ms": Int = "5000", AtLeast(1), High;
    /// Bytes read at once when committed offsets are loaded.
    "offsets.load.buffer.size": Int = "5242880", AtLeast(1), High;
    /// How long the offsets of a group without members are kept.
    "offsets.retention.minutes": Int = "10080", AtLeast(1), High;
    /// How often old offsets are looked for.
    "offsets.retention.check.interval.ms": Long = "600000", AtLeast(1), High;
    /// Partitions of the topic of committed offsets.
    "offsets.topic.num.partitions": Int = "50", AtLeast(1), High;
    /// Replicas of the topic of committed offsets.
    "offsets.topic.replication.factor": Short = "3", AtLeast(1), High;
    /// Segment size of the topic of committed offsets.
    "offsets.topic.segment.bytes": Int = "104857600", AtLeast(1), High;
    /// Codec of the topic of committed offsets, by number.
    "offsets.topic.compression.codec": Int = "0", Any, High;
};
