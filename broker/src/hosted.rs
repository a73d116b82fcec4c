//! The partitions that this broker leads, as requests see them: where a read finds its log without asking a shard.
//! Shards put partitions in and take them out; `api/` looks them up. Holds no rules and never writes a log.

mod leadership;
mod watch;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use protocol::batch::ProduceRules;
use protocol::ids::{LeaderEpoch, TopicId, TopicPartition};
use storage::LogReader;

use crate::topic_settings::{FetchRules, TopicSettings};

pub(crate) use leadership::{EpochMismatch, Leadership};
pub(crate) use watch::{Watch, WatchKey, Watchers};

/// Every partition with a log and a role on this broker. The lock guards one map that changes only when partitions come and go; readers
/// hold it for one look-up.
#[derive(Debug, Default)]
pub(crate) struct Hosted {
    topics: RwLock<HashMap<Arc<str>, Places>>,
}

/// The partitions of one topic.
type Places = HashMap<i32, Place>;

#[derive(Debug)]
enum Place {
    Led(Arc<HostedPartition>),
    Offline,
}

/// Why a partition is not to be read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    /// Another broker leads it, or none.
    NotLed,
    /// Its log is on this broker, but cannot be used until it starts again.
    Offline,
}

/// The read side of one partition, shared by all who fetch from it.
#[derive(Debug)]
pub(crate) struct HostedPartition {
    pub(crate) name: TopicPartition,
    /// Zero where the topic has none.
    pub(crate) topic_id: TopicId,
    pub(crate) log: LogReader,
    pub(crate) leadership: Leadership,
    pub(crate) watchers: Watchers,
    rules: RwLock<(ProduceRules, FetchRules)>,
}

impl HostedPartition {
    pub(crate) fn new(
        name: TopicPartition,
        topic_id: TopicId,
        log: LogReader,
        epoch: LeaderEpoch,
        settings: &TopicSettings,
    ) -> Self {
        let (leadership, watchers) = (Leadership::of(epoch), Watchers::default());
        let rules = RwLock::new((settings.rules, settings.fetch));
        Self { name, topic_id, log, leadership, watchers, rules }
    }

    /// What a batch for this partition must keep to.
    pub(crate) fn rules(&self) -> ProduceRules {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).0
    }

    /// Which clients get records of this partition.
    pub(crate) fn fetch_rules(&self) -> FetchRules {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).1
    }

    pub(crate) fn configure(&self, settings: &TopicSettings) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = (settings.rules, settings.fetch);
    }
}

impl Hosted {
    pub(crate) fn get(&self, topic: &str, partition: i32) -> Result<Arc<HostedPartition>, Absent> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        match topics.get(topic).and_then(|places| places.get(&partition)) {
            Some(Place::Led(partition)) => Ok(Arc::clone(partition)),
            Some(Place::Offline) => Err(Absent::Offline),
            None => Err(Absent::NotLed),
        }
    }

    pub(crate) fn insert(&self, partition: Arc<HostedPartition>) {
        let name = partition.name.clone();
        self.put(name, Place::Led(partition));
    }

    /// Notes that the partition's log cannot be used, and wakes whoever waits for it.
    pub(crate) fn take_offline(&self, name: &TopicPartition) {
        self.put(name.clone(), Place::Offline);
    }

    /// Takes the partition out and wakes whoever waits for it, so that they find it gone.
    pub(crate) fn remove(&self, name: &TopicPartition) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let Some(places) = topics.get_mut(&name.topic) else { return };
        let gone = places.remove(&name.partition);
        if places.is_empty() {
            topics.remove(&name.topic);
        }
        drop(topics);
        end(gone);
    }

    fn put(&self, name: TopicPartition, place: Place) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let before = topics.entry(name.topic).or_default().insert(name.partition, place);
        drop(topics);
        end(before);
    }
}

/// Nobody may go on reading what is no longer in its place.
fn end(place: Option<Place>) {
    if let Some(Place::Led(gone)) = place {
        gone.leadership.resign();
        gone.watchers.wake();
    }
}
