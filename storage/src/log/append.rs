//! The append: checks, offsets, one vectored write, index entries, publication.
//!
//! Per batch it costs a header of 61 bytes on its way to the kernel; records are never copied and nothing is
//! allocated for them. Batches that fit in one segment go in one write. Source: UnifiedLog.append of Kafka 3.9.

use std::io::IoSlice;
use std::sync::Arc;

use protocol::batch::{BatchHeader, HEADER_SIZE, Produced, TimestampType};
use protocol::{LeaderEpoch, Millis, Offset, ProducerId};

use super::active::{Active, Unwritten};
use super::roll::Incoming;
use super::{AppendError, Appended, Freshness, Health, Log};
use crate::aborted::AbortedTransaction;
use crate::disk::DiskError;
use crate::index::{IndexRules, relative};
use crate::names::LOG;
use crate::producers::{CachedBatch, Producer, Refusal, Verdict};
use crate::scan::Marker;

/// Batches that were accepted and are about to be written together.
#[derive(Debug, Default)]
pub(super) struct Staged {
    heads: Vec<[u8; HEADER_SIZE]>,
    headers: Vec<BatchHeader>,
    /// Where each stands among the batches of the append.
    indexes: Vec<usize>,
    bytes: u64,
    /// What was known of the producers before.
    undo: Vec<(ProducerId, Option<Producer>)>,
    /// Transactions that markers among the batches abort.
    aborted: Vec<AbortedTransaction>,
}

impl Staged {
    /// The offset that the next batch gets in a log which ends at `end`.
    fn next_offset(&self, end: Offset) -> Offset {
        self.headers.last().map_or(end, BatchHeader::next_offset)
    }

    fn clear(&mut self) {
        self.heads.clear();
        self.headers.clear();
        self.indexes.clear();
        self.undo.clear();
        self.aborted.clear();
        self.bytes = 0;
    }
}

/// One append in the making.
struct Turn<'a> {
    batches: &'a [Produced],
    epoch: LeaderEpoch,
    now: Millis,
    staged: Staged,
    /// One per batch; none while it is staged.
    results: Vec<Option<Result<Appended, AppendError>>>,
}

impl Log {
    /// Writes `batches` in order, with one vectored write if they fit in one segment, and answers for each.
    ///
    /// Base offset and leader epoch are assigned here; everything else is written as `header` says, so that a
    /// corrected max timestamp is the caller's `header.stamp`. With log append time the log stamps itself. Each
    /// batch passes the idempotence check on its own; a control batch is a transaction coordinator's marker, which
    /// ends its producer's transaction. After a disk error nothing of the failed write is left.
    pub fn append(
        &mut self,
        batches: &[Produced],
        leader_epoch: LeaderEpoch,
        now: Millis,
    ) -> Vec<Result<Appended, AppendError>> {
        self.assign_epoch(leader_epoch);
        let mut staged = std::mem::take(&mut self.staged);
        staged.clear();
        let results = vec![None; batches.len()];
        let mut turn = Turn { batches, epoch: leader_epoch, now, staged, results };
        for index in 0..batches.len() {
            if let Some(result) = self.place(index, &mut turn).transpose() {
                turn.results[index] = Some(result);
            }
        }
        // A failure is in the results of the batches concerned.
        let _ = self.write(&mut turn);
        self.staged = turn.staged;
        let offline = || Err(AppendError::Offline { partition: self.partition.clone() });
        turn.results.into_iter().map(|result| result.unwrap_or_else(offline)).collect()
    }

    /// Stages a batch behind the others; answers at once if it is a duplicate or has to be refused.
    fn place(&mut self, index: usize, turn: &mut Turn<'_>) -> Result<Option<Appended>, AppendError> {
        let batch = &turn.batches[index];
        if let Some(first) = self.admit(batch, &turn.staged)? {
            // The first one may be staged itself: it has to be in the log before the log vouches for it.
            if first.last_offset >= self.end {
                self.write(turn)?;
            }
            return Ok(Some(duplicate(first)));
        }
        let incoming = Incoming {
            last_offset: turn.staged.next_offset(self.end) + i64::from(batch.header.last_offset_delta),
            max_timestamp: match self.settings.timestamp_type {
                TimestampType::CreateTime => batch.header.max_timestamp,
                TimestampType::LogAppendTime => turn.now,
            },
            size: batch.header.size(),
            staged: turn.staged.bytes,
            staged_since: turn.staged.headers.first().map(|header| header.max_timestamp),
        };
        if self.should_roll(incoming, turn.now) {
            self.write(turn)?;
            self.roll(self.end, turn.now).map_err(|error| self.disk_error(error))?;
        }
        self.stage(index, turn);
        Ok(None)
    }

    /// Whether the batch may be appended behind what is staged; some batch if it is a duplicate of that one.
    fn admit(&self, batch: &Produced, staged: &Staged) -> Result<Option<CachedBatch>, AppendError> {
        let header = &batch.header;
        assert!(header.last_offset_delta >= 0 && batch.batch.len() == header.size(), "batches are validated");
        let partition = || self.partition.clone();
        if self.health == Health::Offline {
            return Err(AppendError::Offline { partition: partition() });
        }
        let max = self.settings.segment_bytes;
        if header.size() as u64 > u64::from(max) {
            return Err(AppendError::LargerThanSegment { partition: partition(), size: header.size(), max });
        }
        let last = staged.next_offset(self.end).0.checked_add(i64::from(header.last_offset_delta) + 1);
        if last.is_none() {
            return Err(AppendError::OutOfOffsets { partition: partition() });
        }
        if header.attributes.is_control() {
            let refusal = marker(batch).and_then(|marker| self.producers.check_marker(header, marker));
            return refusal.map_or(Ok(None), |refusal| Err(self.refused(batch, refusal)));
        }
        match self.producers.check(header) {
            Verdict::Append => Ok(None),
            Verdict::Duplicate(first) => Ok(Some(first)),
            Verdict::Refuse(refusal) => Err(self.refused(batch, refusal)),
        }
    }

    fn refused(&self, batch: &Produced, refusal: Refusal) -> AppendError {
        let header = &batch.header;
        let (partition, producer) = (self.partition.clone(), header.producer_id);
        match refusal {
            Refusal::OutOfOrder { last } => {
                let sequence = header.base_sequence;
                AppendError::OutOfOrderSequence { partition, producer, sequence, last }
            }
            Refusal::OldEpoch { current } => {
                let epoch = header.producer_epoch;
                AppendError::InvalidProducerEpoch { partition, producer, epoch, current }
            }
            Refusal::OutsideOfTransaction => AppendError::InvalidTransactionState { partition, producer },
            Refusal::OldCoordinator { current } => {
                let epoch = marker(batch).map_or(-1, |marker| marker.coordinator_epoch);
                AppendError::CoordinatorFenced { partition, producer, epoch, current }
            }
        }
    }

    pub(super) fn disk_error(&self, error: DiskError) -> AppendError {
        AppendError::Disk { partition: self.partition.clone(), error }
    }

    fn stage(&mut self, index: usize, turn: &mut Turn<'_>) {
        let (batch, staged) = (&turn.batches[index], &mut turn.staged);
        let mut header = batch.header;
        header.base_offset = staged.next_offset(self.end);
        header.leader_epoch = turn.epoch;
        if self.settings.timestamp_type == TimestampType::LogAppendTime {
            header.stamp(TimestampType::LogAppendTime, turn.now, batch.records());
        }
        if header.has_producer() {
            let (before, aborted) = self.producers.stage(&header, marker(batch));
            staged.undo.push((header.producer_id, before));
            staged.aborted.extend(aborted);
        }
        staged.heads.push(header.to_bytes());
        staged.bytes += header.size() as u64;
        staged.headers.push(header);
        staged.indexes.push(index);
    }

    /// Writes what is staged and answers for it; the error is also in the answers.
    fn write(&mut self, turn: &mut Turn<'_>) -> Result<(), AppendError> {
        let staged = &mut turn.staged;
        if staged.heads.is_empty() {
            return Ok(());
        }
        let outcome = self.write_staged(turn.batches, staged).map_err(|error| self.disk_error(error));
        if outcome.is_ok() {
            self.written(&staged.headers, &staged.aborted);
        } else {
            for (id, before) in staged.undo.drain(..).rev() {
                self.producers.undo(id, before);
            }
        }
        for (header, index) in staged.headers.iter().zip(&staged.indexes) {
            turn.results[*index] = Some(outcome.clone().map(|()| appended(header)));
        }
        staged.clear();
        outcome
    }

    fn write_staged(&mut self, batches: &[Produced], staged: &Staged) -> Result<(), DiskError> {
        let mut parts = Vec::with_capacity(2 * staged.heads.len());
        for (head, index) in staged.heads.iter().zip(&staged.indexes) {
            parts.push(IoSlice::new(head));
            parts.push(IoSlice::new(batches[*index].records()));
        }
        self.write_parts(&mut parts, staged.bytes)
    }

    /// Writes behind the last batch; what a failure left there is taken back.
    pub(super) fn write_parts(&mut self, parts: &mut [IoSlice<'_>], bytes: u64) -> Result<(), DiskError> {
        self.active.reserve(&*self.disk, bytes, &self.settings);
        let outcome = self.disk.write_at(&self.active.log, self.active.size, parts);
        outcome.map_err(|error| {
            let path = self.active.segment.path(LOG);
            if let Err(worse) = self.active.cut_back(&*self.disk) {
                tracing::error!(
                    partition = %self.partition,
                    "a failed write could not be taken back, the log goes offline: {worse}"
                );
                self.health = Health::Offline;
                return DiskError::new("cut back", &path, &worse);
            }
            DiskError::new("write", &path, &error)
        })
    }

    /// Takes the written batches into indexes and offsets, and lets readers see them.
    pub(super) fn written(&mut self, headers: &[BatchHeader], aborted: &[AbortedTransaction]) {
        let rules = self.index_rules();
        let mut state = self.shared.write();
        for header in headers {
            note(&mut self.active, header, rules, &mut state.tail);
            self.end = header.next_offset();
        }
        self.batches_end = self.end;
        if !aborted.is_empty() {
            Arc::make_mut(&mut state.tail.aborted).extend_from_slice(aborted);
        }
        let has_many = Active::has_many_unwritten(&state.tail);
        drop(state);
        self.producers.end = self.end;
        let records: i64 = headers.iter().map(|header| i64::from(header.record_count)).sum();
        self.progress.appended(u64::try_from(records).unwrap_or(0));
        self.publish();
        if has_many {
            self.write_entries();
        }
        if !aborted.is_empty() {
            self.progress.made_file();
            self.write_aborted();
        }
    }

    /// Moves waiting index entries to their files. If that fails they wait on, and the next segment's beginning or
    /// the next time tells: the log itself is whole without them.
    fn write_entries(&mut self) {
        let entries = Unwritten::of(&self.shared.read().tail);
        match self.active.write_entries(&*self.disk, &entries) {
            Ok(()) => self.entries_written(),
            Err(error) => {
                tracing::warn!(partition = %self.partition, "index entries wait in memory: {error}")
            }
        }
    }

    /// The same for aborted transactions: until they are in their file no flush goes beyond the segment's base, so
    /// that a start finds them in the log again. Whether none waits.
    pub(super) fn write_aborted(&mut self) -> bool {
        let aborted = self.shared.read().tail.aborted.clone();
        match self.active.write_aborted(&*self.disk, &aborted) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(partition = %self.partition, "aborted transactions wait in memory: {error}");
                false
            }
        }
    }

    /// Readers find the entries in the files from now on.
    pub(super) fn entries_written(&mut self) {
        let mut state = self.shared.write();
        state.tail.index.written(self.active.offsets_written, self.active.times_written);
    }
}

/// How a control batch ends its producer's transaction; none of any other batch.
fn marker(batch: &Produced) -> Option<Marker> {
    let is_control = batch.header.attributes.is_control();
    if is_control { Marker::parse(&batch.header, batch.records()) } else { None }
}

fn note(active: &mut Active, header: &BatchHeader, rules: IndexRules, tail: &mut crate::view::Tail) {
    let position = active.size;
    let due = active.indexer.note(header, position, rules);
    if let Some(entry) = due.offset {
        tail.index.push(entry);
    }
    tail.index.times.extend(due.time);
    // Both fit: a segment is rolled before it outgrows 31 bits of bytes or offsets.
    let last = relative(active.segment.base, header.last_offset()).unwrap_or(u32::MAX);
    tail.push(last, u32::try_from(position).unwrap_or(u32::MAX));
    active.size += header.size() as u64;
    if active.first_timestamp.is_none() {
        active.first_timestamp = Some(header.max_timestamp);
    }
}

fn appended(header: &BatchHeader) -> Appended {
    let is_stamped = header.attributes.timestamp_type() == TimestampType::LogAppendTime;
    Appended {
        first_offset: header.base_offset,
        last_offset: header.last_offset(),
        log_append_time: is_stamped.then_some(header.max_timestamp),
        freshness: Freshness::Written,
    }
}

fn duplicate(batch: CachedBatch) -> Appended {
    Appended {
        first_offset: batch.first_offset(),
        last_offset: batch.last_offset,
        log_append_time: Some(batch.timestamp),
        freshness: Freshness::Duplicate,
    }
}
