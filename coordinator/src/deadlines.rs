//! Timers as data: who waits until when. Nothing here reads a clock; the shell asks for the next deadline, sleeps,
//! and hands the time back in. Used by the shards and by machines that keep time-outs of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Add;
use std::time::Duration;

use protocol::ids::Millis;

/// The time of one loop turn, read once by the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// For intervals: it never goes back.
    pub monotonic: Monotonic,
    /// For what people and other brokers see.
    pub wall: Millis,
}

/// Time since some moment before the process served anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Monotonic(pub Duration);

impl Monotonic {
    /// How long ago `earlier` was; nothing when it lies ahead.
    pub fn since(self, earlier: Monotonic) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Monotonic {
    type Output = Monotonic;

    fn add(self, pause: Duration) -> Monotonic {
        Monotonic(self.0.saturating_add(pause))
    }
}

/// At most one deadline per key.
#[derive(Debug, Clone)]
pub struct Deadlines<K> {
    by_key: BTreeMap<K, Monotonic>,
    by_time: BTreeSet<(Monotonic, K)>,
}

impl<K> Default for Deadlines<K> {
    fn default() -> Deadlines<K> {
        Deadlines { by_key: BTreeMap::new(), by_time: BTreeSet::new() }
    }
}

impl<K: Ord + Clone> Deadlines<K> {
    /// Replaces the deadline that the key may have.
    pub fn set(&mut self, key: K, at: Monotonic) {
        self.clear(&key);
        self.by_key.insert(key.clone(), at);
        self.by_time.insert((at, key));
    }

    /// Takes the key's deadline back, if it has one.
    pub fn clear(&mut self, key: &K) {
        if let Some((key, at)) = self.by_key.remove_entry(key) {
            self.by_time.remove(&(at, key));
        }
    }

    /// When to call `expired` next.
    pub fn next(&self) -> Option<Monotonic> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes out the keys whose time has come, earliest first, by key where the time is the same.
    pub fn expired(&mut self, now: Monotonic) -> Vec<K> {
        let mut keys = Vec::new();
        while let Some((at, key)) = self.by_time.pop_first() {
            if at > now {
                self.by_time.insert((at, key));
                break;
            }
            self.by_key.remove(&key);
            keys.push(key);
        }
        keys
    }

    /// How many keys have a deadline.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Monotonic {
        Monotonic(Duration::from_millis(ms))
    }

    #[test]
    fn expires_in_order_and_only_what_is_due() {
        let mut deadlines = Deadlines::default();
        deadlines.set("late", at(30));
        deadlines.set("b", at(10));
        deadlines.set("a", at(10));
        assert_eq!(deadlines.next(), Some(at(10)));
        assert_eq!(deadlines.expired(at(9)), Vec::<&str>::new());
        assert_eq!(deadlines.expired(at(10)), ["a", "b"]);
        assert_eq!(deadlines.next(), Some(at(30)));
        assert_eq!(deadlines.len(), 1);
    }

    #[test]
    fn a_key_has_one_deadline() {
        let mut deadlines = Deadlines::default();
        deadlines.set(1, at(10));
        deadlines.set(1, at(50));
        assert_eq!(deadlines.expired(at(20)), Vec::<i32>::new());
        deadlines.clear(&1);
        assert!(deadlines.is_empty());
        assert_eq!(deadlines.next(), None);
    }
}
