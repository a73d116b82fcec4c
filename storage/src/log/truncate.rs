//! Taking away the end of a log: what a follower does whose leader's log went another way.
//!
//! Whole batches go. Readers stop seeing them first; then files lose their names, the newest first, and only then one
//! file is cut: a power cut leaves the log as it was or shorter, never with a hole. The leader epochs follow with the
//! next flush; a start believes the log. Source: UnifiedLog.truncateTo, LocalLog.truncateTo, LogSegment.truncateTo of Kafka 3.9.

use std::collections::BTreeSet;
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::{Millis, Offset, TopicPartition};

use super::active::Active;
use super::roll::create_segment;
use super::{Health, Log};
use crate::aborted::{AbortedTransaction, settle as settle_aborted};
use crate::disk::{DiskError, DiskFile, During, Mode, read_if_there, remove_if_there};
use crate::index::{Indexer, OffsetEntry, TimeEntry, to_bytes};
use crate::names::{INDEX, LOG, SNAPSHOT, TIME_INDEX, TXN_INDEX, file_path};
use crate::producers::Producers;
use crate::recovery::{Files, clean_tail, newest, replay};
use crate::retention::{Removal, Retirement};
use crate::scan::{Headers, ScanError};
use crate::segment::Segment;
use crate::view::{Tail, TailIndex};

mod place;

use place::{cut_position, entries};

/// What a truncation leaves to its caller.
///
/// Before the next append the recovery point and the log start have to be written to their checkpoints, as Kafka's
/// LogManager.truncateTo does: a start after a power cut would take what comes next for synced otherwise, or for
/// lying below the log's start. The cleaner's checkpoint has to be lowered to `active_base` for the same reason.
#[derive(Debug)]
#[must_use = "the checkpoints have to be written before the next append"]
pub struct Truncated {
    pub recovery_point: Offset,
    /// For `log-start-offset-checkpoint`; none if the first file's name says it.
    pub log_start: Option<Offset>,
    /// Where the segment begins that is written now.
    pub active_base: Offset,
    /// Files that were marked `.deleted`.
    pub removal: Removal,
}

/// Why a log could not be truncated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TruncateError {
    #[error("{partition} cannot be truncated to offset {to}")]
    Negative { partition: TopicPartition, to: Offset },
    /// Nothing was changed.
    #[error(
        "{partition}: segment {segment} cannot be truncated, it has no good batch at position {position}: {reason}"
    )]
    Corrupt { partition: TopicPartition, segment: Offset, position: u64, reason: String },
    /// The log is offline unless nothing but a read failed; the next start finishes or undoes what was begun.
    #[error("{partition}: {error}")]
    Disk { partition: TopicPartition, error: DiskError },
    #[error("{partition} is offline after a disk error")]
    Offline { partition: TopicPartition },
}

/// Where a segment is cut.
struct Place {
    /// Of the segment, among all.
    at: usize,
    to: Offset,
    file: DiskFile,
    /// Bytes that stay.
    position: u64,
    offsets: Vec<OffsetEntry>,
    times: Vec<TimeEntry>,
}

impl Log {
    /// Removes every batch that holds `to` or a later offset; the log ends at `to`. None if it ends there already
    /// or before: then only a leader epoch goes that was assigned without a record. Below the first segment
    /// everything goes and the log begins anew at `to`. Blocks for the disk; readers go on meanwhile. A retirement
    /// that is under way has to be run before, since it renames files by their names.
    pub fn truncate_to(&mut self, to: Offset, now: Millis) -> Result<Option<Truncated>, TruncateError> {
        self.check_truncation(to)?;
        if to >= self.end {
            if Arc::make_mut(&mut self.epochs).truncate_end(self.end) {
                self.progress.epochs_changed();
                self.publish();
            }
            return Ok(None);
        }
        if self.segments.first().is_none_or(|first| to < first.base) {
            return self.truncate_fully_and_start_at(to, now).map(Some);
        }
        let place = self.place_of(to)?;
        let bases: Vec<Offset> = self.segments[place.at + 1..].iter().map(|segment| segment.base).collect();
        let aborted = self.aborted_below(place.at, to);
        self.hide_above(&place, &aborted);
        let outcome = self.cut(place, &bases, aborted, now);
        self.finish_truncation(outcome, now).map(Some)
    }

    /// Removes everything and begins an empty log at `to`, with no epoch, no producer and the high watermark there.
    /// Otherwise as [`Self::truncate_to`].
    pub fn truncate_fully_and_start_at(
        &mut self,
        to: Offset,
        now: Millis,
    ) -> Result<Truncated, TruncateError> {
        self.check_truncation(to)?;
        let bases: Vec<Offset> = self.segments.iter().map(|segment| segment.base).collect();
        self.hide_all(to);
        let outcome = self.begin_anew(&bases, to, now);
        self.finish_truncation(outcome, now)
    }

    fn check_truncation(&self, to: Offset) -> Result<(), TruncateError> {
        let partition = || self.partition.clone();
        match self.health {
            Health::Offline => Err(TruncateError::Offline { partition: partition() }),
            Health::Online if to.0 < 0 => Err(TruncateError::Negative { partition: partition(), to }),
            Health::Online => Ok(()),
        }
    }

    fn finish_truncation(
        &mut self,
        outcome: Result<Vec<PathBuf>, DiskError>,
        now: Millis,
    ) -> Result<Truncated, TruncateError> {
        let partition = self.partition.clone();
        match outcome {
            Ok(files) => Ok(Truncated {
                recovery_point: self.progress.recovery_point,
                log_start: self.start_to_checkpoint(),
                active_base: self.active.segment.base,
                removal: Removal {
                    disk: self.disk.clone(),
                    files,
                    dirs: Vec::new(),
                    due: now + self.settings.file_delete_delay_ms,
                },
            }),
            Err(error) => {
                self.health = Health::Offline;
                Err(TruncateError::Disk { partition, error })
            }
        }
    }

    fn place_of(&self, to: Offset) -> Result<Place, TruncateError> {
        let at = self.segments.partition_point(|segment| segment.base <= to).saturating_sub(1);
        let segment = &self.segments[at];
        let path = segment.path(LOG);
        let disk_error = |error| TruncateError::Disk { partition: self.partition.clone(), error };
        let file = self.file_written(at, &path).map_err(disk_error)?;
        let (offsets, times) = self.entries_below(at, to).map_err(disk_error)?;
        let size = segment.sealed_size().unwrap_or(self.active.size);
        let position = cut_position(&file, size, segment.base, &offsets, to);
        let position = position.map_err(|error| match error {
            ScanError::Io(error) => disk_error(DiskError::new("read", &path, &error)),
            ScanError::Flawed { position, flaw } => TruncateError::Corrupt {
                partition: self.partition.clone(),
                segment: segment.base,
                position,
                reason: flaw.to_string(),
            },
        })?;
        Ok(Place { at, to, file, position, offsets, times })
    }

    /// A segment's log file; where it was written since the last sync the same one, which knows of failed writes.
    fn file_written(&self, at: usize, path: &Path) -> Result<DiskFile, DiskError> {
        if at + 1 == self.segments.len() {
            return Ok(self.active.log.clone());
        }
        match self.progress.unsynced_log(self.segments[at].base) {
            Some(file) => Ok(file),
            None => self.disk.open(path, Mode::Write).during("open", path),
        }
    }

    /// The segment's index entries of batches that end below `to`, from its files and from memory.
    fn entries_below(&self, at: usize, to: Offset) -> Result<(Vec<OffsetEntry>, Vec<TimeEntry>), DiskError> {
        let segment = &self.segments[at];
        let is_active = at + 1 == self.segments.len();
        let read = |kind| read_if_there(&segment.path(kind)).map(Option::unwrap_or_default);
        let (offsets, times) = (read(INDEX)?, read(TIME_INDEX)?);
        let (mut offsets, mut times) = (entries(&offsets), entries(&times));
        if is_active {
            let tail = &self.shared.read().tail.index;
            offsets.truncate(self.active.offsets_written as usize);
            offsets.extend_from_slice(&tail.offsets);
            times.truncate(self.active.times_written as usize);
            times.extend_from_slice(&tail.times);
        }
        let is_below = |last: u32| segment.base + i64::from(last) < to;
        let keep = offsets.iter().take_while(|entry: &&OffsetEntry| is_below(entry.last)).count();
        offsets.truncate(keep);
        let keep = times.iter().take_while(|entry: &&TimeEntry| is_below(entry.last)).count();
        times.truncate(keep);
        Ok((offsets, times))
    }

    fn aborted_below(&self, at: usize, to: Offset) -> Vec<AbortedTransaction> {
        let is_active = at + 1 == self.segments.len();
        let mut aborted =
            if is_active { self.aborted_in_active() } else { self.segments[at].aborted.clone() };
        aborted.retain(|entry| entry.last_offset < to);
        aborted
    }

    /// From here on readers find nothing of what goes.
    fn hide_above(&mut self, place: &Place, aborted: &[AbortedTransaction]) {
        let mut segments = self.segments[..=place.at].to_vec();
        segments[place.at] = Arc::new(segments[place.at].seal(place.position, aborted.to_vec()));
        self.start = self.start.min(place.to);
        self.high_watermark = self.high_watermark.min(place.to);
        Arc::make_mut(&mut self.epochs).truncate_end(place.to);
        self.hide(segments, place.to);
    }

    fn hide_all(&mut self, to: Offset) {
        self.start = to;
        self.high_watermark = to;
        Arc::make_mut(&mut self.epochs).clear();
        self.producers = Producers::none(to);
        self.hide(Vec::new(), to);
    }

    fn hide(&mut self, segments: Vec<Arc<Segment>>, end: Offset) {
        let base = segments.last().map_or(end, |segment| segment.base);
        self.segments = Arc::new(segments);
        self.end = end;
        self.progress.truncated(end, if self.segments.is_empty() { Offset::ZERO } else { base });
        self.progress.epochs_changed();
        let mut state = self.shared.write();
        state.tail = Tail::new(base, end, TailIndex::new(base, 0, 0, Vec::new()));
        self.publish_in(&mut state);
        self.shared.truncated();
    }

    /// Takes the names of the segments with these bases away, the newest first, and removes snapshots above `to` and
    /// those that tell of no record that is left (ProducerStateManager.truncateAndReload).
    fn retire_segments(&mut self, bases: &[Offset], to: Offset) -> Result<Vec<PathBuf>, DiskError> {
        let is_useless = |offset: &Offset| *offset > to || *offset <= self.start;
        let useless: BTreeSet<Offset> = self.snapshots.iter().copied().filter(is_useless).collect();
        for offset in &useless {
            remove_if_there(&*self.disk, &file_path(&self.dir, *offset, SNAPSHOT))?;
            self.snapshots.remove(offset);
        }
        let kinds = [LOG, INDEX, TIME_INDEX, TXN_INDEX];
        let paths = |base: &Offset| kinds.map(|kind| file_path(&self.dir, *base, kind));
        let files = bases.iter().rev().flat_map(paths).collect();
        let retirement = Retirement { disk: self.disk.clone(), files, due: Millis(0) };
        let removal = retirement.run()?;
        self.disk.sync_dir(&self.dir).during("sync", &self.dir)?;
        Ok(removal.files)
    }

    /// The disk's part. The cut comes when the names above it are gone for good.
    fn cut(
        &mut self,
        place: Place,
        above: &[Offset],
        aborted: Vec<AbortedTransaction>,
        now: Millis,
    ) -> Result<Vec<PathBuf>, DiskError> {
        let base = self.segments[place.at].base;
        let path = file_path(&self.dir, base, LOG);
        let files = self.retire_segments(above, place.to)?;
        self.disk.set_size(&place.file, place.position).during("cut", &path)?;
        self.disk.sync(&place.file).during("sync", &path)?;
        settle_aborted(&*self.disk, &file_path(&self.dir, base, TXN_INDEX), &aborted)?;
        let created = if place.position == 0 { now } else { self.active.created };
        let (active, batches_end) = self.reopen(&place, base, aborted, created)?;
        self.batches_end = batches_end;
        // In a gap there is nothing that could have been synced.
        self.progress.lower(batches_end);
        self.reload_producers(place.to, now)?;
        self.begin_writing(active, place.at);
        if let Err(error) = self.write_snapshot(place.to) {
            tracing::warn!(partition = %self.partition, "no snapshot of producers after a truncation: {error}");
        }
        Ok(files)
    }

    /// The segment that was cut becomes the one that is written. Readers may have its old index files in their
    /// memory, so these are never changed: others take their names. Also tells where its last batch ends.
    fn reopen(
        &self,
        place: &Place,
        base: Offset,
        aborted: Vec<AbortedTransaction>,
        created: Millis,
    ) -> Result<(Active, Offset), DiskError> {
        let offsets = self.replace_index(base, INDEX, &to_bytes(&place.offsets))?;
        let times = self.replace_index(base, TIME_INDEX, &to_bytes(&place.times))?;
        let mut files = Files { log: place.file.clone(), offsets, times };
        let path = file_path(&self.dir, base, LOG);
        let failed = |error: ScanError| match error {
            ScanError::Io(error) => DiskError::new("read", &path, &error),
            ScanError::Flawed { flaw, .. } => {
                DiskError::new("read", &path, &std::io::Error::other(flaw.to_string()))
            }
        };
        let tail = match clean_tail(&files, base) {
            Ok(Some(tail)) => tail,
            // Index and log do not fit each other, so the entries are made anew.
            Ok(None) | Err(ScanError::Flawed { .. }) => {
                let (offsets, times) = self.reindex(&place.file, base, place.position).map_err(failed)?;
                files.offsets = self.replace_index(base, INDEX, &to_bytes(&offsets))?;
                files.times = self.replace_index(base, TIME_INDEX, &to_bytes(&times))?;
                let tail = clean_tail(&files, base).map_err(failed)?;
                tail.ok_or_else(|| DiskError::new("index", &path, &std::io::Error::other("offsets go back")))?
            }
            Err(error) => return Err(failed(error)),
        };
        let segment = Segment::growing(&self.dir, base, files.log.clone(), aborted);
        let batches_end = tail.end;
        Ok((tail.into_active(segment, files.log, created), batches_end))
    }

    fn replace_index(&self, base: Offset, kind: &str, bytes: &[u8]) -> Result<DiskFile, DiskError> {
        let path = file_path(&self.dir, base, kind);
        remove_if_there(&*self.disk, &path)?;
        let file = self.disk.open(&path, Mode::Replace).during("create", &path)?;
        self.disk.write_at(&file, 0, &mut [IoSlice::new(bytes)]).during("write", &path)?;
        Ok(file)
    }

    fn reindex(
        &self,
        file: &DiskFile,
        base: Offset,
        size: u64,
    ) -> Result<(Vec<OffsetEntry>, Vec<TimeEntry>), ScanError> {
        let (mut offsets, mut times) = (Vec::new(), Vec::new());
        let mut indexer = Indexer::new(base);
        let mut headers = Headers::new(file, 0, size);
        while let Some(batch) = headers.next()? {
            let due = indexer.note(&batch.header, batch.position, self.index_rules());
            offsets.extend(due.offset);
            times.extend(due.time);
        }
        Ok((offsets, times))
    }

    /// The newest snapshot that stayed, and the batches behind it.
    fn reload_producers(&mut self, to: Offset, now: Millis) -> Result<(), DiskError> {
        let before = std::mem::replace(&mut self.producers, Producers::none(to));
        if before.is_empty() {
            return Ok(());
        }
        let bases: Vec<Offset> = self.segments.iter().map(|segment| segment.base).collect();
        let found = newest(&*self.disk, &self.dir, &mut self.snapshots, to)?;
        let first = bases.first().copied().unwrap_or(to);
        let mut producers = found.unwrap_or_else(|| Producers::none(first));
        producers.expire(now, self.settings.producer_id_expiration_ms);
        replay(&*self.disk, &self.dir, &bases, to, &mut producers)?;
        producers.keep_unreplicated(&before);
        producers.replicated(self.high_watermark);
        self.producers = producers;
        Ok(())
    }

    /// Readers and writer go on with this segment as the last one, `at` its place in the list.
    fn begin_writing(&mut self, active: Active, at: usize) {
        let mut segments = Vec::clone(&self.segments);
        segments.truncate(at);
        segments.push(active.segment.clone());
        self.segments = Arc::new(segments);
        self.active = active;
        let tail = self.active.new_tail(self.end);
        let mut state = self.shared.write();
        state.tail = tail;
        self.publish_in(&mut state);
    }

    fn begin_anew(&mut self, bases: &[Offset], to: Offset, now: Millis) -> Result<Vec<PathBuf>, DiskError> {
        let mut files = Vec::new();
        for offset in std::mem::take(&mut self.snapshots) {
            remove_if_there(&*self.disk, &file_path(&self.dir, offset, SNAPSHOT))?;
        }
        files.extend(self.retire_segments(bases, to)?);
        let (segment, log) = create_segment(&*self.disk, &self.dir, to)?;
        self.disk.sync_dir(&self.dir).during("sync", &self.dir)?;
        self.batches_end = to;
        self.begin_writing(Active::new(segment, log, Indexer::new(to), now), 0);
        Ok(files)
    }
}
