//! What the controller's actions act on: znodes as values, watches that fire once, brokers that remember what they
//! were told. Writes are fenced by the epoch, as the multis of a real driver are.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use coordinator::controller::cluster::{
    Assignment, Broker, Endpoint, Leadership, PartitionState, SecurityProtocol, StoredTopic, TopicAssignment,
    TopicName, Version,
};
use coordinator::controller::{
    Action, Actions, Answer, ControlRequest, Controller, Event, ReadFault, Settings, WriteFault,
};
use coordinator::deadlines::{Monotonic, Now};
use protocol::messages::leader_and_isr_response::{LeaderAndIsrPartitionError, LeaderAndIsrTopicError};
use protocol::messages::stop_replica_response::StopReplicaPartitionError;
use protocol::messages::{LeaderAndIsrResponse, StopReplicaResponse, UpdateMetadataResponse};
use protocol::{BrokerEpoch, BrokerId, ControllerEpoch, Millis, TopicPartition};

use super::trace;

pub(super) struct World {
    pub(super) controller: Controller,
    pub(super) trace: Vec<String>,
    /// Events on their way to the controller.
    pub(super) queue: VecDeque<Event>,
    zxid: i64,
    pub(super) epoch: i32,
    pub(super) brokers: BTreeMap<BrokerId, Result<Broker, ReadFault>>,
    pub(super) topics: BTreeMap<TopicName, (Result<TopicAssignment, ReadFault>, Version)>,
    pub(super) states: BTreeMap<TopicPartition, (Result<PartitionState, ReadFault>, Version)>,
    pub(super) marks: BTreeSet<TopicName>,
    pub(super) unclean: BTreeSet<TopicName>,
    /// What lies in `/log_dir_event_notification`.
    pub(super) notices: BTreeMap<String, Result<BrokerId, ReadFault>>,
    watches: BTreeSet<String>,
    pub(super) fault: Option<Fault>,
    pub(super) channels: BTreeSet<BrokerId>,
    pub(super) machines: BTreeMap<BrokerId, Machine>,
}

/// What happens to the next write of a znode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Somebody else writes first.
    Stale,
    /// It is done, but the answer is lost.
    LostReply,
    /// Request and answer are lost.
    LostRequest,
    Refused,
}

/// A broker's process, as far as the controller's requests reach.
#[derive(Debug, Default)]
pub(super) struct Machine {
    pub(super) silent: bool,
    pub(super) disk_failed: bool,
    /// Leader and leader epoch from UpdateMetadata.
    pub(super) metadata: BTreeMap<TopicPartition, (i32, i32)>,
    /// Leader epoch from LeaderAndIsr.
    pub(super) replicas: BTreeMap<TopicPartition, i32>,
}

impl World {
    pub(super) fn new(delete_topic_enable: bool, seed: u128) -> World {
        let settings = Settings {
            broker: BrokerId(1),
            delete_topic_enable,
            inter_broker_listener: "PLAINTEXT".to_owned(),
        };
        World {
            controller: Controller::new(settings, seed),
            trace: Vec::new(),
            queue: VecDeque::new(),
            zxid: 100,
            epoch: 0,
            brokers: BTreeMap::new(),
            topics: BTreeMap::new(),
            states: BTreeMap::new(),
            marks: BTreeSet::new(),
            unclean: BTreeSet::new(),
            notices: BTreeMap::new(),
            watches: BTreeSet::new(),
            fault: None,
            channels: BTreeSet::new(),
            machines: BTreeMap::new(),
        }
    }

    pub(super) fn register(&mut self, id: i32, rack: Option<&str>) {
        self.zxid += 1;
        let endpoint = Endpoint {
            listener: "PLAINTEXT".to_owned(),
            security_protocol: SecurityProtocol::Plaintext,
            host: format!("host{id}"),
            port: 9092,
        };
        let id = BrokerId(id);
        let epoch = BrokerEpoch(self.zxid);
        let broker = Broker { id, epoch, endpoints: vec![endpoint], rack: rack.map(str::to_owned) };
        self.brokers.insert(id, Ok(broker));
        self.machines.insert(id, Machine::default());
        self.fire("brokers", Event::BrokerListChanged);
    }

    pub(super) fn die(&mut self, id: i32) {
        self.brokers.remove(&BrokerId(id));
        self.machines.remove(&BrokerId(id));
        self.fire("brokers", Event::BrokerListChanged);
    }

    pub(super) fn elect(&mut self) {
        self.epoch += 1;
        self.forget_controller();
        self.queue.push_back(Event::Elected { epoch: ControllerEpoch(self.epoch) });
    }

    /// Somebody else has the seat from now on.
    pub(super) fn depose(&mut self) {
        self.epoch += 1;
        self.forget_controller();
        self.queue.push_back(Event::Deposed);
    }

    /// A driver drops what is under way, outcomes included.
    fn forget_controller(&mut self) {
        self.queue.clear();
        self.watches.clear();
        self.fault = None;
    }

    pub(super) fn set_topic(&mut self, topic: &str, content: Result<TopicAssignment, ReadFault>) {
        let name: TopicName = topic.into();
        let version = self.topics.get(&name).map(|(_, version)| Version(version.0 + 1));
        self.topics.insert(name.clone(), (content, version.unwrap_or(Version(0))));
        match version {
            Some(_) => self.fire(&format!("topic {topic}"), Event::TopicChanged(name)),
            None => self.fire("topics", Event::TopicListChanged),
        }
    }

    pub(super) fn remove_topic(&mut self, topic: &str) {
        self.topics.remove(topic);
        self.states.retain(|partition, _| &*partition.topic != topic);
        self.fire(&format!("topic {topic}"), Event::TopicChanged(topic.into()));
        self.fire("topics", Event::TopicListChanged);
    }

    pub(super) fn mark(&mut self, topic: &str) {
        self.marks.insert(topic.into());
        self.fire("marks", Event::DeletionListChanged);
    }

    /// A broker writes that its disks have failed, or are back.
    pub(super) fn notice(&mut self, content: Result<BrokerId, ReadFault>) {
        self.zxid += 1;
        self.notices.insert(format!("log_dir_event_{}", self.zxid), content);
        self.fire("notices", Event::DiskNoticesChanged);
    }

    /// Written by somebody who does not ask the controller.
    pub(super) fn set_state(
        &mut self,
        partition: TopicPartition,
        content: Result<PartitionState, ReadFault>,
    ) {
        let version = self.states.get(&partition).map_or(0, |(_, version)| version.0 + 1);
        self.states.insert(partition, (content, Version(version)));
    }

    fn fire(&mut self, watch: &str, event: Event) {
        if self.watches.remove(watch) {
            self.queue.push_back(event);
        }
    }

    fn watch(&mut self, what: impl Into<String>) {
        self.watches.insert(what.into());
    }

    /// Feeds at most `steps` events; true when nothing is left.
    pub(super) fn run(&mut self, steps: usize) -> bool {
        for _ in 0..steps {
            let Some(event) = self.queue.pop_front() else { return true };
            self.trace.push(format!("  < {}", trace::event(&event)));
            let mut actions = Actions::new();
            let now = Now { monotonic: Monotonic(Duration::ZERO), wall: Millis(0) };
            self.controller.handle(now, event, &mut actions);
            for action in actions {
                self.trace.push(format!("  > {}", trace::action(&action)));
                let outcome = self.carry_out(action);
                self.queue.extend(outcome);
            }
        }
        self.queue.is_empty()
    }

    fn carry_out(&mut self, action: Action) -> Option<Event> {
        let event = match action {
            Action::EnsureFeature => Event::FeatureEnsured(Ok(())),
            Action::ClearNotifications => {
                self.watch("notices");
                self.notices.clear();
                Event::NotificationsCleared(Ok(()))
            }
            Action::ReadBrokers => {
                self.watch("brokers");
                Event::BrokersRead(self.brokers.clone())
            }
            Action::ReadTopicList => {
                self.watch("topics");
                Event::TopicListRead(self.topics.keys().cloned().collect())
            }
            Action::ReadTopics(names) => {
                names.iter().for_each(|name| self.watch(format!("topic {name}")));
                Event::TopicsRead(
                    names.into_iter().map(|name| (name.clone(), self.read_topic(&name))).collect(),
                )
            }
            Action::ReadPartitionStates(names) => Event::PartitionStatesRead(
                names.into_iter().map(|name| (name.clone(), self.read_state(&name))).collect(),
            ),
            Action::ReadDeletionList => {
                self.watch("marks");
                Event::DeletionListRead(self.marks.iter().cloned().collect())
            }
            Action::ReadUncleanElection(names) => Event::UncleanElectionRead(
                names.into_iter().map(|name| (name.clone(), Ok(self.unclean.contains(&name)))).collect(),
            ),
            Action::WriteTopics(writes) => Event::TopicsWritten(
                writes.into_iter().map(|write| (write.topic.clone(), self.write_topic(write))).collect(),
            ),
            Action::CreatePartitions(creations) => Event::PartitionsCreated(
                creations.into_iter().map(|(name, state)| (name.clone(), self.create(name, state))).collect(),
            ),
            Action::WritePartitionStates(writes) => Event::PartitionStatesWritten(
                writes.into_iter().map(|write| (write.partition.clone(), self.write_state(write))).collect(),
            ),
            Action::RemoveTopic(name) => {
                let outcome = self.faulty(Ok(()), |world| {
                    world.remove_topic(&name);
                    world.marks.remove(&name);
                    world.fire("marks", Event::DeletionListChanged);
                });
                Event::TopicRemoved(name, outcome)
            }
            Action::RemoveDeletionMarks(names) => {
                self.marks.retain(|mark| !names.contains(mark));
                self.fire("marks", Event::DeletionListChanged);
                Event::DeletionMarksRemoved(Ok(()))
            }
            Action::ReadDiskNotices => {
                self.watch("notices");
                Event::DiskNoticesRead(self.notices.clone().into_iter().collect())
            }
            Action::RemoveDiskNotices(names) => {
                self.notices.retain(|name, _| !names.contains(name));
                self.fire("notices", Event::DiskNoticesChanged);
                Event::DiskNoticesRemoved(Ok(()))
            }
            Action::OpenChannel(broker) => {
                assert!(self.channels.insert(broker.id), "the channel to {} is open", broker.id);
                return None;
            }
            Action::CloseChannel(broker) => {
                assert!(self.channels.remove(&broker), "there is no channel to {broker}");
                return None;
            }
            Action::Send { broker, broker_epoch, request } => {
                return self.deliver(broker, broker_epoch, request);
            }
        };
        Some(event)
    }

    fn read_topic(&self, name: &TopicName) -> Result<StoredTopic, ReadFault> {
        let (content, version) = self.topics.get(name).ok_or(ReadFault::Missing)?;
        Ok(StoredTopic { assignment: content.clone()?, version: *version })
    }

    fn read_state(&self, name: &TopicPartition) -> Result<Leadership, ReadFault> {
        let (content, version) = self.states.get(name).ok_or(ReadFault::Missing)?;
        Ok(Leadership { state: content.clone()?, partition_epoch: *version })
    }

    fn write_topic(&mut self, write: coordinator::controller::TopicWrite) -> Result<Version, WriteFault> {
        let found = self.topics.get(&write.topic).map(|(_, version)| *version).ok_or(WriteFault::Missing)?;
        if found != write.expected {
            return Err(WriteFault::Stale);
        }
        self.faulty(Ok(Version(found.0 + 1)), |world| world.set_topic(&write.topic, Ok(write.assignment)))
    }

    fn create(&mut self, name: TopicPartition, state: PartitionState) -> Result<Version, WriteFault> {
        if !self.topics.contains_key(&name.topic) {
            return Err(WriteFault::Missing);
        }
        if self.states.contains_key(&name) {
            return Err(WriteFault::Exists);
        }
        self.faulty(Ok(Version(0)), |world| world.set_state(name, Ok(state)))
    }

    /// Leader epochs never go back, and nobody leads from outside the ISR unless its topic allows that.
    fn write_state(
        &mut self,
        write: coordinator::controller::PartitionStateWrite,
    ) -> Result<Version, WriteFault> {
        let (before, found) = self.states.get(&write.partition).ok_or(WriteFault::Missing)?;
        if *found != write.expected {
            return Err(WriteFault::Stale);
        }
        let (partition, after) = (write.partition, write.state);
        let before = before.clone().expect("the controller leaves garbage alone");
        assert_eq!(after.leader_epoch.0, before.leader_epoch.0 + 1, "{partition}");
        assert_eq!(
            after.controller_epoch,
            ControllerEpoch(self.epoch),
            "{partition} was written by a deposed controller"
        );
        let clean = after.leader.is_none_or(|leader| before.isr.contains(&leader));
        assert!(
            clean || self.unclean.contains(&partition.topic),
            "{partition} lost records: {before:?} {after:?}"
        );
        self.faulty(Ok(Version(found.0 + 1)), |world| world.set_state(partition, Ok(after)))
    }

    fn faulty<T>(
        &mut self,
        success: Result<T, WriteFault>,
        write: impl FnOnce(&mut World),
    ) -> Result<T, WriteFault> {
        let fault = self.fault.take();
        if matches!(fault, None | Some(Fault::LostReply)) {
            write(self);
        }
        match fault {
            None => success,
            Some(Fault::Stale) => Err(WriteFault::Stale),
            Some(Fault::LostReply | Fault::LostRequest) => Err(WriteFault::Unknown),
            Some(Fault::Refused) => {
                Err(WriteFault::Refused { path: "/".to_owned(), reason: "no".to_owned() })
            }
        }
    }

    fn deliver(&mut self, id: BrokerId, epoch: BrokerEpoch, request: ControlRequest) -> Option<Event> {
        assert!(self.channels.contains(&id), "there is no channel to {id}");
        let alive = matches!(self.brokers.get(&id), Some(Ok(broker)) if broker.epoch == epoch);
        let machine = self.machines.get_mut(&id).filter(|machine| alive && !machine.silent)?;
        let answer = machine.answer(request);
        Some(Event::Answered { broker: id, broker_epoch: epoch, answer })
    }
}

impl Machine {
    fn answer(&mut self, request: ControlRequest) -> Answer {
        let failure = if self.disk_failed { 56 } else { 0 };
        match request {
            ControlRequest::LeaderAndIsr(request) => {
                let mut response = LeaderAndIsrResponse::default();
                for topic in request.topic_states {
                    let mut answered = LeaderAndIsrTopicError::default().with_topic_id(topic.topic_id);
                    for state in topic.partition_states {
                        let name = partition(&topic.topic_name.0, state.partition_index);
                        let stale =
                            self.replicas.get(&name).is_some_and(|epoch| *epoch >= state.leader_epoch);
                        let code = if stale && failure == 0 { 11 } else { failure };
                        if code == 0 {
                            self.replicas.insert(name, state.leader_epoch);
                        }
                        let error =
                            LeaderAndIsrPartitionError::default().with_partition_index(state.partition_index);
                        answered.partition_errors.push(error.with_error_code(code));
                    }
                    response.topics.push(answered);
                }
                Answer::LeaderAndIsr(response)
            }
            ControlRequest::UpdateMetadata(request) => {
                for topic in request.topic_states {
                    for state in topic.partition_states {
                        let name = partition(&topic.topic_name.0, state.partition_index);
                        match state.leader.0 {
                            -2 => self.metadata.remove(&name),
                            leader => self.metadata.insert(name, (leader, state.leader_epoch)),
                        };
                    }
                }
                Answer::UpdateMetadata(UpdateMetadataResponse::default())
            }
            ControlRequest::StopReplica(request) => {
                let mut response = StopReplicaResponse::default();
                for topic in &request.topic_states {
                    for state in &topic.partition_states {
                        self.replicas.remove(&partition(&topic.topic_name.0, state.partition_index));
                        let error = StopReplicaPartitionError::default()
                            .with_topic_name(topic.topic_name.clone())
                            .with_partition_index(state.partition_index)
                            .with_error_code(failure);
                        response.partition_errors.push(error);
                    }
                }
                Answer::StopReplica { request, response }
            }
        }
    }
}

fn partition(topic: &str, index: i32) -> TopicPartition {
    TopicPartition::new(Arc::<str>::from(topic), index)
}

pub(super) fn assignment(replicas: &[i32]) -> Assignment {
    Assignment::of(replicas.iter().copied().map(BrokerId).collect::<Vec<_>>())
}

pub(super) fn garbage(path: &str) -> ReadFault {
    ReadFault::Unreadable { path: path.to_owned(), reason: "not JSON".to_owned() }
}
