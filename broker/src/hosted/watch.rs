//! How a waiting fetch hears of new records: a standing registration per partition, so that an idle partition costs nothing.
//! A shard calls `Watchers::wake` after the high watermark moved; the fetch that owns the `Watch` collects what moved.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Notify;

/// The owner's own number for one of the partitions it watches.
pub(crate) type WatchKey = u64;

/// One fetch session, or one fetch without a session, that wants to hear of many partitions.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    moved: Mutex<Moved>,
    wake: Notify,
    /// The epoch of the last request that went on with the session.
    epoch: AtomicI32,
}

/// What moved since it was last asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    /// In no time-dependent order.
    pub(crate) keys: BTreeSet<WatchKey>,
    /// Nobody has asked for so long that registrations were dropped: any partition may have moved, and is to be watched anew.
    pub(crate) lapsed: bool,
    notes: u32,
}

/// Moves that are noted for somebody who does not ask. A session can outlive its client, and must not cost its partitions a note
/// with every append.
const NOTES_MAX: u32 = 1000;

/// Who watches one partition. A watch that was dropped is forgotten at the next wake.
#[derive(Debug, Default)]
pub(crate) struct Watchers(Mutex<Vec<(Weak<Watch>, WatchKey)>>);

impl Watch {
    /// What moved since the last call.
    pub(crate) fn take_moved(&self) -> Moved {
        std::mem::take(&mut *self.moved.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns once something moved since the last `take_moved`, or the wait is interrupted; what came before the call counts.
    pub(crate) async fn moved(&self) {
        self.wake.notified().await;
    }

    /// From now on the session is that of the request with this epoch.
    pub(crate) fn claim(&self, epoch: i32) {
        self.epoch.store(epoch, Ordering::Release);
    }

    pub(crate) fn is_claimed_by(&self, epoch: i32) -> bool {
        self.epoch.load(Ordering::Acquire) == epoch
    }

    /// Ends the wait of the request that has the session.
    pub(crate) fn interrupt(&self) {
        self.wake.notify_one();
    }

    /// False once the watch has lapsed: then the registration can go.
    fn note(&self, key: WatchKey) -> bool {
        let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        if moved.notes >= NOTES_MAX {
            moved.lapsed = true;
            return false;
        }
        moved.notes += 1;
        if moved.keys.insert(key) {
            self.wake.notify_one();
        }
        true
    }
}

impl Watchers {
    pub(crate) fn add(&self, watch: &Arc<Watch>, key: WatchKey) {
        self.list().push((Arc::downgrade(watch), key));
    }

    pub(crate) fn remove(&self, watch: &Arc<Watch>, key: WatchKey) {
        self.list().retain(|(w, k)| *k != key || w.as_ptr() != Arc::as_ptr(watch));
    }

    pub(crate) fn wake(&self) {
        self.list().retain(|(watch, key)| watch.upgrade().is_some_and(|watch| watch.note(*key)));
    }

    /// The number of registrations.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests look for registrations that are left behind"))]
    pub(crate) fn count(&self) -> usize {
        self.list().len()
    }

    fn list(&self) -> std::sync::MutexGuard<'_, Vec<(Weak<Watch>, WatchKey)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_move_before_the_wait_is_not_lost() {
        let (watch, watchers) = (Arc::new(Watch::default()), Watchers::default());
        watchers.add(&watch, 3);
        watchers.wake();
        watchers.wake();
        watch.moved().await;
        assert_eq!(watch.take_moved().keys, BTreeSet::from([3]));
        assert_eq!(watch.take_moved(), Moved::default());
    }

    #[test]
    fn a_dropped_watch_and_a_removed_key_are_forgotten() {
        let (watch, watchers) = (Arc::new(Watch::default()), Watchers::default());
        watchers.add(&watch, 1);
        watchers.add(&watch, 2);
        watchers.remove(&watch, 1);
        watchers.wake();
        assert_eq!(watch.take_moved().keys, BTreeSet::from([2]));
        drop(watch);
        watchers.wake();
        assert!(watchers.list().is_empty());
    }

    #[test]
    fn a_watch_that_nobody_asks_lapses() {
        let (watch, watchers) = (Arc::new(Watch::default()), Watchers::default());
        watchers.add(&watch, 1);
        for _ in 0..NOTES_MAX {
            watchers.wake();
        }
        assert_eq!((watch.take_moved().lapsed, watchers.count()), (false, 1));
        for _ in 0..=NOTES_MAX {
            watchers.wake();
        }
        assert_eq!((watch.take_moved().lapsed, watchers.count()), (true, 0));
    }

    #[tokio::test]
    async fn an_interrupted_wait_ends() {
        let watch = Watch::default();
        watch.claim(2);
        watch.interrupt();
        watch.moved().await;
        assert!(watch.is_claimed_by(2) && !watch.is_claimed_by(1));
    }
}
