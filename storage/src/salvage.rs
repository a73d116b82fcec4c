//! What recovery cut off logs and set aside: finding such pieces, looking into them, and removing them.
//!
//! Pieces belong to nobody: no log and no Kafka reads them, so they can be read and removed beside a running broker.
//! Called by `ottla log salvage`, and by the broker's start, which bounds them per log directory.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use protocol::{Millis, Offset, TopicPartition};

use crate::disk::{Disk, DiskError, DiskFile, During, Mode, OsDisk, remove_if_there};
use crate::names::{DirKind, parse_dir, salvaged};
use crate::recovery::Flaw;

mod batches;

pub use batches::{Bad, Batch, Batches, Found};

/// A file with what was cut off one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub partition: TopicPartition,
    pub path: PathBuf,
    /// Of the segment, and where in its file the piece began.
    pub base: Offset,
    pub position: u64,
    pub bytes: u64,
    /// When it was set aside.
    pub since: Millis,
}

/// What a piece holds, by its batches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// First and last offset of the good batches; none if there is none.
    pub offsets: Option<(Offset, Offset)>,
    pub good: usize,
    /// Stretches without a good batch.
    pub bad: usize,
    pub why: Why,
}

/// Why a piece was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// The log was cut at the piece's first byte.
    #[error("{0}")]
    Flaw(Flaw),
    /// It begins well by itself.
    #[error("behind the place where the log was cut")]
    Behind,
}

/// The pieces in a log directory, those that were set aside first in front.
pub fn pieces(log_dir: &Path) -> Result<Vec<Piece>, DiskError> {
    let mut pieces = Vec::new();
    for path in entries(log_dir)? {
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(DirKind::Replica(partition)) = name.and_then(parse_dir) {
            // A directory may go while its neighbours are looked at.
            let files = entries(&path)
                .or_else(|error| if error.is_missing() { Ok(Vec::new()) } else { Err(error) })?;
            pieces.extend(files.into_iter().filter_map(|file| piece(&partition, file)));
        }
    }
    pieces.sort_by(|a, b| (a.since, &a.path).cmp(&(b.since, &b.path)));
    Ok(pieces)
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, DiskError> {
    let entries = fs::read_dir(dir).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    entries.during("list", dir)
}

fn piece(partition: &TopicPartition, path: PathBuf) -> Option<Piece> {
    let (base, position) = salvaged(path.file_name()?.to_str()?)?;
    let found = path.metadata().ok()?;
    // Renaming a file changes the time of its inode, not that of its bytes.
    let since = Millis(found.ctime() * 1000 + found.ctime_nsec() / 1_000_000);
    Some(Piece { partition: partition.clone(), path, base, position, bytes: found.len(), since })
}

impl Piece {
    /// Its batches, good and bad, in order.
    pub fn batches(&self) -> Result<Batches, DiskError> {
        let file = OsDisk.open(&self.path, Mode::Read).during("open", &self.path)?;
        Ok(Batches::new(file, self.base, self.bytes))
    }

    /// Reads all of it.
    pub fn contents(&self) -> Result<Contents, DiskError> {
        let mut contents = Contents { offsets: None, good: 0, bad: 0, why: Why::Behind };
        for found in self.batches()? {
            match found.during("read", &self.path)? {
                Found::Good(batch) => contents.take(&batch, self.base),
                Found::Bad(bad) => {
                    contents.bad += 1;
                    if bad.position == 0 {
                        contents.why = Why::Flaw(bad.flaw);
                    }
                }
            }
        }
        Ok(contents)
    }

    /// Removes the piece; one that is gone is no error.
    pub fn remove(&self, disk: &dyn Disk) -> Result<(), DiskError> {
        remove_if_there(disk, &self.path)
    }
}

impl Contents {
    fn take(&mut self, batch: &Batch, base: Offset) {
        let (first, last) = (batch.header.base_offset, batch.header.last_offset());
        if batch.position == 0 && first < base {
            self.why = Why::Flaw(Flaw::Offsets { first, last, expected: base });
        }
        self.good += 1;
        let known = self.offsets.get_or_insert((first, last));
        *known = (known.0.min(first), known.1.max(last));
    }
}

/// First and last offset of the good batches in files that recovery has just set aside.
pub fn offsets_in(files: &[PathBuf]) -> Option<(Offset, Offset)> {
    let contents = |file: &PathBuf| {
        let partition = TopicPartition::new("", 0);
        piece(&partition, file.clone())?.contents().ok()?.offsets
    };
    let found: Vec<_> = files.iter().filter_map(contents).collect();
    let first = found.iter().map(|(first, _)| *first).min()?;
    Some((first, found.iter().map(|(_, last)| *last).max()?))
}

/// Removes the oldest pieces of a log directory until those that are left have at most `bytes_max` bytes, and returns
/// the removed ones. Blocks for the disk.
pub fn bound(log_dir: &Path, bytes_max: u64, disk: &dyn Disk) -> Result<Vec<Piece>, DiskError> {
    let pieces = pieces(log_dir)?;
    let mut left: u64 = pieces.iter().map(|piece| piece.bytes).sum();
    let mut removed = Vec::new();
    for piece in pieces {
        if left <= bytes_max {
            break;
        }
        piece.remove(disk)?;
        left -= piece.bytes;
        removed.push(piece);
    }
    Ok(removed)
}

/// Reads all of a batch that was found good.
pub(crate) fn read(file: &DiskFile, position: u64, size: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; size];
    let read = file.read_at(&mut bytes, position)?;
    bytes.truncate(read);
    Ok(bytes)
}

#[cfg(test)]
mod tests;
