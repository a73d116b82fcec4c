//! Open files and maps of segments, made when first needed and bounded for the whole process.
//!
//! A segment owns what it has open; a pool only knows of it, and takes it back from whoever did not use it of late
//! when there are too many. A reader holds a clone, so nothing is closed under it. No lock is held during I/O.
//! Kafka has no such bound: it keeps a file and two maps open per segment for as long as the segment lives.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};

use crate::disk::DiskFile;
use crate::index::Mapped;

/// Files of sealed segments, and index files of segments that are written.
pub(crate) static FILES: Pool<DiskFile> = Pool::new(1024);
/// Maps of sealed indexes.
pub(crate) static MAPS: Pool<Arc<Mapped>> = Pool::new(8192);

/// How many files and maps stay open between reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handles {
    pub files: usize,
    pub maps: usize,
}

impl Handles {
    /// Makes these the bounds of the process; what is open beyond them is closed. What is being read at the moment, and
    /// the log file of each partition's last segment, are open beside them.
    pub fn bound(self) {
        FILES.bound(self.files);
        MAPS.bound(self.maps);
    }

    /// What is open now.
    pub fn in_use() -> Handles {
        Handles { files: FILES.count(), maps: MAPS.count() }
    }

    /// Closes all files between reads, so that others can be opened; false if there were none.
    pub fn give_back() -> bool {
        FILES.empty()
    }
}

/// Directories whose disk has shown an error: their indexes are read, not mapped, since a page that cannot be brought in
/// ends the process.
static DISTRUSTED: Distrusted = Distrusted { any: AtomicBool::new(false), dirs: RwLock::new(Vec::new()) };

#[derive(Debug)]
struct Distrusted {
    any: AtomicBool,
    dirs: RwLock<Vec<PathBuf>>,
}

/// Maps nothing below `dir` from now on, and takes back the maps there are: its disk has shown an error. For those who read before
/// the directory is offline; afterwards nobody does.
pub(crate) fn distrust(dir: &Path) {
    let mut dirs = DISTRUSTED.dirs.write().unwrap_or_else(PoisonError::into_inner);
    if !dirs.iter().any(|known| dir.starts_with(known)) {
        dirs.push(dir.to_owned());
        DISTRUSTED.any.store(true, Ordering::Release);
        drop(dirs);
        // Few maps are elsewhere, and those are made again when they are needed.
        MAPS.empty();
    }
}

/// Whether files below `dir` may be mapped.
pub(crate) fn may_map(dir: &Path) -> bool {
    !DISTRUSTED.any.load(Ordering::Acquire) || {
        let dirs = DISTRUSTED.dirs.read().unwrap_or_else(PoisonError::into_inner);
        !dirs.iter().any(|distrusted| dir.starts_with(distrusted))
    }
}

/// Something that may be open: a file, a map.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    /// Made when it is first opened, since most segments are never read.
    cell: OnceLock<Arc<Cell<T>>>,
}

#[derive(Debug)]
struct Cell<T> {
    open: RwLock<Option<T>>,
    /// Since the clock last passed.
    used: AtomicBool,
}

impl<T: Clone> Slot<T> {
    pub(crate) const fn new() -> Slot<T> {
        Slot { cell: OnceLock::new() }
    }

    /// What is open, if it is.
    pub(crate) fn get(&self) -> Option<T> {
        let cell = self.cell.get()?;
        let open = cell.open.read().unwrap_or_else(PoisonError::into_inner).clone();
        if open.is_some() && !cell.used.load(Ordering::Relaxed) {
            cell.used.store(true, Ordering::Relaxed);
        }
        open
    }

    /// What is open, or is opened by this. Two readers may open at the same time; one of the two is kept.
    pub(crate) fn get_or_open(&self, pool: &Pool<T>, open: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self.get() {
            Some(open) => Ok(open),
            None => Ok(self.keep(pool, open()?)),
        }
    }

    /// Keeps `opened` open within the bound; gives back what was open before instead, if anything.
    pub(crate) fn keep(&self, pool: &Pool<T>, opened: T) -> T {
        let cell = self
            .cell
            .get_or_init(|| Arc::new(Cell { open: RwLock::new(None), used: AtomicBool::new(false) }));
        {
            let mut open = cell.open.write().unwrap_or_else(PoisonError::into_inner);
            if let Some(open) = &*open {
                return open.clone();
            }
            *open = Some(opened.clone());
        }
        pool.admit(cell);
        opened
    }
}

/// The slots that have something open, and how many may.
#[derive(Debug)]
pub(crate) struct Pool<T> {
    limit: AtomicUsize,
    clock: Mutex<Clock<T>>,
}

/// Goes round the members; whoever was not used since it last passed gives up what it has.
#[derive(Debug)]
struct Clock<T> {
    members: Vec<Weak<Cell<T>>>,
    hand: usize,
}

impl<T> Pool<T> {
    pub(crate) const fn new(limit: usize) -> Pool<T> {
        Pool { limit: AtomicUsize::new(limit), clock: Mutex::new(Clock { members: Vec::new(), hand: 0 }) }
    }

    fn bound(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
        let taken = self.clock().shrink(limit.max(1));
        // Closed when the lock is free again.
        drop(taken);
    }

    fn admit(&self, cell: &Arc<Cell<T>>) {
        let limit = self.limit.load(Ordering::Relaxed).max(1);
        let taken = self.clock().admit(cell, limit);
        drop(taken);
    }

    /// Takes back everything; false if there was nothing.
    fn empty(&self) -> bool {
        let taken = self.clock().shrink(0);
        !taken.is_empty()
    }

    fn count(&self) -> usize {
        let clock = self.clock();
        let is_open = |member: &&Weak<Cell<T>>| member.strong_count() > 0;
        clock.members.iter().filter(is_open).count()
    }

    fn clock(&self) -> MutexGuard<'_, Clock<T>> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clock<T> {
    /// Takes the member in; what others give up for it is returned.
    fn admit(&mut self, cell: &Arc<Cell<T>>, limit: usize) -> Vec<T> {
        let mut taken = Vec::new();
        if self.members.len() < limit {
            self.members.push(Arc::downgrade(cell));
            return taken;
        }
        let at = self.next_idle(&mut taken);
        self.members[at] = Arc::downgrade(cell);
        self.hand = at + 1;
        taken
    }

    /// A place that is free now: its segment is gone, or gave up what it had.
    fn next_idle(&mut self, taken: &mut Vec<T>) -> usize {
        // One round clears the marks; readers who set them again meanwhile do not make a third one.
        for step in 0.. {
            let at = self.hand % self.members.len();
            self.hand = at + 1;
            let Some(cell) = self.members[at].upgrade() else { return at };
            let was_used = cell.used.swap(false, Ordering::Relaxed);
            if !was_used || step > self.members.len() {
                taken.extend(cell.take());
                return at;
            }
        }
        0
    }

    /// Lets no more than `limit` members stay; what the others had is returned.
    fn shrink(&mut self, limit: usize) -> Vec<T> {
        let mut taken = Vec::new();
        while self.members.len() > limit {
            let at = self.next_idle(&mut taken);
            self.members.swap_remove(at);
        }
        taken
    }
}

impl<T> Cell<T> {
    fn take(&self) -> Option<T> {
        self.open.write().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Something open that can be seen to be closed.
    type Open = Arc<usize>;

    fn slots(count: usize) -> Vec<Slot<Open>> {
        (0..count).map(|_| Slot::new()).collect()
    }

    fn open(slot: &Slot<Open>, pool: &Pool<Open>, number: usize) -> Open {
        slot.get_or_open(pool, || Ok(Arc::new(number))).unwrap()
    }

    fn open_ones(slots: &[Slot<Open>]) -> Vec<usize> {
        slots.iter().filter_map(|slot| slot.get().map(|open| *open)).collect()
    }

    #[test]
    fn no_more_than_the_limit_stay_open() {
        let (pool, slots) = (Pool::new(3), slots(10));
        for (number, slot) in slots.iter().enumerate() {
            assert_eq!(*open(slot, &pool, number), number);
        }
        assert_eq!(open_ones(&slots).len(), 3);
        assert_eq!(pool.count(), 3);
        // What was given up is opened again.
        assert_eq!(*open(&slots[0], &pool, 70), 70);
        assert_eq!(*open(&slots[0], &pool, 80), 70);
        assert_eq!(open_ones(&slots).len(), 3);
    }

    #[test]
    fn what_is_used_stays() {
        let (pool, slots) = (Pool::new(3), slots(30));
        open(&slots[0], &pool, 0);
        for (number, slot) in slots.iter().enumerate().skip(1) {
            open(slot, &pool, number);
            assert!(slots[0].get().is_some(), "after {number}");
        }
    }

    #[test]
    fn a_reader_keeps_what_it_has() {
        let (pool, slots) = (Pool::new(1), slots(2));
        let held = open(&slots[0], &pool, 5);
        open(&slots[1], &pool, 6);
        assert_eq!(slots[0].get(), None);
        assert_eq!((*held, Arc::strong_count(&held)), (5, 1));
    }

    #[test]
    fn a_slot_that_goes_takes_along_what_it_had() {
        let (pool, mut slots) = (Pool::new(2), slots(3));
        let held = open(&slots[0], &pool, 0);
        open(&slots[1], &pool, 1);
        drop(slots.remove(0));
        assert_eq!((Arc::strong_count(&held), pool.count()), (1, 1));
        // Its place is found before anyone has to give up something.
        open(&slots[1], &pool, 2);
        assert_eq!(open_ones(&slots), [1, 2]);
    }

    #[test]
    fn a_lower_limit_closes_at_once() {
        let (pool, slots) = (Pool::new(10), slots(10));
        for (number, slot) in slots.iter().enumerate() {
            open(slot, &pool, number);
        }
        pool.bound(4);
        assert_eq!(open_ones(&slots).len(), 4);
        assert!(pool.empty());
        assert!(open_ones(&slots).is_empty());
        assert!(!pool.empty());
    }

    #[test]
    fn what_cannot_be_opened_is_tried_again() {
        let (pool, slots) = (Pool::new(1), slots(1));
        assert!(slots[0].get_or_open(&pool, || Err(io::ErrorKind::NotFound.into())).is_err());
        assert_eq!(*open(&slots[0], &pool, 3), 3);
    }

    #[test]
    fn many_threads_stay_within_the_limit() {
        let (pool, slots) = (Pool::new(8), slots(64));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (pool, slots) = (&pool, &slots);
                scope.spawn(move || {
                    for step in 0..20_000_usize {
                        let number = (step * (thread + 3)) % 64;
                        assert_eq!(*open(&slots[number], pool, number), number);
                    }
                });
            }
        });
        assert!(open_ones(&slots).len() <= 8);
        assert_eq!(open_ones(&slots).len(), pool.count());
    }

    #[test]
    fn a_distrusted_directory_is_not_mapped() {
        let bad = Path::new("/nowhere/distrusted");
        assert!(may_map(&bad.join("t-0")));
        distrust(bad);
        assert!(!may_map(&bad.join("t-0")));
        assert!(may_map(Path::new("/nowhere/trusted/t-0")));
    }
}
