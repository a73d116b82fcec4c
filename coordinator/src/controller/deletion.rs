//! The deletion of a topic: first nobody leads it and nobody is told of it, then every replica deletes its log, and
//! only when all have said so the znodes go. Replicas of dead brokers are waited for.
//!
//! A mark in `/admin/delete_topics` starts it; the mark goes last, so that the next controller resumes what is half done.
//! Source: kafka.controller.TopicDeletionManager of 3.9.

use std::collections::{BTreeMap, BTreeSet};

use protocol::ErrorCode;
use protocol::ids::{BrokerId, TopicPartition};
use protocol::messages::{StopReplicaRequest, StopReplicaResponse};

use super::cluster::TopicName;
use super::event::WriteFault;
use super::picture::Topic;
use super::tenure::{Phase, Tenure};

#[derive(Debug, Default)]
pub(super) struct Deletion {
    stage: Stage,
    /// Replicas whose logs are deleted.
    deleted: BTreeSet<(BrokerId, i32)>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Stage {
    /// The leaders are being taken away.
    #[default]
    GoingOffline,
    /// These have been told to delete their logs and have not answered.
    Stopping(BTreeSet<(BrokerId, i32)>),
    /// Some replica's broker is dead or did not do it; a broker that is born, or has news of its disks, starts it again.
    Halted,
    /// The znodes are being deleted.
    Removing,
}

impl Deletion {
    pub(super) fn is_removing(&self) -> bool {
        self.stage == Stage::Removing
    }
}

impl Tenure {
    pub(super) fn deletion_list_read(&mut self, names: Vec<TopicName>) {
        if let Phase::Loading(loading) = &mut self.phase {
            loading.deletions = true;
        }
        if !self.settings.delete_topic_enable {
            self.out.remove_marks.extend(names);
            return;
        }
        let started =
            |topic: &TopicName| self.picture.topics.get(topic).is_some_and(|found| found.deletion.is_some());
        self.marked = names.into_iter().filter(|topic| !started(topic)).collect();
        self.begin_marked_deletions();
        // Topics and marks are watched apart: a topic may be newer than what is known of the list.
        let unknown = self.marked.iter().any(|topic| !self.reading.contains(topic));
        self.out.read_topic_list |= unknown && self.is_in_office();
    }

    /// Starts what can be started: marked topics that are known, once in office.
    pub(super) fn begin_marked_deletions(&mut self) {
        if !self.is_in_office() {
            return;
        }
        let ready: Vec<TopicName> =
            self.marked.iter().filter(|topic| self.picture.topics.contains_key(*topic)).cloned().collect();
        for topic in ready {
            self.marked.remove(&topic);
            tracing::info!(%topic, "the topic is being deleted");
            if let Some(found) = self.picture.topics.get_mut(&topic) {
                found.deletion = Some(Deletion::default());
            }
            for partition in self.picture.partitions_of(&topic) {
                self.out.requests.tell_everyone(&partition);
                self.settle(&partition);
            }
            self.advance_deletion(&topic);
        }
    }

    /// Called when the list of topics is new: a mark without a topic asks for nothing.
    pub(super) fn drop_marks_without_topic(&mut self) {
        let waiting =
            |topic: &TopicName| self.reading.contains(topic) || self.picture.topics.contains_key(topic);
        let (keep, drop): (BTreeSet<_>, BTreeSet<_>) =
            std::mem::take(&mut self.marked).into_iter().partition(waiting);
        for topic in &drop {
            tracing::warn!(%topic, "there is no such topic to delete");
        }
        self.marked = keep;
        self.out.remove_marks.extend(drop);
    }

    /// Called whenever something may have ended that the deletion waits for.
    pub(super) fn advance_deletion(&mut self, name: &TopicName) {
        let Some(topic) = self.picture.topics.get(name) else { return };
        let Some(deletion) = &topic.deletion else { return };
        match &deletion.stage {
            Stage::GoingOffline if is_offline(topic) => self.stop_replicas(name),
            Stage::Stopping(awaited) if awaited.is_empty() => self.finish_or_halt(name),
            Stage::GoingOffline | Stage::Stopping(_) | Stage::Halted | Stage::Removing => {}
        }
    }

    /// The replicas on live brokers that have not yet deleted their logs are told to. Kafka leaves out those that cannot be
    /// served; but the directory of a log that cannot be opened can be deleted all the same.
    fn stop_replicas(&mut self, name: &TopicName) {
        let mut awaited = BTreeSet::new();
        for partition in self.picture.partitions_of(name) {
            for replica in self.picture.live_replicas(&partition) {
                if !self.has_deleted(name, replica, partition.partition) {
                    awaited.insert((replica, partition.partition));
                    self.out.requests.delete(&partition, replica);
                }
            }
        }
        self.set_stage(name, Stage::Stopping(awaited));
        self.advance_deletion(name);
    }

    fn finish_or_halt(&mut self, name: &TopicName) {
        let partitions = self.picture.partitions_of(name);
        let done = partitions.iter().all(|partition| {
            let replicas =
                self.picture.partition(partition).map(|found| found.assignment.replicas.as_slice());
            replicas
                .unwrap_or_default()
                .iter()
                .all(|replica| self.has_deleted(name, *replica, partition.partition))
        });
        if done {
            self.set_stage(name, Stage::Removing);
            self.out.remove_topics.insert(name.clone());
        } else {
            tracing::info!(topic = %name, "the deletion waits for brokers that are not there or failed to delete");
            self.set_stage(name, Stage::Halted);
        }
    }

    /// A partition that the answer leaves out counts as not deleted, or the deletion would wait for ever.
    pub(super) fn stop_replica_answered(
        &mut self,
        broker: BrokerId,
        request: &StopReplicaRequest,
        response: &StopReplicaResponse,
    ) {
        let mut topics = BTreeSet::new();
        let codes = codes(response);
        for topic in &request.topic_states {
            let deleted_here = topic.partition_states.iter().filter(|partition| partition.delete_partition);
            for index in deleted_here.map(|partition| partition.partition_index) {
                let partition = TopicPartition::new(topic.topic_name.0.as_str(), index);
                let code = codes.get(&(&*partition.topic, index)).copied();
                let code = if response.error_code == 0 { code } else { Some(response.error_code) };
                self.replica_answered(broker, &partition, code);
                topics.insert(partition.topic);
            }
        }
        for topic in topics {
            self.advance_deletion(&topic);
        }
    }

    fn replica_answered(&mut self, broker: BrokerId, partition: &TopicPartition, code: Option<i16>) {
        let Some(deletion) = self.deletion_mut(&partition.topic) else { return };
        let Stage::Stopping(awaited) = &mut deletion.stage else { return };
        if !awaited.remove(&(broker, partition.partition)) {
            return;
        }
        if code == Some(0) {
            deletion.deleted.insert((broker, partition.partition));
        } else {
            let answer =
                code.map_or_else(|| "none".to_owned(), |code| ErrorCode::from_code(code).to_string());
            tracing::warn!(
                %partition, %broker, answer,
                "the replica was not deleted: its topic's deletion goes on when the broker restarts, or says that its disks are back"
            );
        }
    }

    /// Nobody answers for a dead broker; one that is born, or whose disks are back, can be asked (again).
    pub(super) fn resume_deletions(&mut self, died: &BTreeSet<BrokerId>, ready: &BTreeSet<BrokerId>) {
        let topics: Vec<TopicName> = self
            .picture
            .topics
            .iter()
            .filter(|(_, topic)| topic.deletion.is_some())
            .map(|(n, _)| n.clone())
            .collect();
        for topic in topics {
            let Some(deletion) = self.deletion_mut(&topic) else { continue };
            if let Stage::Stopping(awaited) = &mut deletion.stage {
                awaited.retain(|(broker, _)| !died.contains(broker));
                self.advance_deletion(&topic);
            }
            if !ready.is_empty()
                && self.deletion_mut(&topic).is_some_and(|found| found.stage == Stage::Halted)
            {
                self.stop_replicas(&topic);
            }
        }
    }

    pub(super) fn topic_removed(&mut self, name: TopicName, outcome: Result<(), WriteFault>) {
        match outcome {
            Ok(()) => {
                tracing::info!(topic = %name, "the topic is deleted");
                self.picture.topics.remove(&name);
                self.picture.failed.retain(|(_, partition)| partition.topic != name);
            }
            // Something has appeared below the topic, or an answer was lost.
            Err(WriteFault::Stale | WriteFault::Exists | WriteFault::Missing | WriteFault::Unknown) => {
                self.out.remove_topics.insert(name);
            }
            Err(fault @ WriteFault::Refused { .. }) => {
                tracing::error!(topic = %name, "the deleted topic's znodes cannot be removed: {fault}");
                self.set_stage(&name, Stage::Halted);
            }
        }
    }

    fn deletion_mut(&mut self, name: &TopicName) -> Option<&mut Deletion> {
        self.picture.topics.get_mut(name)?.deletion.as_mut()
    }

    fn has_deleted(&self, name: &TopicName, replica: BrokerId, partition: i32) -> bool {
        let deletion = self.picture.topics.get(name).and_then(|topic| topic.deletion.as_ref());
        deletion.is_some_and(|found| found.deleted.contains(&(replica, partition)))
    }

    fn set_stage(&mut self, name: &TopicName, stage: Stage) {
        if let Some(deletion) = self.deletion_mut(name) {
            deletion.stage = stage;
        }
    }
}

/// Nothing is under way for its partitions and none has a leader. One that is left alone cannot get further.
fn is_offline(topic: &Topic) -> bool {
    topic.partitions.values().all(|partition| match &partition.leadership {
        None => partition.is_idle(),
        Some(leadership) => {
            partition.is_idle() && (leadership.state.leader.is_none() || partition.is_abandoned())
        }
    })
}

/// What the answer says of each partition.
fn codes(response: &StopReplicaResponse) -> BTreeMap<(&str, i32), i16> {
    let answers = response.partition_errors.iter();
    answers.map(|answer| ((&**answer.topic_name, answer.partition_index), answer.error_code)).collect()
}
