//! When a batch gets index entries: pure, the same for appends and for recovery.
//!
//! Source: LogSegment.append, LogSegment.recover, TimeIndex.maybeAppend of Kafka 3.9.1.

use protocol::batch::BatchHeader;
use protocol::{Millis, Offset};

use super::{OffsetEntry, TimeEntry, relative};

/// The settings that decide.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IndexRules {
    /// `index.interval.bytes`
    pub(crate) interval: u64,
    /// `segment.index.bytes`
    pub(crate) bytes_max: u32,
}

impl IndexRules {
    fn offsets_max(self) -> u32 {
        self.bytes_max / 8
    }

    /// One slot is left for the entry that closes a segment.
    fn times_max(self) -> u32 {
        (self.bytes_max / 12).saturating_sub(1)
    }
}

/// The largest timestamp of a segment and the last offset of the first batch that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Largest {
    pub(crate) timestamp: Millis,
    pub(crate) offset: Offset,
}

/// Follows a segment batch by batch and says which entries are due.
#[derive(Debug, Clone)]
pub(crate) struct Indexer {
    base: Offset,
    pub(crate) since_entry: u64,
    pub(crate) largest: Option<Largest>,
    pub(crate) offsets: u32,
    pub(crate) times: u32,
    pub(crate) last_time: Option<TimeEntry>,
}

/// The entries that a batch gives rise to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Due {
    pub(crate) offset: Option<OffsetEntry>,
    pub(crate) time: Option<TimeEntry>,
}

impl Indexer {
    pub(crate) fn new(base: Offset) -> Indexer {
        Indexer { base, since_entry: 0, largest: None, offsets: 0, times: 0, last_time: None }
    }

    /// No further entry has room, so the segment has to end.
    pub(crate) fn is_full(&self, rules: IndexRules) -> bool {
        self.offsets >= rules.offsets_max() || self.times >= rules.times_max()
    }

    /// Takes the next batch, which begins at `position`.
    pub(crate) fn note(&mut self, header: &BatchHeader, position: u64, rules: IndexRules) -> Due {
        let last = header.last_offset();
        if self.largest.is_none_or(|largest| header.max_timestamp > largest.timestamp)
            && header.max_timestamp.0 >= 0
        {
            self.largest = Some(Largest { timestamp: header.max_timestamp, offset: last });
        }
        let mut due = Due::default();
        if self.since_entry > rules.interval && self.offsets < rules.offsets_max() {
            let relative = relative(self.base, last);
            due.offset = relative
                .zip(u32::try_from(position).ok())
                .map(|(last, position)| OffsetEntry { last, position });
            self.offsets += 1;
            self.since_entry = 0;
            if self.times < rules.times_max() {
                due.time = self.time_entry();
            }
        }
        self.since_entry += header.size() as u64;
        due
    }

    /// The time entry that a segment gets when it ends: its largest timestamp, unless that is there already.
    pub(crate) fn time_entry(&mut self) -> Option<TimeEntry> {
        let largest = self.largest?;
        if self.last_time.is_some_and(|last| last.timestamp >= largest.timestamp) {
            return None;
        }
        let entry = TimeEntry { timestamp: largest.timestamp, last: relative(self.base, largest.offset)? };
        self.times += 1;
        self.last_time = Some(entry);
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use protocol::batch::Attributes;
    use protocol::{LeaderEpoch, ProducerEpoch, ProducerId, Sequence};

    use super::*;

    fn batch(base: i64, size: u32, timestamp: i64) -> BatchHeader {
        BatchHeader {
            base_offset: Offset(base),
            length: size - 12,
            leader_epoch: LeaderEpoch(0),
            crc: 0,
            attributes: Attributes(0),
            last_offset_delta: 1,
            base_timestamp: Millis(timestamp),
            max_timestamp: Millis(timestamp),
            producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch::NONE,
            base_sequence: Sequence::NONE,
            record_count: 2,
        }
    }

    #[test]
    fn an_entry_is_due_when_more_than_the_interval_was_written() {
        let rules = IndexRules { interval: 200, bytes_max: 1000 };
        let mut indexer = Indexer::new(Offset(10));
        let mut due = Vec::new();
        for at in 0..6 {
            due.push(indexer.note(&batch(10 + 2 * at, 100, 5 + at), 100 * at as u64, rules).offset);
        }
        // Two hundred bytes are not more than the interval; the fourth batch comes after three hundred.
        let entry = OffsetEntry { last: 7, position: 300 };
        assert_eq!(due, [None, None, None, Some(entry), None, None]);
        assert_eq!(indexer.last_time, Some(TimeEntry { timestamp: Millis(8), last: 7 }));
    }

    #[test]
    fn a_time_entry_is_made_only_for_a_larger_time() {
        let rules = IndexRules { interval: 0, bytes_max: 1000 };
        let mut indexer = Indexer::new(Offset(0));
        let times = [9, 7, 9, 12];
        let due: Vec<_> = (0..4)
            .map(|at| indexer.note(&batch(2 * at, 100, times[at as usize]), 100 * at as u64, rules))
            .map(|due| due.time)
            .collect();
        // The first batch gets no entry, so its time comes with the second one's offset.
        let first = TimeEntry { timestamp: Millis(9), last: 1 };
        assert_eq!(due, [None, Some(first), None, Some(TimeEntry { timestamp: Millis(12), last: 7 })]);
        assert_eq!(indexer.time_entry(), None);
    }

    #[test]
    fn a_full_index_takes_no_more() {
        let rules = IndexRules { interval: 0, bytes_max: 16 };
        let mut indexer = Indexer::new(Offset(0));
        for at in 0..5 {
            indexer.note(&batch(2 * at, 100, 1), 100 * at as u64, rules);
        }
        assert!(indexer.is_full(rules));
        assert_eq!(indexer.offsets, 2);
    }

    #[test]
    fn batches_without_a_time_have_none() {
        let mut indexer = Indexer::new(Offset(0));
        indexer.note(&batch(0, 100, -1), 0, IndexRules { interval: 0, bytes_max: 100 });
        assert_eq!((indexer.largest, indexer.time_entry()), (None, None));
    }
}
