//! One tenure of the controller: from the election, through reading everything, to being deposed.
//!
//! While it loads, events only fill the picture. When everything asked for has been read it takes office: it tells the
//! brokers of each other, then of all partitions, and from then on settles what changes.
//! Source: KafkaController.onControllerFailover of 3.9.

use std::collections::BTreeSet;

use protocol::ids::ControllerEpoch;

use crate::deadlines::{Monotonic, Now};
use crate::random::Random;

use super::Settings;
use super::action::{Action, Actions};
use super::cluster::TopicName;
use super::event::{Event, WriteFault};
use super::outbox::Outbox;
use super::picture::{Picture, TopicIdentity, Work};
use super::requests::Sender;

#[derive(Debug)]
pub(super) struct Tenure {
    pub(super) epoch: ControllerEpoch,
    pub(super) settings: Settings,
    pub(super) phase: Phase,
    pub(super) picture: Picture,
    /// Topics that are being read for the first time.
    pub(super) reading: BTreeSet<TopicName>,
    /// Topics whose znode holds garbage; they are read again when it changes.
    pub(super) unreadable: BTreeSet<TopicName>,
    /// Marked for deletion, but not (yet) known as topics.
    pub(super) marked: BTreeSet<TopicName>,
    pub(super) out: Outbox,
}

#[derive(Debug)]
pub(super) enum Phase {
    Loading(Loading),
    InOffice,
}

/// Which of the lists have been read.
#[derive(Debug)]
pub(super) struct Loading {
    since: Monotonic,
    pub(super) brokers: bool,
    pub(super) topics: bool,
    pub(super) deletions: bool,
}

impl Tenure {
    pub(super) fn begin(
        epoch: ControllerEpoch,
        settings: Settings,
        now: Now,
        actions: &mut Actions,
    ) -> Tenure {
        tracing::info!(%epoch, "this broker is the controller");
        actions.extend([
            Action::EnsureFeature,
            Action::ClearNotifications,
            Action::ReadBrokers,
            Action::ReadTopicList,
            Action::ReadDeletionList,
        ]);
        let loading = Loading { since: now.monotonic, brokers: false, topics: false, deletions: false };
        Tenure {
            epoch,
            settings,
            phase: Phase::Loading(loading),
            picture: Picture::default(),
            reading: BTreeSet::new(),
            unreadable: BTreeSet::new(),
            marked: BTreeSet::new(),
            out: Outbox::default(),
        }
    }

    /// What waits for brokers is dropped: only the next controller may say anything (KafkaController.onControllerResignation).
    pub(super) fn end(self, actions: &mut Actions) {
        tracing::info!(epoch = %self.epoch, "this broker is not the controller any more");
        if self.is_in_office() {
            actions.extend(self.picture.brokers.into_keys().map(Action::CloseChannel));
        }
    }

    pub(super) fn handle(&mut self, now: Now, event: Event, random: &mut Random, actions: &mut Actions) {
        match event {
            Event::Elected { .. } | Event::Deposed => {}

            Event::BrokerListChanged | Event::BrokerChanged(_) => self.out.read_brokers = true,
            Event::TopicListChanged => self.out.read_topic_list = true,
            Event::TopicChanged(topic) => self.topic_changed(topic),
            Event::DeletionListChanged => self.out.read_deletion_list = true,
            Event::DiskNoticesChanged => self.out.read_disk_notices = true,
            Event::UncleanElectionsAllowed(topic) => self.settle_leaderless(topic.as_ref()),
            Event::WatchesLost => self.read_all_again(),

            Event::BrokersRead(brokers) => self.brokers_read(brokers, actions),
            Event::TopicListRead(names) => self.topic_list_read(names),
            Event::TopicsRead(topics) => self.topics_read(topics, random),
            Event::PartitionStatesRead(states) => self.states_read(states),
            Event::DeletionListRead(names) => self.deletion_list_read(names),
            Event::UncleanElectionRead(answers) => self.unclean_read(answers),
            Event::DiskNoticesRead(notices) => self.disk_notices_read(notices),

            Event::FeatureEnsured(outcome) => complain("/feature was not made what it should be", outcome),
            Event::NotificationsCleared(outcome) => complain("old notifications were not deleted", outcome),
            Event::TopicsWritten(outcomes) => self.topics_written(outcomes),
            Event::PartitionsCreated(outcomes) => self.partitions_created(outcomes),
            Event::PartitionStatesWritten(outcomes) => self.states_written(outcomes),
            Event::TopicRemoved(topic, outcome) => self.topic_removed(topic, outcome),
            Event::DeletionMarksRemoved(outcome) => complain("marks for deletion were not removed", outcome),
            Event::DiskNoticesRemoved(outcome) => {
                complain("notices of failed disks were not removed", outcome)
            }

            Event::Answered { broker, broker_epoch, answer } => self.answered(broker, broker_epoch, answer),
        }
        if self.is_loaded() {
            self.take_office(now, actions);
        }
        self.out.flush_znodes(actions);
        self.flush_requests(actions);
    }

    /// Lists, notices and topics are all that is watched.
    fn read_all_again(&mut self) {
        self.out.read_brokers = true;
        self.out.read_topic_list = true;
        self.out.read_deletion_list = true;
        self.out.read_disk_notices = true;
        self.out.read_topics.extend(self.picture.topics.keys().chain(&self.unreadable).cloned());
    }

    pub(super) fn is_in_office(&self) -> bool {
        matches!(self.phase, Phase::InOffice)
    }

    fn is_loaded(&self) -> bool {
        let Phase::Loading(loading) = &self.phase else { return false };
        let partitions = || self.picture.topics.values().flat_map(|topic| topic.partitions.values());
        loading.brokers
            && loading.topics
            && loading.deletions
            && self.reading.is_empty()
            && !self.picture.topics.values().any(|topic| matches!(topic.id, TopicIdentity::Proposed(_)))
            && !partitions().any(|partition| matches!(partition.work, Work::Reading { .. }))
    }

    /// The brokers must know who is alive before they are told whom to follow: a follower ignores a leader that it does
    /// not know (ReplicaManager.makeFollowers). Hence two batches.
    fn take_office(&mut self, now: Now, actions: &mut Actions) {
        if let Phase::Loading(loading) = &self.phase {
            let took = now.monotonic.since(loading.since);
            let (brokers, topics) = (self.picture.brokers.len(), self.picture.topics.len());
            tracing::info!(epoch = %self.epoch, brokers, topics, ?took, "the controller has read the cluster's state");
        }
        self.phase = Phase::InOffice;
        actions.extend(self.picture.brokers.values().cloned().map(Action::OpenChannel));
        self.out.requests.tell_everyone_of_brokers();
        self.flush_requests(actions);

        self.begin_marked_deletions();
        // Whether the marks that are left name topics is decided on a newer list.
        self.out.read_topic_list |= !self.marked.is_empty();
        for partition in self.picture.all_partitions() {
            self.out.requests.tell_everyone(&partition);
            self.settle(&partition);
            if self.is_settled(&partition) {
                self.announce(&partition);
            }
        }
    }

    pub(super) fn flush_requests(&mut self, actions: &mut Actions) {
        let from = Sender {
            controller: self.settings.broker,
            epoch: self.epoch,
            inter_broker_listener: &self.settings.inter_broker_listener,
        };
        self.out.requests.flush(&self.picture, from, actions);
    }
}

fn complain(what: &str, outcome: Result<(), WriteFault>) {
    if let Err(fault) = outcome {
        tracing::error!("{what}: {fault}");
    }
}
