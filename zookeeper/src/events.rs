//! The one stream on which a session reports what happens to it and to the nodes it watches.
//!
//! Owns the queue between a session and its single consumer; never blocks the session and never drops what must be known.
//! Filled by `session` and `tree`'s model. Bounded without a capacity: a watch fires once until a read leaves it again, an
//! event that already waits is not queued twice, and a new session makes all that waits meaningless.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// ZooKeeper's number for a session; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub i64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// What has happened to the session, or to a node that it watches.
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

/// What a watch has fired for.
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
struct Shared(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<SessionEvent>,
    ended: bool,
    /// Of the consumer, while it waits.
    waker: Option<Waker>,
}

pub(crate) fn channel() -> (EventSender, SessionEvents) {
    let shared = Arc::new(Shared::default());
    (EventSender(shared.clone()), SessionEvents(shared))
}

impl SessionEvents {
    /// The next event, or `None` when the session is closed and nothing is left. Dropping the future loses nothing.
    pub fn recv(&mut self) -> impl Future<Output = Option<SessionEvent>> + Send {
        poll_fn(|context| self.poll_recv(context))
    }

    fn poll_recv(&mut self, context: &Context<'_>) -> Poll<Option<SessionEvent>> {
        let mut queue = self.0.lock();
        match queue.waiting.pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None if queue.ended => Poll::Ready(None),
            None => {
                queue.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// What waits now, without waiting for more.
    pub fn try_recv(&mut self) -> Option<SessionEvent> {
        self.0.lock().waiting.pop_front()
    }
}

impl EventSender {
    pub(crate) fn send(&self, event: SessionEvent) {
        self.change(|queue| queue.push(event));
    }

    /// Wakes the consumer after the lock is given back.
    fn change(&self, change: impl FnOnce(&mut Queue)) {
        let mut queue = self.0.lock();
        change(&mut queue);
        let waker = queue.waker.take();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for EventSender {
    fn drop(&mut self) {
        self.change(|queue| queue.ended = true);
    }
}

impl Shared {
    /// A panic elsewhere cannot leave the queue half changed, so its poison means nothing.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        std::iter::from_fn(|| events.try_recv()).collect()
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
        assert_eq!(events.recv().await, Some(changed("/a")));
        assert_eq!(events.recv().await, None);
    }
}
