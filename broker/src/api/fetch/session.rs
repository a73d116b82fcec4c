//! What one fetch session remembers between requests, and which of its partitions have something to say (KIP-227).
//!
//! Reads nothing itself: `select` is handed a reader. A partition with no news leaves the queue once it is watched, so a poll touches
//! only what moved; those it touches it reads in the session's order, as Kafka, which reads all. Source: Kafka's FetchSession (3.9).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::ids::{LeaderEpoch, Offset, TopicId};
use protocol::messages::FetchRequest;
use protocol::messages::fetch_request::FetchPartition;

use super::cache::Extent;
use super::read::{Lens, PartitionRead};
use crate::hosted::{HostedPartition, Watch, WatchKey};

/// The first version that names topics by id.
const TOPIC_IDS_SINCE: i16 = 13;
/// Bytes that a remembered partition costs beside the name of its topic.
const PARTITION_WEIGHT: usize = 256;

#[derive(Debug)]
pub(crate) struct FetchSession {
    /// How topics were named when it was made; it must stay so.
    pub(crate) naming: Naming,
    pub(crate) watch: Arc<Watch>,
    /// Until the first answer, which lists every partition.
    unanswered: bool,
    /// How the last request looked at the logs.
    lens: Lens,
    partitions: BTreeMap<WatchKey, Fetched>,
    keys: HashMap<(TopicRef, i32), WatchKey>,
    next_key: WatchKey,
    next_turn: Turn,
    /// Partitions that may have something to say.
    queue: Vec<(Turn, WatchKey)>,
    weight: usize,
}

/// A partition's place in the session's order.
type Turn = u64;

/// One partition that a client fetches.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) topic: TopicRef,
    /// The topic's name, to which a session keeps once it was found, as Kafka's.
    pub(crate) name: Option<Arc<str>>,
    pub(crate) wanted: Wanted,
    /// Where its log is, once found.
    pub(crate) hosted: Option<Arc<HostedPartition>>,
    turn: Turn,
    told: Told,
    watched: bool,
    queued: bool,
}

/// What a client wants of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) partition: i32,
    pub(crate) offset: Offset,
    pub(crate) leader_epoch: LeaderEpoch,
    /// Negative for none.
    pub(crate) last_fetched_epoch: i32,
    /// As it was sent, which may be negative.
    pub(crate) max_bytes: i32,
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
    log_start: Offset,
}

const NOTHING: Told = Told { high_watermark: Offset::NONE, log_start: Offset::NONE };

/// What an answer would hold now.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    /// Those that were refused before a log was asked come last, as with Kafka.
    pub(crate) reads: Vec<(WatchKey, PartitionRead)>,
    pub(crate) refused: usize,
    /// Bytes of logs that the answer stands for, by which the client's limits go.
    pub(crate) bytes: u64,
    /// Bytes that a patient client could get, each partition up to its own limit.
    pub(crate) available: u64,
    /// Something that the client should hear without waiting.
    pub(crate) urgent: bool,
}

impl Naming {
    pub(crate) fn of(version: i16) -> Self {
        if version >= TOPIC_IDS_SINCE { Self::Ids } else { Self::Names }
    }
}

impl Wanted {
    /// Without what is a slice of the request's frame, which must not stay in memory as long as the session.
    fn of(partition: &FetchPartition) -> Self {
        Self {
            partition: partition.partition,
            offset: Offset(partition.fetch_offset),
            leader_epoch: LeaderEpoch(partition.current_leader_epoch),
            last_fetched_epoch: partition.last_fetched_epoch,
            max_bytes: partition.partition_max_bytes,
        }
    }
}

impl FetchSession {
    /// One that `request` begins.
    pub(crate) fn of(naming: Naming, request: &FetchRequest) -> Self {
        let mut session = Self {
            naming,
            watch: Arc::default(),
            unanswered: true,
            lens: Lens::default(),
            partitions: BTreeMap::new(),
            keys: HashMap::new(),
            next_key: 0,
            next_turn: 0,
            queue: Vec::new(),
            weight: 0,
        };
        session.want_all(request);
        session
    }

    pub(crate) fn len(&self) -> usize {
        self.partitions.len()
    }

    pub(crate) fn extent(&self) -> Extent {
        Extent { partitions: self.partitions.len(), weight: self.weight }
    }

    pub(crate) fn get(&self, key: WatchKey) -> Option<&Fetched> {
        self.partitions.get(&key)
    }

    /// Adds and updates the partitions that `request` names; then forgets those it lists as forgotten, even if it names them too.
    pub(crate) fn apply(&mut self, request: &FetchRequest) {
        self.want_all(request);
        for topic in &request.forgotten_topics_data {
            let name = self.topic_ref(&topic.topic, topic.topic_id);
            for partition in &topic.partitions {
                self.forget(&(name.clone(), *partition));
            }
        }
    }

    /// Sees to it that a partition is read again that had nothing to say to who looked differently.
    pub(crate) fn look_through(&mut self, lens: Lens) {
        if std::mem::replace(&mut self.lens, lens) != lens {
            self.enqueue_all();
        }
    }

    /// Reads the queued partitions, in turn, until `max_bytes` are used up.
    pub(crate) fn select(
        &mut self,
        max_bytes: i32,
        mut read: impl FnMut(&mut Fetched, Room) -> PartitionRead,
    ) -> Selection {
        self.enqueue_moved();
        self.queue.sort_unstable();
        let Self { queue, partitions, watch, unanswered, .. } = self;
        let (mut selection, mut refused) = (Selection::default(), Vec::new());
        let mut room = Room { bytes: max_bytes, empty: true };
        queue.retain(|(_, key)| {
            let Some(fetched) = partitions.get_mut(key) else { return false };
            // Another log may be in its place by now: that of a topic made anew under the same name.
            if fetched.hosted.as_ref().is_some_and(|hosted| hosted.leadership.is_over()) {
                fetched.lose(watch, *key);
            }
            let found = read(fetched, room);
            if found.error != ErrorCode::None {
                fetched.lose(watch, *key);
            }
            let listed = *unanswered || fetched.is_news(&found);
            fetched.queued = listed || found.more || !fetched.watched;
            let stays = fetched.queued;
            if found.is_refused() {
                selection.refused += 1;
                if listed {
                    refused.push((*key, found));
                }
                return stays;
            }
            room = room.less(found.read_bytes);
            selection.bytes += u64::from(found.read_bytes);
            selection.available += u64::from(found.available);
            selection.urgent |= found.is_urgent();
            if listed {
                selection.reads.push((*key, found));
            }
            stays
        });
        selection.reads.append(&mut refused);
        selection
    }

    /// Registers for every queued partition that has a log. True if any is new: then look again before waiting, it may have moved.
    pub(crate) fn watch_all(&mut self) -> bool {
        let mut any = false;
        for (_, key) in &self.queue {
            let Some(fetched) = self.partitions.get_mut(key) else { continue };
            let Some(hosted) = fetched.hosted.as_ref().filter(|_| !fetched.watched) else { continue };
            hosted.watchers.add(&self.watch, *key);
            fetched.watched = true;
            any = true;
        }
        any
    }

    /// Notes what the client is told. Partitions that sent records go to the end of the line, so that all get a turn; the first answer
    /// is the line itself.
    pub(crate) fn answered(&mut self, selection: &Selection) {
        let is_first = std::mem::replace(&mut self.unanswered, false);
        let mut moved = false;
        for (key, read) in &selection.reads {
            let Some(fetched) = self.partitions.get_mut(key) else { continue };
            fetched.told = Told::by(read);
            if if is_first { read.is_refused() } else { read.bytes > 0 } {
                fetched.turn = self.next_turn;
                self.next_turn += 1;
                moved = true;
            }
        }
        if moved {
            for (turn, key) in &mut self.queue {
                *turn = self.partitions.get(key).map_or(*turn, |fetched| fetched.turn);
            }
        }
    }

    fn enqueue_moved(&mut self) {
        let moved = self.watch.take_moved();
        if moved.lapsed {
            for (key, fetched) in &mut self.partitions {
                fetched.unwatch(&self.watch, *key);
                fetched.watched = false;
            }
            self.enqueue_all();
            return;
        }
        for key in moved.keys {
            let Some(fetched) = self.partitions.get_mut(&key) else { continue };
            fetched.enqueue(&mut self.queue, key);
        }
    }

    fn enqueue_all(&mut self) {
        for (key, fetched) in &mut self.partitions {
            fetched.enqueue(&mut self.queue, *key);
        }
    }

    fn want_all(&mut self, request: &FetchRequest) {
        for topic in &request.topics {
            let name = self.topic_ref(&topic.topic, topic.topic_id);
            for partition in &topic.partitions {
                self.want(name.clone(), Wanted::of(partition));
            }
        }
    }

    fn topic_ref(&self, name: &str, id: TopicId) -> TopicRef {
        match self.naming {
            Naming::Names => TopicRef::Name(name.into()),
            Naming::Ids => TopicRef::Id(id),
        }
    }

    fn want(&mut self, topic: TopicRef, wanted: Wanted) {
        let index = wanted.partition;
        if let Some(key) = self.keys.get(&(topic.clone(), index)) {
            let Some(fetched) = self.partitions.get_mut(key) else { return };
            fetched.wanted = wanted;
            fetched.enqueue(&mut self.queue, *key);
            return;
        }
        let (key, turn) = (self.next_key, self.next_turn);
        self.next_key += 1;
        self.next_turn += 1;
        self.weight += topic.weight();
        self.keys.insert((topic.clone(), index), key);
        let name = match &topic {
            TopicRef::Name(name) => Some(Arc::clone(name)),
            TopicRef::Id(_) => None,
        };
        let told = NOTHING;
        let mut fetched =
            Fetched { topic, name, wanted, hosted: None, turn, told, watched: false, queued: false };
        fetched.enqueue(&mut self.queue, key);
        self.partitions.insert(key, fetched);
    }

    fn forget(&mut self, name: &(TopicRef, i32)) {
        let Some(key) = self.keys.remove(name) else { return };
        // The queue passes over keys that lead nowhere.
        if let Some(fetched) = self.partitions.remove(&key) {
            self.weight -= fetched.topic.weight();
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
    /// Negative for the first partition alone, if that is what the client sent.
    pub(crate) bytes: i32,
    /// No record is in the answer yet: one batch may exceed the room, so that a client always gets on.
    pub(crate) empty: bool,
}

impl Room {
    fn less(self, bytes: u32) -> Room {
        let left = i64::from(self.bytes) - i64::from(bytes);
        Room { bytes: i32::try_from(left.max(0)).unwrap_or(i32::MAX), empty: self.empty && bytes == 0 }
    }
}

impl TopicRef {
    fn weight(&self) -> usize {
        let name = match self {
            TopicRef::Name(name) => name.len(),
            TopicRef::Id(_) => 0,
        };
        PARTITION_WEIGHT + name
    }
}

impl Fetched {
    fn enqueue(&mut self, queue: &mut Vec<(Turn, WatchKey)>, key: WatchKey) {
        if !std::mem::replace(&mut self.queued, true) {
            queue.push((self.turn, key));
        }
    }

    /// Forgets a log that cannot be read by this client; it is looked up anew at the next read.
    fn lose(&mut self, watch: &Arc<Watch>, key: WatchKey) {
        self.unwatch(watch, key);
        self.hosted = None;
        self.watched = false;
    }

    /// Kafka compares no last stable offset.
    fn is_news(&self, read: &PartitionRead) -> bool {
        read.bytes > 0
            || read.error != ErrorCode::None
            || read.diverging.is_some()
            || self.told != Told::by(read)
    }

    fn unwatch(&self, watch: &Arc<Watch>, key: WatchKey) {
        if let Some(hosted) = self.hosted.as_ref().filter(|_| self.watched) {
            hosted.watchers.remove(watch, key);
        }
    }
}

impl Told {
    /// After an error, which has no offsets, the next good answer lists the partition again.
    fn by(read: &PartitionRead) -> Self {
        Self { high_watermark: read.high_watermark, log_start: read.log_start }
    }
}

#[cfg(test)]
mod tests {
    use protocol::StrBytes;
    use protocol::messages::TopicName;
    use protocol::messages::fetch_request::{FetchTopic, ForgottenTopic};

    use super::*;

    fn topic(name: &'static str, partitions: &[i32]) -> FetchTopic {
        let partitions = partitions.iter().map(|p| FetchPartition::default().with_partition(*p)).collect();
        FetchTopic::default()
            .with_topic(TopicName(StrBytes::from_static_str(name)))
            .with_partitions(partitions)
    }

    fn request(partitions: &[i32]) -> FetchRequest {
        FetchRequest::default().with_topics(vec![topic("t", partitions)])
    }

    fn session(partitions: &[i32]) -> FetchSession {
        FetchSession::of(Naming::Names, &request(partitions))
    }

    fn forgotten(partitions: &[i32]) -> ForgottenTopic {
        ForgottenTopic::default()
            .with_topic(TopicName(StrBytes::from_static_str("t")))
            .with_partitions(partitions.to_vec())
    }

    fn read(bytes: u32, high_watermark: i64) -> PartitionRead {
        let high_watermark = Offset(high_watermark);
        PartitionRead { bytes, read_bytes: bytes, high_watermark, log_start: Offset(0), ..Default::default() }
    }

    /// The partitions that the next answer lists, where `bytes` says what each has to send.
    fn listed(session: &mut FetchSession, max: i32, bytes: impl Fn(i32) -> u32) -> Vec<i32> {
        let selection = session.select(max, |fetched, room| {
            let wants = bytes(fetched.wanted.partition);
            let fits = i64::from(wants) <= i64::from(room.bytes) || room.empty;
            PartitionRead { more: wants > 0, ..read(if fits { wants } else { 0 }, 1) }
        });
        session.answered(&selection);
        named(session, &selection)
    }

    fn named(session: &FetchSession, selection: &Selection) -> Vec<i32> {
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
        assert_eq!(listed(&mut session, 10, |_| 10), [0, 1, 2]);
        // The first answer is the line itself.
        for sender in [0, 1, 2, 0] {
            assert_eq!(listed(&mut session, 10, |_| 10), [sender]);
        }
        assert_eq!(listed(&mut session, 20, |_| 10), [1, 2]);
        assert_eq!(listed(&mut session, 20, |_| 10), [0, 1]);
    }

    #[test]
    fn those_that_moved_are_read_in_the_line_of_the_session() {
        let mut session = session(&[0, 1, 2]);
        listed(&mut session, 100, |_| 0);
        session.queue.clear();
        for fetched in session.partitions.values_mut() {
            (fetched.watched, fetched.queued) = (true, false);
        }
        assert_eq!(listed(&mut session, 100, |_| 1), [] as [i32; 0]);
        for key in [2, 0] {
            let Some(fetched) = session.partitions.get_mut(&key) else { panic!("it is there") };
            fetched.enqueue(&mut session.queue, key);
        }
        assert_eq!(listed(&mut session, 100, |_| 1), [0, 2]);
    }

    #[test]
    fn an_error_is_told_each_time_and_the_recovery_too() {
        let mut session = session(&[0]);
        listed(&mut session, 100, |_| 0);
        for _ in 0..2 {
            let failed = PartitionRead { error: ErrorCode::NotLeaderOrFollower, ..read(0, -1) };
            let selection = session.select(100, |_, _| failed.clone());
            assert!(selection.urgent);
            session.answered(&selection);
        }
        assert_eq!(listed(&mut session, 100, |_| 0), [0]);
        assert_eq!(listed(&mut session, 100, |_| 0), [] as [i32; 0]);
    }

    #[test]
    fn those_refused_come_last_and_are_not_urgent() {
        let mut session = session(&[0, 1, 2]);
        let mut answer = || {
            let selection = session.select(100, |fetched, _| match fetched.wanted.partition {
                0 => PartitionRead::refused(ErrorCode::UnknownTopicOrPartition),
                _ => read(1, 1),
            });
            assert_eq!((selection.refused, selection.urgent), (1, false));
            session.answered(&selection);
            named(&session, &selection)
        };
        assert_eq!(answer(), [1, 2, 0]);
        // From now on it comes first in line, and last in the answer.
        assert_eq!(answer(), [1, 2, 0]);
        assert_eq!(listed(&mut session, 100, |_| 1), [0, 1, 2]);
    }

    #[test]
    fn a_forgotten_partition_is_gone_even_if_it_is_named() {
        let mut session = session(&[0, 1]);
        let weight = session.weight;
        session.apply(&request(&[0, 3]).with_forgotten_topics_data(vec![forgotten(&[0, 7])]));
        assert_eq!((session.len(), session.weight), (2, weight));
        assert_eq!(listed(&mut session, 100, |_| 1), [1, 3]);
        session.apply(&request(&[]).with_forgotten_topics_data(vec![forgotten(&[1, 3])]));
        assert_eq!(session.extent(), Extent { partitions: 0, weight: 0 });
    }

    #[test]
    fn a_partition_that_is_named_again_keeps_its_place_and_one_that_comes_back_does_not() {
        let mut session = session(&[0, 1, 0]);
        listed(&mut session, 100, |_| 0);
        session.apply(&request(&[1, 0]));
        assert_eq!(listed(&mut session, 100, |_| 1), [0, 1]);
        session.apply(&request(&[]).with_forgotten_topics_data(vec![forgotten(&[0])]));
        session.apply(&request(&[0]));
        assert_eq!(listed(&mut session, 100, |_| 1), [1, 0]);
    }

    #[test]
    fn only_the_first_partition_reads_by_a_negative_limit() {
        let mut session = session(&[0, 1]);
        let mut rooms = Vec::new();
        session.select(-5, |_, room| {
            rooms.push((room.bytes, room.empty));
            read(0, 1)
        });
        assert_eq!(rooms, [(-5, true), (0, true)]);
    }

    #[test]
    fn another_look_asks_every_partition_again() {
        let mut session = session(&[0]);
        listed(&mut session, 100, |_| 0);
        session.queue.clear();
        for fetched in session.partitions.values_mut() {
            (fetched.watched, fetched.queued) = (true, false);
        }
        session.look_through(Lens::default());
        assert!(session.queue.is_empty());
        session.look_through(Lens::of(7, 0));
        assert_eq!(listed(&mut session, 100, |_| 1), [0]);
    }
}
