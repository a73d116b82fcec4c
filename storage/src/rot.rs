//! Checking what a disk gave back before anybody gets it: whole batches of a slice, in bounded memory.
//!
//! Called by the broker's writer for bytes that were not in memory, and by look-ups inside a batch. It changes nothing
//! on disk; the pages of a file with a bad batch are dropped, so that the next reader asks the disk again.

mod memory;

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::batch::{BatchHeader, HEADER_SIZE, MAGIC};
use protocol::{Offset, TopicPartition};
use rustix::fs::Advice;

use crate::disk::DiskFile;
use crate::names::{DirKind, LOG, file_path, parse_dir};
use crate::recovery::Flaw;
use crate::scan::{CHECKED_FROM, HeaderAt, Headers, ScanError, is_intact_message, parse};

pub use memory::{Unchecked, pages_in_memory, unchecked};

/// Bytes read at once: small enough to stay in a processor's cache between the read and the checksum.
const WINDOW: usize = 64 << 10;
/// Bytes asked of the disk in one request.
const REQUEST: u64 = 256 << 10;

/// A part of a slice that is about to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// A batch begins here, at or before `from`; everything below was sent or checked.
    pub boundary: u64,
    pub from: u64,
    pub to: u64,
    /// Of the slice. A batch that does not end before it is of no use to its reader, and is not checked.
    pub end: u64,
}

/// Why a stretch must not be sent.
#[derive(Debug, thiserror::Error)]
pub enum RotError {
    #[error("cannot read: {0}")]
    Io(#[from] io::Error),
    #[error("no good batch at position {position}: {flaw}")]
    Bad { position: u64, flaw: Flaw },
}

/// Reads a stretch from the disk and checks every batch that begins in it; returns where the next batch begins.
/// Blocks for the disk. Exactly what is checked gets into memory, not what the system would read ahead.
fn read_checked(file: &Arc<File>, stretch: Stretch) -> Result<u64, RotError> {
    ask_for(file, stretch.from, stretch.to);
    let file = DiskFile { os: Arc::clone(file), id: 0 };
    let outcome = Walk::new(&file, stretch).run();
    if let Err(RotError::Bad { .. }) = &outcome {
        if file.size()? < stretch.end {
            // The log was truncated meanwhile; who sends notices.
            return Ok(stretch.end);
        }
        drop_from_memory(&file);
    }
    outcome
}

/// Lets the disk work on the whole stretch at once, and on nothing else: what is read ahead would be in memory
/// unchecked.
fn ask_for(file: &File, from: u64, to: u64) {
    // Hints: without them the reads below are slower, or bring in more.
    let _ = rustix::fs::fadvise(file, 0, None, Advice::Random);
    for at in (from..to).step_by(REQUEST as usize) {
        let length = std::num::NonZeroU64::new(REQUEST.min(to - at));
        let _ = rustix::fs::fadvise(file, at, length, Advice::WillNeed);
    }
}

/// A batch that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    pub position: u64,
    /// What its header says, if that makes sense.
    pub offset: Option<Offset>,
    pub flaw: Flaw,
}

/// Looks at a log file again in which a bad batch was found at `position`: none if the file has been truncated and
/// written anew since, or if the disk gives the right bytes now. Reads all headers up to there; blocks for the disk.
pub fn confirm(path: &Path, position: u64) -> io::Result<Option<Damage>> {
    let file = DiskFile { os: Arc::new(File::open(path)?), id: 0 };
    let size = file.size()?;
    let mut headers = Headers::new(&file, 0, size);
    let mut expected = Offset::ZERO;
    loop {
        match headers.next() {
            Ok(Some(found)) if found.position < position => expected = found.header.next_offset(),
            Ok(Some(found)) if found.position == position => return judge(&file, found, expected),
            Ok(_) => return Ok(None),
            Err(ScanError::Flawed { flaw, position }) => {
                return Ok(Some(Damage { position, offset: None, flaw }));
            }
            Err(ScanError::Io(error)) => return Err(error),
        }
    }
}

fn judge(file: &DiskFile, found: HeaderAt, expected: Offset) -> io::Result<Option<Damage>> {
    let HeaderAt { position, header, .. } = found;
    let (first, last) = (header.base_offset, header.last_offset());
    let flaw = if first < expected {
        Flaw::Offsets { first, last, expected }
    } else if !is_intact(file, &found)? {
        Flaw::Checksum
    } else {
        return Ok(None);
    };
    drop_from_memory(file);
    Ok(Some(Damage { position, offset: Some(first), flaw }))
}

/// Only a hint to the system; where it has no such memory (tmpfs) every read is a cold one.
fn drop_from_memory(file: &DiskFile) {
    let _ = rustix::fs::fadvise(&*file.os, 0, None, Advice::DontNeed);
}

/// The file's path as it is now; none if it is gone or the system does not tell.
pub fn path_of(file: &File) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()
}

/// The partition whose replica a file belongs to by its path; none if it is on its way out.
pub fn partition_of(file: &Path) -> Option<TopicPartition> {
    match parse_dir(file.parent()?.file_name()?.to_str()?)? {
        DirKind::Replica(partition) => Some(partition),
        DirKind::Delete | DirKind::Future(_) | DirKind::Stray(_) | DirKind::Skipped => None,
    }
}

/// The log file of the segment with this base, in a partition's directory.
pub fn log_file(dir: &Path, base: Offset) -> PathBuf {
    file_path(dir, base, LOG)
}

/// Whether a batch has the checksum that it says; reads it piece by piece.
pub(crate) fn is_intact(file: &DiskFile, found: &HeaderAt) -> io::Result<bool> {
    let end = found.position + found.header.size() as u64;
    let stretch = Stretch { boundary: found.position, from: found.position, to: end, end };
    Walk::new(file, stretch).is_intact(found.magic, &found.header)
}

/// The batches of a stretch, each byte read once.
struct Walk<'a> {
    file: &'a DiskFile,
    stretch: Stretch,
    /// Where the next batch begins.
    position: u64,
    /// Offsets below belong to the batches before.
    expected: Offset,
    window: Vec<u8>,
    window_at: u64,
}

impl<'a> Walk<'a> {
    fn new(file: &'a DiskFile, stretch: Stretch) -> Walk<'a> {
        let position = stretch.boundary;
        Walk { file, stretch, position, expected: Offset::ZERO, window: Vec::new(), window_at: position }
    }

    fn run(mut self) -> Result<u64, RotError> {
        self.skip_sent()?;
        while self.position < self.stretch.to {
            let left = self.stretch.end - self.position;
            let front = self.front(self.position, HEADER_SIZE as u64)?;
            let (magic, header) = match parse(front, left) {
                Ok(found) => found,
                Err(Flaw::Torn { .. }) => return Ok(self.stretch.end),
                Err(flaw) => return Err(self.bad(flaw)),
            };
            let (first, last, expected) = (header.base_offset, header.last_offset(), self.expected);
            if first < expected {
                return Err(self.bad(Flaw::Offsets { first, last, expected }));
            }
            if !self.is_intact(magic, &header)? {
                return Err(self.bad(Flaw::Checksum));
            }
            self.position += header.size() as u64;
            self.expected = header.next_offset();
        }
        Ok(self.position)
    }

    fn bad(&self, flaw: Flaw) -> RotError {
        RotError::Bad { position: self.position, flaw }
    }

    /// Goes to the batch that holds the first byte of the stretch.
    fn skip_sent(&mut self) -> Result<(), RotError> {
        let mut headers = Headers::new(self.file, self.position, self.stretch.end);
        while self.position < self.stretch.from {
            let next = match headers.next() {
                Ok(Some(found)) => found.position + found.header.size() as u64,
                Ok(None) => return Ok(()),
                // What is wrong is said by the walk, which begins here.
                Err(ScanError::Flawed { .. }) => return Ok(()),
                Err(ScanError::Io(error)) => return Err(error.into()),
            };
            if next > self.stretch.from {
                return Ok(());
            }
            self.position = next;
        }
        Ok(())
    }

    fn is_intact(&mut self, magic: i8, header: &BatchHeader) -> io::Result<bool> {
        if magic != MAGIC {
            return is_intact_message(self.file, self.position, header);
        }
        let end = self.position + header.size() as u64;
        let mut at = self.position + CHECKED_FROM as u64;
        let mut crc = 0;
        while at < end {
            let piece = self.front(at, end - at)?;
            if piece.is_empty() {
                return Ok(false);
            }
            let piece = &piece[..piece.len().min((end - at) as usize)];
            crc = crc32c::crc32c_append(crc, piece);
            at += piece.len() as u64;
        }
        Ok(crc == header.crc)
    }

    /// The bytes at `at`: as many as are wanted or fit in the window, unless the slice ends before.
    fn front(&mut self, at: u64, wanted: u64) -> io::Result<&[u8]> {
        let wanted = wanted.min(self.stretch.end - at);
        let needed = wanted.min(HEADER_SIZE as u64) as usize;
        let inside = at.checked_sub(self.window_at).map(|inside| inside as usize);
        if let Some(inside) = inside.filter(|inside| inside + needed <= self.window.len()) {
            return Ok(&self.window[inside..]);
        }
        // Not beyond what is going to be checked.
        let stop = self.stretch.to.max(at + wanted).min(self.stretch.end);
        self.window.resize((WINDOW as u64).min(stop - at) as usize, 0);
        let read = self.file.read_at(&mut self.window, at)?;
        self.window.truncate(read);
        self.window_at = at;
        Ok(&self.window)
    }
}

#[cfg(test)]
mod tests {
    use protocol::Millis;
    use protocol::batch::Codec;
    use protocol::record::{BatchBuilder, NewRecord};

    use super::*;
    use crate::disk::crash::{Scratch, scratch};

    fn batch(offset: i64, bytes: usize) -> Vec<u8> {
        let mut builder = BatchBuilder::new(Codec::None);
        let value = vec![7; bytes];
        builder.push(&NewRecord { timestamp: Millis(1), key: None, value: Some(&value), headers: &[] });
        builder.header.base_offset = Offset(offset);
        builder.build().unwrap().to_vec()
    }

    fn file(bytes: &[u8]) -> (Scratch, Arc<File>) {
        let dir = scratch();
        let path = dir.path().join("x.log");
        std::fs::write(&path, bytes).unwrap();
        (dir, Arc::new(File::open(path).unwrap()))
    }

    /// Three batches, of which the second is larger than a window.
    fn three() -> (Vec<u8>, [u64; 3]) {
        let batches = [batch(0, 100), batch(1, 3 * WINDOW), batch(2, 100)];
        let ends = [batches[0].len(), batches[0].len() + batches[1].len(), batches.concat().len()];
        (batches.concat(), ends.map(|end| end as u64))
    }

    fn check(bytes: &[u8], (boundary, from, to): (u64, u64, u64), end: u64) -> Result<u64, (u64, String)> {
        let (_dir, file) = file(bytes);
        read_checked(&file, Stretch { boundary, from, to, end }).map_err(|error| match error {
            RotError::Bad { position, flaw } => (position, flaw.to_string()),
            RotError::Io(error) => panic!("{error}"),
        })
    }

    #[test]
    fn good_batches_pass_up_to_the_one_that_holds_the_last_byte() {
        let (bytes, [first, second, third]) = three();
        assert_eq!(check(&bytes, (0, 0, third), third), Ok(third));
        assert_eq!(check(&bytes, (0, 0, 1), third), Ok(first));
        assert_eq!(check(&bytes, (0, 0, first + 1), third), Ok(second));
        assert_eq!(check(&bytes, (0, second, third), third), Ok(third));
        // What the client gets only a part of it throws away.
        assert_eq!(check(&bytes, (0, 0, second - 1), second - 1), Ok(second - 1));
        assert_eq!(check(&bytes, (0, 0, first + 20), first + 20), Ok(first + 20));
    }

    #[test]
    fn a_flipped_bit_is_found_wherever_it_is() {
        let (bytes, [first, second, third]) = three();
        for at in [20, 70, first + 17, first + 70_000, second - 1, second + 23, third - 1] {
            let mut damaged = bytes.clone();
            damaged[at as usize] ^= 4;
            let begin = [0, first, second].into_iter().rfind(|begin| *begin <= at).unwrap();
            let found = check(&damaged, (0, 0, third), third);
            assert_eq!(found, Err((begin, "the checksum does not match".to_owned())), "byte {at}");
        }
    }

    #[test]
    fn what_was_sent_before_is_not_looked_at_again() {
        let (mut bytes, [first, second, third]) = three();
        bytes[80] ^= 1;
        assert_eq!(check(&bytes, (0, second + 5, third), third), Ok(third));
        bytes[first as usize + 100] ^= 1;
        assert_eq!(check(&bytes, (0, second - 1, third), third).map_err(|(at, _)| at), Err(first));
    }

    #[test]
    fn offsets_and_lengths_that_make_no_sense_are_bad() {
        let (bytes, [first, _, third]) = three();
        let mut back = bytes.clone();
        // The base offset is not covered by the checksum.
        back[first as usize + 7] = 0;
        assert_eq!(check(&back, (0, 0, third), third).map_err(|(at, _)| at), Err(first));
        let mut zeros = bytes.clone();
        zeros[first as usize..first as usize + 4096].fill(0);
        assert_eq!(check(&zeros, (0, 0, third), third), Err((first, "zeros stand there".to_owned())));
    }

    #[test]
    fn only_what_is_bad_still_is_confirmed() {
        let (bytes, [first, ..]) = three();
        let confirmed = |bytes: &[u8], position| {
            let dir = scratch();
            let path = dir.path().join("x.log");
            std::fs::write(&path, bytes).unwrap();
            confirm(&path, position).unwrap().map(|damage| (damage.position, damage.offset))
        };
        assert_eq!(confirmed(&bytes, first), None);
        let mut damaged = bytes.clone();
        damaged[first as usize + 100] ^= 1;
        assert_eq!(confirmed(&damaged, first), Some((first, Some(Offset(1)))));
        // Truncated and written anew: what stands there is part of another batch.
        assert_eq!(confirmed(&damaged, first + 1), None);
        assert_eq!(confirmed(&damaged[..first as usize], first), None);
        let mut back = bytes.clone();
        back[first as usize + 7] = 0;
        assert_eq!(confirmed(&back, first), Some((first, Some(Offset(0)))));
        damaged[first as usize + 16] = 9;
        assert_eq!(confirmed(&damaged, first), Some((first, None)));
    }

    #[test]
    fn a_truncated_file_is_not_damaged() {
        let (bytes, [_, second, third]) = three();
        assert_eq!(check(&bytes[..second as usize], (0, 0, third), third), Ok(third));
        assert_eq!(check(&bytes[..second as usize - 9], (0, 0, third), third), Ok(third));
    }

    #[test]
    fn a_file_knows_its_partition() {
        let dir = scratch();
        let inside = dir.path().join("a-b-3");
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(inside.join("x.log"), "").unwrap();
        let file = File::open(inside.join("x.log")).unwrap();
        let path = path_of(&file).unwrap();
        assert_eq!(partition_of(&path), Some(TopicPartition::new("a-b", 3)));
        assert_eq!(partition_of(Path::new("/x/y.log")), None);
    }
}
