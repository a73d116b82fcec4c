//! How often the network may write into the log what clients do wrong, so that none of them can fill a disk with it.
//! Shared by all listeners and connections; it keeps two numbers in one atomic, and never waits.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, warn};

/// Over how long the lines are counted.
const WINDOW: Duration = Duration::from_secs(10);
/// Enough to see what is going on, and at most 90,000 lines a day.
const LINES_PER_WINDOW: u64 = 10;
/// The count is the lower half of the state, the window's number the upper.
const COUNT_BITS: u32 = 32;

#[derive(Debug)]
pub(crate) struct Complaints {
    begun: Instant,
    state: AtomicU64,
}

impl Complaints {
    pub(crate) fn new() -> Complaints {
        Complaints { begun: Instant::now(), state: AtomicU64::new(0) }
    }

    /// Warns of what `who` did, or says it at debug level only where there have been too many warnings.
    pub(super) fn warn(&self, who: &dyn fmt::Display, what: &dyn fmt::Display) {
        match self.allow() {
            Some(0) => warn!("{who}: {what}"),
            Some(held_back) => warn!(held_back, "{who}: {what}"),
            None => debug!("{who}: {what}"),
        }
    }

    /// Counts one line; if it may be written, says how many before it could not be.
    fn allow(&self) -> Option<u64> {
        let now = self.begun.elapsed().as_secs() / WINDOW.as_secs();
        let counted = |state| match unpack(state) {
            (window, count) if window == now => Some(pack(window, count.saturating_add(1))),
            _ => Some(pack(now, 1)),
        };
        let before = self.state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, counted);
        let (window, count) = unpack(before.unwrap_or_else(|state| state));
        if window == now {
            return (u64::from(count) < LINES_PER_WINDOW).then_some(0);
        }
        Some(u64::from(count).saturating_sub(LINES_PER_WINDOW))
    }
}

fn pack(window: u64, count: u32) -> u64 {
    window << COUNT_BITS | u64::from(count)
}

fn unpack(state: u64) -> (u64, u32) {
    (state >> COUNT_BITS, state as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_counted_and_the_next_line_tells_of_it() {
        let complaints = Complaints::new();
        let allowed = (0..1000).filter(|_| complaints.allow() == Some(0)).count();
        assert_eq!(allowed, 10);
        assert_eq!(complaints.allow(), None);
        tokio::time::advance(WINDOW).await;
        assert_eq!(complaints.allow(), Some(991));
        assert_eq!(complaints.allow(), Some(0));
    }
}
