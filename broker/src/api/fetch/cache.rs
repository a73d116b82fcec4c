//! One shard of the broker's fetch sessions: who gets a place, who gives way, and which request a session goes on with (KIP-227).
//! A pure machine: the time and what a session is come from outside. `sessions.rs` keeps the shards behind locks.
//! The weight of all sessions is bounded, so that remembered partitions cost a bounded amount of memory; Kafka bounds their number only.
//! Source: Kafka's FetchSessionCacheShard, FetchManager (3.9).

use std::collections::HashMap;
use std::num::NonZeroI32;
use std::time::{Duration, Instant};

use protocol::error_code::ErrorCode;

use super::session::Naming;

/// A session unused for this long gives way to any newcomer, and one that is younger to none of its rank.
pub(super) const EVICTION_AFTER: Duration = Duration::from_secs(120);

/// What a client uses to name its session; positive.
pub(crate) type SessionId = NonZeroI32;

/// The sessions whose ids are in one range. `S` is what a place is kept for.
#[derive(Debug)]
pub(super) struct Shard<S> {
    bounds: Bounds,
    places: HashMap<SessionId, Place<S>>,
    /// Of all sessions here.
    weight: usize,
    /// State of the generator that draws ids.
    random: u64,
}

/// What a shard may hold, and the ids it gives: `first` and the following.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) slots: usize,
    pub(super) weight_max: usize,
    pub(super) first: i32,
    pub(super) ids: u32,
}

/// Followers' sessions rank above consumers'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    Consumer,
    Follower,
}

/// What a session is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) partitions: usize,
    /// Bytes of memory, roughly.
    pub(crate) weight: usize,
}

/// How a request names the session that it goes on with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Continuation {
    pub(super) id: SessionId,
    pub(super) epoch: i32,
    pub(super) naming: Naming,
}

#[derive(Debug)]
struct Place<S> {
    rank: Rank,
    naming: Naming,
    created: Instant,
    last_used: Instant,
    extent: Extent,
    /// The epoch that the next request must carry.
    next_epoch: i32,
    session: S,
}

impl<S: Clone> Shard<S> {
    /// `seed` makes the ids unpredictable from one start to the next.
    pub(super) fn new(bounds: Bounds, seed: u64) -> Self {
        Self { bounds, places: HashMap::new(), weight: 0, random: seed | 1 }
    }

    /// Gives `session` a place, or none where everyone else ranks higher.
    pub(super) fn admit(
        &mut self,
        session: S,
        (rank, naming): (Rank, Naming),
        extent: Extent,
        now: Instant,
    ) -> Option<SessionId> {
        if self.places.len() >= self.bounds.slots {
            let victim = self.victim((rank, extent.partitions), now)?;
            self.remove(victim);
        }
        if self.weight + extent.weight > self.bounds.weight_max {
            return None;
        }
        let id = self.fresh_id();
        self.weight += extent.weight;
        let place = Place { rank, naming, created: now, last_used: now, extent, next_epoch: 1, session };
        self.places.insert(id, place);
        Some(id)
    }

    /// The session that a request goes on with. From now on the following epoch is expected.
    pub(super) fn resume(&mut self, asked: Continuation, now: Instant) -> Result<S, ErrorCode> {
        let place = self.places.get_mut(&asked.id).ok_or(ErrorCode::FetchSessionIdNotFound)?;
        if place.next_epoch != asked.epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if place.naming != asked.naming {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        place.next_epoch = asked.epoch.checked_add(1).unwrap_or(1);
        place.last_used = now;
        Ok(place.session.clone())
    }

    /// Notes what a session has become. One that is too large for the shard loses its place: false.
    pub(super) fn resize(&mut self, id: SessionId, extent: Extent) -> bool {
        let Some(place) = self.places.get_mut(&id) else { return true };
        self.weight = self.weight - place.extent.weight + extent.weight;
        place.extent = extent;
        let fits = self.weight <= self.bounds.weight_max;
        if !fits {
            self.remove(id);
        }
        fits
    }

    pub(super) fn remove(&mut self, id: SessionId) {
        if let Some(place) = self.places.remove(&id) {
            self.weight -= place.extent.weight;
        }
    }

    /// Who gives way to a newcomer: the longest unused if unused for long, else the least of those that may be pushed out by
    /// its rank, if it is less than the newcomer.
    fn victim(&self, newcomer: (Rank, usize), now: Instant) -> Option<SessionId> {
        let (idle, place) = self.places.iter().min_by_key(|(id, place)| (place.last_used, **id))?;
        if now.duration_since(place.last_used) > EVICTION_AFTER {
            return Some(*idle);
        }
        let exposed = self.places.iter().filter(|(_, place)| place.is_exposed_to(newcomer.0));
        let (least, place) = exposed.min_by_key(|(id, place)| (place.standing(), **id))?;
        (place.standing() < newcomer).then_some(*least)
    }

    fn fresh_id(&mut self) -> SessionId {
        loop {
            // xorshift64: ids need to be hard to hit by accident, not secret.
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            let offset = (self.random >> 32) % u64::from(self.bounds.ids);
            let id =
                i32::try_from(i64::from(self.bounds.first) + offset as i64).ok().and_then(NonZeroI32::new);
            if let Some(id) = id.filter(|id| !self.places.contains_key(id)) {
                return id;
            }
        }
    }
}

impl<S> Place<S> {
    fn standing(&self) -> (Rank, usize) {
        (self.rank, self.extent.partitions)
    }

    /// Old sessions are exposed to all, young ones of consumers to followers alone; they age by being used.
    fn is_exposed_to(&self, newcomer: Rank) -> bool {
        let is_old = self.last_used.duration_since(self.created) > EVICTION_AFTER;
        is_old || (newcomer == Rank::Follower && self.rank == Rank::Consumer)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const BOUNDS: Bounds = Bounds { slots: 2, weight_max: 1000, first: 1, ids: 1 << 20 };
    const CONSUMER: (Rank, Naming) = (Rank::Consumer, Naming::Names);
    const FOLLOWER: (Rank, Naming) = (Rank::Follower, Naming::Names);

    fn of(partitions: usize) -> Extent {
        Extent { partitions, weight: partitions }
    }

    fn at(id: SessionId, epoch: i32) -> Continuation {
        Continuation { id, epoch, naming: Naming::Names }
    }

    fn later(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_wrong_id_epoch_or_kind_of_name_is_told_apart_in_this_order() {
        let (mut shard, now) = (Shard::new(BOUNDS, 7), Instant::now());
        let id = shard.admit((), CONSUMER, of(1), now).unwrap();
        let other = SessionId::new(id.get() ^ 1).unwrap();
        let by_id = |epoch| Continuation { naming: Naming::Ids, ..at(id, epoch) };
        for (asked, expected) in [
            (at(other, 1), ErrorCode::FetchSessionIdNotFound),
            (at(id, 2), ErrorCode::InvalidFetchSessionEpoch),
            (at(id, -2), ErrorCode::InvalidFetchSessionEpoch),
            (by_id(2), ErrorCode::InvalidFetchSessionEpoch),
            (by_id(1), ErrorCode::FetchSessionTopicIdError),
        ] {
            assert_eq!(shard.resume(asked, now), Err(expected), "{asked:?}");
        }
        assert_eq!(shard.resume(at(id, 1), now), Ok(()));
    }

    #[test]
    fn epochs_count_up_and_wrap_to_one() {
        let (mut shard, now) = (Shard::new(BOUNDS, 7), Instant::now());
        let id = shard.admit((), CONSUMER, of(1), now).unwrap();
        for epoch in [1, 2, 3] {
            assert_eq!(shard.resume(at(id, epoch), now), Ok(()));
        }
        shard.places.get_mut(&id).unwrap().next_epoch = i32::MAX;
        assert_eq!(shard.resume(at(id, i32::MAX), now), Ok(()));
        assert_eq!(shard.resume(at(id, 1), now), Ok(()));
    }

    #[test]
    fn the_idle_give_way_to_anybody() {
        let (mut shard, start) = (Shard::new(BOUNDS, 7), Instant::now());
        let idle = shard.admit((), FOLLOWER, of(50), start).unwrap();
        let used = shard.admit((), CONSUMER, of(1), start).unwrap();
        shard.resume(at(used, 1), later(start, 1)).unwrap();
        assert_eq!(
            shard.admit((), CONSUMER, of(1), later(start, 120)),
            None,
            "idle for no longer than 120 s"
        );
        assert!(shard.admit((), CONSUMER, of(1), later(start, 121)).is_some());
        assert_eq!(shard.resume(at(idle, 1), later(start, 121)), Err(ErrorCode::FetchSessionIdNotFound));
        assert_eq!(shard.resume(at(used, 2), later(start, 121)), Ok(()));
    }

    #[test]
    fn the_larger_push_out_the_smaller_once_these_are_old() {
        let (mut shard, start) = (Shard::new(BOUNDS, 7), Instant::now());
        let [small, large] = [3, 50].map(|size| shard.admit((), CONSUMER, of(size), start).unwrap());
        assert_eq!(shard.admit((), CONSUMER, of(100), later(start, 1)), None, "the young keep their places");
        // They age by being used, not by the clock alone.
        for (epoch, seconds) in [(1, 100), (2, 121)] {
            assert_eq!(shard.admit((), CONSUMER, of(100), later(start, seconds - 1)), None);
            for id in [small, large] {
                shard.resume(at(id, epoch), later(start, seconds)).unwrap();
            }
        }
        assert_eq!(shard.admit((), CONSUMER, of(3), later(start, 122)), None, "no larger than the smallest");
        assert!(shard.admit((), CONSUMER, of(4), later(start, 122)).is_some());
        assert_eq!(shard.resume(at(small, 3), later(start, 122)), Err(ErrorCode::FetchSessionIdNotFound));
    }

    #[test]
    fn followers_push_out_consumers_and_not_each_other() {
        let (mut shard, now) = (Shard::new(BOUNDS, 7), Instant::now());
        let consumer = shard.admit((), CONSUMER, of(90), now).unwrap();
        shard.admit((), FOLLOWER, of(1), now).unwrap();
        assert!(shard.admit((), FOLLOWER, of(1), now).is_some());
        assert_eq!(shard.resume(at(consumer, 1), now), Err(ErrorCode::FetchSessionIdNotFound));
        assert_eq!(shard.admit((), FOLLOWER, of(100), now), None);
    }

    #[test]
    fn without_slots_or_memory_there_is_no_session() {
        let now = Instant::now();
        let mut shard = Shard::new(Bounds { slots: 0, ..BOUNDS }, 7);
        assert_eq!(shard.admit((), FOLLOWER, of(1), now), None);
        let mut shard = Shard::new(BOUNDS, 7);
        assert_eq!(shard.admit((), CONSUMER, of(1001), now), None);
        let [first, second] = [600, 400].map(|size| shard.admit((), CONSUMER, of(size), now).unwrap());
        assert!(shard.resize(second, of(300)) && shard.resize(first, of(700)));
        assert!(!shard.resize(second, of(301)));
        assert_eq!(shard.resume(at(second, 1), now), Err(ErrorCode::FetchSessionIdNotFound));
        assert_eq!(shard.weight, 700);
    }

    #[test]
    fn ids_lie_in_the_shards_range() {
        let bounds = Bounds { slots: 5, weight_max: 1000, first: 40, ids: 5 };
        let (mut shard, now) = (Shard::new(bounds, 7), Instant::now());
        let mut ids: Vec<_> = (0..5).map(|_| shard.admit((), CONSUMER, of(1), now).unwrap().get()).collect();
        ids.sort_unstable();
        assert_eq!(ids, [40, 41, 42, 43, 44]);
    }

    /// Kafka's rule with Kafka's means: sorted lists that are brought up to date when a session is used.
    #[derive(Default)]
    struct Reference {
        sessions: BTreeMap<SessionId, (Rank, Instant, usize)>,
        last_used: BTreeMap<(Instant, SessionId), ()>,
        to_all: BTreeMap<(Rank, usize, SessionId), ()>,
        to_followers: BTreeMap<(Rank, usize, SessionId), ()>,
    }

    impl Reference {
        fn touch(&mut self, id: SessionId, size: usize, now: Instant) {
            let (rank, created, before) = self.sessions[&id];
            self.last_used.retain(|(_, other), ()| *other != id);
            self.last_used.insert((now, id), ());
            self.to_all.remove(&(rank, before, id));
            self.to_followers.remove(&(rank, before, id));
            self.sessions.insert(id, (rank, created, size));
            let is_old = now - created > EVICTION_AFTER;
            if rank == Rank::Consumer || is_old {
                self.to_followers.insert((rank, size, id), ());
            }
            if is_old {
                self.to_all.insert((rank, size, id), ());
            }
        }

        fn remove(&mut self, id: SessionId) {
            if let Some((rank, _, size)) = self.sessions.remove(&id) {
                self.last_used.retain(|(_, other), ()| *other != id);
                self.to_all.remove(&(rank, size, id));
                self.to_followers.remove(&(rank, size, id));
            }
        }

        /// Whether a newcomer gets a place, and whom it costs his.
        fn make_room(&mut self, slots: usize, rank: Rank, size: usize, now: Instant) -> bool {
            if self.sessions.len() < slots {
                return true;
            }
            let Some((&(used, idle), ())) = self.last_used.first_key_value() else { return false };
            let victim = if now - used > EVICTION_AFTER {
                Some(idle)
            } else {
                let map = if rank == Rank::Follower { &self.to_followers } else { &self.to_all };
                let least = map.first_key_value().map(|(key, ())| *key);
                least.filter(|&(r, s, _)| (r, s) < (rank, size)).map(|(_, _, id)| id)
            };
            victim.inspect(|id| self.remove(*id)).is_some()
        }
    }

    struct Steps(u64);

    impl Steps {
        fn below(&mut self, limit: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % limit
        }
    }

    #[test]
    fn random_lives_end_as_by_kafkas_rule() {
        for seed in 1..=300 {
            let mut random = Steps(seed);
            let slots = 1 + random.below(6);
            let mut shard = Shard::new(Bounds { slots, ..BOUNDS }, seed);
            let (mut reference, mut epochs) = (Reference::default(), BTreeMap::new());
            let mut now = Instant::now();
            for step in 0..200 {
                now += Duration::from_secs(random.below(40) as u64);
                let size = random.below(5);
                let known: Vec<SessionId> = epochs.keys().copied().collect();
                let id = (!known.is_empty()).then(|| known[random.below(known.len())]);
                match (random.below(4), id) {
                    (0, _) | (_, None) => {
                        let rank = [Rank::Consumer, Rank::Follower][random.below(4) / 3];
                        let id = shard.admit((), (rank, Naming::Names), of(size), now);
                        let expected = reference.make_room(slots, rank, size, now);
                        assert_eq!(id.is_some(), expected, "seed {seed}, step {step}");
                        if let Some(id) = id {
                            reference.sessions.insert(id, (rank, now, size));
                            reference.touch(id, size, now);
                            epochs.insert(id, 1);
                        }
                    }
                    (1, Some(id)) if random.below(4) == 0 => {
                        shard.remove(id);
                        reference.remove(id);
                    }
                    (_, Some(id)) => {
                        let epoch = epochs[&id];
                        let resumed = shard.resume(at(id, epoch), now).is_ok();
                        assert_eq!(resumed, reference.sessions.contains_key(&id), "seed {seed}, step {step}");
                        if resumed {
                            epochs.insert(id, epoch + 1);
                            shard.resize(id, of(size));
                            reference.touch(id, size, now);
                        }
                    }
                }
                let weight: usize = reference.sessions.values().map(|(_, _, size)| size).sum();
                assert_eq!((shard.places.len(), shard.weight), (reference.sessions.len(), weight));
            }
        }
    }
}
