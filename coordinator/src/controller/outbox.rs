//! What one event leads to, collected so that each kind of work goes out once: one read, one write, one request each.
//! Filled by the parts of the tenure; emptied at the end of each event, ZooKeeper's work first.

use std::collections::BTreeSet;

use protocol::ids::TopicPartition;

use super::action::{Action, Actions, PartitionStateWrite, TopicWrite};
use super::cluster::{PartitionState, TopicName};
use super::requests::RequestBatch;

#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) read_brokers: bool,
    pub(super) read_topic_list: bool,
    pub(super) read_deletion_list: bool,
    pub(super) read_disk_notices: bool,
    pub(super) read_topics: BTreeSet<TopicName>,
    pub(super) read_states: Vec<TopicPartition>,
    pub(super) read_unclean: BTreeSet<TopicName>,
    pub(super) write_topics: Vec<TopicWrite>,
    pub(super) create: Vec<(TopicPartition, PartitionState)>,
    pub(super) write_states: Vec<PartitionStateWrite>,
    pub(super) remove_topics: BTreeSet<TopicName>,
    pub(super) remove_marks: BTreeSet<TopicName>,
    pub(super) remove_disk_notices: BTreeSet<String>,
    pub(super) requests: RequestBatch,
}

impl Outbox {
    /// The lists are read before what they lead to, so that the answers come in the order in which they make sense.
    pub(super) fn flush_znodes(&mut self, actions: &mut Actions) {
        let lists = [
            (std::mem::take(&mut self.read_brokers), Action::ReadBrokers),
            (std::mem::take(&mut self.read_topic_list), Action::ReadTopicList),
            (std::mem::take(&mut self.read_deletion_list), Action::ReadDeletionList),
            (std::mem::take(&mut self.read_disk_notices), Action::ReadDiskNotices),
        ];
        actions.extend(lists.into_iter().filter(|(wanted, _)| *wanted).map(|(_, action)| action));
        push_set(actions, &mut self.read_topics, Action::ReadTopics);
        push(actions, &mut self.write_topics, Action::WriteTopics);
        push(actions, &mut self.read_states, Action::ReadPartitionStates);
        push_set(actions, &mut self.read_unclean, Action::ReadUncleanElection);
        push(actions, &mut self.create, Action::CreatePartitions);
        push(actions, &mut self.write_states, Action::WritePartitionStates);
        actions.extend(std::mem::take(&mut self.remove_topics).into_iter().map(Action::RemoveTopic));
        push_set(actions, &mut self.remove_marks, Action::RemoveDeletionMarks);
        push_set(actions, &mut self.remove_disk_notices, Action::RemoveDiskNotices);
    }
}

fn push<T>(actions: &mut Actions, items: &mut Vec<T>, action: fn(Vec<T>) -> Action) {
    if !items.is_empty() {
        actions.push(action(std::mem::take(items)));
    }
}

fn push_set<T>(actions: &mut Actions, items: &mut BTreeSet<T>, action: fn(Vec<T>) -> Action) {
    if !items.is_empty() {
        actions.push(action(std::mem::take(items).into_iter().collect()));
    }
}
