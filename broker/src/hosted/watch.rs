//! How a waiting fetch hears of new records: a standing registration per partition, so that an idle partition costs nothing.
//! A shard calls `Watchers::wake` after the high watermark moved; the fetch that owns the `Watch` collects what moved.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Notify;

/// The owner's own number for one of the partitions it watches.
pub(crate) type WatchKey = u32;

/// One fetch session, or one fetch without a session, that wants to hear of many partitions.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    moved: Mutex<BTreeSet<WatchKey>>,
    wake: Notify,
}

/// Who watches one partition. A watch that was dropped is forgotten at the next wake.
#[derive(Debug, Default)]
pub(crate) struct Watchers(Mutex<Vec<(Weak<Watch>, WatchKey)>>);

impl Watch {
    /// What moved since the last call, in no time-dependent order.
    pub(crate) fn take_moved(&self) -> BTreeSet<WatchKey> {
        std::mem::take(&mut *self.moved.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns once something moved since the last `take_moved`; a move before the call counts.
    pub(crate) async fn moved(&self) {
        self.wake.notified().await;
    }

    fn note(&self, key: WatchKey) {
        if self.moved.lock().unwrap_or_else(PoisonError::into_inner).insert(key) {
            self.wake.notify_one();
        }
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
        self.list().retain(|(watch, key)| watch.upgrade().inspect(|w| w.note(*key)).is_some());
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
        assert_eq!(watch.take_moved(), BTreeSet::from([3]));
        assert_eq!(watch.take_moved(), BTreeSet::new());
    }

    #[test]
    fn a_dropped_watch_and_a_removed_key_are_forgotten() {
        let (watch, watchers) = (Arc::new(Watch::default()), Watchers::default());
        watchers.add(&watch, 1);
        watchers.add(&watch, 2);
        watchers.remove(&watch, 1);
        watchers.wake();
        assert_eq!(watch.take_moved(), BTreeSet::from([2]));
        drop(watch);
        watchers.wake();
        assert!(watchers.list().is_empty());
    }
}
