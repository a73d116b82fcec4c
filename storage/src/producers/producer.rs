//! One producer in one partition, and the rules for its next batch.
//!
//! Source: ProducerStateEntry, ProducerAppendInfo.checkSequence, BatchMetadata of Kafka 3.9.

use protocol::batch::BatchHeader;
use protocol::{Millis, Offset, ProducerEpoch, Sequence};

use crate::scan::Marker;

/// The Java client keeps at most five requests under way, so a retry is of one of the last five batches.
const CACHED_MAX: usize = 5;

/// A batch that was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CachedBatch {
    pub(crate) last_sequence: Sequence,
    pub(crate) last_offset: Offset,
    pub(crate) offset_delta: i32,
    pub(crate) timestamp: Millis,
}

impl CachedBatch {
    pub(crate) fn first_offset(&self) -> Offset {
        self.last_offset - i64::from(self.offset_delta)
    }

    fn first_sequence(&self) -> Sequence {
        let first = i64::from(self.last_sequence.0) - i64::from(self.offset_delta);
        Sequence(if first < 0 { (first + (1 << 31)) as i32 } else { first as i32 })
    }
}

/// Why a batch is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    OutOfOrder {
        last: Sequence,
    },
    OldEpoch {
        current: ProducerEpoch,
    },
    OutsideOfTransaction,
    /// A marker of a coordinator that has been replaced.
    OldCoordinator {
        current: i32,
    },
}

/// What is known of a producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Producer {
    pub(crate) epoch: ProducerEpoch,
    /// Oldest first.
    batches: [CachedBatch; CACHED_MAX],
    cached: u8,
    /// Of the coordinator whose marker came last; −1 before the first.
    pub(crate) coordinator_epoch: i32,
    pub(crate) last_timestamp: Millis,
    /// First offset of the open transaction.
    pub(crate) open_since: Option<Offset>,
}

const NO_BATCH: CachedBatch = CachedBatch {
    last_sequence: Sequence::NONE,
    last_offset: Offset::NONE,
    offset_delta: 0,
    timestamp: Millis::NONE,
};

impl Producer {
    /// A producer about which this batch is the first news; the batch itself is not taken yet.
    pub(crate) fn new(header: &BatchHeader) -> Producer {
        Producer {
            epoch: header.producer_epoch,
            batches: [NO_BATCH; CACHED_MAX],
            cached: 0,
            coordinator_epoch: -1,
            last_timestamp: Millis::NONE,
            open_since: None,
        }
    }

    /// A producer as a snapshot has it, with its last batch if it had one.
    pub(crate) fn restored(epoch: ProducerEpoch, batch: Option<CachedBatch>) -> Producer {
        let mut producer = Producer {
            epoch,
            batches: [NO_BATCH; CACHED_MAX],
            cached: 0,
            coordinator_epoch: -1,
            last_timestamp: Millis::NONE,
            open_since: None,
        };
        if let Some(batch) = batch {
            producer.push(batch);
        }
        producer
    }

    pub(crate) fn last_batch(&self) -> Option<CachedBatch> {
        self.batches[..usize::from(self.cached)].last().copied()
    }

    pub(super) fn duplicate_of(&self, header: &BatchHeader) -> Option<CachedBatch> {
        if header.producer_epoch != self.epoch {
            return None;
        }
        let (first, last) = (header.base_sequence, header.last_sequence());
        let is_same = |batch: &&CachedBatch| batch.first_sequence() == first && batch.last_sequence == last;
        self.batches[..usize::from(self.cached)].iter().find(is_same).copied()
    }

    pub(super) fn refuse(&self, header: &BatchHeader) -> Option<Refusal> {
        if header.producer_epoch < self.epoch {
            return Some(Refusal::OldEpoch { current: self.epoch });
        }
        let last = self.last_batch().map_or(Sequence::NONE, |batch| batch.last_sequence);
        let expected = if header.producer_epoch > self.epoch || last == Sequence::NONE {
            Sequence(0)
        } else {
            last.plus(1)
        };
        let starts_anywhere = self.epoch == ProducerEpoch::NONE;
        if header.base_sequence != expected && !starts_anywhere {
            return Some(Refusal::OutOfOrder { last });
        }
        let is_outside = self.open_since.is_some() && !header.attributes.is_transactional();
        is_outside.then_some(Refusal::OutsideOfTransaction)
    }

    pub(super) fn refuse_marker(&self, header: &BatchHeader, marker: Marker) -> Option<Refusal> {
        if header.producer_epoch < self.epoch {
            return Some(Refusal::OldEpoch { current: self.epoch });
        }
        let current = self.coordinator_epoch;
        (marker.coordinator_epoch < current).then_some(Refusal::OldCoordinator { current })
    }

    pub(super) fn take(&mut self, header: &BatchHeader) {
        self.raise_epoch(header.producer_epoch);
        self.last_timestamp = header.max_timestamp;
        self.push(CachedBatch {
            last_sequence: header.last_sequence(),
            last_offset: header.last_offset(),
            offset_delta: header.last_offset_delta,
            timestamp: header.max_timestamp,
        });
    }

    pub(super) fn take_marker(&mut self, header: &BatchHeader, marker: Marker) {
        self.raise_epoch(header.producer_epoch);
        self.coordinator_epoch = marker.coordinator_epoch;
        self.last_timestamp = marker.timestamp;
    }

    /// The batches of another epoch are no longer asked for.
    fn raise_epoch(&mut self, epoch: ProducerEpoch) {
        if epoch != self.epoch {
            self.epoch = epoch;
            self.cached = 0;
        }
    }

    fn push(&mut self, batch: CachedBatch) {
        if usize::from(self.cached) == CACHED_MAX {
            self.batches.rotate_left(1);
        } else {
            self.cached += 1;
        }
        self.batches[usize::from(self.cached) - 1] = batch;
    }

    pub(super) fn is_expired(&self, now: Millis, after: i64) -> bool {
        self.open_since.is_none() && now - self.last_timestamp >= after
    }
}
