//! How a broker's process takes memory from the system, and gives it back after a burst (docs/decisions/0014).

use std::cell::Cell;
use std::time::{Duration, Instant};

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How often a thread looks for memory that it can give back; the broker wakes each as often.
const PERIOD: Duration = Duration::from_secs(1);

/// Has the system hand out memory in its ordinary pages. It takes milliseconds to make one of 2 MiB, at the first byte that a
/// request writes there, and gets it back only when all of it is free.
pub(crate) fn in_small_pages() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::warn!(%error, "the system keeps its huge pages: more memory is used, and requests may wait while one is made");
    }
}

/// For a thread that has nothing to do: gives back what it no longer needs. The allocator does so only when the same thread asks
/// for memory again, also with what other threads have freed of its memory.
pub(crate) fn give_back() {
    thread_local!(static LAST: Cell<Option<Instant>> = const { Cell::new(None) });
    let now = Instant::now();
    if LAST.get().is_none_or(|last| now - last >= PERIOD) {
        LAST.set(Some(now));
        // SAFETY: it looks at the calling thread's heap alone, and no allocation is under way.
        #[allow(unsafe_code)]
        unsafe {
            libmimalloc_sys::mi_collect(false);
        }
    }
}
