//! Beginning a new segment.
//!
//! Whatever can fail comes before the new log file exists: a log file that overlaps the one before it would hide
//! records at the next start. Nothing is synced here; the next flush plan covers it.
//! Source: LogSegment.shouldRoll, LocalLog.roll, UnifiedLog.roll of Kafka 3.9.

use std::io::IoSlice;
use std::sync::Arc;

use protocol::batch::BatchHeader;
use protocol::{Millis, Offset};

use super::Log;
use super::active::{Active, Unwritten};
use crate::disk::{DiskError, DiskFile, During, Mode};
use crate::index::{Indexer, relative};
use crate::names::{INDEX, LOG, SNAPSHOT, TIME_INDEX, file_path};
use crate::segment::Segment;

impl Log {
    /// Whether a batch that gets the offset `next`, behind `staged` bytes, belongs in a new segment.
    pub(super) fn should_roll(
        &self,
        header: &BatchHeader,
        (next, staged): (Offset, u64),
        now: Millis,
    ) -> bool {
        let active = &self.active;
        let last = next + i64::from(header.last_offset_delta);
        if relative(active.segment.base, last).is_none() {
            return true;
        }
        let size = active.size + staged;
        if size == 0 {
            return false;
        }
        let is_too_large = size + header.size() as u64 > u64::from(self.settings.segment_bytes);
        is_too_large || self.is_old(header, now) || active.indexer.is_full(self.index_rules())
    }

    /// By record time if the segment's first batch has one, otherwise by the time since the segment was begun.
    fn is_old(&self, header: &BatchHeader, now: Millis) -> bool {
        let age = match self.active.first_timestamp {
            Some(first) if first.0 >= 0 => header.max_timestamp - first,
            _ => now - self.active.created,
        };
        age > self.settings.segment_ms - self.jitter()
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

    /// Seals the active segment and begins the next at the log's end.
    pub(super) fn roll(&mut self, now: Millis) -> Result<(), DiskError> {
        self.seal_active()?;
        self.write_snapshot()?;
        let (segment, log) = self.create_segment(self.end)?;
        let mut segments = Vec::clone(&self.segments);
        if let Some(last) = segments.last_mut() {
            *last = Arc::new(last.seal(self.active.size));
        }
        segments.push(segment.clone());
        self.segments = Arc::new(segments);
        let begun = Active::new(segment, log, Indexer::new(self.end), now);
        let sealed = std::mem::replace(&mut self.active, begun);
        self.progress.sealed_segment(Some((sealed.segment.base, sealed.log)));
        self.shared.write().tail = self.active.new_tail(self.end);
        self.publish();
        Ok(())
    }

    /// Completes the index files and gives back reserved blocks. May be repeated after an error.
    pub(super) fn seal_active(&mut self) -> Result<(), DiskError> {
        if let Some(closing) = self.active.indexer.time_entry() {
            self.shared.write().tail.index.times.push(closing);
        }
        let entries = Unwritten::of(&self.shared.read().tail);
        self.active.write_entries(&*self.disk, &entries)?;
        self.entries_written();
        self.active.release(&*self.disk)
    }

    /// Writes the producers as of the log's end, unless a snapshot of them exists.
    pub(super) fn write_snapshot(&mut self) -> Result<(), DiskError> {
        if self.snapshots.last().is_some_and(|newest| *newest >= self.end) || self.end.0 == 0 {
            return Ok(());
        }
        let path = file_path(&self.dir, self.end, SNAPSHOT);
        let file = self.disk.open(&path, Mode::Replace).during("create", &path)?;
        let bytes = self.producers.to_snapshot();
        self.disk.write_at(&file, 0, &mut [IoSlice::new(&bytes)]).during("write", &path)?;
        self.snapshots.insert(self.end);
        self.progress.made_file();
        Ok(())
    }

    fn create_segment(&self, base: Offset) -> Result<(Arc<Segment>, DiskFile), DiskError> {
        create_segment(&*self.disk, &self.dir, base)
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
    create(INDEX)?;
    create(TIME_INDEX)?;
    let log = create(LOG)?;
    Ok((Arc::new(Segment::growing(dir, base, log.clone(), Vec::new())), log))
}
