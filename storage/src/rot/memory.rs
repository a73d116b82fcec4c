//! Which bytes of a log file can be sent as they are: those that are in the system's memory, and that nobody is still checking.
//!
//! What is in memory was written by us or has been checked when it came from the disk. Bytes that are being checked are in memory too, and
//! so may bad ones be, where the system does not drop them: until they are known to be good, they belong to who checks them.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{Advice, AtFlags, StatxFlags};
use rustix::io::{Errno, ReadWriteFlags};

use super::{RotError, Stretch, read_checked};

/// The system's smallest unit.
const PAGE: u64 = 4096;
/// Between two probes, where the system cannot count pages: it reads ahead in units of this size by default.
const PROBE_STRIDE: u64 = 128 << 10;
/// cachestat(2), since Linux 6.5; the same number on all processors that we are built for.
const CACHESTAT: libc::c_long = 451;

static CHECKS: Mutex<Vec<Check>> = Mutex::new(Vec::new());
/// How many there are, so that who finds none takes no lock.
static CHECKS_COUNT: AtomicUsize = AtomicUsize::new(0);
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Bytes of a file that are not known to be good.
struct Check {
    number: u64,
    file: FileNumber,
    bytes: Range<u64>,
}

/// Which file it is: its inode, which another may have later, and when it was made.
type FileNumber = (u64, i64, u32);

/// Bytes that have to be checked before they are sent. Until this is dropped, whoever else wants them has to check them too.
#[derive(Debug)]
pub struct Unchecked {
    number: u64,
}

/// None if the file's bytes between two positions can be sent as they are, without waiting for a disk.
pub fn unchecked(file: &File, from: u64, to: u64) -> io::Result<Option<Unchecked>> {
    // Otherwise a probe or a read makes the system read ahead, and what it reads so nobody checks.
    let _ = rustix::fs::fadvise(file, 0, None, Advice::Random);
    let is_good = is_in_memory(file, from, to)? && !is_being_checked(file, from, to)?;
    if is_good { Ok(None) } else { Unchecked::new(number_of(file)?, from..to).map(Some) }
}

impl Unchecked {
    fn new(file: FileNumber, bytes: Range<u64>) -> io::Result<Unchecked> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        change(|checks| checks.push(Check { number, file, bytes }));
        Ok(Unchecked { number })
    }

    /// Reads a stretch from the disk and checks every batch that begins in it; returns where the next batch begins. Blocks for the disk.
    /// Of a file in which a batch is bad nothing is sent unchecked any more.
    pub fn check(self, file: &Arc<File>, stretch: Stretch) -> Result<u64, RotError> {
        let outcome = read_checked(file, stretch);
        if let Err(RotError::Bad { .. }) = &outcome {
            self.distrust();
        }
        outcome
    }

    /// Makes it the whole file, for as long as the process lives.
    fn distrust(self) {
        change(|checks| {
            let Some(check) = checks.iter_mut().find(|check| check.number == self.number) else { return };
            let (file, number) = (check.file, check.number);
            check.bytes = 0..u64::MAX;
            checks
                .retain(|check| check.number == number || check.file != file || check.bytes.end != u64::MAX);
        });
        std::mem::forget(self);
    }
}

impl Drop for Unchecked {
    fn drop(&mut self) {
        change(|checks| checks.retain(|check| check.number != self.number));
    }
}

fn change(change: impl FnOnce(&mut Vec<Check>)) {
    let mut checks = CHECKS.lock().unwrap_or_else(PoisonError::into_inner);
    change(&mut checks);
    CHECKS_COUNT.store(checks.len(), Ordering::Release);
}

fn is_being_checked(file: &File, from: u64, to: u64) -> io::Result<bool> {
    if CHECKS_COUNT.load(Ordering::Acquire) == 0 {
        return Ok(false);
    }
    let number = number_of(file)?;
    let checks = CHECKS.lock().unwrap_or_else(PoisonError::into_inner);
    let overlaps = |bytes: &Range<u64>| bytes.start < to && from < bytes.end;
    Ok(checks.iter().any(|check| check.file == number && overlaps(&check.bytes)))
}

fn number_of(file: &File) -> io::Result<FileNumber> {
    let facts = rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::INO | StatxFlags::BTIME)?;
    Ok((facts.stx_ino, facts.stx_btime.tv_sec, facts.stx_btime.tv_nsec))
}

/// Exact where the system counts, otherwise as far as probes of single bytes tell. Where the file system cannot say (overlayfs),
/// nothing is.
fn is_in_memory(file: &File, from: u64, to: u64) -> io::Result<bool> {
    match pages_in_memory(file, from..to) {
        Some(pages) => Ok(pages >= to.min(file.metadata()?.len()).div_ceil(PAGE).saturating_sub(from / PAGE)),
        None => is_in_memory_by_probes(file, from, to),
    }
}

/// None before Linux 6.5, and where the system does not tell.
pub fn pages_in_memory(file: &File, bytes: Range<u64>) -> Option<u64> {
    let range = [bytes.start, bytes.end.checked_sub(bytes.start)?];
    let mut counts = [0_u64; 5];
    // SAFETY: the system reads the two numbers of cachestat_range and writes the five of cachestat; both arrays live until it is back.
    let result =
        unsafe { libc::syscall(CACHESTAT, file.as_raw_fd(), range.as_ptr(), counts.as_mut_ptr(), 0_u32) };
    (result == 0).then_some(counts[0])
}

fn is_in_memory_by_probes(file: &File, from: u64, to: u64) -> io::Result<bool> {
    let last = (to - from > PROBE_STRIDE).then_some(to - 1);
    for position in (from..to).step_by(PROBE_STRIDE as usize).chain(last) {
        if !is_byte_in_memory(file, position)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_byte_in_memory(file: &File, position: u64) -> io::Result<bool> {
    let mut byte = [0];
    let mut buffers = [IoSliceMut::new(&mut byte)];
    match rustix::io::preadv2(file.as_fd(), &mut buffers, position, ReadWriteFlags::NOWAIT) {
        // Past the end of a truncated file there is nothing to wait for; sendfile will tell.
        Ok(_) => Ok(true),
        Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::crash::scratch;

    const SIZE: u64 = 1 << 20;

    fn written() -> (crate::disk::crash::Scratch, File) {
        let dir = scratch();
        let path = dir.path().join("x.log");
        std::fs::write(&path, vec![7; SIZE as usize]).unwrap();
        (dir, File::open(path).unwrap())
    }

    #[test]
    fn what_was_just_written_is_in_memory() {
        let (_dir, file) = written();
        let can_be_probed = is_byte_in_memory(&file, 0).unwrap();
        for (from, to) in [(0, SIZE), (0, 1), (4095, 4097), (SIZE - 1, SIZE), (5000, 700_000)] {
            assert!(unchecked(&file, from, to).unwrap().is_none(), "{from} to {to}");
            assert_eq!(is_in_memory_by_probes(&file, from, to).unwrap(), can_be_probed, "{from} to {to}");
        }
    }

    #[test]
    fn what_is_being_checked_is_nobody_elses() {
        let (_dir, file) = written();
        let number = number_of(&file).unwrap();
        let held = Unchecked::new(number, 1000..2000).unwrap();
        assert!(unchecked(&file, 0, 1000).unwrap().is_none());
        assert!(unchecked(&file, 2000, 3000).unwrap().is_none());
        let second = unchecked(&file, 999, 1001).unwrap();
        assert!(second.is_some());
        drop(held);
        assert!(unchecked(&file, 1500, 1501).unwrap().is_none(), "beyond the second");
        drop(second);
        assert!(unchecked(&file, 0, SIZE).unwrap().is_none());
    }

    #[test]
    fn a_file_with_a_bad_batch_is_not_trusted_again() {
        let (_dir, file) = written();
        let file = Arc::new(file);
        for _ in 0..2 {
            let held = Unchecked::new(number_of(&file).unwrap(), 0..100).unwrap();
            let stretch = Stretch { boundary: 0, from: 0, to: 100, end: SIZE };
            assert!(matches!(held.check(&file, stretch), Err(RotError::Bad { position: 0, .. })));
        }
        assert!(unchecked(&file, 500_000, 500_001).unwrap().is_some(), "whatever is in memory");
        // Another test's file may get its number.
        let number = number_of(&file).unwrap();
        change(|checks| checks.retain(|check| check.file != number));
    }
}
