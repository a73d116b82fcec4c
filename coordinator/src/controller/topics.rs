//! Topics that appear, grow and vanish in `/brokers/topics`, whoever wrote them there.
//!
//! A topic without an id gets one, written back before anyone hears of the topic. A znode with garbage, or with a name that no topic can have,
//! is left alone, with an error, and hinders no other. Of a known topic only added partitions count; other edits are refused.
//! Source: KafkaController.processTopicChange, processPartitionModifications of 3.9.

use std::collections::{BTreeMap, BTreeSet};

use protocol::ids::{TopicId, TopicPartition};

use crate::random::Random;
use crate::topics::{NameFlaw, check_name};

use super::action::TopicWrite;
use super::cluster::{Assignment, StoredTopic, TopicAssignment, TopicName, Version};
use super::event::{ReadFault, WriteFault};
use super::picture::{Partition, Topic, TopicIdentity, Work};
use super::tenure::{Phase, Tenure};

impl Tenure {
    pub(super) fn topic_changed(&mut self, topic: TopicName) {
        if self.picture.topics.contains_key(&topic) || self.unreadable.contains(&topic) {
            self.out.read_topics.insert(topic);
        }
    }

    pub(super) fn topic_list_read(&mut self, names: Vec<TopicName>) {
        let names: BTreeSet<TopicName> = names.into_iter().collect();
        if let Phase::Loading(loading) = &mut self.phase {
            loading.topics = true;
        }
        self.forget_topics_but(&names);
        self.unreadable.retain(|topic| names.contains(topic));
        let known = |topic: &TopicName| {
            self.picture.topics.contains_key(topic)
                || self.unreadable.contains(topic)
                || self.reading.contains(topic)
        };
        let new: Vec<TopicName> = names.iter().filter(|topic| !known(topic)).cloned().collect();
        self.reading.extend(new.iter().cloned());
        self.out.read_topics.extend(new);
        self.drop_marks_without_topic();
    }

    /// Topics that the controller itself is removing are forgotten when that is done.
    fn forget_topics_but(&mut self, names: &BTreeSet<TopicName>) {
        let vanished = |name: &TopicName, topic: &Topic| {
            !names.contains(name) && !topic.deletion.as_ref().is_some_and(|deletion| deletion.is_removing())
        };
        let gone: Vec<TopicName> = self
            .picture
            .topics
            .iter()
            .filter(|(name, topic)| vanished(name, topic))
            .map(|(n, _)| n.clone())
            .collect();
        for topic in gone {
            tracing::warn!(%topic, "the topic's znode has vanished without a deletion: the topic is forgotten");
            if self.picture.topics.remove(&topic).is_some_and(|found| found.deletion.is_some()) {
                self.out.remove_marks.insert(topic);
            }
        }
    }

    pub(super) fn topics_read(
        &mut self,
        topics: Vec<(TopicName, Result<StoredTopic, ReadFault>)>,
        random: &mut Random,
    ) {
        for (name, read) in topics {
            self.reading.remove(&name);
            match read.and_then(|stored| named(&name).map(|()| stored)) {
                Ok(StoredTopic { assignment, version }) => {
                    self.unreadable.remove(&name);
                    let assignment = self.valid(&name, assignment);
                    if self.picture.topics.contains_key(&name) {
                        self.topic_edited(&name, assignment, version);
                    } else {
                        self.topic_appeared(&name, &assignment, version);
                    }
                    self.give_id(&name, version, random);
                }
                Err(ReadFault::Missing) => {}
                Err(fault) => {
                    tracing::error!(topic = %name, "the topic is left alone: {fault}");
                    if !self.picture.topics.contains_key(&name) {
                        self.unreadable.insert(name);
                    }
                }
            }
        }
        self.begin_marked_deletions();
        self.drop_marks_without_topic();
    }

    fn valid(&self, name: &TopicName, mut assignment: TopicAssignment) -> TopicAssignment {
        assignment.partitions.retain(|index, partition| match flaw(*index, partition) {
            None => true,
            Some(flaw) => {
                tracing::error!("/brokers/topics/{name}: partition {index} is left alone: {flaw}");
                false
            }
        });
        assignment
    }

    fn topic_appeared(&mut self, name: &TopicName, read: &TopicAssignment, version: Version) {
        let partitions = read.partitions.iter();
        let topic = Topic {
            id: read.id.map_or(TopicIdentity::Missing, TopicIdentity::Known),
            version,
            partitions: partitions.map(|(index, found)| (*index, Partition::new(found.clone()))).collect(),
            deletion: None,
        };
        self.picture.topics.insert(name.clone(), topic);
        self.partitions_appeared(name, read.partitions.keys().copied().collect());
    }

    /// New topics cannot have a state yet, so the controller in office does not look for one; if there is one all the
    /// same, the creation fails and it is read then.
    fn partitions_appeared(&mut self, name: &TopicName, added: Vec<i32>) {
        for index in added {
            let partition = TopicPartition::new(name.clone(), index);
            if self.is_in_office() {
                self.settle(&partition);
            } else if let Some(found) = self.picture.partition_mut(&partition) {
                found.work = Work::Reading { written: None };
                self.out.read_states.push(partition);
            }
        }
    }

    fn topic_edited(&mut self, name: &TopicName, read: TopicAssignment, version: Version) {
        let Some(topic) = self.picture.topics.get_mut(name) else { return };
        topic.version = version;
        let known = match topic.id {
            TopicIdentity::Known(id) => Some(id),
            TopicIdentity::Proposed(_) | TopicIdentity::Missing | TopicIdentity::Refused => None,
        };
        if let (Some(ours), Some(theirs)) = (known, read.id)
            && ours != theirs
        {
            tracing::error!(topic = %name, %ours, %theirs, "the topic's id was changed behind the controller's back");
            return;
        }
        if known.is_none()
            && let Some(theirs) = read.id
        {
            self.identified(name, theirs);
        }
        // Tools that know nothing of ids write the znode without.
        let lost_id = known.is_some() && read.id.is_none();
        let in_vain = self.grow(name, read.partitions) == Growth::Refused;
        if lost_id || in_vain {
            self.restore(name, version);
        }
    }

    fn grow(&mut self, name: &TopicName, read: BTreeMap<i32, Assignment>) -> Growth {
        let Some(topic) = self.picture.topics.get_mut(name) else { return Growth::Taken };
        let (known, added): (Vec<_>, Vec<_>) =
            read.into_iter().partition(|(index, _)| topic.partitions.contains_key(index));
        let same = |(index, assignment): &(i32, Assignment)| {
            topic.partitions.get(index).is_some_and(|found| found.assignment == *assignment)
        };
        if !known.iter().all(same) || known.len() < topic.partitions.len() {
            tracing::warn!(topic = %name, "replicas in the topic's znode were edited by hand, which has no effect");
        }
        if topic.deletion.is_some() && !added.is_empty() {
            tracing::warn!(topic = %name, "partitions added to a topic that is being deleted are taken out again");
            return Growth::Refused;
        }
        let indexes = added.iter().map(|(index, _)| *index).collect();
        topic.partitions.extend(added.into_iter().map(|(index, found)| (index, Partition::new(found))));
        self.partitions_appeared(name, indexes);
        Growth::Taken
    }

    fn restore(&mut self, name: &TopicName, version: Version) {
        let Some(topic) = self.picture.topics.get(name) else { return };
        let write = TopicWrite { topic: name.clone(), assignment: remembered(topic), expected: version };
        self.out.write_topics.push(write);
    }

    /// Writes the topic's znode with an id where it has none.
    fn give_id(&mut self, name: &TopicName, version: Version, random: &mut Random) {
        let Some(topic) = self.picture.topics.get_mut(name) else { return };
        if topic.id != TopicIdentity::Missing {
            return;
        }
        topic.id = TopicIdentity::Proposed(random.topic_id());
        self.restore(name, version);
    }

    pub(super) fn topics_written(&mut self, outcomes: Vec<(TopicName, Result<Version, WriteFault>)>) {
        for (name, outcome) in outcomes {
            let Some(topic) = self.picture.topics.get_mut(&name) else { continue };
            match (outcome, topic.id) {
                (Ok(version), id) => {
                    topic.version = version;
                    if let TopicIdentity::Proposed(id) = id {
                        self.identified(&name, id);
                    }
                }
                (Err(fault @ WriteFault::Refused { .. }), id) => {
                    tracing::error!(topic = %name, "the topic's znode cannot be written: {fault}");
                    if let TopicIdentity::Proposed(_) = id {
                        topic.id = TopicIdentity::Refused;
                    }
                }
                (Err(WriteFault::Missing), _) => self.out.read_topic_list = true,
                (Err(WriteFault::Stale | WriteFault::Exists | WriteFault::Unknown), id) => {
                    if let TopicIdentity::Proposed(_) = id {
                        topic.id = TopicIdentity::Missing;
                    }
                    self.out.read_topics.insert(name);
                }
            }
        }
    }

    fn identified(&mut self, name: &TopicName, id: TopicId) {
        let Some(topic) = self.picture.topics.get_mut(name) else { return };
        topic.id = TopicIdentity::Known(id);
        for partition in self.picture.partitions_of(name) {
            self.settle(&partition);
            if self.is_settled(&partition) {
                self.announce(&partition);
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Growth {
    Taken,
    Refused,
}

/// The assignment as the controller knows it, for a znode that lacks the id or has too much.
fn remembered(topic: &Topic) -> TopicAssignment {
    let id = match topic.id {
        TopicIdentity::Known(id) | TopicIdentity::Proposed(id) => Some(id),
        TopicIdentity::Missing | TopicIdentity::Refused => None,
    };
    let partitions = topic.partitions.iter();
    TopicAssignment {
        id,
        partitions: partitions.map(|(index, found)| (*index, found.assignment.clone())).collect(),
    }
}

/// A name that none of Kafka's tools gives would spoil the files that list partitions by name, or be too long for a file's.
fn named(name: &TopicName) -> Result<(), ReadFault> {
    let fault = |flaw: NameFlaw| ReadFault::Unreadable {
        path: format!("/brokers/topics/{name}"),
        reason: flaw.to_string(),
    };
    check_name(name).map_err(fault)
}

fn flaw(index: i32, assignment: &Assignment) -> Option<&'static str> {
    let distinct: BTreeSet<_> = assignment.replicas.iter().collect();
    if index < 0 {
        Some("its number is negative")
    } else if assignment.replicas.is_empty() {
        Some("it has no replicas")
    } else if distinct.len() < assignment.replicas.len() {
        Some("a broker is named twice")
    } else if assignment.replicas.iter().any(|replica| replica.0 < 0) {
        Some("a broker id is negative")
    } else {
        None
    }
}
