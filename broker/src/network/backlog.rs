//! What the unanswered requests of all connections may amount to: in number, where they wait behind another of their connection
//! (`queued.max.requests`), and in bytes (`queued.max.request.bytes`).
//!
//! Who may have no more is read no further; a connection without an unanswered request may always have one, as each may have one at work
//! in Kafka. Sources: RequestChannel, SimpleMemoryPool, Selector (3.9).

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use tokio::sync::Notify;

#[derive(Debug)]
pub(crate) struct Backlog {
    requests_max: usize,
    /// Requests behind another one of their connection.
    waiting: AtomicUsize,
    memory: Option<Arc<Memory>>,
}

/// As Kafka's pool it may be overdrawn by one request, so that the largest one is let in as long as anything is left.
#[derive(Debug)]
struct Memory {
    available: AtomicI64,
    freed: Notify,
}

/// A request's bytes, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) bytes: usize,
    memory: Option<Arc<Memory>>,
}

impl Backlog {
    /// Without a number of bytes they are not counted.
    pub(crate) fn new(requests_max: usize, bytes_max: Option<u64>) -> Backlog {
        let memory = |bytes| {
            let available = AtomicI64::new(i64::try_from(bytes).unwrap_or(i64::MAX));
            Arc::new(Memory { available, freed: Notify::new() })
        };
        Backlog { requests_max, waiting: AtomicUsize::new(0), memory: bytes_max.map(memory) }
    }

    /// Whether a request more may wait behind another.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) < self.requests_max
    }

    pub(super) fn note_waiting(&self, requests: usize) {
        self.waiting.fetch_add(requests, Ordering::Relaxed);
    }

    pub(super) fn note_not_waiting(&self, requests: usize) {
        self.waiting.fetch_sub(requests, Ordering::Relaxed);
    }

    /// Memory for a request of so many bytes; none where all is in use.
    pub(super) fn try_claim(&self, bytes: usize) -> Option<Claim> {
        let memory = self.memory.clone();
        let taken = memory.as_ref().is_none_or(|memory| memory.take(bytes));
        // Made only then, as its end gives the bytes back.
        if taken { Some(Claim { bytes, memory }) } else { None }
    }

    /// The same, waiting for it. Dropping the future loses nothing.
    pub(super) async fn claim(&self, bytes: usize) -> Claim {
        loop {
            let Some(memory) = &self.memory else { return Claim { bytes, memory: None } };
            let mut freed = pin!(memory.freed.notified());
            freed.as_mut().enable();
            if let Some(claim) = self.try_claim(bytes) {
                return claim;
            }
            freed.await;
        }
    }
}

impl Memory {
    fn take(&self, bytes: usize) -> bool {
        let next = |available| (available > 0).then(|| available - bytes as i64);
        self.available.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(memory) = &self.memory {
            memory.available.fetch_add(self.bytes as i64, Ordering::Relaxed);
            memory.freed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_bytes_may_be_overdrawn_and_come_back() {
        let backlog = Backlog::new(1, Some(100));
        let first = backlog.try_claim(60).expect("there is room");
        let second = backlog.try_claim(60).expect("there is some room");
        assert!(backlog.try_claim(1).is_none());
        let mut waiting = pin!(backlog.claim(70));
        tokio::select! {
            biased;
            _ = waiting.as_mut() => panic!("there is no room"),
            () = std::future::ready(()) => drop(first),
        }
        let third = waiting.await;
        assert!(backlog.try_claim(1).is_none());
        drop((second, third));
        assert!(backlog.try_claim(1).is_some());
        assert!(Backlog::new(1, None).try_claim(usize::MAX).is_some());
    }
}
