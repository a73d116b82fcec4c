//! What a partition remembers of its producers: the last five batches, epochs, open transactions.
//!
//! Pure. A leader asks [`Producers::check`] before it appends; what was appended or is replayed is noted unasked.
//! Source: ProducerStateManager, ProducerAppendInfo, ProducerStateEntry of Kafka 3.9, KIP-98, KIP-360.

use std::collections::{BTreeMap, HashMap};

use protocol::batch::BatchHeader;
use protocol::{Millis, Offset, ProducerId};

use crate::aborted::AbortedTransaction;
use crate::scan::{Marker, MarkerKind};

mod producer;
mod snapshot;

pub(crate) use producer::{CachedBatch, Producer, Refusal};

/// What is to be done with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Append,
    /// It is in the log already.
    Duplicate(CachedBatch),
    Refuse(Refusal),
}

/// The producers of one partition.
#[derive(Debug, Clone)]
pub(crate) struct Producers {
    known: HashMap<ProducerId, Producer>,
    /// Open transactions by their first offset.
    open: BTreeMap<Offset, ProducerId>,
    /// Finished transactions whose marker was not below the high watermark yet: first offset to marker.
    unreplicated: BTreeMap<Offset, Offset>,
    /// The state covers all records below.
    pub(crate) end: Offset,
}

impl Producers {
    /// No producers, as of `end`.
    pub(crate) fn none(end: Offset) -> Producers {
        Producers { known: HashMap::new(), open: BTreeMap::new(), unreplicated: BTreeMap::new(), end }
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether a client's batch may be appended.
    pub(crate) fn check(&self, header: &BatchHeader) -> Verdict {
        if !header.has_producer() {
            return Verdict::Append;
        }
        let Some(producer) = self.known.get(&header.producer_id) else {
            // Unknown here says nothing about the producer: its state may have been lost to retention.
            return Verdict::Append;
        };
        if let Some(batch) = producer.duplicate_of(header) {
            return Verdict::Duplicate(batch);
        }
        match producer.refuse(header) {
            Some(refusal) => Verdict::Refuse(refusal),
            None => Verdict::Append,
        }
    }

    /// Takes a data batch with its final offsets; returns what was known of the producer before, for [`Self::undo`].
    pub(crate) fn note(&mut self, header: &BatchHeader) -> Option<Producer> {
        let producer = self.known.entry(header.producer_id).or_insert_with(|| Producer::new(header));
        let before = producer.clone();
        producer.take(header);
        let is_transactional = header.attributes.is_transactional();
        if is_transactional && producer.open_since.is_none() {
            producer.open_since = Some(header.base_offset);
            self.open.insert(header.base_offset, header.producer_id);
        }
        (!before.is_new()).then_some(before)
    }

    /// Takes back a noted batch that could not be written.
    pub(crate) fn undo(&mut self, id: ProducerId, before: Option<Producer>) {
        let now = self.known.remove(&id);
        let opened = now.and_then(|producer| producer.open_since);
        let was_open = before.as_ref().and_then(|producer| producer.open_since);
        if let Some(first) = opened.filter(|_| was_open.is_none()) {
            self.open.remove(&first);
        }
        if let Some(producer) = before {
            self.known.insert(id, producer);
        }
    }

    /// Takes a batch found in the log, marker or data; an aborted transaction is for the transaction index.
    pub(crate) fn replay(
        &mut self,
        header: &BatchHeader,
        marker: Option<Marker>,
    ) -> Option<AbortedTransaction> {
        self.end = header.next_offset();
        if !header.has_producer() {
            return None;
        }
        if !header.attributes.is_control() {
            self.note(header);
            return None;
        }
        self.finish(header, marker?)
    }

    fn finish(&mut self, header: &BatchHeader, marker: Marker) -> Option<AbortedTransaction> {
        let id = header.producer_id;
        let producer = self.known.entry(id).or_insert_with(|| Producer::new(header));
        producer.take_marker(header, marker);
        let first = producer.open_since.take()?;
        self.open.remove(&first);
        let last = header.base_offset;
        self.unreplicated.insert(first, last);
        let aborted = AbortedTransaction {
            producer_id: id,
            first_offset: first,
            last_offset: last,
            last_stable_offset: self.open.keys().next().copied().unwrap_or(last + 1),
        };
        (marker.kind == MarkerKind::Abort).then_some(aborted)
    }

    /// Below it no transaction is open or waits for its marker to be replicated.
    pub(crate) fn first_unstable(&self) -> Option<Offset> {
        let open = self.open.keys().next().copied();
        let unreplicated = self.unreplicated.keys().next().copied();
        open.into_iter().chain(unreplicated).min()
    }

    /// Forgets finished transactions whose markers are below the high watermark.
    pub(crate) fn replicated(&mut self, high_watermark: Offset) {
        while let Some(first) = self.unreplicated.first_entry() {
            if *first.get() >= high_watermark {
                break;
            }
            first.remove();
        }
    }

    /// Forgets finished transactions that lie below the log's start.
    pub(crate) fn start_moved(&mut self, start: Offset) {
        self.unreplicated.retain(|_, last| *last >= start);
        self.end = self.end.max(start);
    }

    /// Forgets producers without an open transaction that were last heard of `after` milliseconds ago.
    pub(crate) fn expire(&mut self, now: Millis, after: i64) {
        self.known.retain(|_, producer| !producer.is_expired(now, after));
    }
}

#[cfg(test)]
mod tests {
    use protocol::batch::Attributes;
    use protocol::{LeaderEpoch, ProducerEpoch, Sequence};

    use super::*;

    pub(crate) fn batch(epoch: i16, sequence: i32, records: i32, offset: i64) -> BatchHeader {
        BatchHeader {
            base_offset: Offset(offset),
            length: 49,
            leader_epoch: LeaderEpoch(0),
            crc: 0,
            attributes: Attributes(0),
            last_offset_delta: records - 1,
            base_timestamp: Millis(1),
            max_timestamp: Millis(1000 + offset),
            producer_id: ProducerId(7),
            producer_epoch: ProducerEpoch(epoch),
            base_sequence: Sequence(sequence),
            record_count: records,
        }
    }

    fn transactional(sequence: i32, offset: i64) -> BatchHeader {
        let attributes = Attributes(0).transactional();
        BatchHeader { attributes, ..batch(0, sequence, 1, offset) }
    }

    fn end_of_transaction(
        producers: &mut Producers,
        offset: i64,
        kind: MarkerKind,
    ) -> Option<AbortedTransaction> {
        let attributes = Attributes(0).transactional().control();
        let header = BatchHeader { attributes, ..batch(0, -1, 1, offset) };
        let marker = Marker { kind, coordinator_epoch: 3, timestamp: Millis(5) };
        producers.replay(&header, Some(marker))
    }

    #[test]
    fn a_producer_counts_on_from_its_last_batch() {
        let mut producers = Producers::none(Offset(0));
        assert_eq!(producers.check(&batch(0, 9, 2, 0)), Verdict::Append);
        producers.note(&batch(0, 9, 2, 0));
        assert_eq!(producers.check(&batch(0, 11, 1, 2)), Verdict::Append);
        let gap = Refusal::OutOfOrder { last: Sequence(10) };
        assert_eq!(producers.check(&batch(0, 12, 1, 2)), Verdict::Refuse(gap));
        assert_eq!(producers.check(&batch(0, 10, 1, 2)), Verdict::Refuse(gap));
    }

    #[test]
    fn five_batches_are_remembered() {
        let mut producers = Producers::none(Offset(0));
        for at in 0..6 {
            producers.note(&batch(0, 3 * at, 3, 10 + i64::from(at) * 3));
        }
        let Verdict::Duplicate(found) = producers.check(&batch(0, 3, 3, 99)) else {
            panic!("the second batch is the oldest of five");
        };
        assert_eq!((found.first_offset(), found.last_offset), (Offset(13), Offset(15)));
        let refused = Verdict::Refuse(Refusal::OutOfOrder { last: Sequence(17) });
        assert_eq!(producers.check(&batch(0, 0, 3, 99)), refused);
        // Equal only in its first sequence.
        assert_eq!(producers.check(&batch(0, 3, 2, 99)), refused);
    }

    #[test]
    fn an_epoch_fences_the_ones_before() {
        let mut producers = Producers::none(Offset(0));
        producers.note(&batch(1, 0, 5, 0));
        let fenced = Refusal::OldEpoch { current: ProducerEpoch(1) };
        assert_eq!(producers.check(&batch(0, 5, 1, 5)), Verdict::Refuse(fenced));
        let restart = Refusal::OutOfOrder { last: Sequence(4) };
        assert_eq!(producers.check(&batch(2, 5, 1, 5)), Verdict::Refuse(restart));
        assert_eq!(producers.check(&batch(2, 0, 1, 5)), Verdict::Append);
        producers.note(&batch(2, 0, 1, 5));
        assert_eq!(producers.check(&batch(2, 1, 1, 6)), Verdict::Append);
    }

    #[test]
    fn sequences_wrap() {
        let mut producers = Producers::none(Offset(0));
        producers.note(&batch(0, i32::MAX - 1, 2, 0));
        assert_eq!(producers.check(&batch(0, 0, 1, 2)), Verdict::Append);
        producers.note(&batch(0, 0, 1, 2));
        assert!(matches!(producers.check(&batch(0, i32::MAX - 1, 2, 9)), Verdict::Duplicate(_)));
    }

    #[test]
    fn an_undone_batch_leaves_nothing() {
        let mut producers = Producers::none(Offset(0));
        let before = producers.note(&transactional(0, 0));
        producers.undo(ProducerId(7), before);
        assert_eq!((producers.len(), producers.first_unstable()), (0, None));
        producers.note(&batch(0, 0, 1, 0));
        let before = producers.note(&batch(0, 1, 1, 1));
        producers.undo(ProducerId(7), before);
        assert_eq!(producers.check(&batch(0, 1, 1, 1)), Verdict::Append);
    }

    #[test]
    fn a_transaction_is_unstable_until_its_marker_is_replicated() {
        let mut producers = Producers::none(Offset(0));
        producers.replay(&transactional(0, 4), None);
        producers.replay(&transactional(1, 5), None);
        assert_eq!(producers.first_unstable(), Some(Offset(4)));
        let aborted = end_of_transaction(&mut producers, 6, MarkerKind::Abort).unwrap();
        assert_eq!((aborted.first_offset, aborted.last_offset), (Offset(4), Offset(6)));
        assert_eq!(aborted.last_stable_offset, Offset(7));
        producers.replicated(Offset(6));
        assert_eq!(producers.first_unstable(), Some(Offset(4)));
        producers.replicated(Offset(7));
        assert_eq!(producers.first_unstable(), None);
        assert_eq!(end_of_transaction(&mut producers, 7, MarkerKind::Abort), None);
        // After a marker alone the next batch of the same epoch counts on.
        assert_eq!(producers.check(&transactional(2, 8)), Verdict::Append);
    }

    #[test]
    fn silence_is_forgotten_but_not_an_open_transaction() {
        let mut producers = Producers::none(Offset(0));
        producers.note(&batch(0, 0, 1, 0));
        producers.expire(Millis(1099), 100);
        assert_eq!(producers.len(), 1);
        producers.expire(Millis(1100), 100);
        assert_eq!(producers.len(), 0);
        producers.note(&transactional(0, 0));
        producers.expire(Millis(i64::MAX), 100);
        assert_eq!(producers.len(), 1);
    }
}
