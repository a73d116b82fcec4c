//! What readers share of a log without its writer: the offsets and segments as last published.
//!
//! A reader takes the one lock for as long as copying a few numbers takes, never while it reads a file. Called by
//! Fetch, ListOffsets and followers' fetches. Source: UnifiedLog.read, LogSegment.read of Kafka 3.9.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use protocol::response::FileSlice;
use protocol::{LeaderEpoch, Millis, Offset, TopicPartition};

use crate::disk::{DiskError, read_at};
use crate::epochs::{EpochEnd, Epochs};
use crate::handles::distrust;
use crate::index::Largest;
use crate::segment::Segment;

mod aborted;
mod locate;
mod read;
mod segment_offsets;
mod tail;
mod times;

pub use segment_offsets::SegmentTime;
pub(crate) use tail::{Tail, TailIndex};

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

impl Place {
    /// Bytes from `position` on that the read stands for, where Kafka would have cut its last batch.
    pub fn bytes_from(&self, position: u64) -> u64 {
        self.reach.saturating_sub(position)
    }
}

impl LogView {
    /// The offset that a reader of this kind may not reach.
    pub fn limit(&self, up_to: UpTo) -> Offset {
        match up_to {
            UpTo::LogEnd => self.end,
            UpTo::HighWatermark => self.high_watermark,
            UpTo::LastStableOffset => self.last_stable_offset,
        }
    }
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
    /// Where they are, if there are any, for [`LogReader::aborted_at`].
    pub place: Option<Place>,
    /// Whether returned or not.
    pub ahead: Ahead,
    /// The bytes were appended a short while ago, so they are in memory as far as one can tell.
    pub is_hot: bool,
}

/// The part of a segment that a read had leave to return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Base offset.
    pub(crate) segment: Offset,
    /// Where it ends, which may be inside a batch.
    pub(crate) reach: u64,
}

/// What lies between the asked offset and the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ahead {
    /// Bytes of it in the segment of the asked offset.
    pub bytes: u64,
    /// A later segment has some as well.
    pub is_older: bool,
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
    #[error("{partition}: segment {segment} has no good batch at position {position}: {reason}")]
    Corrupt { partition: TopicPartition, segment: Offset, position: u64, reason: String },
    #[error("{partition}: {error}")]
    Disk { partition: TopicPartition, error: DiskError },
}

/// Reads one log; cheap to clone, usable from any thread.
#[derive(Debug, Clone)]
pub struct LogReader {
    shared: Arc<Shared>,
}

/// What the writer publishes and readers take.
#[derive(Debug)]
pub(crate) struct Shared {
    partition: TopicPartition,
    state: RwLock<State>,
    /// Counts truncations: what a reader finds in files may be wrong if one began meanwhile.
    truncations: AtomicU64,
}

/// One consistent state of the log.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) view: LogView,
    /// Oldest first; the last one is the active one.
    pub(crate) segments: Arc<Vec<Arc<Segment>>>,
    /// Bytes in the active segment.
    pub(crate) size: u64,
    /// The active segment's largest timestamp.
    pub(crate) largest: Option<Largest>,
    pub(crate) tail: Tail,
    pub(crate) epochs: Arc<Epochs>,
}

impl Shared {
    pub(crate) fn new(partition: TopicPartition, state: State) -> Arc<Shared> {
        Arc::new(Shared { partition, state: RwLock::new(state), truncations: AtomicU64::new(0) })
    }

    /// To be called with the state locked, when it no longer has what is about to be cut.
    pub(crate) fn truncated(&self) {
        self.truncations.fetch_add(1, Ordering::SeqCst);
    }

    /// A panic elsewhere cannot leave a state half written: writers only assign.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogReader {
    pub(crate) fn new(shared: Arc<Shared>) -> LogReader {
        LogReader { shared }
    }

    /// The offsets as they are now.
    pub fn view(&self) -> LogView {
        self.shared.read().view
    }

    /// Whether reading from this offset needs nothing from the disk, not even an index.
    pub fn is_hot(&self, from: Offset) -> bool {
        let state = self.shared.read();
        state.tail.covers(from) || from >= state.view.end
    }

    /// Where records of `epoch` end (OffsetForLeaderEpoch); none if the log cannot know.
    pub fn epoch_end(&self, epoch: LeaderEpoch) -> Option<EpochEnd> {
        let state = self.shared.read();
        state.epochs.end_of(epoch, state.view.end)
    }

    /// The epoch that the record at `offset` was or will be written in.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        self.shared.read().epochs.at(offset)
    }

    /// Where records of `epoch` begin; none if the log has none of it.
    pub fn epoch_start(&self, epoch: LeaderEpoch) -> Option<Offset> {
        self.shared.read().epochs.start_of(epoch)
    }

    /// Bytes of all segments.
    pub fn size(&self) -> u64 {
        let state = self.shared.read();
        let sealed: u64 = state.segments.iter().filter_map(|segment| segment.sealed_size()).sum();
        sealed + state.size
    }

    /// What a read returned, in memory; fewer bytes where the log was truncated meanwhile. None if it returned nothing.
    pub(crate) fn bytes(&self, fetched: &Fetched) -> Result<Option<Vec<u8>>, ReadError> {
        let Some((slice, place)) = fetched.records.as_ref().zip(fetched.place) else { return Ok(None) };
        let mut bytes = vec![0; slice.length as usize];
        match read_at(&slice.file, &mut bytes, slice.position) {
            Ok(read) => bytes.truncate(read),
            Err(error) => {
                let segments = self.shared.read().segments.clone();
                let Some(segment) = segments.iter().find(|segment| segment.base == place.segment) else {
                    // It is of no interest any more.
                    return Ok(Some(Vec::new()));
                };
                return Err(self.disk_error(segment, &error));
            }
        }
        Ok(Some(bytes))
    }

    /// Bytes of the log behind what a read returned.
    pub(crate) fn bytes_behind(&self, fetched: &Fetched) -> u64 {
        let Some((slice, place)) = fetched.records.as_ref().zip(fetched.place) else { return 0 };
        let state = self.shared.read();
        let from = state.segments.partition_point(|segment| segment.base < place.segment);
        let sizes = state.segments[from..].iter().map(|segment| segment.sealed_size().unwrap_or(state.size));
        sizes.sum::<u64>().saturating_sub(slice.position + u64::from(slice.length))
    }

    /// Looks again if the log was truncated meanwhile: files were cut under the first look. A slice that was
    /// returned before is not protected; its receiver compares checksums.
    fn steady<T>(&self, look: impl Fn() -> T) -> T {
        loop {
            let before = self.shared.truncations.load(Ordering::SeqCst);
            let found = look();
            if self.shared.truncations.load(Ordering::SeqCst) == before {
                return found;
            }
        }
    }

    fn disk_error(&self, segment: &Segment, error: &io::Error) -> ReadError {
        let path = segment.path(crate::names::LOG);
        let error = DiskError::new("read", &path, error);
        let is_of_disk = !error.is_missing() && !error.is_shortage;
        if let (true, Some(log_dir)) = (is_of_disk, path.ancestors().nth(2)) {
            distrust(log_dir);
        }
        ReadError::Disk { partition: self.shared.partition.clone(), error }
    }
}
