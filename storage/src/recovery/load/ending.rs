//! Making the last segment the active one, after a clean stop or a recovery.

use std::sync::Arc;

use protocol::{Millis, Offset};

use super::{Ending, Loader};
use crate::aborted::{AbortedTransaction, TxnIndexFile};
use crate::disk::{DiskError, DiskFile, During, Mode};
use crate::index::{Indexer, Largest, OffsetEntry, TimeEntry, ending_of, fences_in_file, is_named};
use crate::log::Active;
use crate::names::{INDEX, LOG, TIME_INDEX, file_path};
use crate::producers::Producers;
use crate::recovery::rebuild::Rebuilt;
use crate::recovery::{RecoveryError, state};
use crate::scan::{Headers, ScanError};
use crate::segment::Segment;

/// The files that say where a cleanly closed segment ends.
pub(crate) struct Files {
    pub(crate) log: DiskFile,
    pub(crate) offsets: DiskFile,
    pub(crate) times: DiskFile,
}

/// What the end of a cleanly closed segment says.
pub(crate) struct CleanTail {
    pub(crate) end: Offset,
    size: u64,
    indexer: Indexer,
    first_timestamp: Option<Millis>,
    fences: Vec<u32>,
}

impl CleanTail {
    /// The segment with these files, ready to be written.
    pub(crate) fn into_active(self, segment: Segment, log: DiskFile, created: Millis) -> Active {
        let written = (self.indexer.offsets, self.indexer.times);
        let mut active = Active::new(Arc::new(segment), log, self.indexer, created);
        active.size = self.size;
        active.first_timestamp = self.first_timestamp;
        (active.offsets_written, active.times_written) = written;
        active.fences = self.fences;
        active
    }
}

impl Loader<'_> {
    /// The last segment of a cleanly closed log; none if its files do not fit each other, so that it has to be
    /// recovered after all.
    pub(super) fn clean_ending(&mut self, base: Offset) -> Result<Option<Ending>, RecoveryError> {
        let files = match self.open_files(base) {
            Ok(files) => files,
            Err(error) if error.is_missing() => return Ok(None),
            Err(error) => return Err(self.disk_error(error)),
        };
        let TxnIndexFile::Good(aborted) = self.aborted(base)? else { return Ok(None) };
        let path = file_path(&self.dir, base, LOG);
        let tail = match clean_tail(&files, base) {
            Ok(Some(tail)) => tail,
            Ok(None) | Err(ScanError::Flawed { .. }) => return Ok(None),
            Err(ScanError::Io(error)) => return Err(self.disk_error(DiskError::new("read", &path, &error))),
        };
        let end = tail.end;
        let producers = self.clean_producers(end).map_err(|error| self.disk_error(error))?;
        let segment = Segment::growing(&self.dir, base, files.log.clone(), aborted);
        Ok(Some(Ending { active: tail.into_active(segment, files.log, self.options.now), end, producers }))
    }

    /// The last segment after it was read batch by batch.
    pub(super) fn recovered_ending(
        &self,
        base: Offset,
        rebuilt: &Rebuilt,
        aborted: Vec<AbortedTransaction>,
        producers: Producers,
    ) -> Result<Ending, RecoveryError> {
        let log = self.open_last(base, LOG).map_err(|error| self.disk_error(error))?;
        let mut active = self.active(base, log, rebuilt.indexer.clone(), aborted);
        active.size = rebuilt.size;
        active.first_timestamp = rebuilt.first_timestamp;
        (active.offsets_written, active.times_written) = rebuilt.entries();
        active.fences = rebuilt.fences();
        Ok(Ending { active, end: rebuilt.next, producers })
    }

    fn open_files(&self, base: Offset) -> Result<Files, DiskError> {
        let open = |kind| self.open_last(base, kind);
        Ok(Files { log: open(LOG)?, offsets: open(INDEX)?, times: open(TIME_INDEX)? })
    }

    /// A file of the segment that will be written.
    fn open_last(&self, base: Offset, kind: &str) -> Result<DiskFile, DiskError> {
        let path = file_path(&self.dir, base, kind);
        self.disk.open(&path, Mode::Write).during("open", &path)
    }

    fn active(
        &self,
        base: Offset,
        log: DiskFile,
        indexer: Indexer,
        aborted: Vec<AbortedTransaction>,
    ) -> Active {
        let segment = Segment::growing(&self.dir, base, log.clone(), aborted);
        Active::new(Arc::new(segment), log, indexer, self.options.now)
    }

    /// After a clean stop no snapshot at all means no producers, as it does to Kafka.
    fn clean_producers(&mut self, end: Offset) -> Result<Producers, DiskError> {
        if !self.had_snapshots {
            return Ok(Producers::none(end));
        }
        // One above the end is of a truncation into a gap: it goes, but the log has producers.
        self.forget_snapshots_above(end)?;
        let mut producers = self.restore(end)?;
        state::replay(self.disk, &self.dir, &self.bases, end, &mut producers)?;
        Ok(producers)
    }
}

/// Finds the log's end from the last index entry on; none if index and log do not fit.
pub(crate) fn clean_tail(files: &Files, base: Offset) -> Result<Option<CleanTail>, ScanError> {
    let size = files.log.size()?;
    let offsets = ending_of(&files.offsets, |entry: &OffsetEntry| i64::from(entry.last))?;
    let times = ending_of(&files.times, |entry: &TimeEntry| entry.timestamp.0)?;
    let (Some(offsets), Some(times)) = (offsets, times) else { return Ok(None) };
    let last_offset = offsets.last;
    let mut indexer = Indexer::new(base);
    indexer.offsets = offsets.count;
    indexer.times = times.count;
    indexer.last_time = times.last;
    let offset = |entry: TimeEntry| base + i64::from(entry.last);
    indexer.largest = times.last.map(|entry| Largest { timestamp: entry.timestamp, offset: offset(entry) });
    let mut end = base;
    let named = last_offset.map(|entry| base + i64::from(entry.last));
    let position = last_offset.map_or(0, |entry| u64::from(entry.position));
    let mut headers = Headers::new(&files.log, position, size);
    let mut is_first = true;
    while let Some(batch) = headers.next()? {
        let last = batch.header.last_offset();
        if batch.header.base_offset < end {
            return Ok(None);
        }
        if let Some(named) = named.filter(|_| is_first)
            && !is_named(&files.log, &batch, named)?
        {
            return Ok(None);
        }
        is_first = false;
        end = batch.header.next_offset();
        indexer.since_entry += batch.header.size() as u64;
        let timestamp = batch.header.max_timestamp;
        if timestamp.0 >= 0 && indexer.largest.is_none_or(|largest| timestamp > largest.timestamp) {
            indexer.largest = Some(Largest { timestamp, offset: last });
        }
    }
    // An entry without its batch: the log is shorter than the index says.
    if named.is_some_and(|named| end <= named) {
        return Ok(None);
    }
    let first_timestamp = first_timestamp(&files.log, size)?;
    let fences = fences_in_file(&files.offsets, offsets.count)?;
    Ok(Some(CleanTail { end, size, indexer, first_timestamp, fences }))
}

fn first_timestamp(log: &DiskFile, size: u64) -> Result<Option<Millis>, ScanError> {
    Ok(Headers::new(log, 0, size).next()?.map(|batch| batch.header.max_timestamp))
}
