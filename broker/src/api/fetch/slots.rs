//! The process-wide allowance of fetch sessions (max.incremental.fetch.session.cache.slots) and who must give way when it is used up.
//! A session holds its `Slot`; one that was evicted learns it at its next request. Source: Kafka's FetchSessionCache (3.9, KIP-227).

use std::collections::HashMap;
use std::num::NonZeroI32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A session unused for this long gives way to any newcomer (Kafka: incremental.fetch.session.cache.slots eviction, 120 s).
const EVICTABLE_AFTER: Duration = Duration::from_secs(120);

/// What a client uses to name its session; never zero.
pub(crate) type SessionId = NonZeroI32;

#[derive(Debug)]
pub(crate) struct SessionSlots {
    capacity: usize,
    held: Arc<Mutex<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    uses: HashMap<SessionId, Use>,
    /// State of the generator that draws ids; seeded at construction.
    random: u64,
}

#[derive(Debug, Clone, Copy)]
struct Use {
    created: Instant,
    last_used: Instant,
    size: usize,
}

/// One admitted session. Dropping it gives the place back.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) id: SessionId,
    held: Arc<Mutex<Held>>,
}

impl SessionSlots {
    /// `seed` makes the ids unpredictable from one start to the next.
    pub(crate) fn new(capacity: usize, seed: u64) -> Self {
        let held = Held { uses: HashMap::new(), random: seed | 1 };
        Self { capacity, held: Arc::new(Mutex::new(held)) }
    }

    /// A place for a session of `size` partitions, or `None` where everyone else ranks higher.
    pub(crate) fn admit(&self, size: usize, now: Instant) -> Option<Slot> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.uses.len() >= self.capacity {
            let victim = held.victim(size, now)?;
            held.uses.remove(&victim);
        }
        let id = held.fresh_id();
        held.uses.insert(id, Use { created: now, last_used: now, size });
        Some(Slot { id, held: Arc::clone(&self.held) })
    }
}

impl Slot {
    /// Notes a request of the session; false if its place was given to another.
    pub(crate) fn touch(&self, size: usize, now: Instant) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(place) = held.uses.get_mut(&self.id) else { return false };
        place.last_used = now;
        place.size = size;
        true
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).uses.remove(&self.id);
    }
}

impl Held {
    /// Who gives way: the longest unused if unused for long, else the smallest of the old ones if it is smaller than the newcomer.
    fn victim(&self, size: usize, now: Instant) -> Option<SessionId> {
        let (idle, usage) = self.uses.iter().min_by_key(|(id, u)| (u.last_used, **id))?;
        if now.duration_since(usage.last_used) > EVICTABLE_AFTER {
            return Some(*idle);
        }
        let old = self.uses.iter().filter(|(_, u)| now.duration_since(u.created) > EVICTABLE_AFTER);
        let (smallest, usage) = old.min_by_key(|(id, u)| (u.size, **id))?;
        (usage.size < size).then_some(*smallest)
    }

    fn fresh_id(&mut self) -> SessionId {
        loop {
            // xorshift64: ids need to be hard to hit by accident, not secret.
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            let positive = (self.random >> 33) as i32;
            if let Some(id) = NonZeroI32::new(positive).filter(|id| !self.uses.contains_key(id)) {
                return id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_with_its_session() {
        let slots = SessionSlots::new(1, 42);
        let now = Instant::now();
        let first = slots.admit(1, now).expect("there is room");
        assert!(slots.admit(100, now).is_none(), "a young session keeps its place");
        drop(first);
        assert!(slots.admit(1, now).is_some());
    }

    #[test]
    fn the_idle_give_way_first_then_the_old_and_small() {
        let slots = SessionSlots::new(2, 42);
        let start = Instant::now();
        let small = slots.admit(1, start).expect("there is room");
        let large = slots.admit(50, start).expect("there is room");
        let later = start + EVICTABLE_AFTER + Duration::from_secs(1);
        assert!(small.touch(1, later) && large.touch(50, later));
        assert!(slots.admit(1, later).is_none(), "nobody ranks lower than a newcomer of one");
        let newcomer = slots.admit(10, later).expect("the small one gives way");
        assert!(!small.touch(1, later));
        let much_later = later + EVICTABLE_AFTER + Duration::from_secs(1);
        assert!(newcomer.touch(10, much_later));
        assert!(slots.admit(1, much_later).is_some(), "the idle one gives way to anybody");
        assert!(!large.touch(50, much_later));
    }
}
