//! What the driver has to notice, told by whoever follows the session's events; it outlives each run of the driver.
//!
//! Bounded without a capacity: a notice that waits already is not queued twice, a watch fires once until it is left again, and a lost
//! session makes all that waits meaningless.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Notice {
    /// ZooKeeper has given the session up: `/controller` is gone, and whatever was under way.
    SessionLost,
    /// This broker is registered under the new session.
    Registered,
    /// The same session has a connection again, but no watches.
    WatchesLost,
    /// A watch on this znode, or on its children, has fired.
    Changed(String),
    /// A setting now allows unclean elections: of this topic's partitions, or of all.
    UncleanElectionsAllowed(Option<String>),
}

#[derive(Debug, Default)]
pub(super) struct Inbox {
    waiting: Mutex<VecDeque<Notice>>,
    arrived: Notify,
}

impl Inbox {
    pub(super) fn put(&self, notice: Notice) {
        let mut waiting = self.lock();
        if notice == Notice::SessionLost {
            waiting.clear();
        }
        if !waiting.contains(&notice) {
            waiting.push_back(notice);
        }
        drop(waiting);
        self.arrived.notify_one();
    }

    /// Dropping the future loses nothing.
    pub(super) async fn next(&self) -> Notice {
        loop {
            if let Some(notice) = self.try_next() {
                return notice;
            }
            // A notice put between the look and this wait leaves a permit, which ends the wait at once.
            self.arrived.notified().await;
        }
    }

    pub(super) fn try_next(&self) -> Option<Notice> {
        self.lock().pop_front()
    }

    /// A panic elsewhere cannot leave the queue half changed, so its poison means nothing.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Notice>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_waits_twice_and_a_lost_session_clears() {
        let inbox = Inbox::default();
        let changed = |path: &str| Notice::Changed(path.to_owned());
        for notice in [changed("/a"), changed("/b"), changed("/a")] {
            inbox.put(notice);
        }
        assert_eq!(inbox.next().await, changed("/a"));
        assert_eq!(inbox.try_next(), Some(changed("/b")));
        assert_eq!(inbox.try_next(), None);
        inbox.put(changed("/a"));
        inbox.put(Notice::SessionLost);
        inbox.put(Notice::Registered);
        assert_eq!(inbox.try_next(), Some(Notice::SessionLost));
        assert_eq!(inbox.try_next(), Some(Notice::Registered));
    }
}
