//! The requests of one event, merged per broker and written in Kafka's order: LeaderAndIsr, UpdateMetadata, StopReplica.
//!
//! Entries name partitions only; what is said of them is read from the picture when the batch goes out. An
//! UpdateMetadata always lists every live broker: who is missing counts as dead with its receiver.
//! Source: kafka.controller.AbstractControllerBrokerRequestBatch of 3.9.

use std::collections::{BTreeMap, BTreeSet};

use protocol::StrBytes;
use protocol::ids::{BrokerId, ControllerEpoch, TopicId, TopicPartition};
use protocol::messages::leader_and_isr_request::{
    LeaderAndIsrLiveLeader, LeaderAndIsrPartitionState, LeaderAndIsrTopicState,
};
use protocol::messages::stop_replica_request::{StopReplicaPartitionState, StopReplicaTopicState};
use protocol::messages::update_metadata_request::{
    UpdateMetadataBroker, UpdateMetadataEndpoint, UpdateMetadataPartitionState, UpdateMetadataTopicState,
};
use protocol::messages::{self, LeaderAndIsrRequest, StopReplicaRequest, TopicName, UpdateMetadataRequest};

use super::action::{Action, Actions, ControlRequest};
use super::cluster::{Broker, Leadership};
use super::picture::{Partition, Picture};

/// LeaderAndIsr.LeaderDuringDelete: the leader of a partition whose topic is being deleted.
const LEADER_DURING_DELETE: i32 = -2;
/// LeaderAndIsr.EpochDuringDelete: stops a replica whatever its leader epoch.
const EPOCH_DURING_DELETE: i32 = -2;

#[derive(Debug, Default)]
pub(super) struct RequestBatch {
    leader_and_isr: BTreeMap<BrokerId, BTreeMap<TopicPartition, Novelty>>,
    /// Partitions that every broker is told of.
    changed: BTreeSet<TopicPartition>,
    /// Every broker is told of the live brokers, even if no partition has changed.
    brokers_changed: bool,
    /// Brokers that are told of every partition.
    newcomers: BTreeSet<BrokerId>,
    stop: BTreeMap<BrokerId, BTreeSet<TopicPartition>>,
    delete: BTreeMap<BrokerId, BTreeSet<TopicPartition>>,
}

/// A broker with a failed log directory makes logs for new partitions only. New sticks once said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Novelty {
    Known,
    New,
}

/// What StopReplica does to a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stopped,
    Deleted,
}

/// Who sends, under which epoch, where its brokers listen for each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sender<'a> {
    pub(super) controller: BrokerId,
    pub(super) epoch: ControllerEpoch,
    pub(super) inter_broker_listener: &'a str,
}

impl RequestBatch {
    pub(super) fn tell_everyone_of_brokers(&mut self) {
        self.brokers_changed = true;
    }

    pub(super) fn tell_everything_to(&mut self, newcomers: &BTreeSet<BrokerId>) {
        self.newcomers.extend(newcomers);
    }

    /// Every broker learns the partition's state by UpdateMetadata.
    pub(super) fn tell_everyone(&mut self, partition: &TopicPartition) {
        self.changed.insert(partition.clone());
    }

    /// These replicas get the partition's state by LeaderAndIsr, and every broker by UpdateMetadata.
    pub(super) fn announce(&mut self, partition: &TopicPartition, replicas: &[BrokerId]) {
        self.add(partition, replicas, Novelty::Known);
    }

    pub(super) fn announce_new(&mut self, partition: &TopicPartition, replicas: &[BrokerId]) {
        self.add(partition, replicas, Novelty::New);
    }

    fn add(&mut self, partition: &TopicPartition, replicas: &[BrokerId], novelty: Novelty) {
        for replica in replicas {
            let entries = self.leader_and_isr.entry(*replica).or_default();
            let entry = entries.entry(partition.clone()).or_insert(novelty);
            *entry = (*entry).max(novelty);
        }
        self.tell_everyone(partition);
    }

    /// The replica stops first and deletes its log in a second request, as Kafka's does.
    pub(super) fn delete(&mut self, partition: &TopicPartition, replica: BrokerId) {
        self.stop.entry(replica).or_default().insert(partition.clone());
        self.delete.entry(replica).or_default().insert(partition.clone());
    }

    pub(super) fn flush(&mut self, picture: &Picture, from: Sender<'_>, actions: &mut Actions) {
        let batch = std::mem::take(self);
        for (id, partitions) in &batch.leader_and_isr {
            let Some(broker) = picture.brokers.get(id) else { continue };
            let request = leader_and_isr(picture, from, broker, partitions);
            send(actions, broker, ControlRequest::LeaderAndIsr(request));
        }
        batch.update_metadata(picture, from, actions);
        for (replicas, fate) in [(&batch.stop, Fate::Stopped), (&batch.delete, Fate::Deleted)] {
            for (id, partitions) in replicas {
                let Some(broker) = picture.brokers.get(id) else { continue };
                let request = stop_replica(from, broker, partitions, fate);
                send(actions, broker, ControlRequest::StopReplica(request));
            }
        }
    }

    fn update_metadata(&self, picture: &Picture, from: Sender<'_>, actions: &mut Actions) {
        let everyone = self.brokers_changed || !self.changed.is_empty();
        if !everyone && self.newcomers.is_empty() {
            return;
        }
        let live_brokers: Vec<_> = picture.brokers.values().map(live_broker).collect();
        let changed = metadata_of(picture, self.changed.iter());
        let everything = match self.newcomers.is_empty() {
            true => Vec::new(),
            false => metadata_of(picture, every_partition(picture).iter()),
        };
        for broker in picture.brokers.values() {
            let newcomer = self.newcomers.contains(&broker.id);
            if !everyone && !newcomer {
                continue;
            }
            let mut request = UpdateMetadataRequest::default();
            request.controller_id = from.controller.into();
            request.controller_epoch = from.epoch.0;
            request.broker_epoch = broker.epoch.0;
            request.topic_states = if newcomer { everything.clone() } else { changed.clone() };
            request.live_brokers = live_brokers.clone();
            send(actions, broker, ControlRequest::UpdateMetadata(request));
        }
    }
}

fn send(actions: &mut Actions, broker: &Broker, request: ControlRequest) {
    actions.push(Action::Send { broker: broker.id, broker_epoch: broker.epoch, request });
}

fn leader_and_isr(
    picture: &Picture,
    from: Sender<'_>,
    broker: &Broker,
    partitions: &BTreeMap<TopicPartition, Novelty>,
) -> LeaderAndIsrRequest {
    let mut leaders = BTreeSet::new();
    let states = partitions.iter().filter_map(|(name, novelty)| {
        let (partition, leadership) = with_leadership(picture, name)?;
        leaders.extend(leadership.state.leader);
        Some((name, leader_and_isr_state(name, partition, leadership, *novelty)))
    });
    let topics = by_topic(states).into_iter().map(|(name, states)| {
        LeaderAndIsrTopicState::default()
            .with_topic_name(topic_name(name))
            .with_topic_id(topic_id(picture, name))
            .with_partition_states(states)
    });
    let topics = topics.collect();
    let mut request = LeaderAndIsrRequest::default();
    request.controller_id = from.controller.into();
    request.controller_epoch = from.epoch.0;
    request.broker_epoch = broker.epoch.0;
    request.topic_states = topics;
    let leaders = leaders.iter().filter_map(|id| picture.brokers.get(id));
    request.live_leaders =
        leaders.filter_map(|leader| live_leader(leader, from.inter_broker_listener)).collect();
    request
}

fn leader_and_isr_state(
    name: &TopicPartition,
    partition: &Partition,
    Leadership { state, partition_epoch }: &Leadership,
    novelty: Novelty,
) -> LeaderAndIsrPartitionState {
    LeaderAndIsrPartitionState::default()
        .with_topic_name(topic_name(name))
        .with_partition_index(name.partition)
        .with_controller_epoch(state.controller_epoch.0)
        .with_leader(state.leader.unwrap_or(BrokerId::NONE).into())
        .with_leader_epoch(state.leader_epoch.0)
        .with_isr(broker_ids(&state.isr))
        .with_partition_epoch(partition_epoch.0)
        .with_replicas(broker_ids(&partition.assignment.replicas))
        .with_adding_replicas(broker_ids(&partition.assignment.adding))
        .with_removing_replicas(broker_ids(&partition.assignment.removing))
        .with_is_new(novelty == Novelty::New)
        .with_leader_recovery_state(state.recovery as i8)
}

fn live_leader(leader: &Broker, listener: &str) -> Option<LeaderAndIsrLiveLeader> {
    let endpoint = leader.endpoints.iter().find(|endpoint| endpoint.listener == listener)?;
    let live = LeaderAndIsrLiveLeader::default()
        .with_broker_id(leader.id.into())
        .with_host_name(StrBytes::from_string(endpoint.host.clone()))
        .with_port(endpoint.port.into());
    Some(live)
}

/// Partitions that have never had a leader are left out.
fn metadata_of<'a>(
    picture: &Picture,
    partitions: impl Iterator<Item = &'a TopicPartition>,
) -> Vec<UpdateMetadataTopicState> {
    let states = partitions.filter_map(|name| {
        let (partition, leadership) = with_leadership(picture, name)?;
        Some((name, metadata_state(picture, name, partition, leadership)))
    });
    let topics = by_topic(states).into_iter().map(|(name, states)| {
        UpdateMetadataTopicState::default()
            .with_topic_name(topic_name(name))
            .with_topic_id(topic_id(picture, name))
            .with_partition_states(states)
    });
    topics.collect()
}

fn metadata_state(
    picture: &Picture,
    name: &TopicPartition,
    partition: &Partition,
    Leadership { state, partition_epoch }: &Leadership,
) -> UpdateMetadataPartitionState {
    let replicas = &partition.assignment.replicas;
    let offline: Vec<BrokerId> =
        replicas.iter().copied().filter(|replica| !picture.is_online(*replica, name)).collect();
    let told = UpdateMetadataPartitionState::default()
        .with_topic_name(topic_name(name))
        .with_partition_index(name.partition)
        .with_controller_epoch(state.controller_epoch.0)
        .with_isr(broker_ids(&state.isr))
        .with_replicas(broker_ids(replicas))
        .with_offline_replicas(broker_ids(&offline));
    if picture.topics.get(&name.topic).is_some_and(|topic| topic.deletion.is_some()) {
        return told.with_leader(LEADER_DURING_DELETE.into()).with_leader_epoch(0).with_zk_version(0);
    }
    told.with_leader(state.leader.unwrap_or(BrokerId::NONE).into())
        .with_leader_epoch(state.leader_epoch.0)
        .with_zk_version(partition_epoch.0)
}

fn live_broker(broker: &Broker) -> UpdateMetadataBroker {
    let endpoints = broker.endpoints.iter().map(|endpoint| {
        UpdateMetadataEndpoint::default()
            .with_host(StrBytes::from_string(endpoint.host.clone()))
            .with_port(endpoint.port.into())
            .with_listener(StrBytes::from_string(endpoint.listener.clone()))
            .with_security_protocol(endpoint.security_protocol as i16)
    });
    UpdateMetadataBroker::default()
        .with_id(broker.id.into())
        .with_endpoints(endpoints.collect())
        .with_rack(broker.rack.clone().map(StrBytes::from_string))
}

/// Only topics on their way out are stopped so far, hence the one leader epoch.
fn stop_replica(
    from: Sender<'_>,
    broker: &Broker,
    partitions: &BTreeSet<TopicPartition>,
    fate: Fate,
) -> StopReplicaRequest {
    let states = partitions.iter().map(|name| {
        let state = StopReplicaPartitionState::default()
            .with_partition_index(name.partition)
            .with_leader_epoch(EPOCH_DURING_DELETE)
            .with_delete_partition(fate == Fate::Deleted);
        (name, state)
    });
    let topics = by_topic(states).into_iter().map(|(name, states)| {
        StopReplicaTopicState::default().with_topic_name(topic_name(name)).with_partition_states(states)
    });
    let mut request = StopReplicaRequest::default();
    request.controller_id = from.controller.into();
    request.controller_epoch = from.epoch.0;
    request.broker_epoch = broker.epoch.0;
    request.topic_states = topics.collect();
    request
}

/// The states of each topic together, with the first of its partitions; they come in the order of topics.
fn by_topic<'a, S>(
    states: impl Iterator<Item = (&'a TopicPartition, S)>,
) -> Vec<(&'a TopicPartition, Vec<S>)> {
    let mut topics: Vec<(&TopicPartition, Vec<S>)> = Vec::new();
    for (name, state) in states {
        match topics.last_mut().filter(|(first, _)| first.topic == name.topic) {
            Some((_, states)) => states.push(state),
            None => topics.push((name, vec![state])),
        }
    }
    topics
}

fn every_partition(picture: &Picture) -> Vec<TopicPartition> {
    picture.topics.keys().flat_map(|topic| picture.partitions_of(topic)).collect()
}

fn with_leadership<'a>(
    picture: &'a Picture,
    name: &TopicPartition,
) -> Option<(&'a Partition, &'a Leadership)> {
    let partition = picture.partition(name)?;
    Some((partition, partition.leadership.as_ref()?))
}

fn topic_name(partition: &TopicPartition) -> TopicName {
    TopicName(StrBytes::from_string(partition.topic.to_string()))
}

/// Zero, "none", never gets here: a topic without an id is not driven.
fn topic_id(picture: &Picture, partition: &TopicPartition) -> TopicId {
    picture.topics.get(&partition.topic).and_then(super::picture::Topic::known_id).unwrap_or_default()
}

fn broker_ids(ids: &[BrokerId]) -> Vec<messages::BrokerId> {
    ids.iter().copied().map(messages::BrokerId::from).collect()
}
