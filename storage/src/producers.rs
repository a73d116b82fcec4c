//! What a partition remembers of its producers: the last five batches, epochs, open transactions.
//!
//! Pure. A leader asks [`Producers::check`] before it appends; what a follower appends or a start replays is taken
//! unasked, as the leader has decided.
//! Source: ProducerStateManager, ProducerAppendInfo, ProducerStateEntry of Kafka 3.9, KIP-98, KIP-360.

use std::collections::{BTreeMap, HashMap};

use protocol::batch::BatchHeader;
use protocol::{Millis, Offset, ProducerEpoch, ProducerId, Sequence};

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

/// A producer as DescribeProducers tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActiveProducer {
    pub id: ProducerId,
    pub epoch: ProducerEpoch,
    pub last_sequence: Sequence,
    pub last_timestamp: Millis,
    /// Of the coordinator whose marker came last; −1 before the first.
    pub coordinator_epoch: i32,
    /// First offset of the open transaction.
    pub open_since: Option<Offset>,
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

    /// By id.
    pub(crate) fn active(&self) -> Vec<ActiveProducer> {
        let active = self.known.iter().map(|(id, producer)| ActiveProducer {
            id: *id,
            epoch: producer.epoch,
            last_sequence: producer.last_batch().map_or(Sequence::NONE, |batch| batch.last_sequence),
            last_timestamp: producer.last_timestamp,
            coordinator_epoch: producer.coordinator_epoch,
            open_since: producer.open_since,
        });
        let mut active: Vec<_> = active.collect();
        active.sort_unstable_by_key(|producer| producer.id);
        active
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

    /// Whether a coordinator's marker may be appended; some reason if not.
    pub(crate) fn check_marker(&self, header: &BatchHeader, marker: Marker) -> Option<Refusal> {
        self.known.get(&header.producer_id)?.refuse_marker(header, marker)
    }

    /// Takes a batch that is about to be written, with its final offsets. Returns what was known of its producer
    /// before, for [`Self::undo`], and the transaction that it aborts.
    pub(crate) fn stage(
        &mut self,
        header: &BatchHeader,
        marker: Option<Marker>,
    ) -> (Option<Producer>, Option<AbortedTransaction>) {
        let before = self.known.get(&header.producer_id).cloned();
        let end = self.end;
        let aborted = self.replay(header, marker);
        // It is not in the log before it is written.
        self.end = end;
        (before, aborted)
    }

    fn note(&mut self, header: &BatchHeader) {
        let producer = self.known.entry(header.producer_id).or_insert_with(|| Producer::new(header));
        producer.take(header);
        let is_transactional = header.attributes.is_transactional();
        if is_transactional && producer.open_since.is_none() {
            producer.open_since = Some(header.base_offset);
            self.open.insert(header.base_offset, header.producer_id);
        }
    }

    /// Takes back a staged batch that could not be written; the last one first.
    pub(crate) fn undo(&mut self, id: ProducerId, before: Option<Producer>) {
        let now = self.known.remove(&id);
        let is_open = now.and_then(|producer| producer.open_since);
        let was_open = before.as_ref().and_then(|producer| producer.open_since);
        if is_open != was_open {
            if let Some(first) = is_open {
                self.open.remove(&first);
            }
            if let Some(first) = was_open {
                self.unreplicated.remove(&first);
                self.open.insert(first, id);
            }
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

    /// Neither a producer nor a transaction is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty() && self.unreplicated.is_empty()
    }

    /// Takes over, from the state before a truncation, the transactions whose markers stayed in the log: a snapshot
    /// does not tell which of them are replicated.
    pub(crate) fn keep_unreplicated(&mut self, before: &Producers) {
        let stayed = before.unreplicated.iter().filter(|(_, last)| **last < self.end);
        self.unreplicated.extend(stayed.map(|(first, last)| (*first, *last)));
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

    fn marker(epoch: i16, offset: i64, kind: MarkerKind, coordinator_epoch: i32) -> (BatchHeader, Marker) {
        let attributes = Attributes(0).transactional().control();
        let header = BatchHeader { attributes, ..batch(epoch, -1, 1, offset) };
        (header, Marker { kind, coordinator_epoch, timestamp: Millis(5) })
    }

    fn end_of_transaction(
        producers: &mut Producers,
        offset: i64,
        kind: MarkerKind,
    ) -> Option<AbortedTransaction> {
        let (header, marker) = marker(0, offset, kind, 3);
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
        let (before, _) = producers.stage(&transactional(0, 0), None);
        producers.undo(ProducerId(7), before);
        assert_eq!((producers.len(), producers.first_unstable(), producers.end), (0, None, Offset(0)));
        producers.note(&batch(0, 0, 1, 0));
        let (before, _) = producers.stage(&batch(0, 1, 1, 1), None);
        producers.undo(ProducerId(7), before);
        assert_eq!(producers.check(&batch(0, 1, 1, 1)), Verdict::Append);
    }

    #[test]
    fn an_undone_marker_leaves_its_transaction_open() {
        let mut producers = Producers::none(Offset(0));
        producers.replay(&transactional(0, 0), None);
        let (control, abort) = marker(0, 1, MarkerKind::Abort, 3);
        let (before_marker, aborted) = producers.stage(&control, Some(abort));
        assert_eq!(aborted.map(|aborted| aborted.first_offset), Some(Offset(0)));
        let (before_next, _) = producers.stage(&transactional(1, 2), None);
        producers.undo(ProducerId(7), before_next);
        producers.undo(ProducerId(7), before_marker);
        producers.replicated(Offset(9));
        assert_eq!(producers.first_unstable(), Some(Offset(0)));
        assert_eq!(producers.check_marker(&control, Marker { coordinator_epoch: 0, ..abort }), None);
    }

    #[test]
    fn a_marker_is_fenced_by_both_epochs() {
        let mut producers = Producers::none(Offset(0));
        let check = |producers: &Producers, epoch, coordinator| {
            let (header, marker) = marker(epoch, 9, MarkerKind::Commit, coordinator);
            producers.check_marker(&header, marker)
        };
        // Of an unknown producer any is taken.
        assert_eq!(check(&producers, 0, 0), None);
        let (header, commit) = marker(4, 0, MarkerKind::Commit, 3);
        producers.replay(&header, Some(commit));
        assert_eq!(check(&producers, 4, 3), None);
        assert_eq!(check(&producers, 5, 4), None);
        assert_eq!(check(&producers, 3, 4), Some(Refusal::OldEpoch { current: ProducerEpoch(4) }));
        assert_eq!(check(&producers, 4, 2), Some(Refusal::OldCoordinator { current: 3 }));
    }

    #[test]
    fn after_markers_alone_a_producer_begins_at_zero() {
        let mut producers = Producers::none(Offset(0));
        producers.replay(&transactional(0, 0), None);
        // A marker with a higher epoch, as after a transaction that timed out, forgets the batches.
        let (header, abort) = marker(1, 1, MarkerKind::Abort, 3);
        producers.replay(&header, Some(abort));
        let none_yet = Refusal::OutOfOrder { last: Sequence::NONE };
        assert_eq!(producers.check(&batch(1, 1, 1, 2)), Verdict::Refuse(none_yet));
        assert_eq!(producers.check(&batch(1, 0, 1, 2)), Verdict::Append);
        let fenced = Refusal::OldEpoch { current: ProducerEpoch(1) };
        assert_eq!(producers.check(&transactional(1, 2)), Verdict::Refuse(fenced));
    }

    #[test]
    fn a_producer_without_an_epoch_begins_anywhere() {
        let mut producers = Producers::none(Offset(0));
        producers.known.insert(ProducerId(7), Producer::restored(ProducerEpoch::NONE, None));
        assert_eq!(producers.check(&batch(2, 9, 1, 0)), Verdict::Append);
    }

    #[test]
    fn an_open_transaction_refuses_batches_outside_of_it() {
        let mut producers = Producers::none(Offset(0));
        producers.replay(&transactional(0, 0), None);
        assert_eq!(producers.check(&batch(0, 1, 1, 1)), Verdict::Refuse(Refusal::OutsideOfTransaction));
        assert_eq!(producers.check(&transactional(1, 1)), Verdict::Append);
    }

    #[test]
    fn what_a_leader_sent_is_taken_unasked() {
        let mut producers = Producers::none(Offset(0));
        producers.replay(&batch(3, 0, 2, 0), None);
        producers.replay(&batch(3, 9, 1, 2), None);
        assert_eq!(producers.check(&batch(3, 10, 1, 3)), Verdict::Append);
        producers.replay(&batch(2, 0, 1, 3), None);
        assert_eq!(producers.check(&batch(2, 1, 1, 4)), Verdict::Append);
        assert_eq!(producers.end, Offset(4));
    }

    #[test]
    fn a_last_stable_offset_looks_at_the_others_transactions() {
        let mut producers = Producers::none(Offset(0));
        producers.replay(&transactional(0, 0), None);
        let other = BatchHeader { producer_id: ProducerId(8), ..transactional(0, 1) };
        producers.replay(&other, None);
        let aborted = end_of_transaction(&mut producers, 2, MarkerKind::Abort).unwrap();
        assert_eq!(aborted.last_stable_offset, Offset(1));
        // A committed one is in no index, but holds readers back until its marker is replicated.
        let (header, commit) = marker(0, 3, MarkerKind::Commit, 3);
        let header = BatchHeader { producer_id: ProducerId(8), ..header };
        assert_eq!(producers.replay(&header, Some(commit)), None);
        producers.replicated(Offset(3));
        assert_eq!(producers.first_unstable(), Some(Offset(1)));
        producers.start_moved(Offset(4));
        assert_eq!((producers.first_unstable(), producers.len()), (None, 2));
    }

    #[test]
    fn replicated_transactions_of_before_a_truncation_stay_so() {
        let mut before = Producers::none(Offset(0));
        before.replay(&transactional(0, 0), None);
        end_of_transaction(&mut before, 1, MarkerKind::Abort);
        before.replay(&transactional(1, 2), None);
        end_of_transaction(&mut before, 3, MarkerKind::Abort);
        let mut after = Producers::none(Offset(3));
        after.keep_unreplicated(&before);
        assert_eq!(after.unreplicated, BTreeMap::from([(Offset(0), Offset(1))]));
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
