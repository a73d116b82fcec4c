//! The unanswered requests of one connection, oldest first, with a bound on their number and on their bytes, and on those of
//! all connections together.
//!
//! Only the oldest is polled, so answers leave in the order of the requests whichever is done first.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::backlog::{Backlog, Claim};
use super::stages::Passage;
use crate::api::context::{Outcome, Pending};

/// Requests of one connection that may be unanswered before it is read no further. Java's producer keeps five in
/// flight, librdkafka as many as it likes; more than this would only fill queues further on.
const REPLIES_MAX: usize = 64;
/// Bytes of requests that may be unanswered before the connection is read no further; a single request may have
/// more. The five requests of 1 MiB that Java's producer keeps in flight pass.
const REQUEST_BYTES_MAX: usize = 5 << 20;

#[derive(Debug)]
pub(super) struct Replies {
    backlog: Arc<Backlog>,
    queue: VecDeque<Reply>,
    /// Of all requests in the queue.
    request_bytes: usize,
}

#[derive(Debug)]
struct Reply {
    pending: Pending,
    passage: Passage,
    claim: Claim,
}

impl Replies {
    pub(super) fn new(backlog: Arc<Backlog>) -> Replies {
        Replies { backlog, queue: VecDeque::new(), request_bytes: 0 }
    }

    /// Adds the answer to the newest request, with what its frame has claimed.
    pub(super) fn push(&mut self, pending: Pending, passage: Passage, claim: Claim) {
        if !self.queue.is_empty() {
            self.backlog.note_waiting(1);
        }
        self.request_bytes += claim.bytes;
        self.queue.push_back(Reply { pending, passage, claim });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether another request may be taken on.
    pub(super) fn has_room(&self) -> bool {
        let room_behind = || self.request_bytes < REQUEST_BYTES_MAX && self.backlog.has_room();
        self.queue.is_empty() || (self.queue.len() < REPLIES_MAX && room_behind())
    }

    /// Waits for the outcome of the oldest request, and takes it off; forever if there is none. Dropping the future
    /// loses nothing: what is being waited for stays in the queue.
    pub(super) async fn next(&mut self) -> (Outcome, Passage) {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// Drops all that is waiting.
    pub(super) fn clear(&mut self) {
        self.backlog.note_not_waiting(self.waiting());
        self.queue = VecDeque::new();
        self.request_bytes = 0;
    }

    /// Those behind the oldest one.
    fn waiting(&self) -> usize {
        self.queue.len().saturating_sub(1)
    }

    /// Gives back the memory that an earlier burst needed.
    pub(super) fn shrink(&mut self) {
        self.queue.shrink_to_fit();
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<(Outcome, Passage)> {
        let Some(Reply { pending, mut passage, claim }) = self.queue.pop_front() else {
            return Poll::Pending;
        };
        let outcome = match pending {
            Pending::Ready(outcome) => passage.time(|| outcome),
            Pending::Later(mut later) => match passage.time(|| later.as_mut().poll(context)) {
                Poll::Ready(outcome) => outcome,
                Poll::Pending => {
                    self.queue.push_front(Reply { pending: Pending::Later(later), passage, claim });
                    return Poll::Pending;
                }
            },
        };
        self.request_bytes -= claim.bytes;
        if !self.queue.is_empty() {
            self.backlog.note_not_waiting(1);
        }
        Poll::Ready((outcome, passage))
    }
}

impl Drop for Replies {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use protocol::ApiKey;
    use protocol::request::RequestHeader;
    use tokio::sync::oneshot;
    use tokio::time::Instant;

    use super::*;

    fn replies(requests_max: usize) -> Replies {
        Replies::new(Arc::new(Backlog::new(requests_max, None)))
    }

    fn passage() -> Passage {
        let header = RequestHeader { api: ApiKey::Metadata, version: 0, correlation_id: 0, client_id: None };
        Passage::new(&header, 1, Instant::now())
    }

    fn claim(bytes: usize) -> Claim {
        Backlog::new(0, None).try_claim(bytes).expect("bytes are not counted")
    }

    fn closing(reason: &str) -> Outcome {
        Outcome::Close(reason.to_owned())
    }

    fn later(outcome: oneshot::Receiver<&'static str>) -> Pending {
        Pending::later(async move { closing(outcome.await.unwrap_or("dropped")) })
    }

    #[tokio::test]
    async fn outcomes_come_in_order_and_a_dropped_wait_loses_none() {
        let mut replies = replies(500);
        let (first, wait) = oneshot::channel();
        replies.push(later(wait), passage(), claim(10));
        replies.push(Pending::Ready(closing("second")), passage(), claim(20));
        tokio::select! {
            biased;
            done = replies.next() => panic!("the first is not done: {done:?}"),
            () = std::future::ready(()) => {}
        }
        first.send("first").expect("it is being waited for");
        assert!(matches!(replies.next().await.0, Outcome::Close(reason) if reason == "first"));
        assert!(matches!(replies.next().await.0, Outcome::Close(reason) if reason == "second"));
        assert!(replies.is_empty());
        assert_eq!(replies.request_bytes, 0);
    }

    #[test]
    fn number_and_bytes_are_bounded_but_one_request_may_be_as_large_as_it_likes() {
        let mut replies = replies(500);
        for _ in 0..REPLIES_MAX {
            assert!(replies.has_room());
            replies.push(Pending::Ready(Outcome::Silent), passage(), claim(1));
        }
        assert!(!replies.has_room());
        replies.clear();
        assert!(replies.has_room());
        replies.push(Pending::Ready(Outcome::Silent), passage(), claim(100 << 20));
        assert!(!replies.has_room());
    }

    #[tokio::test]
    async fn all_connections_share_what_may_wait_but_each_may_have_one_request() {
        let mut greedy = replies(3);
        let mut other = Replies::new(Arc::clone(&greedy.backlog));
        for _ in 0..4 {
            assert!(greedy.has_room());
            greedy.push(Pending::Ready(Outcome::Silent), passage(), claim(1));
        }
        assert!(!greedy.has_room());
        assert!(other.has_room());
        other.push(Pending::Ready(Outcome::Silent), passage(), claim(1));
        assert!(!other.has_room());
        greedy.next().await;
        assert!(greedy.has_room() && other.has_room());
        drop(greedy);
        assert!(other.backlog.has_room());
        other.next().await;
        let backlog = Arc::clone(&other.backlog);
        drop(other);
        backlog.note_waiting(2);
        assert!(backlog.has_room(), "all that waited has been taken off");
    }
}
