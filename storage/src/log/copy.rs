//! One log made the same as another of the same partition, step by step: what a move between log directories does.
//!
//! Batches are copied byte for byte. What the source gave up since the last step, at either end, is given up here too. The
//! source's writer is never waited for. Source: ReplicaAlterLogDirsThread, AbstractFetcherThread.truncate… of Kafka 3.9.

use std::sync::Arc;

use protocol::{LeaderEpoch, Millis, Offset};

use super::{FollowError, Log, OpenOptions, TruncateError, Truncated};
use crate::disk::{Disk, DiskError};
use crate::log_dir::Shutdown;
use crate::recovery::RecoveryError;
use crate::scan::parse;
use crate::view::{FirstBatch, LogReader, LogView, ReadError, UpTo};

/// What one step did.
#[derive(Debug)]
pub enum Copied {
    /// So many bytes were appended, and so many are left behind them; neither if the copy had all there was.
    Records { bytes: u64, left: u64 },
    /// Something had to go before the copy can go on; the caller owes the checkpoints what [`Truncated`] says.
    Cut(Truncated),
}

/// Why a step could not be made. The copy is as it was, or a few batches further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    /// The source could not be read.
    #[error(transparent)]
    Source(ReadError),
    #[error(transparent)]
    Append(#[from] FollowError),
    #[error(transparent)]
    Truncate(#[from] TruncateError),
    #[error(transparent)]
    Open(#[from] RecoveryError),
}

/// What became of the batches that were read.
enum Batches {
    Copied {
        bytes: u64,
        left: u64,
    },
    /// The log has to begin here to take them.
    BeginAt(Offset),
}

impl CopyError {
    /// The error of the copy's own disk, if that is what failed.
    pub fn of_copy(&self) -> Option<&DiskError> {
        match self {
            CopyError::Append(FollowError::Disk { error, .. })
            | CopyError::Truncate(TruncateError::Disk { error, .. })
            | CopyError::Open(RecoveryError::Disk { error, .. }) => Some(error),
            CopyError::Source(_) | CopyError::Append(_) | CopyError::Truncate(_) | CopyError::Open(_) => None,
        }
    }
}

impl Log {
    /// Loads a copy that an earlier run has left. After an unclean stop nothing is kept but what was synced: a power cut may have taken
    /// batches from the middle of the rest, which nobody would miss, since the source is asked for those behind the end alone.
    pub fn open_copy(
        options: OpenOptions,
        disk: Arc<dyn Disk>,
    ) -> Result<(Log, Option<Truncated>), CopyError> {
        let (synced, shutdown, now) = (options.recovery_point, options.shutdown, options.now);
        let (mut log, _) = Log::open(options, disk)?;
        let truncated = match shutdown {
            Shutdown::Clean => None,
            Shutdown::Unclean => log.truncate_to(synced.max(log.start), now)?,
        };
        Ok((log, truncated))
    }

    /// Appends up to `bytes_max` of what `source` has behind this log's end, one batch at least; first whatever this log has and
    /// `source` has not is cut off. High watermark and log start follow. Blocks for both disks.
    pub fn copy_from(
        &mut self,
        source: &LogReader,
        bytes_max: u32,
        now: Millis,
    ) -> Result<Copied, CopyError> {
        let view = source.view();
        let common = self.common_end(source, view);
        if common < self.end
            && let Some(truncated) = self.truncate_to(common, now)?
        {
            return Ok(Copied::Cut(truncated));
        }
        let is_empty = self.size() == 0;
        if self.end < view.start && !is_empty {
            return Ok(Copied::Cut(self.truncate_fully_and_start_at(view.start, now)?));
        }
        let (bytes, left) = match self.copy_batches(source, (self.end.max(view.start), bytes_max), now) {
            Ok(Batches::Copied { bytes, left }) => (bytes, left),
            // An empty log begins with the source's first batch, inside of which the source may begin.
            Ok(Batches::BeginAt(base)) | Err(CopyError::Append(FollowError::BeginsInside { base, .. })) => {
                return Ok(Copied::Cut(self.truncate_fully_and_start_at(base, now)?));
            }
            // Its start moved up just now: the next step finds it so.
            Err(CopyError::Source(ReadError::OutOfRange { .. })) => (0, u64::MAX),
            Err(other) => return Err(other),
        };
        self.advance_high_watermark(view.high_watermark);
        self.advance_start(view.start);
        Ok(Copied::Records { bytes, left })
    }

    /// Offsets that `source` has and this log has not.
    pub fn behind(&self, source: &LogReader) -> i64 {
        source.view().end - self.end
    }

    /// Appends batches from the one that holds `from` on.
    fn copy_batches(
        &mut self,
        source: &LogReader,
        (from, bytes_max): (Offset, u32),
        now: Millis,
    ) -> Result<Batches, CopyError> {
        let fetched =
            source.read(from, bytes_max, UpTo::LogEnd, FirstBatch::Whole).map_err(CopyError::Source)?;
        let Some(records) = source.bytes(&fetched).map_err(CopyError::Source)? else {
            self.end_at(fetched.view.end);
            return Ok(Batches::Copied { bytes: 0, left: 0 });
        };
        let first = parse(&records, records.len() as u64).ok().map(|(_, header)| header.base_offset);
        if let Some(base) = first.filter(|base| from > self.end && *base > self.end) {
            return Ok(Batches::BeginAt(base));
        }
        // The source's records are of its own epochs: none is too late.
        let followed = self.append_as_follower(&records, LeaderEpoch(i32::MAX), now)?;
        Ok(Batches::Copied { bytes: followed.bytes, left: source.bytes_behind(&fetched) })
    }

    /// Where no batch follows though the source ends later, it ends in a gap that a truncation left.
    fn end_at(&mut self, end: Offset) {
        if end > self.end {
            self.end = end;
            self.producers.end = end;
            self.publish();
        }
    }

    /// Up to where the logs are the same, as far as their leader epochs tell: one step of the search of KIP-101.
    fn common_end(&self, source: &LogReader, view: LogView) -> Offset {
        let ends = self.end.min(view.end);
        let Some(latest) = self.epochs.latest() else { return ends };
        let Some(theirs) = source.epoch_end(latest.epoch) else { return ends };
        // Of an epoch that the source has not, nothing is the same.
        let ours = self.epochs.end_of(theirs.epoch, self.end);
        let same = ours.filter(|ours| ours.epoch == theirs.epoch).map_or(latest.start, |ours| ours.end);
        ends.min(theirs.end).min(same)
    }
}
