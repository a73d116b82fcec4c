//! Threads that have no log of their own to open any more, and help with the segments of those that others open.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many threads are free. Shared by all who open logs at the same time.
#[derive(Debug, Default)]
pub struct Crew {
    free: AtomicUsize,
}

impl Crew {
    /// One thread more is free; called when a thread has opened its last log and ends.
    pub fn join(&self) {
        self.free.fetch_add(1, Ordering::AcqRel);
    }

    /// Takes one; false if there is none.
    pub(super) fn recruit(&self) -> bool {
        let one_less = |free: usize| free.checked_sub(1);
        self.free.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less).is_ok()
    }
}
