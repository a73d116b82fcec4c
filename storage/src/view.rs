//! What readers share of a log without its writer: the offsets and segments as last published.
//!
//! A reader takes the one lock for as long as copying a few numbers takes, never while it reads a file. Called by
//! Fetch, ListOffsets and followers' fetches. Source: UnifiedLog.read, LogSegment.read of Kafka 3.9.

use protocol::response::FileSlice;
use protocol::{LeaderEpoch, Millis, Offset, TopicPartition};

use crate::aborted::AbortedTransaction;
use crate::disk::DiskError;
use crate::epochs::EpochEnd;

/// The log's offsets at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogView {
    /// The first offset that can be read.
    pub start: Offset,
    pub high_watermark: Offset,
    /// No transaction is open below it.
    pub last_stable_offset: Offset,
    /// The offset the next record gets.
    pub end: Offset,
    /// The newest leader epoch that has a start in this log.
    pub latest_epoch: Option<LeaderEpoch>,
}

/// How far a reader may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpTo {
    /// Followers.
    LogEnd,
    /// Consumers.
    HighWatermark,
    /// Consumers with read_committed.
    LastStableOffset,
}

/// What to do with a first batch that is larger than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstBatch {
    /// Return it whole all the same, so that a client makes progress.
    Whole,
    /// Return nothing.
    IfItFits,
}

/// The answer to a read.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The offsets the read went by.
    pub view: LogView,
    /// Whole batches from the one with the asked offset on, of one segment; where the size limit falls inside a
    /// batch and its start is not at hand, the last one is cut short. None if there is nothing below the limit.
    pub records: Option<FileSlice>,
    /// The bytes were appended a short while ago, so they are in memory as far as one can tell.
    pub is_hot: bool,
}

/// A record found by its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampedOffset {
    pub offset: Offset,
    pub timestamp: Millis,
    pub leader_epoch: LeaderEpoch,
}

/// Why a read has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("{partition}: offset {asked} is not between {} and {}", view.start, view.end)]
    OutOfRange { partition: TopicPartition, asked: Offset, view: LogView },
    #[error("{partition}: segment {segment} has no batch at position {position}: {reason}")]
    Corrupt { partition: TopicPartition, segment: Offset, position: u64, reason: String },
    #[error("{partition}: {error}")]
    Disk { partition: TopicPartition, error: DiskError },
}

/// Reads one log; cheap to clone, usable from any thread.
#[derive(Debug, Clone)]
pub struct LogReader {
    shared: std::sync::Arc<()>,
}

impl LogReader {
    /// The offsets as they are now.
    pub fn view(&self) -> LogView {
        todo!()
    }

    /// Whether reading from this offset needs nothing from the disk, not even an index.
    pub fn is_hot(&self, from: Offset) -> bool {
        todo!()
    }

    /// Batches from the one that holds `from` on, at most `max_bytes` of them, all below the limit.
    ///
    /// Reads at most index entries and batch headers; may block for them if they are cold, see [`Self::is_hot`].
    pub fn read(
        &self,
        from: Offset,
        max_bytes: u32,
        up_to: UpTo,
        first: FirstBatch,
    ) -> Result<Fetched, ReadError> {
        todo!()
    }

    /// The first record at or after the log start with this timestamp or a later one, if below the limit
    /// (ListOffsets with a time). May read and decompress batches: not for a loop turn.
    pub fn offset_for_timestamp(
        &self,
        at: Millis,
        up_to: UpTo,
    ) -> Result<Option<TimestampedOffset>, ReadError> {
        todo!()
    }

    /// The first record that has the largest timestamp of the log, if below the limit (ListOffsets −3).
    pub fn offset_of_max_timestamp(&self, up_to: UpTo) -> Result<Option<TimestampedOffset>, ReadError> {
        todo!()
    }

    /// Where records of `epoch` end (OffsetForLeaderEpoch); none if the log cannot know.
    pub fn epoch_end(&self, epoch: LeaderEpoch) -> Option<EpochEnd> {
        todo!()
    }

    /// The epoch that the record at `offset` was or will be written in.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        todo!()
    }

    /// Aborted transactions that a read_committed consumer needs to know for records in `from..to`; may name more.
    pub fn aborted(&self, from: Offset, to: Offset) -> Vec<AbortedTransaction> {
        todo!()
    }
}
