//! What the controller wants done: reads and writes of znodes, and requests to brokers.
//!
//! Every write is carried out as a multi of a check of `/controller_epoch`'s version and the write itself, one znode
//! each, so that one stale version fails alone. A failed check is `Event::Deposed`.

use protocol::ids::{BrokerEpoch, BrokerId, TopicPartition};
use protocol::messages::{LeaderAndIsrRequest, StopReplicaRequest, UpdateMetadataRequest};

use super::cluster::{Broker, PartitionState, TopicAssignment, TopicName, Version};

/// The actions of one call of `handle`, in the order in which they are to be started.
pub type Actions = Vec<Action>;

/// One thing to do. The outcome of each, but those about channels, comes back as an [`Event`](super::Event) of its own.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Make `/feature` what a controller of this version keeps there: version 2, enabled, features kept.
    EnsureFeature,
    /// Delete what lies in `/log_dir_event_notification`, which is watched from then on, and `/isr_change_notification`.
    ClearNotifications,

    /// Read `/brokers/ids` and each broker's znode, with watches.
    ReadBrokers,
    /// Read the children of `/brokers/topics`, with a watch.
    ReadTopicList,
    /// Read `/brokers/topics/T` of each, with watches.
    ReadTopics(Vec<TopicName>),
    /// Read the `state` znodes, without watches: only controllers write them.
    ReadPartitionStates(Vec<TopicPartition>),
    /// Read the children of `/admin/delete_topics`, with a watch.
    ReadDeletionList,
    /// Read unclean.leader.election.enable of each topic: its override, else the broker's setting.
    ReadUncleanElection(Vec<TopicName>),
    /// Read what lies in `/log_dir_event_notification`, with a watch on the list.
    ReadDiskNotices,

    /// Set `/brokers/topics/T` at the given version.
    WriteTopics(Vec<TopicWrite>),
    /// Create `partitions`, `partitions/N` (both null, existing is fine) and `state`, whose fate is the outcome.
    CreatePartitions(Vec<(TopicPartition, PartitionState)>),
    /// Set the `state` znodes at the given versions.
    WritePartitionStates(Vec<PartitionStateWrite>),
    /// Delete bottom-up what is under `/brokers/topics/T`, it, `/config/topics/T` and `/admin/delete_topics/T`; what is
    /// gone already is fine.
    RemoveTopic(TopicName),
    /// Delete `/admin/delete_topics/T` of each; what is gone already is fine.
    RemoveDeletionMarks(Vec<TopicName>),
    /// Delete these children of `/log_dir_event_notification`; what is gone already is fine.
    RemoveDiskNotices(Vec<String>),

    /// Have an ordered queue for requests to this broker, one request in flight, retried while the channel is open.
    OpenChannel(Broker),
    /// Drop the queue with what waits in it.
    CloseChannel(BrokerId),
    /// Append to the broker's queue.
    Send { broker: BrokerId, broker_epoch: BrokerEpoch, request: ControlRequest },
}

/// What `/brokers/topics/T` is to hold, if its data version is still the expected one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicWrite {
    pub topic: TopicName,
    pub assignment: TopicAssignment,
    pub expected: Version,
}

/// What a `state` znode is to hold, if its data version, the partition epoch, is still the expected one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionStateWrite {
    pub partition: TopicPartition,
    pub state: PartitionState,
    pub expected: Version,
}

/// Requests are made for the newest version; a channel to an older broker narrows them when it encodes.
#[derive(Debug, Clone, PartialEq)]
pub enum ControlRequest {
    LeaderAndIsr(LeaderAndIsrRequest),
    UpdateMetadata(UpdateMetadataRequest),
    StopReplica(StopReplicaRequest),
}
