//! The unanswered requests of one connection, oldest first, with a bound on their number and on their bytes.
//!
//! Only the oldest is polled, so answers leave in the order of the requests whichever is done first.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};

use super::stages::Passage;
use crate::api::context::{Outcome, Pending};

/// Requests of one connection that may be unanswered before it is read no further. Java's producer keeps five in
/// flight, librdkafka as many as it likes; more than this would only fill queues further on.
const REPLIES_MAX: usize = 64;
/// Bytes of requests that may be unanswered before the connection is read no further; a single request may have
/// more. The five requests of 1 MiB that Java's producer keeps in flight pass.
const REQUEST_BYTES_MAX: usize = 5 << 20;

#[derive(Debug, Default)]
pub(super) struct Replies {
    queue: VecDeque<Reply>,
    /// Of all requests in the queue.
    request_bytes: usize,
}

#[derive(Debug)]
struct Reply {
    pending: Pending,
    passage: Passage,
}

impl Replies {
    /// Adds the answer to the newest request.
    pub(super) fn push(&mut self, pending: Pending, passage: Passage) {
        self.request_bytes += passage.request_bytes;
        self.queue.push_back(Reply { pending, passage });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether another request may be taken on.
    pub(super) fn has_room(&self) -> bool {
        self.queue.len() < REPLIES_MAX && self.request_bytes < REQUEST_BYTES_MAX
    }

    /// Waits for the outcome of the oldest request, and takes it off; forever if there is none. Dropping the future
    /// loses nothing: what is being waited for stays in the queue.
    pub(super) async fn next(&mut self) -> (Outcome, Passage) {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// Drops all that is waiting.
    pub(super) fn clear(&mut self) {
        *self = Replies::default();
    }

    /// Gives back the memory that an earlier burst needed.
    pub(super) fn shrink(&mut self) {
        self.queue.shrink_to_fit();
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<(Outcome, Passage)> {
        let Some(Reply { pending, mut passage }) = self.queue.pop_front() else { return Poll::Pending };
        let mut later = match pending {
            Pending::Ready(outcome) => {
                self.request_bytes -= passage.request_bytes;
                return passage.time(|| Poll::Ready(outcome)).map(|outcome| (outcome, passage));
            }
            Pending::Later(later) => later,
        };
        match passage.time(|| later.as_mut().poll(context)) {
            Poll::Ready(outcome) => {
                self.request_bytes -= passage.request_bytes;
                Poll::Ready((outcome, passage))
            }
            Poll::Pending => {
                self.queue.push_front(Reply { pending: Pending::Later(later), passage });
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::ApiKey;
    use protocol::request::RequestHeader;
    use tokio::sync::oneshot;
    use tokio::time::Instant;

    use super::*;

    fn passage(request_bytes: usize) -> Passage {
        let header = RequestHeader { api: ApiKey::Metadata, version: 0, correlation_id: 0, client_id: None };
        Passage::new(&header, request_bytes, Instant::now())
    }

    fn closing(reason: &str) -> Outcome {
        Outcome::Close(reason.to_owned())
    }

    fn later(outcome: oneshot::Receiver<&'static str>) -> Pending {
        Pending::later(async move { closing(outcome.await.unwrap_or("dropped")) })
    }

    #[tokio::test]
    async fn outcomes_come_in_order_and_a_dropped_wait_loses_none() {
        let mut replies = Replies::default();
        let (first, wait) = oneshot::channel();
        replies.push(later(wait), passage(10));
        replies.push(Pending::Ready(closing("second")), passage(20));
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
        let mut replies = Replies::default();
        for _ in 0..REPLIES_MAX {
            assert!(replies.has_room());
            replies.push(Pending::Ready(Outcome::Silent), passage(1));
        }
        assert!(!replies.has_room());
        replies.clear();
        assert!(replies.has_room());
        replies.push(Pending::Ready(Outcome::Silent), passage(100 << 20));
        assert!(!replies.has_room());
    }
}
