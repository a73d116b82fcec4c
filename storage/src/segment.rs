//! One segment: a log file and its indexes, under the base offset they are named by.
//!
//! Shared by the writer and all readers; a sealed segment never changes, so its files are opened and mapped when
//! first needed. The active one's growing part is in the view. Source: LogSegment of Kafka 3.9.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::UNIX_EPOCH;

use protocol::{Millis, Offset};

use crate::aborted::AbortedTransaction;
use crate::disk::Disk;
use crate::disk::{DiskFile, Mode, OsDisk};
use crate::index::{Largest, MappedIndex, TimeEntry};
use crate::names::{INDEX, LOG, TIME_INDEX, TXN_INDEX, file_path};

/// A segment as readers see it.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) base: Offset,
    dir: Arc<Path>,
    log: OnceLock<DiskFile>,
    /// Aborted transactions whose marker is in this segment.
    pub(crate) aborted: Vec<AbortedTransaction>,
    pub(crate) indexes: Indexes,
}

/// Where a segment's indexes are.
#[derive(Debug)]
pub(crate) enum Indexes {
    /// Written to these files up to some entry, the rest is in the view.
    Growing {
        offsets: DiskFile,
        times: DiskFile,
    },
    Sealed(Sealed),
}

/// What is settled when a segment is no longer written.
#[derive(Debug)]
pub(crate) struct Sealed {
    /// Bytes of the log file.
    pub(crate) size: u64,
    pub(crate) offsets: MappedIndex,
    pub(crate) times: MappedIndex,
    largest: OnceLock<Option<Largest>>,
}

impl Segment {
    pub(crate) fn sealed(
        dir: &Arc<Path>,
        base: Offset,
        size: u64,
        aborted: Vec<AbortedTransaction>,
    ) -> Segment {
        let sealed = Sealed {
            size,
            offsets: MappedIndex::new(file_path(dir, base, INDEX)),
            times: MappedIndex::new(file_path(dir, base, TIME_INDEX)),
            largest: OnceLock::new(),
        };
        let (dir, indexes) = (dir.clone(), Indexes::Sealed(sealed));
        Segment { base, dir, log: OnceLock::new(), aborted, indexes }
    }

    /// A segment that is written: log, offset index, time index.
    pub(crate) fn growing(
        dir: &Arc<Path>,
        base: Offset,
        [log, offsets, times]: [DiskFile; 3],
        aborted: Vec<AbortedTransaction>,
    ) -> Segment {
        let (dir, indexes) = (dir.clone(), Indexes::Growing { offsets, times });
        Segment { base, dir, log: OnceLock::from(log), aborted, indexes }
    }

    /// The same segment when it is no longer written, with the transactions that were aborted in it.
    pub(crate) fn seal(&self, size: u64, aborted: Vec<AbortedTransaction>) -> Segment {
        let sealed = Segment::sealed(&self.dir, self.base, size, aborted);
        Segment { log: self.log.clone(), ..sealed }
    }

    /// The log file, opened by the first who needs it.
    pub(crate) fn log(&self) -> io::Result<&DiskFile> {
        match self.log.get() {
            Some(file) => Ok(file),
            None => {
                let file = OsDisk.open(&self.path(LOG), Mode::Read)?;
                Ok(self.log.get_or_init(|| file))
            }
        }
    }

    /// The log file if it is open.
    pub(crate) fn open_log(&self) -> Option<&DiskFile> {
        self.log.get()
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
            Indexes::Growing { .. } => None,
        }
    }
}

impl Sealed {
    /// The largest timestamp and where it is; none if the index has no entry.
    pub(crate) fn largest(&self, base: Offset) -> io::Result<Option<Largest>> {
        if let Some(known) = self.largest.get() {
            return Ok(*known);
        }
        let last: Option<TimeEntry> = self.times.last()?;
        let largest =
            last.map(|entry| Largest { timestamp: entry.timestamp, offset: base + i64::from(entry.last) });
        Ok(*self.largest.get_or_init(|| largest))
    }
}

/// When a file was last written: stands in for timestamps where a segment has none.
pub(crate) fn modified(path: &Path) -> Option<Millis> {
    let modified = path.metadata().ok()?.modified().ok()?;
    let since = modified.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok().map(Millis)
}
