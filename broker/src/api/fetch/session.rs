//! What one fetch session remembers between requests, and which of its partitions have something to say (KIP-227).
//! Owned by its connection; reads nothing itself: `select` is handed a reader. A partition with no news leaves the queue once it is
//! watched, so a poll touches only what moved. Source: Kafka's FetchSession (3.9).

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::ids::{Offset, TopicId};
use protocol::messages::FetchRequest;
use protocol::messages::fetch_request::{FetchPartition, FetchTopic};

use super::read::PartitionRead;
use super::slots::Slot;
use crate::hosted::{HostedPartition, Watch, WatchKey};

/// The first version that names topics by id.
const TOPIC_IDS_SINCE: i16 = 13;

#[derive(Debug)]
pub(crate) struct FetchSession {
    /// `None` for a fetch without a session.
    pub(crate) slot: Option<Slot>,
    /// The epoch that the next request must carry.
    pub(crate) next_epoch: i32,
    /// How topics were named when it was made; it must stay so.
    pub(crate) naming: Naming,
    pub(crate) watch: Arc<Watch>,
    /// Until the first answer, which lists every partition.
    unanswered: bool,
    partitions: BTreeMap<WatchKey, Fetched>,
    keys: HashMap<(TopicRef, i32), WatchKey>,
    next_key: WatchKey,
    /// Partitions that may have something to say, the longest unserved first.
    queue: VecDeque<WatchKey>,
}

/// One partition that a client fetches.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) topic: TopicRef,
    pub(crate) wanted: FetchPartition,
    /// Where its log is, once found.
    pub(crate) hosted: Option<Arc<HostedPartition>>,
    told: Told,
    watched: bool,
    queued: bool,
}

/// How requests of a version name topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Naming {
    Names,
    Ids,
}

/// How the client names a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum TopicRef {
    Name(Arc<str>),
    Id(TopicId),
}

/// What the client last heard; -1 is nothing yet.
#[derive(Debug, PartialEq)]
struct Told {
    high_watermark: Offset,
    last_stable_offset: Offset,
    log_start: Offset,
}

const NOTHING: Told =
    Told { high_watermark: Offset::NONE, last_stable_offset: Offset::NONE, log_start: Offset::NONE };

/// What an answer would hold now.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    pub(crate) reads: Vec<(WatchKey, PartitionRead)>,
    pub(crate) bytes: u32,
    /// Something that the client should hear without waiting: an error or a divergence.
    pub(crate) urgent: bool,
}

impl Naming {
    pub(crate) fn of(version: i16) -> Self {
        if version >= TOPIC_IDS_SINCE { Self::Ids } else { Self::Names }
    }
}

impl FetchSession {
    pub(crate) fn new(naming: Naming) -> Self {
        Self {
            slot: None,
            next_epoch: 1,
            naming,
            watch: Arc::default(),
            unanswered: true,
            partitions: BTreeMap::new(),
            keys: HashMap::new(),
            next_key: 0,
            queue: VecDeque::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.partitions.len()
    }

    pub(crate) fn get(&self, key: WatchKey) -> Option<&Fetched> {
        self.partitions.get(&key)
    }

    /// Adds and updates the partitions that `request` names, and forgets those it lists as forgotten.
    pub(crate) fn apply(&mut self, request: FetchRequest) {
        for topic in request.forgotten_topics_data {
            let name = self.topic_ref(&topic.topic, topic.topic_id);
            for partition in topic.partitions {
                self.forget(&(name.clone(), partition));
            }
        }
        for FetchTopic { topic, topic_id, partitions, .. } in request.topics {
            let name = self.topic_ref(&topic, topic_id);
            for mut wanted in partitions {
                // They are slices of the request's frame, which must not stay in memory as long as the session.
                wanted.unknown_tagged_fields.clear();
                self.want(name.clone(), wanted);
            }
        }
    }

    /// Reads the queued partitions, in turn, until `max_bytes` are used up.
    pub(crate) fn select(
        &mut self,
        max_bytes: u32,
        mut read: impl FnMut(&mut Fetched, Room) -> PartitionRead,
    ) -> Selection {
        self.enqueue_moved();
        let mut selection = Selection::default();
        for _ in 0..self.queue.len() {
            let Some(key) = self.queue.pop_front() else { break };
            let Some(fetched) = self.partitions.get_mut(&key) else { continue };
            // Another log may be in its place by now: that of a topic made anew under the same name.
            if fetched.hosted.as_ref().is_some_and(|hosted| hosted.leadership.is_over()) {
                fetched.lose(&self.watch, key);
            }
            let room = Room { bytes: max_bytes.saturating_sub(selection.bytes), empty: selection.bytes == 0 };
            let found = read(fetched, room);
            if found.error != ErrorCode::None {
                fetched.lose(&self.watch, key);
            }
            let listed = self.unanswered || fetched.is_news(&found);
            if listed || found.more || !fetched.watched {
                self.queue.push_back(key);
            } else {
                fetched.queued = false;
            }
            if listed {
                selection.bytes += found.bytes;
                selection.urgent |= found.is_urgent();
                selection.reads.push((key, found));
            }
        }
        selection
    }

    /// Registers for every queued partition that has a log. True if any is new: then look again before waiting, it may have moved.
    pub(crate) fn watch_all(&mut self) -> bool {
        let mut any = false;
        for key in &self.queue {
            let Some(fetched) = self.partitions.get_mut(key) else { continue };
            let Some(hosted) = fetched.hosted.as_ref().filter(|_| !fetched.watched) else { continue };
            hosted.watchers.add(&self.watch, *key);
            fetched.watched = true;
            any = true;
        }
        any
    }

    /// Notes what the client is told; partitions that sent records go to the end of the line, so that all get a turn.
    pub(crate) fn answered(&mut self, selection: &Selection) {
        self.unanswered = false;
        for (key, read) in &selection.reads {
            if let Some(fetched) = self.partitions.get_mut(key) {
                fetched.told = Told::by(read);
            }
        }
        let served: BTreeSet<_> =
            selection.reads.iter().filter(|(_, r)| r.bytes > 0).map(|(key, _)| *key).collect();
        let (last, first): (Vec<_>, Vec<_>) = self.queue.drain(..).partition(|key| served.contains(key));
        self.queue.extend(first.into_iter().chain(last));
    }

    fn enqueue_moved(&mut self) {
        for key in self.watch.take_moved() {
            let Some(fetched) = self.partitions.get_mut(&key) else { continue };
            if !std::mem::replace(&mut fetched.queued, true) {
                self.queue.push_back(key);
            }
        }
    }

    fn topic_ref(&self, name: &str, id: TopicId) -> TopicRef {
        match self.naming {
            Naming::Names => TopicRef::Name(name.into()),
            Naming::Ids => TopicRef::Id(id),
        }
    }

    fn want(&mut self, topic: TopicRef, wanted: FetchPartition) {
        let index = wanted.partition;
        if let Some(key) = self.keys.get(&(topic.clone(), index)) {
            let Some(fetched) = self.partitions.get_mut(key) else { return };
            fetched.wanted = wanted;
            if !std::mem::replace(&mut fetched.queued, true) {
                self.queue.push_back(*key);
            }
            return;
        }
        let key = self.next_key;
        self.next_key = self.next_key.wrapping_add(1);
        self.keys.insert((topic.clone(), index), key);
        let fetched = Fetched { topic, wanted, hosted: None, told: NOTHING, watched: false, queued: true };
        self.partitions.insert(key, fetched);
        self.queue.push_back(key);
    }

    fn forget(&mut self, name: &(TopicRef, i32)) {
        let Some(key) = self.keys.remove(name) else { return };
        // The queue passes over keys that lead nowhere.
        if let Some(fetched) = self.partitions.remove(&key) {
            fetched.unwatch(&self.watch, key);
        }
    }
}

impl Drop for FetchSession {
    fn drop(&mut self) {
        for (key, fetched) in &self.partitions {
            fetched.unwatch(&self.watch, *key);
        }
    }
}

/// What one partition may still add to an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) bytes: u32,
    /// No record is in the answer yet: one batch may exceed the room, so that a client always gets on.
    pub(crate) empty: bool,
}

impl Fetched {
    /// Forgets a log that cannot be read by this client; it is looked up anew at the next read.
    fn lose(&mut self, watch: &Arc<Watch>, key: WatchKey) {
        self.unwatch(watch, key);
        self.hosted = None;
        self.watched = false;
    }

    fn is_news(&self, read: &PartitionRead) -> bool {
        read.bytes > 0 || read.is_urgent() || self.told != Told::by(read)
    }

    fn unwatch(&self, watch: &Arc<Watch>, key: WatchKey) {
        if let Some(hosted) = self.hosted.as_ref().filter(|_| self.watched) {
            hosted.watchers.remove(watch, key);
        }
    }
}

impl Told {
    fn by(read: &PartitionRead) -> Self {
        if read.is_urgent() {
            // The next good answer must list the partition again.
            return NOTHING;
        }
        Self {
            high_watermark: read.high_watermark,
            last_stable_offset: read.last_stable_offset,
            log_start: read.log_start,
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::StrBytes;
    use protocol::messages::TopicName;
    use protocol::messages::fetch_request::ForgottenTopic;

    use super::*;

    fn topic(name: &'static str, partitions: &[i32]) -> FetchTopic {
        let partitions = partitions.iter().map(|p| FetchPartition::default().with_partition(*p)).collect();
        FetchTopic::default()
            .with_topic(TopicName(StrBytes::from_static_str(name)))
            .with_partitions(partitions)
    }

    fn session(partitions: &[i32]) -> FetchSession {
        let mut session = FetchSession::new(Naming::Names);
        session.apply(FetchRequest::default().with_topics(vec![topic("t", partitions)]));
        session
    }

    fn read(bytes: u32, high_watermark: i64) -> PartitionRead {
        let high_watermark = Offset(high_watermark);
        PartitionRead {
            bytes,
            high_watermark,
            last_stable_offset: high_watermark,
            log_start: Offset(0),
            ..Default::default()
        }
    }

    /// The partitions that the next answer lists, where `bytes` says what each has to send.
    fn listed(session: &mut FetchSession, max: u32, bytes: impl Fn(i32) -> u32) -> Vec<i32> {
        let selection = session.select(max, |fetched, room| {
            let wants = bytes(fetched.wanted.partition);
            let fits = wants <= room.bytes || room.empty;
            PartitionRead { more: wants > 0, ..read(if fits { wants } else { 0 }, 1) }
        });
        session.answered(&selection);
        selection.reads.iter().filter_map(|(key, _)| Some(session.get(*key)?.wanted.partition)).collect()
    }

    #[test]
    fn the_first_answer_lists_all_and_the_next_only_news() {
        let mut session = session(&[0, 1, 2]);
        assert_eq!(listed(&mut session, 100, |_| 0), [0, 1, 2]);
        assert_eq!(listed(&mut session, 100, |p| u32::from(p == 1)), [1]);
    }

    #[test]
    fn a_partition_that_sent_records_goes_to_the_end_of_the_line() {
        let mut session = session(&[0, 1, 2]);
        listed(&mut session, 100, |_| 0);
        assert_eq!(listed(&mut session, 10, |_| 10), [0]);
        assert_eq!(listed(&mut session, 10, |_| 10), [1]);
        assert_eq!(listed(&mut session, 10, |_| 10), [2]);
        assert_eq!(listed(&mut session, 10, |_| 10), [0]);
    }

    #[test]
    fn an_error_is_told_each_time_and_the_recovery_too() {
        let mut session = session(&[0]);
        listed(&mut session, 100, |_| 0);
        for _ in 0..2 {
            let failed = PartitionRead { error: ErrorCode::NotLeaderOrFollower, ..read(0, 1) };
            let selection = session.select(100, |_, _| failed.clone());
            assert!(selection.urgent);
            session.answered(&selection);
        }
        assert_eq!(listed(&mut session, 100, |_| 0), [0]);
        assert_eq!(listed(&mut session, 100, |_| 0), [] as [i32; 0]);
    }

    #[test]
    fn a_forgotten_partition_is_gone() {
        let mut session = session(&[0, 1]);
        let forgotten = ForgottenTopic::default()
            .with_topic(TopicName(StrBytes::from_static_str("t")))
            .with_partitions(vec![0, 7]);
        session.apply(FetchRequest::default().with_forgotten_topics_data(vec![forgotten]));
        assert_eq!(session.len(), 1);
        assert_eq!(listed(&mut session, 100, |_| 1), [1]);
    }
}
