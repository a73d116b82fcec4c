//! What keeps a log in order beside its appends: flush plans and their reports, retention, deletion.
//!
//! Everything here returns at once; the plans are run by whoever may block.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use protocol::{Millis, Offset, TopicId, TopicPartition};

use super::{AppendError, Health, Log};
use crate::disk::{DiskError, DiskFile, During};
use crate::epochs::Epochs;
use crate::flush::{FlushPlan, FlushScope, Flushed, Names, Unsynced};
use crate::names::{LOG, SNAPSHOT, TXN_INDEX, delete_dir_name, file_path};
use crate::partition_metadata;
use crate::retention::{Bounds, Candidate, Removal, RetentionPlan, Retirement, below_start, plan};
use crate::segment::{Indexes, Segment, modified};

/// How far the log is on the medium.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) recovery_point: Offset,
    /// Everything below is on the medium or in a plan under way.
    planned: Offset,
    last_flush: Millis,
    unflushed_records: u64,
    /// Files made since the log was opened, and how many of their names are on the medium.
    made: u64,
    made_synced: u64,
    /// The directory itself is new, so its name has to reach the medium too.
    dir_is_new: bool,
    /// Segments sealed since the log was opened, and how many of them a plan covers.
    sealed: u64,
    sealed_planned: u64,
    /// The log files of those that no finished flush covers; a roll makes a flush due, so they are few.
    unsynced_logs: BTreeMap<Offset, DiskFile>,
    epochs_version: u64,
    epochs_planned: u64,
    epochs_synced: u64,
    /// The `epochs_version` whose flush writes the topic id too; none if the file has it.
    id_unwritten: Option<u64>,
    truncations: u64,
}

/// Why records are not deleted on a user's wish.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeleteRecordsError {
    #[error("{partition}: records are deleted on request only where cleanup.policy has delete")]
    Policy { partition: TopicPartition },
    #[error("{partition}: offset {asked} is not between 0 and the high watermark {high_watermark}")]
    OutOfRange { partition: TopicPartition, asked: Offset, high_watermark: Offset },
}

impl Progress {
    /// Loading may have made files and changed the epochs, so the first flush covers them.
    pub(super) fn new(recovery_point: Offset, now: Millis) -> Progress {
        Progress {
            recovery_point,
            planned: recovery_point,
            last_flush: now,
            unflushed_records: 0,
            made: 1,
            made_synced: 0,
            dir_is_new: false,
            sealed: 0,
            sealed_planned: 0,
            unsynced_logs: BTreeMap::new(),
            epochs_version: 0,
            epochs_planned: 0,
            epochs_synced: 0,
            id_unwritten: None,
            truncations: 0,
        }
    }

    pub(super) fn made_dir(&mut self) {
        self.dir_is_new = true;
    }

    pub(super) fn made_file(&mut self) {
        self.made += 1;
    }

    /// A segment is written no more; `log` was, since it was opened, and is not synced yet.
    pub(super) fn sealed_segment(&mut self, written: Option<(Offset, DiskFile)>) {
        self.made += 1;
        self.sealed += 1;
        self.unsynced_logs.extend(written);
    }

    /// Whether all below `end` is on the medium or in a plan under way.
    pub(super) fn covers(&self, end: Offset) -> bool {
        self.planned >= end
    }

    /// The log file of a sealed segment that is not synced yet, as it was written.
    pub(super) fn unsynced_log(&self, base: Offset) -> Option<DiskFile> {
        self.unsynced_logs.get(&base).cloned()
    }

    pub(super) fn epochs_changed(&mut self) {
        self.epochs_version += 1;
    }

    /// The topic id is known now and stands in no file. It is written as the epochs are.
    pub(super) fn learnt_id(&mut self) {
        self.epochs_changed();
        self.id_unwritten = Some(self.epochs_version);
    }

    pub(super) fn appended(&mut self, records: u64) {
        self.unflushed_records += records;
    }

    /// The log ends at `end` now, in the segment with this base: what was synced above is there no more.
    pub(super) fn truncated(&mut self, end: Offset, base: Offset) {
        self.unsynced_logs.retain(|sealed, _| *sealed < base);
        self.lower(end);
        self.truncations += 1;
        self.made += 1;
    }

    /// Nothing from `to` on is on the medium.
    pub(super) fn lower(&mut self, to: Offset) {
        self.recovery_point = self.recovery_point.min(to);
        self.planned = self.planned.min(to);
    }
}

impl Log {
    /// The flush that is due by `flush.messages`, `flush.ms`, or because a segment was sealed or an epoch began.
    pub fn flush_due(&self, now: Millis) -> Option<FlushScope> {
        let progress = &self.progress;
        let is_dirty = self.batches_end > progress.planned;
        let is_old = self.settings.flush_ms.is_some_and(|limit| now - progress.last_flush >= limit);
        let has_many = progress.unflushed_records >= self.settings.flush_messages;
        if is_dirty && (is_old || has_many) {
            return Some(FlushScope::Everything);
        }
        let has_sealed = progress.sealed > progress.sealed_planned;
        let has_epochs = progress.epochs_version > progress.epochs_planned;
        (has_sealed || has_epochs).then_some(FlushScope::Sealed)
    }

    /// What has to be synced; none if nothing is new, or the log is offline. Plans are run in their order, one at a time.
    pub fn flush_plan(&mut self, scope: FlushScope, now: Millis) -> Option<FlushPlan> {
        if self.health == Health::Offline {
            return None;
        }
        let up_to = match scope {
            FlushScope::Everything if self.write_aborted() => self.batches_end,
            FlushScope::Sealed | FlushScope::Everything => self.active.segment.base,
        };
        let has_names = self.progress.made > self.progress.made_synced;
        let has_epochs = self.progress.epochs_version > self.progress.epochs_synced;
        if up_to <= self.progress.recovery_point && !has_epochs && !has_names {
            return None;
        }
        let progress = &mut self.progress;
        progress.planned = progress.planned.max(up_to);
        progress.epochs_planned = progress.epochs_version;
        progress.sealed_planned = progress.sealed;
        if scope == FlushScope::Everything {
            progress.unflushed_records = 0;
            progress.last_flush = now;
        }
        let mut dirs: Vec<PathBuf> = has_names.then(|| self.dir.to_path_buf()).into_iter().collect();
        if self.progress.dir_is_new {
            dirs.extend(self.dir.parent().map(PathBuf::from));
        }
        let mut texts = Vec::new();
        if has_epochs {
            texts.push((Epochs::path(&self.dir), self.epochs.to_text().into_bytes()));
        }
        if let Some(id) = self.topic_id.filter(|_| self.progress.id_unwritten.is_some()) {
            texts.push((partition_metadata::path(&self.dir), partition_metadata::text(id).into_bytes()));
        }
        let (made, epochs_version) = (self.progress.made, self.progress.epochs_version);
        let truncations = self.progress.truncations;
        let done = Flushed { up_to, names: Names { made }, epochs_version, truncations };
        Some(FlushPlan { disk: self.disk.clone(), files: self.unsynced(up_to), texts, dirs, done })
    }

    /// Takes the report of a finished flush: the recovery point moves.
    pub fn flushed(&mut self, flushed: Flushed) {
        let progress = &mut self.progress;
        if flushed.truncations != progress.truncations {
            // What was synced may have been cut since, and the epochs that were written are those of before.
            progress.epochs_changed();
            return;
        }
        progress.recovery_point = progress.recovery_point.max(flushed.up_to.min(self.end));
        progress.epochs_synced = progress.epochs_synced.max(flushed.epochs_version);
        progress.id_unwritten = progress.id_unwritten.filter(|version| *version > flushed.epochs_version);
        progress.made_synced = progress.made_synced.max(flushed.names.made);
        progress.dir_is_new = false;
        progress.unsynced_logs.retain(|base, _| *base >= flushed.up_to);
    }

    /// Takes the report of a flush that could not be done, though nothing that was written is in doubt: a later one
    /// covers the same.
    pub fn not_flushed(&mut self) {
        let progress = &mut self.progress;
        progress.planned = progress.recovery_point;
        progress.epochs_planned = progress.epochs_synced;
        progress.sealed_planned = progress.sealed_planned.min(progress.sealed.saturating_sub(1));
    }

    /// Takes the report of a sync that failed. Nobody tries again on the same files, since the system may have
    /// forgotten what it could not write: the log goes offline, and the next start finds out what is there.
    pub fn sync_failed(&mut self) {
        self.health = Health::Offline;
    }

    /// Gives back the blocks that were taken ahead of the writes: others need them more.
    pub fn release_reserved(&mut self) -> Result<(), DiskError> {
        self.active.stop_reserving(&*self.disk)
    }

    /// The files that hold what lies between the recovery point and `up_to`.
    fn unsynced(&self, up_to: Offset) -> Vec<Unsynced> {
        let from = self.progress.recovery_point;
        // The segment that ends at the recovery point, too: Kafka may have sealed it and synced its indexes no more.
        let first = self.segments.partition_point(|segment| segment.base < from).saturating_sub(1);
        let mut files = Vec::new();
        for segment in self.segments[first..].iter().filter(|segment| segment.base < up_to) {
            match &segment.indexes {
                // The offset and time index of the last segment are made anew by an unclean start; a roll that follows
                // with nothing appended in between syncs them.
                Indexes::Growing(_) => {
                    files.push(Unsynced { path: segment.path(LOG), open: Some(self.active.log.clone()) });
                    if !self.aborted_in_active().is_empty() {
                        files.push(Unsynced { path: segment.path(TXN_INDEX), open: None });
                    }
                }
                Indexes::Sealed(_) => {
                    // By the file that was written, if it is: only that is sure to know of a write that failed since.
                    let mut log = self.progress.unsynced_logs.get(&segment.base).cloned();
                    let unsynced = |path| Unsynced { path, open: log.take() };
                    files.extend(segment.paths().map(unsynced));
                }
            }
        }
        let snapshots = self.snapshots.range(from..=up_to.max(from));
        files.extend(
            snapshots.map(|offset| Unsynced { path: file_path(&self.dir, *offset, SNAPSHOT), open: None }),
        );
        files
    }

    /// Moves the start up to `before` because a user wants the records below gone, and answers `before`; none is
    /// the high watermark. An offset below the start is fine and changes nothing (Partition.deleteRecordsOnLeader).
    pub fn delete_records(&mut self, before: Option<Offset>) -> Result<Offset, DeleteRecordsError> {
        let (partition, high_watermark) = (|| self.partition.clone(), self.high_watermark);
        if !self.settings.cleanup.deletes() {
            return Err(DeleteRecordsError::Policy { partition: partition() });
        }
        let asked = before.unwrap_or(high_watermark);
        if asked < Offset::ZERO || asked > high_watermark {
            return Err(DeleteRecordsError::OutOfRange { partition: partition(), asked, high_watermark });
        }
        self.advance_start(asked);
        Ok(asked)
    }

    /// Segments of which no record is left in the log; none if there are none.
    pub fn plan_below_start(&self) -> Option<RetentionPlan> {
        below_start(&self.candidates(), self.bounds(Millis(0)))
    }

    /// Segments that may go now; none if all stay.
    pub fn retention_plan(&self, now: Millis) -> Option<RetentionPlan> {
        plan(&self.candidates(), &self.settings, self.bounds(now), |at| {
            self.largest_timestamp(&self.segments[at])
        })
    }

    fn candidates(&self) -> Vec<Candidate> {
        let candidate = |(at, segment): (usize, &Arc<Segment>)| Candidate {
            base: segment.base,
            next: self.segments.get(at + 1).map_or(self.end, |next| next.base),
            size: segment.sealed_size().unwrap_or(self.active.size),
            is_active: segment.sealed_size().is_none(),
        };
        self.segments.iter().enumerate().map(candidate).collect()
    }

    fn bounds(&self, now: Millis) -> Bounds {
        Bounds { start: self.start, high_watermark: self.high_watermark, now }
    }

    /// Of a segment without timestamps the time its file was last written, as with Kafka.
    fn largest_timestamp(&self, segment: &Segment) -> Option<Millis> {
        let largest = match &segment.indexes {
            Indexes::Growing(_) => self.active.indexer.largest,
            Indexes::Sealed(sealed) => segment.sealed_largest(sealed).ok().flatten(),
        };
        largest.map(|largest| largest.timestamp).or_else(|| modified(&segment.path(LOG)))
    }

    /// Forgets the plan's segments: readers no longer find them. The files are the returned work.
    pub fn retire(&mut self, plan: &RetentionPlan, now: Millis) -> Result<Retirement, AppendError> {
        if self.health == Health::Offline {
            return Err(AppendError::Offline { partition: self.partition.clone() });
        }
        let retired: BTreeSet<Offset> = plan.segments.iter().map(|(base, ..)| *base).collect();
        if retired.contains(&self.active.segment.base) && self.active.size > 0 {
            self.roll(self.end, now).map_err(|error| self.disk_error(error))?;
        }
        let active = self.active.segment.base;
        let (gone, kept): (Vec<_>, Vec<_>) = self
            .segments
            .iter()
            .cloned()
            .partition(|segment| retired.contains(&segment.base) && segment.base != active);
        let mut files = Vec::new();
        for segment in &gone {
            files.extend(segment.paths());
            self.progress.unsynced_logs.remove(&segment.base);
            if self.snapshots.remove(&segment.base) {
                files.push(file_path(&self.dir, segment.base, SNAPSHOT));
            }
        }
        // The start first: a reader must not find the offset in range and its segment gone.
        self.advance_start(plan.start);
        self.segments = Arc::new(kept);
        self.publish();
        let due = now + self.settings.file_delete_delay_ms;
        Ok(Retirement { disk: self.disk.clone(), files, due })
    }

    /// Gives the directory its `-delete` name; `mark` is a random id. Blocks for the disk.
    pub fn delete(self, mark: TopicId, now: Millis) -> Result<Removal, DiskError> {
        let to = self.dir.with_file_name(delete_dir_name(&self.partition, mark));
        self.disk.rename(&self.dir, &to).during("rename", &self.dir)?;
        if let Some(parent) = to.parent() {
            self.disk.sync_dir(parent).during("sync", parent)?;
        }
        Ok(Removal::of_dir(self.disk, to, now + self.settings.file_delete_delay_ms))
    }
}
