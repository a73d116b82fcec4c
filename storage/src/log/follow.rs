//! A follower's append: the leader's bytes as they are.
//!
//! Nothing is validated but that the bytes are whole and go on where the log ends, since the leader has decided
//! everything else; offsets may have gaps. Blocks for the disk as an append does. Source: UnifiedLog.appendAsFollower,
//! Partition.appendRecordsToFollowerOrFutureReplica of Kafka 3.9.1, KAFKA-18723.

use std::io::IoSlice;
use std::ops::Range;
use std::sync::Arc;

use protocol::batch::{BatchHeader, HEADER_SIZE, MAGIC, verify_crc};
use protocol::legacy;
use protocol::{LeaderEpoch, Millis, Offset, TopicPartition};

use super::roll::Incoming;
use super::{Health, Log};
use crate::disk::DiskError;
use crate::recovery::Flaw;
use crate::scan::{Marker, parse};

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
    #[error("{partition}: the leader's batch at byte {position} behind offset {end} is damaged: {flaw}")]
    Corrupt { partition: TopicPartition, end: Offset, position: usize, flaw: Flaw },
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
    magic: i8,
    header: BatchHeader,
    marker: Option<Marker>,
}

impl Log {
    /// Appends the whole batches of a Fetch answer, byte for byte, up to the first one of a later epoch than
    /// `leader_epoch`, the follower's; messages of old formats as they are too. A batch cut short at the end is left out. Producers, open transactions,
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
                self.roll(self.base_for(batch), now).map_err(|error| self.follow_error(error))?;
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
        let corrupt = |position, flaw| {
            let (partition, end) = (self.partition.clone(), self.end);
            FollowError::Corrupt { partition, end, position, flaw }
        };
        let mut arrived: Vec<Arrived> = Vec::new();
        let mut position = 0;
        let mut later_epoch = None;
        while let Some((magic, header)) =
            whole(&records[position..]).map_err(|flaw| corrupt(position, flaw))?
        {
            if header.leader_epoch > leader_epoch {
                later_epoch = Some(header.leader_epoch);
                break;
            }
            let bytes = position..position + header.size();
            let batch = &records[bytes.clone()];
            let is_good =
                if magic == MAGIC { verify_crc(batch).is_ok() } else { legacy::verify_crc(batch).is_ok() };
            if !is_good {
                return Err(corrupt(position, Flaw::Checksum));
            }
            if let Some(before) = arrived.last() {
                self.check_order(&header, before.header.next_offset())?;
            }
            let is_control = header.attributes.is_control();
            let marker = is_control.then(|| Marker::parse(&header, &batch[HEADER_SIZE..])).flatten();
            position = bytes.end;
            arrived.push(Arrived { bytes, magic, header, marker });
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
            self.follow_epoch(batch);
            aborted.extend(self.producers.replay(&batch.header, batch.marker));
        }
        let headers: Vec<BatchHeader> = arrived.iter().map(|batch| batch.header).collect();
        self.written(&headers, &aborted);
        Ok(())
    }

    /// Where a segment begins whose first batch is this one. A message of an old format tells only its last offset.
    fn base_for(&self, batch: &Arrived) -> Offset {
        match batch.magic {
            MAGIC => batch.header.base_offset,
            _ => self.end.max(batch.header.last_offset() - i64::from(i32::MAX)),
        }
    }

    fn follow_epoch(&mut self, batch: &Arrived) {
        let header = &batch.header;
        let epoch = header.leader_epoch;
        if batch.magic != MAGIC && self.epochs.latest().is_some() {
            // It belongs to no epoch, so the epochs tell nothing about where two logs part (UnifiedLog.append).
            tracing::warn!(partition = %self.partition, "a message of an old format, leader epochs are forgotten");
            Arc::make_mut(&mut self.epochs).clear();
            self.progress.epochs_changed();
        }
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

/// The batch in front of `rest`; none if no whole one is there.
fn whole(rest: &[u8]) -> Result<Option<(i8, BatchHeader)>, Flaw> {
    match parse(rest, rest.len() as u64) {
        Ok(batch) => Ok(Some(batch)),
        Err(Flaw::Torn { .. }) => Ok(None),
        // The front of a batch's base offset.
        Err(Flaw::Zeros) if rest.len() < HEADER_SIZE => Ok(None),
        Err(flaw) => Err(flaw),
    }
}
