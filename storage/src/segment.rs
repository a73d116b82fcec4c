//! One segment: a log file and its indexes, under the base offset they are named by.
//!
//! Shared by the writer and all readers. A sealed segment never changes, so its files are opened and mapped when first
//! needed, and closed when others need the handles; the active one holds its log file. Its growing part is in the view.
//! Source: LogSegment of Kafka 3.9.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::UNIX_EPOCH;

use protocol::{Millis, Offset};

use crate::aborted::AbortedTransaction;
use crate::disk::Disk;
use crate::disk::{DiskFile, Mode, OsDisk};
use crate::handles::{FILES, Slot};
use crate::index::{
    Largest, MappedIndex, OffsetEntry, TimeEntry, ending_of_path, greatest_in_chunk, greatest_in_file,
};
use crate::names::{INDEX, LOG, TIME_INDEX, TXN_INDEX, file_path};

/// A segment as readers see it.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) base: Offset,
    dir: Arc<Path>,
    log: LogFile,
    /// Aborted transactions whose marker is in this segment.
    pub(crate) aborted: Vec<AbortedTransaction>,
    pub(crate) indexes: Indexes,
}

/// Whether the log file has to be open.
#[derive(Debug)]
enum LogFile {
    /// It is written, so that a failed write is known to the one who syncs it.
    Held(DiskFile),
    /// Between reads it may be closed.
    Lazy(Slot<DiskFile>),
}

/// Where a segment's indexes are.
#[derive(Debug)]
pub(crate) enum Indexes {
    /// Written to files up to some entry, the rest is in the view.
    Growing(Growing),
    Sealed(Sealed),
}

/// The index files of a segment that is written, as its readers have them open.
#[derive(Debug)]
pub(crate) struct Growing {
    offsets: Slot<DiskFile>,
    times: Slot<DiskFile>,
}

/// What is settled when a segment is no longer written.
#[derive(Debug)]
pub(crate) struct Sealed {
    /// Bytes of the log file.
    pub(crate) size: u64,
    offsets: MappedIndex,
    times: MappedIndex,
    largest: OnceLock<Option<Largest>>,
}

impl Segment {
    pub(crate) fn sealed(
        dir: &Arc<Path>,
        base: Offset,
        size: u64,
        aborted: Vec<AbortedTransaction>,
    ) -> Segment {
        let (offsets, times) = (MappedIndex::new(), MappedIndex::new());
        let indexes = Indexes::Sealed(Sealed { size, offsets, times, largest: OnceLock::new() });
        Segment { base, dir: dir.clone(), log: LogFile::Lazy(Slot::new()), aborted, indexes }
    }

    /// A segment that is written to this log file.
    pub(crate) fn growing(
        dir: &Arc<Path>,
        base: Offset,
        log: DiskFile,
        aborted: Vec<AbortedTransaction>,
    ) -> Segment {
        let indexes = Indexes::Growing(Growing { offsets: Slot::new(), times: Slot::new() });
        Segment { base, dir: dir.clone(), log: LogFile::Held(log), aborted, indexes }
    }

    /// The same segment when it is no longer written, with the transactions that were aborted in it.
    pub(crate) fn seal(&self, size: u64, aborted: Vec<AbortedTransaction>) -> Segment {
        let sealed = Segment::sealed(&self.dir, self.base, size, aborted);
        if let (LogFile::Held(file), LogFile::Lazy(slot)) = (&self.log, &sealed.log) {
            slot.keep(&FILES, file.clone());
        }
        sealed
    }

    /// The same segment in a directory of another name.
    pub(crate) fn moved(&self, dir: &Arc<Path>) -> Segment {
        match self.held_log() {
            Some(log) => Segment::growing(dir, self.base, log.clone(), self.aborted.clone()),
            None => {
                let size = self.sealed_size().unwrap_or_default();
                Segment::sealed(dir, self.base, size, self.aborted.clone())
            }
        }
    }

    /// The log file, opened by the first who needs it. Whoever has it may read on when it is closed here.
    pub(crate) fn log(&self) -> io::Result<DiskFile> {
        match &self.log {
            LogFile::Held(file) => Ok(file.clone()),
            LogFile::Lazy(slot) => slot.get_or_open(&FILES, || OsDisk.open(&self.path(LOG), Mode::Read)),
        }
    }

    /// The log file of the segment that is written.
    pub(crate) fn held_log(&self) -> Option<&DiskFile> {
        match &self.log {
            LogFile::Held(file) => Some(file),
            LogFile::Lazy(_) => None,
        }
    }

    pub(crate) fn path(&self, kind: &str) -> PathBuf {
        file_path(&self.dir, self.base, kind)
    }

    /// All files a segment may have, the log first: without it the others are orphans that a start removes.
    pub(crate) fn paths(&self) -> [PathBuf; 4] {
        [LOG, INDEX, TIME_INDEX, TXN_INDEX].map(|kind| self.path(kind))
    }

    /// Bytes of the log file if it is sealed.
    pub(crate) fn sealed_size(&self) -> Option<u64> {
        match &self.indexes {
            Indexes::Sealed(sealed) => Some(sealed.size),
            Indexes::Growing(_) => None,
        }
    }

    /// The greatest entry of a sealed offset index for which `is_before` holds.
    pub(crate) fn sealed_offset(
        &self,
        sealed: &Sealed,
        is_before: impl Fn(&OffsetEntry) -> bool,
    ) -> io::Result<Option<OffsetEntry>> {
        sealed.offsets.greatest(|| self.path(INDEX), is_before)
    }

    /// The same of a sealed time index.
    pub(crate) fn sealed_time(
        &self,
        sealed: &Sealed,
        is_before: impl Fn(&TimeEntry) -> bool,
    ) -> io::Result<Option<TimeEntry>> {
        sealed.times.greatest(|| self.path(TIME_INDEX), is_before)
    }

    /// The entry for `target` in one chunk of an offset index that grows and has `written` entries in its file.
    pub(crate) fn growing_offset(
        &self,
        growing: &Growing,
        (chunk, written): (u32, u32),
        target: u32,
    ) -> io::Result<Option<OffsetEntry>> {
        let file = self.index_file(&growing.offsets, INDEX)?;
        file.map_or(Ok(None), |file| greatest_in_chunk(&file, chunk, written, target))
    }

    /// The greatest of the `written` entries of an offset index that grows for which `is_before` holds.
    pub(crate) fn growing_position(
        &self,
        growing: &Growing,
        written: u32,
        is_before: impl Fn(&OffsetEntry) -> bool,
    ) -> io::Result<Option<OffsetEntry>> {
        if written == 0 {
            return Ok(None);
        }
        let file = self.index_file(&growing.offsets, INDEX)?;
        file.map_or(Ok(None), |file| greatest_in_file(&file, written, is_before))
    }

    /// The greatest of the `written` entries of a time index that grows for which `is_before` holds.
    pub(crate) fn growing_time(
        &self,
        growing: &Growing,
        written: u32,
        is_before: impl Fn(&TimeEntry) -> bool,
    ) -> io::Result<Option<TimeEntry>> {
        if written == 0 {
            return Ok(None);
        }
        let file = self.index_file(&growing.times, TIME_INDEX)?;
        file.map_or(Ok(None), |file| greatest_in_file(&file, written, is_before))
    }

    /// An index file of the segment that is written; none if someone took it away, for then the log is searched.
    fn index_file(&self, slot: &Slot<DiskFile>, kind: &str) -> io::Result<Option<DiskFile>> {
        match slot.get_or_open(&FILES, || OsDisk.open(&self.path(kind), Mode::Read)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    /// The largest timestamp of a sealed segment and where it is; none if its index has no entry that makes sense.
    pub(crate) fn sealed_largest(&self, sealed: &Sealed) -> io::Result<Option<Largest>> {
        if let Some(known) = sealed.largest.get() {
            return Ok(*known);
        }
        // Read and not mapped: retention asks every log for it, and once is enough.
        let ending = ending_of_path(&self.path(TIME_INDEX), |entry: &TimeEntry| entry.timestamp.0)?;
        let largest = ending
            .and_then(|ending| ending.last)
            .map(|entry| Largest { timestamp: entry.timestamp, offset: self.base + i64::from(entry.last) });
        Ok(*sealed.largest.get_or_init(|| largest))
    }
}

/// When a file was last written: stands in for timestamps where a segment has none.
pub(crate) fn modified(path: &Path) -> Option<Millis> {
    let modified = path.metadata().ok()?.modified().ok()?;
    let since = modified.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok().map(Millis)
}
