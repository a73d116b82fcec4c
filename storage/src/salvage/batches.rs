//! The batches in a piece that was cut off a log: behind a bad one the next good one is looked for byte by byte.

use std::io;

use protocol::Offset;
use protocol::batch::{BatchHeader, HEADER_SIZE, MAGIC, MAGIC_AT};

use super::read;
use crate::disk::DiskFile;
use crate::recovery::Flaw;
use crate::rot::is_intact;
use crate::scan::{HeaderAt, parse};

/// Bytes that are searched at once.
const WINDOW: usize = 256 << 10;

/// A good batch.
#[derive(Debug, Clone)]
pub struct Batch {
    /// In the piece.
    pub position: u64,
    pub header: BatchHeader,
    file: DiskFile,
}

impl Batch {
    /// The records behind the header, compressed if the attributes say so.
    pub fn records(&self) -> io::Result<Vec<u8>> {
        read(&self.file, self.position + HEADER_SIZE as u64, self.header.size() - HEADER_SIZE)
    }
}

/// What stands somewhere in a piece.
#[derive(Debug, Clone)]
pub enum Found {
    Good(Batch),
    Bad(Bad),
}

/// Bytes up to the next good batch or the end.
#[derive(Debug, Clone)]
pub struct Bad {
    pub position: u64,
    pub bytes: u64,
    pub flaw: Flaw,
    /// They look like a batch with a wrong checksum: some of its records may be what they were.
    pub batch: Option<Batch>,
}

/// What stands at a position.
enum At {
    Good(BatchHeader),
    Checksum(BatchHeader),
    Nothing(Flaw),
}

/// Walks through a piece. After an error it ends.
#[derive(Debug)]
pub struct Batches {
    file: DiskFile,
    /// No offset of the segment lies below.
    base: Offset,
    position: u64,
    end: u64,
}

impl Batches {
    pub(super) fn new(file: DiskFile, base: Offset, end: u64) -> Batches {
        Batches { file, base, position: 0, end }
    }

    fn find(&mut self) -> io::Result<Found> {
        let position = self.position;
        let file = self.file.clone();
        let batch = |header| Batch { position, header, file };
        let (flaw, batch) = match self.at(position)? {
            At::Good(header) => {
                self.position += header.size() as u64;
                return Ok(Found::Good(batch(header)));
            }
            At::Checksum(header) => (Flaw::Checksum, Some(batch(header))),
            At::Nothing(flaw) => (flaw, None),
        };
        self.position = self.search(position + 1)?;
        Ok(Found::Bad(Bad { position, bytes: self.position - position, flaw, batch }))
    }

    fn at(&self, position: u64) -> io::Result<At> {
        let front = read(&self.file, position, HEADER_SIZE)?;
        let header = match parse(&front, self.end - position) {
            Ok((MAGIC, header)) => header,
            // Old formats are not what a broker writes, and cannot be told from garbage by their front.
            Ok((magic, _)) => return Ok(At::Nothing(Flaw::Magic(magic))),
            Err(flaw) => return Ok(At::Nothing(flaw)),
        };
        let is_good = is_intact(&self.file, &HeaderAt { position, magic: MAGIC, header })?;
        Ok(if is_good { At::Good(header) } else { At::Checksum(header) })
    }

    /// Where the next good batch begins from `from` on, or the end.
    fn search(&self, from: u64) -> io::Result<u64> {
        let mut at = from;
        while at + (HEADER_SIZE as u64) <= self.end {
            let window = read(&self.file, at, WINDOW.min((self.end - at) as usize))?;
            if window.len() < HEADER_SIZE {
                break;
            }
            for inside in 0..=window.len() - HEADER_SIZE {
                let position = at + inside as u64;
                if self.is_plausible(&window[inside..], position) && matches!(self.at(position)?, At::Good(_))
                {
                    return Ok(position);
                }
            }
            at += (window.len() - HEADER_SIZE + 1) as u64;
        }
        Ok(self.end)
    }

    /// Cheap, so that the checksum is computed of little but batches.
    fn is_plausible(&self, front: &[u8], position: u64) -> bool {
        if front[MAGIC_AT] as i8 != MAGIC {
            return false;
        }
        let Ok((_, header)) = parse(front, self.end - position) else { return false };
        let beyond = self.base + i64::from(i32::MAX);
        header.base_offset >= self.base && header.base_offset <= beyond && header.record_count >= 0
    }
}

impl Iterator for Batches {
    type Item = io::Result<Found>;

    fn next(&mut self) -> Option<io::Result<Found>> {
        if self.position >= self.end {
            return None;
        }
        let found = self.find();
        if found.is_err() {
            self.position = self.end;
        }
        Some(found)
    }
}
