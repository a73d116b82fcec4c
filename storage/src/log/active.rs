//! The segment that is written: its files, how far they are, and blocks reserved ahead.
//!
//! Only the log touches it. Index entries wait in the tail, where readers see them, and go to their files in one
//! write per few megabytes of log.

use std::io::{self, IoSlice};
use std::sync::Arc;

use protocol::{Millis, Offset};

use crate::disk::{Disk, DiskError, DiskFile, During};
use crate::epochs::Epochs;
use crate::index::{CHUNK, Indexer, OffsetEntry, TimeEntry, to_bytes};
use crate::names::{INDEX, LOG, TIME_INDEX};
use crate::segment::Segment;
use crate::settings::LogSettings;
use crate::view::{LogView, State, Tail, TailIndex};

/// The least and the most that is reserved ahead of the writes.
const RESERVE_MIN: u64 = 64 << 10;
const RESERVE_MAX: u64 = 16 << 20;

/// Whether blocks are taken ahead of the writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reserving {
    /// Blocks are taken up to this position.
    UpTo(u64),
    /// The file system cannot, or has no room for more than what is written.
    Off,
}

/// The files of a segment that can be written.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) log: DiskFile,
    pub(crate) offsets: DiskFile,
    pub(crate) times: DiskFile,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) segment: Arc<Segment>,
    pub(crate) files: Files,
    /// Bytes in the log file.
    pub(crate) size: u64,
    pub(crate) indexer: Indexer,
    /// Of the first batch; rolling by age counts from it.
    pub(crate) first_timestamp: Option<Millis>,
    pub(crate) created: Millis,
    reserving: Reserving,
    /// Entries in the index files.
    pub(crate) offsets_written: u32,
    pub(crate) times_written: u32,
    /// Of the entries in the file when the segment was opened, on their way to the tail.
    pub(crate) fences: Vec<u32>,
}

impl Active {
    pub(crate) fn new(segment: Arc<Segment>, files: Files, indexer: Indexer, created: Millis) -> Active {
        Active {
            segment,
            files,
            size: 0,
            indexer,
            first_timestamp: None,
            created,
            reserving: Reserving::UpTo(0),
            offsets_written: 0,
            times_written: 0,
            fences: Vec::new(),
        }
    }

    /// The state that readers begin with; the log publishes its offsets next.
    pub(super) fn first_state(
        &mut self,
        segments: &Arc<Vec<Arc<Segment>>>,
        epochs: &Arc<Epochs>,
        end: Offset,
    ) -> State {
        let view =
            LogView { start: end, high_watermark: end, last_stable_offset: end, end, latest_epoch: None };
        State {
            view,
            segments: segments.clone(),
            size: self.size,
            largest: self.indexer.largest,
            tail: self.new_tail(end),
            epochs: epochs.clone(),
        }
    }

    pub(super) fn new_tail(&mut self, end: Offset) -> Tail {
        let (base, fences) = (self.segment.base, std::mem::take(&mut self.fences));
        Tail::new(base, end, TailIndex::new(base, self.offsets_written, self.times_written, fences))
    }

    /// Takes blocks ahead of a write of `bytes`: as much again as is written, within bounds. A little at a time,
    /// since what is reserved is gone for others.
    pub(super) fn reserve(&mut self, disk: &dyn Disk, bytes: u64, settings: &LogSettings) {
        let Reserving::UpTo(reserved) = self.reserving else { return };
        let end = self.size + bytes;
        if end <= reserved || (end < RESERVE_MIN && !settings.preallocate) {
            return;
        }
        let segment_left = u64::from(settings.segment_bytes).saturating_sub(self.size);
        let ahead = if settings.preallocate { segment_left } else { end.clamp(RESERVE_MIN, RESERVE_MAX) };
        let length = ahead.min(segment_left).max(bytes);
        // A reservation only makes later writes cheaper. Where it fails the write itself tells what is wrong.
        self.reserving = match disk.reserve(&self.files.log, self.size, length) {
            Ok(()) => Reserving::UpTo(self.size + length),
            Err(_) => Reserving::Off,
        };
    }

    /// Gives back blocks beyond the end of the file.
    pub(super) fn release(&mut self, disk: &dyn Disk) -> Result<(), DiskError> {
        if let Reserving::UpTo(reserved) = self.reserving
            && reserved > self.size
        {
            disk.set_size(&self.files.log, self.size).during("trim", &self.segment.path(LOG))?;
            self.reserving = Reserving::UpTo(0);
        }
        Ok(())
    }

    /// Gives back blocks beyond the end of the file, and takes none ahead until the next segment.
    pub(super) fn stop_reserving(&mut self, disk: &dyn Disk) -> Result<(), DiskError> {
        let released = self.release(disk);
        self.reserving = Reserving::Off;
        released
    }

    /// Takes back what a failed write may have left behind the last good batch.
    pub(super) fn cut_back(&mut self, disk: &dyn Disk) -> io::Result<()> {
        self.reserving = Reserving::Off;
        disk.set_size(&self.files.log, self.size)
    }

    /// Whether so many entries wait that they should go to the files.
    pub(super) fn has_many_unwritten(tail: &Tail) -> bool {
        tail.index.offsets.len() >= CHUNK
    }

    /// Writes index entries behind those that are in the files.
    pub(super) fn write_entries(&mut self, disk: &dyn Disk, entries: &Unwritten) -> Result<(), DiskError> {
        let segment = &self.segment;
        let write = |file: &DiskFile, at: u64, bytes: Vec<u8>, kind: &str| {
            if bytes.is_empty() {
                return Ok(());
            }
            disk.write_at(file, at, &mut [IoSlice::new(&bytes)]).during("write", &segment.path(kind))
        };
        write(&self.files.offsets, u64::from(self.offsets_written) * 8, to_bytes(&entries.offsets), INDEX)?;
        write(&self.files.times, u64::from(self.times_written) * 12, to_bytes(&entries.times), TIME_INDEX)?;
        self.offsets_written += entries.offsets.len() as u32;
        self.times_written += entries.times.len() as u32;
        Ok(())
    }
}

/// Index entries on their way to the files.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    pub(super) offsets: Vec<OffsetEntry>,
    pub(super) times: Vec<TimeEntry>,
}

impl Unwritten {
    pub(super) fn of(tail: &Tail) -> Unwritten {
        Unwritten { offsets: tail.index.offsets.clone(), times: tail.index.times.clone() }
    }
}
