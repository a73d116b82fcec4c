//! One partition at a time: what its state should be, the write that makes it so, and who is told.
//!
//! `settle` may be called whenever anything may have changed: it looks at the partition as it is and starts at most
//! one piece of work, whose outcome calls it again. A write that failed on a version is read again and decided anew.
//! Source: kafka.controller.PartitionStateMachine and ReplicaStateMachine of 3.9.

use std::collections::BTreeSet;

use protocol::ids::{BrokerId, LeaderEpoch, TopicPartition};

use super::action::PartitionStateWrite;
use super::cluster::{Leadership, PartitionState, Recovery, TopicName, Version};
use super::election::{self, Decision, Unclean};
use super::event::{ReadFault, WriteFault};
use super::picture::{Partition, Work, is_from_successor, is_online};
use super::tenure::Tenure;

impl Tenure {
    pub(super) fn settle(&mut self, name: &TopicPartition) {
        self.settle_with(name, Unclean::Unknown);
    }

    /// Looks again at every partition without a leader, of one topic or of all
    /// (PartitionStateMachine.triggerOnlinePartitionStateChange).
    pub(super) fn settle_leaderless(&mut self, of: Option<&TopicName>) {
        let names = match of {
            Some(topic) => self.picture.partitions_of(topic),
            None => self.picture.all_partitions(),
        };
        for name in names {
            let found = self.picture.partition(&name);
            let led = |leadership: &Leadership| leadership.state.leader.is_some();
            if found.is_some_and(|found| !found.leadership.as_ref().is_some_and(led)) {
                self.settle(&name);
            }
        }
    }

    fn settle_with(&mut self, name: &TopicPartition, unclean: Unclean) {
        if !self.is_in_office() {
            return;
        }
        let Some(topic) = self.picture.topics.get(&name.topic) else { return };
        let Some(partition) = topic.partitions.get(&name.partition) else { return };
        let nameless = topic.known_id().is_none() && topic.deletion.is_none();
        if nameless || !matches!(partition.work, Work::Nothing) {
            return;
        }
        match (&partition.leadership, &topic.deletion) {
            (None, Some(_)) => {}
            (None, None) => self.create(name),
            (Some(leadership), deletion) => {
                let decision = match deletion {
                    Some(_) => election::take_offline(&leadership.state),
                    None => self.decide(name, partition, leadership, unclean),
                };
                self.carry_out(name, decision);
            }
        }
    }

    /// New → Online. Who is not online is not in the first ISR.
    fn create(&mut self, name: &TopicPartition) {
        let Some(partition) = self.picture.partition(name) else { return };
        let online = |replica: BrokerId| self.picture.is_online(replica, name);
        let Some((leader, isr)) = election::first(&partition.assignment.replicas, online) else {
            tracing::warn!(partition = %name, "none of the new partition's replicas is alive");
            return;
        };
        let state = PartitionState {
            leader: Some(leader),
            leader_epoch: LeaderEpoch(0),
            isr,
            recovery: Recovery::Recovered,
            controller_epoch: self.epoch,
        };
        self.start(name, Work::Creating(state.clone()));
        self.out.create.push((name.clone(), state));
    }

    /// A broker that has died and is back is first taken for dead: another member of the ISR goes before it. Then what
    /// it may do again is decided, and both are written as one change.
    fn decide(&self, name: &TopicPartition, of: &Partition, now: &Leadership, unclean: Unclean) -> Decision {
        let replicas = &of.assignment.replicas;
        let online = |broker: BrokerId| is_online(&self.picture.brokers, &self.picture.failed, broker, name);
        let bounced = of.died.iter().any(|broker| online(*broker));
        let without = |broker: BrokerId| online(broker) && !of.died.contains(&broker);
        let first = match bounced {
            true => election::settle(&now.state, replicas, without, Unclean::Forbidden),
            false => Decision::Keep,
        };
        let Decision::Change(between) = first else {
            return election::settle(&now.state, replicas, online, unclean);
        };
        match election::settle(&between, replicas, online, unclean) {
            Decision::Keep => Decision::Change(between),
            Decision::AskUnclean => Decision::AskUnclean,
            Decision::Change(after) => {
                Decision::Change(PartitionState { leader_epoch: between.leader_epoch, ..after })
            }
        }
    }

    fn carry_out(&mut self, name: &TopicPartition, decision: Decision) {
        let epoch = self.epoch;
        let Some(partition) = self.picture.partition_mut(name) else { return };
        let Some(leadership) = &partition.leadership else { return };
        if is_from_successor(&leadership.state, epoch) {
            let theirs = leadership.state.controller_epoch;
            tracing::error!(partition = %name, %epoch, %theirs, "a later controller has written the partition's state");
            return;
        }
        match decision {
            Decision::Keep => partition.died.clear(),
            Decision::AskUnclean => {
                partition.work = Work::AskingUnclean;
                self.out.read_unclean.insert(name.topic.clone());
            }
            Decision::Change(state) => {
                let state = PartitionState { controller_epoch: epoch, ..state };
                let expected = leadership.partition_epoch;
                let died = std::mem::take(&mut partition.died);
                partition.work = Work::Writing { state: state.clone(), died };
                self.out.write_states.push(PartitionStateWrite { partition: name.clone(), state, expected });
            }
        }
    }

    fn start(&mut self, name: &TopicPartition, work: Work) {
        if let Some(partition) = self.picture.partition_mut(name) {
            partition.died.clear();
            partition.work = work;
        }
    }

    pub(super) fn partitions_created(
        &mut self,
        outcomes: Vec<(TopicPartition, Result<Version, WriteFault>)>,
    ) {
        for (name, outcome) in outcomes {
            let Some(partition) = self.picture.partition_mut(&name) else { continue };
            let Work::Creating(state) = &partition.work else { continue };
            let state = state.clone();
            partition.work = Work::Nothing;
            match outcome {
                Ok(partition_epoch) => {
                    partition.leadership = Some(Leadership { state, partition_epoch });
                    self.tell_of_creation(&name);
                }
                // Its parent is gone: the topic has been deleted by hand. The list will say.
                Err(WriteFault::Missing) => {
                    self.out.read_topic_list = true;
                    self.advance_deletion(&name.topic);
                    continue;
                }
                Err(fault) => self.write_failed(&name, state, BTreeSet::new(), fault),
            }
            self.changed(&name);
        }
    }

    pub(super) fn states_written(&mut self, outcomes: Vec<(TopicPartition, Result<Version, WriteFault>)>) {
        for (name, outcome) in outcomes {
            let Some(partition) = self.picture.partition_mut(&name) else { continue };
            let Work::Writing { state, died } = &mut partition.work else { continue };
            let (state, died) = (state.clone(), std::mem::take(died));
            partition.work = Work::Nothing;
            match outcome {
                Ok(partition_epoch) => {
                    partition.leadership = Some(Leadership { state, partition_epoch });
                    self.announce(&name);
                }
                Err(fault) => self.write_failed(&name, state, died, fault),
            }
            self.changed(&name);
        }
    }

    fn write_failed(
        &mut self,
        name: &TopicPartition,
        state: PartitionState,
        died: BTreeSet<BrokerId>,
        fault: WriteFault,
    ) {
        let Some(partition) = self.picture.partition_mut(name) else { return };
        partition.died.extend(died);
        match fault {
            WriteFault::Refused { .. } => {
                partition.work = Work::Abandoned;
                tracing::error!(partition = %name, "the partition's state cannot be written: {fault}");
            }
            WriteFault::Stale | WriteFault::Exists | WriteFault::Missing | WriteFault::Unknown => {
                tracing::info!(partition = %name, "the partition's state is read again: {fault}");
                partition.work = Work::Reading { written: Some(state) };
                self.out.read_states.push(name.clone());
            }
        }
    }

    /// What is found is told to the replicas: it is either what this controller wrote without learning of it, or what
    /// somebody else wrote without telling them.
    pub(super) fn states_read(&mut self, states: Vec<(TopicPartition, Result<Leadership, ReadFault>)>) {
        for (name, read) in states {
            let Some(partition) = self.picture.partition_mut(&name) else { continue };
            let Work::Reading { written } = &mut partition.work else { continue };
            let written = written.take();
            partition.work = Work::Nothing;
            match read {
                Ok(leadership) => {
                    let created =
                        partition.leadership.is_none() && written.as_ref() == Some(&leadership.state);
                    partition.leadership = Some(leadership);
                    if created {
                        self.tell_of_creation(&name);
                    } else {
                        self.announce(&name);
                    }
                }
                Err(ReadFault::Missing) => partition.leadership = None,
                Err(fault) => {
                    partition.work = Work::Abandoned;
                    tracing::error!(partition = %name, "the partition is left alone: {fault}");
                }
            }
            self.changed(&name);
        }
    }

    pub(super) fn unclean_read(&mut self, answers: Vec<(TopicName, Result<bool, ReadFault>)>) {
        for (topic, answer) in answers {
            let unclean = match answer {
                Ok(true) => Unclean::Allowed,
                Ok(false) => Unclean::Forbidden,
                Err(fault) => {
                    tracing::error!(%topic, "no unclean election, since the topic's configuration cannot be read: {fault}");
                    Unclean::Forbidden
                }
            };
            for name in self.picture.partitions_of(&topic) {
                let Some(partition) = self.picture.partition_mut(&name) else { continue };
                if matches!(partition.work, Work::AskingUnclean) {
                    partition.work = Work::Nothing;
                    self.settle_with(&name, unclean);
                    if self.is_settled(&name) {
                        self.announce(&name);
                    }
                }
            }
            self.advance_deletion(&topic);
        }
    }

    /// Whether the partition has a state and nothing is about to change it.
    pub(super) fn is_settled(&self, name: &TopicPartition) -> bool {
        let found = self.picture.partition(name);
        found.is_some_and(|found| found.leadership.is_some() && found.is_idle())
    }

    /// LeaderAndIsr to the replicas that can take it, UpdateMetadata to all; a topic on its way out is not announced.
    pub(super) fn announce(&mut self, name: &TopicPartition) {
        let replicas = self.picture.online_replicas(name);
        self.announce_to(name, &replicas);
    }

    pub(super) fn announce_to(&mut self, name: &TopicPartition, replicas: &[BrokerId]) {
        let Some(topic) = self.picture.topics.get(&name.topic) else { return };
        let has_leadership =
            topic.partitions.get(&name.partition).is_some_and(|found| found.leadership.is_some());
        if !self.is_in_office() || topic.deletion.is_some() || topic.known_id().is_none() || !has_leadership {
            return;
        }
        self.out.requests.announce(name, replicas);
    }

    fn tell_of_creation(&mut self, name: &TopicPartition) {
        if self.picture.topics.get(&name.topic).is_some_and(|topic| topic.deletion.is_some()) {
            return;
        }
        let replicas = self.picture.online_replicas(name);
        self.out.requests.announce_new(name, &replicas);
    }

    fn changed(&mut self, name: &TopicPartition) {
        self.settle(name);
        self.advance_deletion(&name.topic);
    }
}
