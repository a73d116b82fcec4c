//! Beginning a new segment.
//!
//! Whatever can fail comes before the new log file exists: a log file that overlaps the one before it would hide
//! records at the next start. The next flush plan syncs what was made; only where a flush ended just here none would.
//! Source: LogSegment.shouldRoll, LocalLog.roll, UnifiedLog.roll of Kafka 3.9.

use std::io::IoSlice;
use std::sync::Arc;

use protocol::{Millis, Offset};

use super::Log;
use super::active::{Active, Unwritten};
use crate::aborted::AbortedTransaction;
use crate::disk::{DiskError, DiskFile, During, Mode, remove_if_there};
use crate::index::{Indexer, relative};
use crate::names::{INDEX, LOG, SNAPSHOT, TIME_INDEX, TXN_INDEX, file_path};
use crate::segment::Segment;

/// A batch that is about to be appended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Incoming {
    pub(super) last_offset: Offset,
    /// As it will stand in the log.
    pub(super) max_timestamp: Millis,
    pub(super) size: usize,
    /// Bytes that go before it in the same write, and the time of the first batch among them.
    pub(super) staged: u64,
    pub(super) staged_since: Option<Millis>,
}

impl Log {
    /// Whether the batch belongs in a new segment.
    pub(super) fn should_roll(&self, incoming: Incoming, now: Millis) -> bool {
        let active = &self.active;
        if relative(active.segment.base, incoming.last_offset).is_none() {
            return true;
        }
        let size = active.size + incoming.staged;
        if size == 0 {
            return false;
        }
        let is_too_large = size + incoming.size as u64 > u64::from(self.settings.segment_bytes);
        is_too_large || self.is_old(incoming, now) || active.indexer.is_full(self.index_rules())
    }

    /// By record time if the segment's first batch has one, otherwise by the time since the segment was begun.
    fn is_old(&self, incoming: Incoming, now: Millis) -> bool {
        let age = match self.active.first_timestamp.or(incoming.staged_since) {
            Some(first) if first.0 >= 0 => incoming.max_timestamp - first,
            _ => now - self.active.created,
        };
        age > self.age_max() - self.jitter()
    }

    /// A compacted topic's records must not wait in the active segment, which is never cleaned (KIP-354).
    fn age_max(&self) -> i64 {
        let settings = &self.settings;
        let lag = settings.compaction_lag_max_ms;
        if settings.cleanup.compacts() && lag > 0 {
            lag.min(settings.segment_ms)
        } else {
            settings.segment_ms
        }
    }

    /// The same for one segment whenever it is asked for, and different between segments and partitions.
    fn jitter(&self) -> i64 {
        let max = self.settings.segment_jitter_ms.min(self.settings.segment_ms);
        if max <= 0 {
            return 0;
        }
        let name = self.partition.topic.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let seed = name ^ (self.partition.partition as u64) << 40 ^ self.active.segment.base.0 as u64;
        let mixed = (seed ^ (seed >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((mixed >> 1) % (max as u64 + 1)) as i64
    }

    /// Seals the active segment and begins the next at `base`: the log's end, or behind it where a leader's
    /// offsets have a gap. The log ends at `base` then.
    pub(super) fn roll(&mut self, base: Offset, now: Millis) -> Result<(), DiskError> {
        // First of all: whatever fails below, a gap that the leader showed is not filled any more.
        self.end = base;
        self.producers.end = base;
        self.seal_active()?;
        if self.progress.covers(base) {
            self.sync_sealed()?;
        }
        self.write_snapshot(base)?;
        let (segment, log) = create_segment(&*self.disk, &self.dir, base)?;
        let mut segments = Vec::clone(&self.segments);
        if let Some(last) = segments.last_mut() {
            *last = Arc::new(last.seal(self.active.size, self.aborted_in_active()));
        }
        segments.push(segment.clone());
        self.segments = Arc::new(segments);
        self.batches_end = base;
        let begun = Active::new(segment, log, Indexer::new(base), now);
        let sealed = std::mem::replace(&mut self.active, begun);
        self.progress.sealed_segment(Some((sealed.segment.base, sealed.log)));
        self.shared.write().tail = self.active.new_tail(base);
        self.publish();
        Ok(())
    }

    /// The active segment's transaction index.
    pub(super) fn aborted_in_active(&self) -> Vec<AbortedTransaction> {
        [&self.active.segment.aborted[..], &self.shared.read().tail.aborted].concat()
    }

    /// Completes the index files and gives back reserved blocks. May be repeated after an error.
    pub(super) fn seal_active(&mut self) -> Result<(), DiskError> {
        if let Some(closing) = self.active.indexer.time_entry() {
            self.shared.write().tail.index.times.push(closing);
        }
        let entries = Unwritten::of(&self.shared.read().tail);
        self.active.write_entries(&*self.disk, &entries)?;
        self.entries_written();
        let aborted = self.shared.read().tail.aborted.clone();
        self.active.write_aborted(&*self.disk, &aborted)?;
        self.active.release(&*self.disk)
    }

    /// The recovery point is where the segment ends, or a flush under way will bring it there. That flush knows a
    /// segment that is written, whose indexes every start makes anew; those of a sealed one below the recovery point
    /// are believed. So they are on the medium before it counts as sealed.
    fn sync_sealed(&mut self) -> Result<(), DiskError> {
        let synced =
            self.sync_indexes().and_then(|()| self.disk.sync_dir(&self.dir).during("sync", &self.dir));
        synced.inspect_err(|error| {
            if error.blames_disk() {
                self.sync_failed();
            }
        })
    }

    /// Brings the active segment's index files to the medium.
    pub(super) fn sync_indexes(&self) -> Result<(), DiskError> {
        let txn_index = (!self.aborted_in_active().is_empty()).then_some(TXN_INDEX);
        for kind in [INDEX, TIME_INDEX].into_iter().chain(txn_index) {
            let path = self.active.segment.path(kind);
            let file = self.disk.open(&path, Mode::Read).during("open", &path)?;
            self.disk.sync(&file).during("sync", &path)?;
        }
        Ok(())
    }

    /// Writes the producers as of `at`, the log's end or what it will be, unless a snapshot of them exists.
    pub(super) fn write_snapshot(&mut self, at: Offset) -> Result<(), DiskError> {
        if self.snapshots.last().copied().unwrap_or(self.start) >= at {
            return Ok(());
        }
        let path = file_path(&self.dir, at, SNAPSHOT);
        let file = self.disk.open(&path, Mode::Replace).during("create", &path)?;
        let bytes = self.producers.to_snapshot();
        self.disk.write_at(&file, 0, &mut [IoSlice::new(&bytes)]).during("write", &path)?;
        self.snapshots.insert(at);
        self.progress.made_file();
        Ok(())
    }
}

/// Makes the files of an empty segment, the log file last; that one stays open.
pub(crate) fn create_segment(
    disk: &dyn crate::disk::Disk,
    dir: &Arc<std::path::Path>,
    base: Offset,
) -> Result<(Arc<Segment>, DiskFile), DiskError> {
    let create = |kind| {
        let path = file_path(dir, base, kind);
        disk.open(&path, Mode::Replace).during("create", &path)
    };
    // What an earlier segment of this name left must not be taken for this one's.
    remove_if_there(disk, &file_path(dir, base, TXN_INDEX))?;
    create(INDEX)?;
    create(TIME_INDEX)?;
    let log = create(LOG)?;
    Ok((Arc::new(Segment::growing(dir, base, log.clone(), Vec::new())), log))
}
