//! The cluster as the controller believes it to be: live brokers, topics, partitions and what is under way for each.
//! Only `tenure.rs` and its parts change it; `requests.rs` reads it to write requests.

use std::collections::{BTreeMap, BTreeSet};

use protocol::ids::{BrokerId, ControllerEpoch, TopicId, TopicPartition};

use super::cluster::{Assignment, Broker, Leadership, PartitionState, TopicName, Version};
use super::deletion::Deletion;

#[derive(Debug, Default)]
pub(super) struct Picture {
    pub(super) brokers: BTreeMap<BrokerId, Broker>,
    /// Replicas that a live broker cannot serve, because their log directory failed.
    pub(super) failed: BTreeSet<(BrokerId, TopicPartition)>,
    pub(super) topics: BTreeMap<TopicName, Topic>,
}

#[derive(Debug)]
pub(super) struct Topic {
    pub(super) id: TopicIdentity,
    /// Of `/brokers/topics/T`.
    pub(super) version: Version,
    pub(super) partitions: BTreeMap<i32, Partition>,
    pub(super) deletion: Option<Deletion>,
}

/// A topic is not driven before its id stands in ZooKeeper: brokers and clients would learn an id that may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TopicIdentity {
    Known(TopicId),
    /// Being written.
    Proposed(TopicId),
    /// To be proposed.
    Missing,
    /// ZooKeeper refused to take it.
    Refused,
}

#[derive(Debug)]
pub(super) struct Partition {
    pub(super) assignment: Assignment,
    pub(super) leadership: Option<Leadership>,
    pub(super) work: Work,
    /// Brokers that have died since the state was last decided, even if they are back: a bounce is a death and a birth.
    pub(super) died: BTreeSet<BrokerId>,
}

/// What is under way for a partition; its outcome comes as an event, and nothing else is started before.
#[derive(Debug)]
pub(super) enum Work {
    Nothing,
    /// `written` is what may or may not have been written before.
    Reading {
        written: Option<PartitionState>,
    },
    Creating(PartitionState),
    Writing {
        state: PartitionState,
        /// Who was taken for dead when it was decided.
        died: BTreeSet<BrokerId>,
    },
    AskingUnclean,
    /// The `state` znode holds garbage or takes no writes: hands off.
    Abandoned,
}

impl Partition {
    pub(super) fn new(assignment: Assignment) -> Partition {
        Partition { assignment, leadership: None, work: Work::Nothing, died: BTreeSet::new() }
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.work, Work::Nothing | Work::Abandoned)
    }

    pub(super) fn is_abandoned(&self) -> bool {
        matches!(self.work, Work::Abandoned)
    }
}

impl Topic {
    pub(super) fn known_id(&self) -> Option<TopicId> {
        match self.id {
            TopicIdentity::Known(id) => Some(id),
            TopicIdentity::Proposed(_) | TopicIdentity::Missing | TopicIdentity::Refused => None,
        }
    }
}

impl Picture {
    pub(super) fn is_online(&self, broker: BrokerId, partition: &TopicPartition) -> bool {
        is_online(&self.brokers, &self.failed, broker, partition)
    }

    pub(super) fn partition(&self, partition: &TopicPartition) -> Option<&Partition> {
        self.topics.get(&partition.topic)?.partitions.get(&partition.partition)
    }

    pub(super) fn partition_mut(&mut self, partition: &TopicPartition) -> Option<&mut Partition> {
        self.topics.get_mut(&partition.topic)?.partitions.get_mut(&partition.partition)
    }

    pub(super) fn partitions_of(&self, topic: &TopicName) -> Vec<TopicPartition> {
        let Some(found) = self.topics.get(topic) else { return Vec::new() };
        found.partitions.keys().map(|index| TopicPartition::new(topic.clone(), *index)).collect()
    }

    /// Every partition that is not being deleted.
    pub(super) fn all_partitions(&self) -> Vec<TopicPartition> {
        let live = self.topics.iter().filter(|(_, topic)| topic.deletion.is_none());
        live.flat_map(|(name, topic)| {
            topic.partitions.keys().map(|index| TopicPartition::new(name.clone(), *index))
        })
        .collect()
    }

    /// Those among the assigned replicas whose brokers are alive, in the order of the assignment.
    pub(super) fn live_replicas(&self, partition: &TopicPartition) -> Vec<BrokerId> {
        let Some(found) = self.partition(partition) else { return Vec::new() };
        let replicas = found.assignment.replicas.iter().copied();
        replicas.filter(|replica| self.brokers.contains_key(replica)).collect()
    }

    /// Those among them that can serve the partition.
    pub(super) fn online_replicas(&self, partition: &TopicPartition) -> Vec<BrokerId> {
        let mut replicas = self.live_replicas(partition);
        replicas.retain(|replica| self.is_online(*replica, partition));
        replicas
    }
}

/// Apart from `Picture::is_online` for callers that hold a partition of the picture mutably.
pub(super) fn is_online(
    brokers: &BTreeMap<BrokerId, Broker>,
    failed: &BTreeSet<(BrokerId, TopicPartition)>,
    broker: BrokerId,
    partition: &TopicPartition,
) -> bool {
    brokers.contains_key(&broker) && (failed.is_empty() || !failed.contains(&(broker, partition.clone())))
}

/// A state that a later controller wrote is not ours to change: our own next write will be fenced.
pub(super) fn is_from_successor(state: &PartitionState, epoch: ControllerEpoch) -> bool {
    state.controller_epoch > epoch
}
