//! The segment that is written: its files, how far they are, and blocks reserved ahead.
//!
//! Only the log touches it. Index entries wait in the tail, where readers see them, and go to their files in one
//! write per few megabytes of log.

use std::io::{self, IoSlice};
use std::sync::Arc;

use protocol::{Millis, Offset};

use crate::aborted::{AbortedTransaction, ENTRY_SIZE};
use crate::disk::{Disk, DiskError, DiskFile, During, Mode};
use crate::epochs::Epochs;
use crate::index::{CHUNK, Indexer, OffsetEntry, TimeEntry, to_bytes};
use crate::names::{INDEX, LOG, TIME_INDEX, TXN_INDEX};
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

/// See the module.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) segment: Arc<Segment>,
    /// Open from the first write to the last sync, so that no failed write is forgotten by the system.
    pub(crate) log: DiskFile,
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
    /// Entries of the transaction index that went to its file since the segment was opened.
    aborted_written: usize,
    /// Of the entries in the file when the segment was opened, on their way to the tail.
    pub(crate) fences: Vec<u32>,
}

impl Active {
    pub(crate) fn new(segment: Arc<Segment>, log: DiskFile, indexer: Indexer, created: Millis) -> Active {
        Active {
            segment,
            log,
            size: 0,
            indexer,
            first_timestamp: None,
            created,
            reserving: Reserving::UpTo(0),
            offsets_written: 0,
            times_written: 0,
            aborted_written: 0,
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
        self.reserving = match disk.reserve(&self.log, self.size, length) {
            Ok(()) => Reserving::UpTo(self.size + length),
            Err(_) => Reserving::Off,
        };
    }

    /// Gives back blocks beyond the end of the file.
    pub(super) fn release(&mut self, disk: &dyn Disk) -> Result<(), DiskError> {
        if let Reserving::UpTo(reserved) = self.reserving
            && reserved > self.size
        {
            disk.set_size(&self.log, self.size).during("trim", &self.segment.path(LOG))?;
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
        disk.set_size(&self.log, self.size)
    }

    /// Whether so many entries wait that they should go to the files.
    pub(super) fn has_many_unwritten(tail: &Tail) -> bool {
        tail.index.offsets.len() >= CHUNK
    }

    /// Writes index entries behind those that are in the files, which are open for that time only: it is seldom.
    pub(super) fn write_entries(&mut self, disk: &dyn Disk, entries: &Unwritten) -> Result<(), DiskError> {
        let segment = &self.segment;
        let write = |kind: &str, at: u64, bytes: Vec<u8>| {
            if bytes.is_empty() {
                return Ok(());
            }
            let path = segment.path(kind);
            let file = disk.open(&path, Mode::Write).during("open", &path)?;
            disk.write_at(&file, at, &mut [IoSlice::new(&bytes)]).during("write", &path)
        };
        write(INDEX, u64::from(self.offsets_written) * 8, to_bytes(&entries.offsets))?;
        write(TIME_INDEX, u64::from(self.times_written) * 12, to_bytes(&entries.times))?;
        self.offsets_written += entries.offsets.len() as u32;
        self.times_written += entries.times.len() as u32;
        Ok(())
    }

    /// Writes what is missing in the transaction index; `aborted` is all that came since the segment was opened.
    pub(super) fn write_aborted(
        &mut self,
        disk: &dyn Disk,
        aborted: &[AbortedTransaction],
    ) -> Result<(), DiskError> {
        let Some(missing) = aborted.get(self.aborted_written..).filter(|missing| !missing.is_empty()) else {
            return Ok(());
        };
        let present = self.segment.aborted.len() + self.aborted_written;
        let path = self.segment.path(TXN_INDEX);
        let mode = if present == 0 { Mode::Replace } else { Mode::Write };
        let file = disk.open(&path, mode).during("open", &path)?;
        let bytes: Vec<u8> = missing.iter().flat_map(|entry| entry.to_bytes()).collect();
        let at = (present * ENTRY_SIZE) as u64;
        disk.write_at(&file, at, &mut [IoSlice::new(&bytes)]).during("write", &path)?;
        self.aborted_written = aborted.len();
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
