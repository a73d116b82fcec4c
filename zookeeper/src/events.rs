//! The one stream on which a session reports what happens to it and to the nodes it watches.
//!
//! Owns the queue between a session and its single consumer; never blocks the session and never drops what must be known.
//! Filled by `session` and `tree`'s model. Bounded without a capacity: a watch fires once until a read leaves it again, an
//! event that already waits is not queued twice, and a new session makes all that waits meaningless.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// ZooKeeper's number for a session; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub i64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    /// The connection is lost; operations wait. The session and its ephemeral nodes may still live.
    Suspended,
    /// The same session has a connection again. No watch is left: read again, with watches, all that is watched.
    Reconnected,
    /// ZooKeeper gave the old session up, with its ephemeral nodes and watches, and this new one is established.
    Expired { session: SessionId },
    /// A watch has fired and is gone. Only a hint to read again: what the node is now is for the read to say.
    NodeChanged { path: String, change: Change },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Created,
    Deleted,
    Data,
    Children,
}

/// The consumer's end.
#[derive(Debug)]
pub struct SessionEvents(Arc<Shared>);

/// The session's end. The stream ends when it is dropped.
#[derive(Debug)]
pub(crate) struct EventSender(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<SessionEvent>,
    ended: bool,
}

pub(crate) fn channel() -> (EventSender, SessionEvents) {
    let shared = Arc::new(Shared::default());
    (EventSender(shared.clone()), SessionEvents(shared))
}

impl SessionEvents {
    /// The next event, or `None` when the session is closed and nothing is left. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<SessionEvent> {
        loop {
            {
                let mut queue = self.0.lock();
                if let Some(event) = queue.waiting.pop_front() {
                    return Some(event);
                }
                if queue.ended {
                    return None;
                }
            }
            // A send between the look above and this wait leaves a permit, which ends the wait at once.
            self.0.arrived.notified().await;
        }
    }

    /// What waits now, without waiting for more.
    pub fn try_next(&mut self) -> Option<SessionEvent> {
        self.0.lock().waiting.pop_front()
    }
}

impl EventSender {
    pub(crate) fn send(&self, event: SessionEvent) {
        self.0.lock().push(event);
        self.0.arrived.notify_one();
    }
}

impl Drop for EventSender {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.arrived.notify_one();
    }
}

impl Shared {
    /// A panic elsewhere cannot leave the queue half changed, so its poison means nothing.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn push(&mut self, event: SessionEvent) {
        match &event {
            SessionEvent::Expired { .. } => self.waiting.clear(),
            SessionEvent::Reconnected => {
                self.waiting.retain(|e| !matches!(e, SessionEvent::Suspended | SessionEvent::Reconnected));
            }
            SessionEvent::Suspended => self.waiting.retain(|e| *e != SessionEvent::Suspended),
            SessionEvent::NodeChanged { .. } if self.waiting.contains(&event) => return,
            SessionEvent::NodeChanged { .. } => {}
        }
        self.waiting.push_back(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(path: &str) -> SessionEvent {
        SessionEvent::NodeChanged { path: path.into(), change: Change::Data }
    }

    fn queued(sent: &[SessionEvent]) -> Vec<SessionEvent> {
        let (sender, mut events) = channel();
        sent.iter().for_each(|event| sender.send(event.clone()));
        std::iter::from_fn(|| events.try_next()).collect()
    }

    #[test]
    fn what_waits_already_is_not_queued_twice() {
        assert_eq!(queued(&[changed("/a"), changed("/b"), changed("/a")]), [changed("/a"), changed("/b")]);
    }

    #[test]
    fn a_flapping_connection_leaves_one_reconnected() {
        use SessionEvent::{Reconnected, Suspended};
        assert_eq!(queued(&[Suspended, Reconnected, Suspended, Reconnected]), [Reconnected]);
        assert_eq!(queued(&[Suspended, Reconnected, Suspended]), [Reconnected, Suspended]);
    }

    #[test]
    fn a_new_session_makes_what_waits_meaningless() {
        let expired = SessionEvent::Expired { session: SessionId(2) };
        assert_eq!(queued(&[changed("/a"), SessionEvent::Suspended, expired.clone()]), [expired]);
    }

    #[tokio::test]
    async fn the_stream_ends_with_its_sender() {
        let (sender, mut events) = channel();
        sender.send(changed("/a"));
        drop(sender);
        assert_eq!(events.next().await, Some(changed("/a")));
        assert_eq!(events.next().await, None);
    }
}
