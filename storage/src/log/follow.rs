//! A follower's append: the leader's bytes as they are.
//!
//! Nothing is validated but that the bytes are whole and go on where the log ends, since the leader has decided
//! everything else; offsets may have gaps. Blocks for the disk as an append does. Source: UnifiedLog.appendAsFollower,
//! Partition.appendRecordsToFollowerOrFutureReplica of Kafka 3.9.1, KAFKA-18723.

use std::io::IoSlice;
use std::ops::Range;
use std::sync::Arc;

use protocol::batch::{BatchError, BatchHeader, Batches, HEADER_SIZE, verify_crc};
use protocol::{LeaderEpoch, Millis, Offset, TopicPartition};

use super::roll::Incoming;
use super::{Health, Log};
use crate::disk::DiskError;
use crate::scan::Marker;

/// What a follower's append did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followed {
    /// The first and the last offset that were appended; none if no whole batch was there.
    pub offsets: Option<(Offset, Offset)>,
    pub bytes: u64,
    /// The epoch of the first batch that was left out, with all behind it, because it is later than the follower's.
    pub later_epoch: Option<LeaderEpoch>,
}

/// Why a follower could not append. Nothing of the set is in the log, but after a disk error batches before the
/// failure may be: the log's end tells.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FollowError {
    #[error("{partition}: the leader's batch at byte {position} behind offset {end} is damaged: {error}")]
    Corrupt { partition: TopicPartition, end: Offset, position: usize, error: BatchError },
    #[error(
        "{partition}: the leader's batch with offsets {first} to {last} stands where {expected} or later is expected"
    )]
    OutOfOrder { partition: TopicPartition, first: Offset, last: Offset, expected: Offset },
    /// The log is empty and begins inside of the leader's batch, as after DeleteRecords: truncate it fully to
    /// `base`, write the checkpoints, append again.
    #[error("{partition} is empty and begins inside of the leader's batch at {base}")]
    BeginsInside { partition: TopicPartition, base: Offset },
    #[error("{partition}: {error}")]
    Disk { partition: TopicPartition, error: DiskError },
    #[error("{partition} is offline after a disk error")]
    Offline { partition: TopicPartition },
}

/// A batch that may be appended.
#[derive(Debug)]
struct Arrived {
    bytes: Range<usize>,
    header: BatchHeader,
    marker: Option<Marker>,
}

impl Log {
    /// Appends the whole batches of a Fetch answer, byte for byte, up to the first one of a later epoch than
    /// `leader_epoch`, the follower's. A batch cut short at the end is left out. Producers, open transactions,
    /// aborted transactions and leader epochs follow what the batches say.
    pub fn append_as_follower(
        &mut self,
        records: &[u8],
        leader_epoch: LeaderEpoch,
        now: Millis,
    ) -> Result<Followed, FollowError> {
        if self.health == Health::Offline {
            return Err(FollowError::Offline { partition: self.partition.clone() });
        }
        let (arrived, later_epoch) = self.arrived(records, leader_epoch)?;
        let mut begin = 0;
        for (at, batch) in arrived.iter().enumerate() {
            let incoming = Incoming {
                last_offset: batch.header.last_offset(),
                max_timestamp: batch.header.max_timestamp,
                size: batch.header.size(),
                staged: (batch.bytes.start - arrived[begin].bytes.start) as u64,
                staged_since: (begin < at).then(|| arrived[begin].header.max_timestamp),
            };
            if self.should_roll(incoming, now) {
                self.write_arrived(records, &arrived[begin..at])?;
                begin = at;
                self.roll(batch.header.base_offset, now).map_err(|error| self.follow_error(error))?;
            }
        }
        self.write_arrived(records, &arrived[begin..])?;
        let first = arrived.first().map(|batch| batch.header.base_offset);
        Ok(Followed {
            offsets: first.zip(arrived.last().map(|batch| batch.header.last_offset())),
            bytes: arrived.last().map_or(0, |batch| batch.bytes.end as u64),
            later_epoch,
        })
    }

    /// The batches that may be appended, and the epoch of the one that ends them.
    fn arrived(
        &self,
        records: &[u8],
        leader_epoch: LeaderEpoch,
    ) -> Result<(Vec<Arrived>, Option<LeaderEpoch>), FollowError> {
        let corrupt = |position, error| {
            let (partition, end) = (self.partition.clone(), self.end);
            FollowError::Corrupt { partition, end, position, error }
        };
        let mut arrived: Vec<Arrived> = Vec::new();
        let mut batches = Batches::new(records);
        let mut later_epoch = None;
        loop {
            let position = batches.position();
            let Some(batch) = batches.next() else { break };
            let batch = batch.map_err(|error| corrupt(position, error))?;
            let header = batch.header;
            if header.leader_epoch > leader_epoch {
                later_epoch = Some(header.leader_epoch);
                break;
            }
            verify_crc(batch.bytes).map_err(|error| corrupt(position, error))?;
            if let Some(before) = arrived.last() {
                self.check_order(&header, before.header.next_offset())?;
            }
            let is_control = header.attributes.is_control();
            let marker = is_control.then(|| Marker::parse(&header, &batch.bytes[HEADER_SIZE..])).flatten();
            arrived.push(Arrived { bytes: position..position + batch.bytes.len(), header, marker });
        }
        self.check_begin(&arrived)?;
        Ok((arrived, later_epoch))
    }

    /// Whether the first batch goes on where the log ends.
    fn check_begin(&self, arrived: &[Arrived]) -> Result<(), FollowError> {
        let (Some(first), Some(last)) = (arrived.first(), arrived.last()) else { return Ok(()) };
        let base = first.header.base_offset;
        let begins_inside =
            self.end == self.start && base < self.end && last.header.last_offset() >= self.end;
        if begins_inside && base.0 >= 0 {
            return Err(FollowError::BeginsInside { partition: self.partition.clone(), base });
        }
        self.check_order(&first.header, self.end)
    }

    fn check_order(&self, header: &BatchHeader, expected: Offset) -> Result<(), FollowError> {
        let (first, last) = (header.base_offset, header.last_offset());
        if first >= expected && last >= first && last.0 < i64::MAX {
            return Ok(());
        }
        Err(FollowError::OutOfOrder { partition: self.partition.clone(), first, last, expected })
    }

    /// Writes batches that belong in the active segment.
    fn write_arrived(&mut self, records: &[u8], arrived: &[Arrived]) -> Result<(), FollowError> {
        let (Some(first), Some(last)) = (arrived.first(), arrived.last()) else { return Ok(()) };
        let bytes = &records[first.bytes.start..last.bytes.end];
        self.write_parts(&mut [IoSlice::new(bytes)], bytes.len() as u64)
            .map_err(|error| self.follow_error(error))?;
        let mut aborted = Vec::new();
        for batch in arrived {
            self.follow_epoch(&batch.header);
            aborted.extend(self.producers.replay(&batch.header, batch.marker));
        }
        let headers: Vec<BatchHeader> = arrived.iter().map(|batch| batch.header).collect();
        self.written(&headers, &aborted);
        Ok(())
    }

    fn follow_epoch(&mut self, header: &BatchHeader) {
        let epoch = header.leader_epoch;
        if self.epochs.latest().is_some_and(|latest| latest.epoch == epoch) {
            return;
        }
        if Arc::make_mut(&mut self.epochs).assign(epoch, header.base_offset) {
            self.progress.epochs_changed();
        }
    }

    fn follow_error(&self, error: DiskError) -> FollowError {
        FollowError::Disk { partition: self.partition.clone(), error }
    }
}
