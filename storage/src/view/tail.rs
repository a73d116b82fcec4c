//! The newest part of the active segment, in memory: where the last batches begin, and index entries not yet written.
//!
//! Lets a consumer that keeps up read without a system call before its sendfile. Bounded: old batches drop out, and
//! the writer moves index entries to their files.

use std::collections::VecDeque;
use std::sync::Arc;

use protocol::Offset;

use crate::aborted::AbortedTransaction;
use crate::index::{CHUNK, OffsetEntry, TimeEntry, relative};

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
    pub(crate) index: TailIndex,
    /// Transactions that were aborted since the segment became the active one.
    pub(crate) aborted: Arc<Vec<AbortedTransaction>>,
}

/// The indexes of the active segment as far as they are not in their files, and a way into the files.
#[derive(Debug, Clone)]
pub(crate) struct TailIndex {
    base: Offset,
    pub(crate) offsets: Vec<OffsetEntry>,
    /// Entries in the file.
    pub(crate) offsets_written: u32,
    /// The first entry of every chunk of the offset index, in the file or here: its last offset.
    fences: Vec<u32>,
    pub(crate) times: Vec<TimeEntry>,
    pub(crate) times_written: u32,
}

/// Where to look for the index entry of an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hint {
    /// It is this one.
    Entry(OffsetEntry),
    /// It is in this chunk of the file.
    Chunk(u32),
    /// There is none, or the segment is sealed.
    Nothing,
}

impl TailIndex {
    /// Of a segment whose files hold this many entries.
    pub(crate) fn new(base: Offset, offsets_written: u32, times_written: u32, fences: Vec<u32>) -> TailIndex {
        let (offsets, times) = (Vec::new(), Vec::new());
        TailIndex { base, offsets, offsets_written, fences, times, times_written }
    }

    pub(crate) fn push(&mut self, entry: OffsetEntry) {
        if (self.offsets_written as usize + self.offsets.len()).is_multiple_of(CHUNK) {
            self.fences.push(entry.last);
        }
        self.offsets.push(entry);
    }

    /// What was waiting is in the files now.
    pub(crate) fn written(&mut self, offsets_written: u32, times_written: u32) {
        self.offsets.clear();
        self.times.clear();
        self.offsets_written = offsets_written;
        self.times_written = times_written;
    }

    pub(super) fn hint(&self, offset: Offset) -> Hint {
        let Some(target) = relative(self.base, offset) else { return Hint::Nothing };
        if let Some(at) = self.offsets.partition_point(|entry| entry.last <= target).checked_sub(1) {
            return Hint::Entry(self.offsets[at]);
        }
        match self.fences.partition_point(|last| *last <= target).checked_sub(1) {
            Some(chunk) => Hint::Chunk(chunk as u32),
            None => Hint::Nothing,
        }
    }
}

impl Tail {
    /// The tail of a segment with this base, whose log ends at `end`.
    pub(crate) fn new(base: Offset, end: Offset, index: TailIndex) -> Tail {
        Tail { base, batches: VecDeque::new(), from: end, index, aborted: Arc::default() }
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
        let mut tail = Tail::new(Offset(100), Offset(105), TailIndex::new(Offset(100), 0, 0, Vec::new()));
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
        let mut tail = Tail::new(Offset(0), Offset(0), TailIndex::new(Offset(0), 0, 0, Vec::new()));
        for at in 0..BATCHES_MAX as u32 + 3 {
            tail.push(at, at * 10);
        }
        assert!(!tail.covers(Offset(2)));
        assert!(tail.covers(Offset(3)));
    }

    #[test]
    fn a_hint_leads_to_memory_or_into_the_file() {
        let entry = |at: usize| OffsetEntry { last: 10 * at as u32, position: at as u32 };
        let mut index = TailIndex::new(Offset(0), 0, 0, Vec::new());
        assert_eq!(index.hint(Offset(7)), Hint::Nothing);
        for at in 1..=CHUNK + 3 {
            index.push(entry(at));
        }
        index.written(CHUNK as u32 + 3, 0);
        index.push(entry(CHUNK + 4));
        let found = |at: usize| index.hint(Offset(10 * at as i64 + 5));
        assert_eq!(found(0), Hint::Nothing);
        assert_eq!(found(1), Hint::Chunk(0));
        assert_eq!(found(CHUNK), Hint::Chunk(0));
        assert_eq!(found(CHUNK + 1), Hint::Chunk(1));
        assert_eq!(found(CHUNK + 9), Hint::Entry(entry(CHUNK + 4)));
    }
}
