//! Reading a segment batch by batch: what is good of it, and the indexes that belong to that.

use std::io::IoSlice;
use std::path::Path;

use protocol::{Millis, Offset};

use super::Flaw;
use crate::disk::{Disk, DiskError, DiskFile, During, Mode, replace};
use crate::index::{Entry, IndexRules, Indexer, OffsetEntry, TimeEntry, fences, to_bytes};
use crate::names::{INDEX, TIME_INDEX, file_path};
use crate::scan::{Checked, CheckedBatch, ScanError};

/// What a segment holds.
#[derive(Debug)]
pub(super) struct Rebuilt {
    /// Good batches reach up to here.
    pub(super) size: u64,
    /// Bytes of the file as it was found.
    pub(super) found: u64,
    /// The offset after the last good batch.
    pub(super) next: Offset,
    pub(super) first_timestamp: Option<Millis>,
    pub(super) indexer: Indexer,
    offsets: Vec<OffsetEntry>,
    times: Vec<TimeEntry>,
    /// What stands behind the good batches, if anything.
    pub(super) flaw: Option<Flaw>,
}

/// Walks through the log file of the segment with this base and gives each good batch to `take`.
pub(super) fn rebuild(
    file: &DiskFile,
    path: &Path,
    base: Offset,
    rules: IndexRules,
    mut take: impl FnMut(&CheckedBatch),
) -> Result<Rebuilt, DiskError> {
    let found = file.size().during("read", path)?;
    let mut checked = Checked::new(file, base, found);
    let mut rebuilt = Rebuilt {
        size: 0,
        found,
        next: base,
        first_timestamp: None,
        indexer: Indexer::new(base),
        offsets: Vec::new(),
        times: Vec::new(),
        flaw: None,
    };
    loop {
        match checked.next() {
            Ok(Some(batch)) => {
                let due = rebuilt.indexer.note(&batch.header, batch.position, rules);
                rebuilt.offsets.extend(due.offset);
                rebuilt.times.extend(due.time);
                rebuilt.first_timestamp.get_or_insert(batch.header.max_timestamp);
                take(&batch);
            }
            Ok(None) => break,
            Err(ScanError::Io(error)) => return Err(DiskError::new("read", path, &error)),
            Err(ScanError::Flawed { flaw, .. }) => {
                rebuilt.flaw = Some(flaw);
                break;
            }
        }
    }
    rebuilt.size = checked.position();
    rebuilt.next = checked.expected();
    rebuilt.times.extend(rebuilt.indexer.time_entry());
    Ok(rebuilt)
}

impl Rebuilt {
    /// Replaces the segment's index files; the next flush syncs them.
    pub(super) fn write_indexes(&self, disk: &dyn Disk, dir: &Path, base: Offset) -> Result<(), DiskError> {
        write(disk, &file_path(dir, base, INDEX), &self.offsets)?;
        write(disk, &file_path(dir, base, TIME_INDEX), &self.times)
    }

    /// The same for a segment below the recovery point, which no flush looks at again: a power cut leaves the old
    /// files or these, and no start believes what is neither.
    pub(super) fn replace_indexes(&self, disk: &dyn Disk, dir: &Path, base: Offset) -> Result<(), DiskError> {
        replace(disk, &file_path(dir, base, INDEX), &to_bytes(&self.offsets))?;
        replace(disk, &file_path(dir, base, TIME_INDEX), &to_bytes(&self.times))
    }

    pub(super) fn fences(&self) -> Vec<u32> {
        fences(self.offsets.iter().copied())
    }

    /// Entries of the two indexes.
    pub(super) fn entries(&self) -> (u32, u32) {
        (self.offsets.len() as u32, self.times.len() as u32)
    }
}

/// Not emptied first: a file system may take that for a reason to write at once what comes next.
fn write<E: Entry>(disk: &dyn Disk, path: &Path, entries: &[E]) -> Result<(), DiskError> {
    let bytes = to_bytes(entries);
    let file = disk.open(path, Mode::Create).during("create", path)?;
    let size = file.size().during("read", path)?;
    let mut present = vec![0; bytes.len()];
    let read = file.read_at(&mut present, 0).during("read", path)?;
    if present[..read] != bytes[..] {
        disk.write_at(&file, 0, &mut [IoSlice::new(&bytes)]).during("write", path)?;
    }
    if size > bytes.len() as u64 {
        disk.set_size(&file, bytes.len() as u64).during("cut", path)?;
    }
    Ok(())
}
