//! What the controller is told: the seat won or lost, hints from watches, and the outcome of every action.
//! Made by `broker/src/controller/driver.rs` only, which feeds outcomes of ZooKeeper actions in the order of the actions.

use std::collections::BTreeMap;

use protocol::ids::{BrokerEpoch, BrokerId, ControllerEpoch, TopicPartition};
use protocol::messages::{
    LeaderAndIsrResponse, StopReplicaRequest, StopReplicaResponse, UpdateMetadataResponse,
};

use super::cluster::{Broker, Leadership, StoredTopic, TopicName, Version};

/// One thing that has happened. What is about a partition or topic that is no longer known is ignored.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// This broker wrote `/controller` and raised `/controller_epoch` to this number.
    Elected {
        epoch: ControllerEpoch,
    },
    /// The seat is gone: a write was fenced, `/controller` names another, or the session is over.
    Deposed,

    // Watches have fired. Each is a hint to read again and says nothing about what changed.
    BrokerListChanged,
    BrokerChanged(BrokerId),
    TopicListChanged,
    TopicChanged(TopicName),
    DeletionListChanged,
    DiskNoticesChanged,
    /// A setting now allows unclean elections: of this topic's partitions, or of all.
    UncleanElectionsAllowed(Option<TopicName>),
    /// The connection was lost for a while and every watch with it.
    WatchesLost,

    // Outcomes of reads. A read that fails with the connection is repeated by the driver until it is answered.
    BrokersRead(BTreeMap<BrokerId, Result<Broker, ReadFault>>),
    TopicListRead(Vec<TopicName>),
    TopicsRead(Vec<(TopicName, Result<StoredTopic, ReadFault>)>),
    PartitionStatesRead(Vec<(TopicPartition, Result<Leadership, ReadFault>)>),
    DeletionListRead(Vec<TopicName>),
    /// The effective unclean.leader.election.enable of each topic.
    UncleanElectionRead(Vec<(TopicName, Result<bool, ReadFault>)>),
    /// The brokers that want to be asked about their replicas, by the names of their notices.
    DiskNoticesRead(Vec<(String, Result<BrokerId, ReadFault>)>),

    // Outcomes of writes.
    FeatureEnsured(Result<(), WriteFault>),
    NotificationsCleared(Result<(), WriteFault>),
    TopicsWritten(Vec<(TopicName, Result<Version, WriteFault>)>),
    PartitionsCreated(Vec<(TopicPartition, Result<Version, WriteFault>)>),
    PartitionStatesWritten(Vec<(TopicPartition, Result<Version, WriteFault>)>),
    TopicRemoved(TopicName, Result<(), WriteFault>),
    DeletionMarksRemoved(Result<(), WriteFault>),
    DiskNoticesRemoved(Result<(), WriteFault>),

    /// A broker answered a request. The epoch is that of the life of the broker to which the request was sent.
    Answered {
        broker: BrokerId,
        broker_epoch: BrokerEpoch,
        answer: Answer,
    },
}

/// A broker's response to a request of the controller.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    LeaderAndIsr(LeaderAndIsrResponse),
    UpdateMetadata(UpdateMetadataResponse),
    /// The request too, since the answer does not say what was only stopped and what deleted.
    StopReplica {
        request: StopReplicaRequest,
        response: StopReplicaResponse,
    },
}

/// Why a znode could not be read. Faults of the connection are not among them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadFault {
    #[error("there is no such znode")]
    Missing,
    /// The content is not what Kafka writes there, or access is refused.
    #[error("{path}: {reason}")]
    Unreadable { path: String, reason: String },
}

/// Why a write had no effect that can be relied on. A fenced write is not among them: it is `Event::Deposed`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteFault {
    /// The znode's version is not the expected one.
    #[error("the znode has changed meanwhile")]
    Stale,
    #[error("the znode exists already")]
    Exists,
    #[error("there is no such znode")]
    Missing,
    /// The connection broke before the answer: it may have happened or not.
    #[error("the outcome is unknown")]
    Unknown,
    /// ZooKeeper refuses for good, for example by an ACL.
    #[error("{path}: {reason}")]
    Refused { path: String, reason: String },
}
