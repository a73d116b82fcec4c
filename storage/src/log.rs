//! One partition's log as its only writer sees it: append, roll, flush, forget.
//!
//! Owned by one shard task. It never reads a clock and syncs nothing in an append; what readers may see is published
//! after every change. Invariant: the file of the active segment ends where the last good batch ends, or the log is
//! offline. Source: UnifiedLog and LocalLog of Kafka 3.9.

use std::path::PathBuf;
use std::sync::Arc;

use protocol::batch::Produced;
use protocol::{LeaderEpoch, Millis, Offset, ProducerEpoch, ProducerId, Sequence, TopicId, TopicPartition};

use crate::disk::{Disk, DiskError};
use crate::flush::{FlushPlan, FlushScope, Flushed};
use crate::log_dir::Shutdown;
use crate::recovery::{RecoveryError, RecoveryReport};
use crate::retention::{Removal, RetentionPlan, Retirement};
use crate::settings::LogSettings;
use crate::view::LogReader;

/// What a log is opened with.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// The partition's directory; must exist.
    pub dir: PathBuf,
    pub partition: TopicPartition,
    pub settings: LogSettings,
    /// From `recovery-point-offset-checkpoint`; 0 if not listed.
    pub recovery_point: Offset,
    /// From `log-start-offset-checkpoint`.
    pub log_start: Option<Offset>,
    /// From `replication-offset-checkpoint`; 0 if not listed.
    pub high_watermark: Offset,
    pub shutdown: Shutdown,
    pub now: Millis,
}

/// What a new log is made with.
#[derive(Debug, Clone)]
pub struct CreateOptions {
    /// The partition's directory; made if missing, its parent must exist.
    pub dir: PathBuf,
    pub partition: TopicPartition,
    pub topic_id: Option<TopicId>,
    pub settings: LogSettings,
    pub now: Millis,
}

/// Whether a batch was written by this append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    Written,
    /// The producer sent it before; nothing was written, offsets and time are those of the first time.
    Duplicate,
}

/// Where a batch stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    pub first_offset: Offset,
    pub last_offset: Offset,
    /// For the answer: the broker's time with log append time, the batch's with a duplicate, else none.
    pub log_append_time: Option<Millis>,
    pub freshness: Freshness,
}

/// Why one batch of an append is not in the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    #[error("{partition}: producer {producer} sent sequence {sequence}, but its last was {last}")]
    OutOfOrderSequence { partition: TopicPartition, producer: ProducerId, sequence: Sequence, last: Sequence },
    #[error("{partition}: producer {producer} has epoch {epoch}, but epoch {current} was seen")]
    InvalidProducerEpoch {
        partition: TopicPartition,
        producer: ProducerId,
        epoch: ProducerEpoch,
        current: ProducerEpoch,
    },
    #[error("{partition}: producer {producer} has an open transaction and sent a batch outside of it")]
    InvalidTransactionState { partition: TopicPartition, producer: ProducerId },
    #[error("{partition}: batch of {size} bytes exceeds segment.bytes {max}")]
    LargerThanSegment { partition: TopicPartition, size: usize, max: u32 },
    /// The disk is full or failed; the log stands where it stood before.
    #[error("{partition}: {error}")]
    Disk { partition: TopicPartition, error: DiskError },
    #[error("{partition} is offline after a disk error")]
    Offline { partition: TopicPartition },
}

/// What a cleanly closed log leaves for the checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    pub partition: TopicPartition,
    pub recovery_point: Offset,
    /// To be listed in the checkpoint of log starts; none if the first file's name says it.
    pub log_start: Option<Offset>,
    pub high_watermark: Offset,
}

/// One partition's log.
#[derive(Debug)]
pub struct Log {
    pub partition: TopicPartition,
    pub dir: PathBuf,
    /// From `partition.metadata`.
    pub topic_id: Option<TopicId>,
}

impl Log {
    /// Makes directory, topic id and an empty first segment. Blocks for the disk.
    pub fn create(options: CreateOptions, disk: Arc<dyn Disk>) -> Result<Log, RecoveryError> {
        todo!()
    }

    /// Loads a directory: clears up leftovers, recovers what an unclean stop left, loads producers. Blocks for as
    /// long as that takes; after a clean stop no data is read but the end of the last segment.
    pub fn open(options: OpenOptions, disk: Arc<dyn Disk>) -> Result<(Log, RecoveryReport), RecoveryError> {
        todo!()
    }

    /// Writes `batches` in order, with one vectored write if they fit in one segment, and answers for each.
    ///
    /// Base offset and leader epoch are assigned here; everything else is written as `header` says, so that a
    /// corrected max timestamp is the caller's `header.stamp`. With log append time the log stamps itself. Each
    /// batch passes the idempotence check on its own. After a disk error nothing of the failed write is left.
    pub fn append(
        &mut self,
        batches: &[Produced],
        leader_epoch: LeaderEpoch,
        now: Millis,
    ) -> Vec<Result<Appended, AppendError>> {
        todo!()
    }

    /// A reader to hand out; all readers of a log are equal.
    pub fn reader(&self) -> LogReader {
        todo!()
    }

    /// Notes that this leader's records begin at the log's end. An older or equal epoch changes nothing.
    pub fn assign_epoch(&mut self, epoch: LeaderEpoch) {
        todo!()
    }

    /// Moves the high watermark up to `to`, at most to the log's end; never back.
    pub fn advance_high_watermark(&mut self, to: Offset) {
        todo!()
    }

    /// Moves the log start up to `to`, at most to the high watermark; never back. Whole segments below it go with
    /// the next retention plan.
    pub fn advance_start(&mut self, to: Offset) {
        todo!()
    }

    pub fn start_offset(&self) -> Offset {
        todo!()
    }

    pub fn end_offset(&self) -> Offset {
        todo!()
    }

    pub fn high_watermark(&self) -> Offset {
        todo!()
    }

    /// Everything below is on the medium.
    pub fn recovery_point(&self) -> Offset {
        todo!()
    }

    /// The start if `log-start-offset-checkpoint` has to list it: it cannot be told from the first file's name.
    pub fn start_to_checkpoint(&self) -> Option<Offset> {
        todo!()
    }

    /// Bytes of all segments.
    pub fn size(&self) -> u64 {
        todo!()
    }

    /// Acts from the next append or plan on.
    pub fn set_settings(&mut self, settings: LogSettings) {
        todo!()
    }

    /// The flush that is due by `flush.messages`, `flush.ms`, or because a segment was sealed or an epoch began.
    pub fn flush_due(&self, now: Millis) -> Option<FlushScope> {
        todo!()
    }

    /// What has to be synced; none if nothing is new. Several plans may be under way.
    pub fn flush_plan(&mut self, scope: FlushScope, now: Millis) -> Option<FlushPlan> {
        todo!()
    }

    /// Takes the report of a finished flush: the recovery point moves.
    pub fn flushed(&mut self, flushed: Flushed) {
        todo!()
    }

    /// Segments that may go now; none if all stay.
    pub fn retention_plan(&self, now: Millis) -> Option<RetentionPlan> {
        todo!()
    }

    /// Forgets the plan's segments: readers no longer find them. The files are the returned work.
    pub fn retire(&mut self, plan: &RetentionPlan, now: Millis) -> Result<Retirement, AppendError> {
        todo!()
    }

    /// Drops producers that have been silent for `producer.id.expiration.ms`.
    pub fn expire_producers(&mut self, now: Millis) {
        todo!()
    }

    /// Number of producers known.
    pub fn producer_count(&self) -> usize {
        todo!()
    }

    /// Gives the directory its `-delete` name; `mark` is a random id. Blocks for the disk.
    pub fn delete(self, mark: TopicId, now: Millis) -> Result<Removal, DiskError> {
        todo!()
    }

    /// Ends the log so that a start has nothing to recover: indexes completed, snapshot written, all synced.
    /// Blocks for the disk.
    pub fn close(self) -> Result<Closed, DiskError> {
        todo!()
    }
}
