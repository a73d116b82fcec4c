//! The newest part of the active segment, in memory: where the last batches begin, and index entries not yet written.
//!
//! Lets a consumer that keeps up read without a system call before its sendfile. Bounded: old batches drop out, and
//! the writer moves index entries to their files.

use std::collections::VecDeque;

use protocol::Offset;

use crate::index::{OffsetEntry, TimeEntry};

/// Batches remembered: 4 KiB for a partition that is being written.
const BATCHES_MAX: usize = 512;

/// A batch of the tail.
#[derive(Debug, Clone, Copy)]
struct TailBatch {
    /// Last offset, relative to the segment's base.
    last: u32,
    position: u32,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Tail {
    base: Offset,
    batches: VecDeque<TailBatch>,
    /// Batches with offsets below are not remembered.
    from: Offset,
    /// Entries of the offset index that its file does not have yet.
    pub(crate) offsets: Vec<OffsetEntry>,
    /// Entries in the file.
    pub(crate) offsets_written: u32,
    pub(crate) times: Vec<TimeEntry>,
    pub(crate) times_written: u32,
}

impl Tail {
    /// The tail of a segment with this base, whose log ends at `end`.
    pub(crate) fn new(base: Offset, end: Offset) -> Tail {
        let (offsets, times) = (Vec::new(), Vec::new());
        Tail {
            base,
            batches: VecDeque::new(),
            from: end,
            offsets,
            offsets_written: 0,
            times,
            times_written: 0,
        }
    }

    /// Takes the next batch; both numbers fit in a segment.
    pub(crate) fn push(&mut self, last: u32, position: u32) {
        if self.batches.len() == BATCHES_MAX
            && let Some(oldest) = self.batches.pop_front()
        {
            self.from = self.base + i64::from(oldest.last) + 1;
        }
        self.batches.push_back(TailBatch { last, position });
    }

    /// Whether the batch that holds `offset` is remembered.
    pub(crate) fn covers(&self, offset: Offset) -> bool {
        offset >= self.from
            && self.batches.back().is_some_and(|batch| self.base + i64::from(batch.last) >= offset)
    }

    /// Where the batch that holds `offset` begins and ends; `end` is where the last one ends.
    pub(crate) fn find(&self, offset: Offset, end: u64) -> Option<(u64, u64)> {
        if !self.covers(offset) {
            return None;
        }
        let at = self.batches.partition_point(|batch| self.base + i64::from(batch.last) < offset);
        let next = self.batches.get(at + 1).map_or(end, |batch| u64::from(batch.position));
        Some((u64::from(self.batches[at].position), next))
    }

    /// The last beginning of a batch that is not beyond `position`.
    pub(crate) fn boundary(&self, position: u64) -> Option<u64> {
        let above = self.batches.partition_point(|batch| u64::from(batch.position) <= position);
        above.checked_sub(1).map(|at| u64::from(self.batches[at].position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_found_by_any_of_its_offsets() {
        let mut tail = Tail::new(Offset(100), Offset(105));
        tail.push(7, 500);
        tail.push(9, 600);
        let found = |offset| tail.find(Offset(offset), 650);
        assert_eq!(found(104), None);
        assert_eq!(found(105), Some((500, 600)));
        assert_eq!(found(107), Some((500, 600)));
        assert_eq!(found(108), Some((600, 650)));
        assert_eq!(found(110), None);
        assert_eq!(tail.boundary(599), Some(500));
        assert_eq!(tail.boundary(499), None);
    }

    #[test]
    fn the_oldest_batches_drop_out() {
        let mut tail = Tail::new(Offset(0), Offset(0));
        for at in 0..BATCHES_MAX as u32 + 3 {
            tail.push(at, at * 10);
        }
        assert!(!tail.covers(Offset(2)));
        assert!(tail.covers(Offset(3)));
    }
}
