//! An allocator that counts what each thread holds, so that a bound on memory can be tested. The one file of this crate with
//! unsafe code, which is in no program: an allocator cannot be written without, and a crate for it counts all threads together.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Set as the global allocator of a program that wants [`peak`].
#[derive(Debug)]
pub struct Counting;

thread_local! {
    /// Bytes allocated less those freed, and the most that was so far.
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

/// What `work` gives, and the most memory that this thread held for it at once, in bytes.
pub fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let (before, _) = HELD.get();
    HELD.set((before, before));
    let done = work();
    let (_, most) = HELD.get();
    (done, (most - before) as usize)
}

fn note(change: isize) {
    // A thread that is ending counts no more.
    let _ = HELD.try_with(|held| {
        let (now, most) = held.get();
        let now = now + change;
        held.set((now, most.max(now)));
    });
}

// SAFETY: every call goes to the system's allocator as it came; counting allocates nothing and does not unwind.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size() as isize);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        note(-(layout.size() as isize));
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // While it is moved, both are there.
        note(size as isize);
        note(-(layout.size() as isize));
        unsafe { System.realloc(at, layout, size) }
    }
}
