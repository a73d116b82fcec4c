//! The read of Fetch: which bytes of which file.
//!
//! A consumer that keeps up is answered from the tail under the lock; any other after it, from index and headers.
//! Source: LogSegment.read, LocalLog.read of Kafka 3.9.

use std::sync::Arc;

use protocol::Offset;
use protocol::response::FileSlice;

use super::locate::Searchable;
use super::tail::Hint;
use super::{Ahead, Fetched, FirstBatch, LogReader, LogView, Place, ReadError, State, UpTo};
use crate::scan::ScanError;
use crate::segment::Segment;

/// What was asked.
#[derive(Debug, Clone, Copy)]
struct Wish {
    from: Offset,
    limit: Offset,
    bytes_max: u64,
    first: FirstBatch,
}

/// Batches that are there; a slice of no bytes if they must not be returned.
#[derive(Debug)]
struct Found {
    slice: FileSlice,
    place: Place,
    ahead: Ahead,
}

/// What is copied from the state for a read outside the lock.
struct Taken {
    view: LogView,
    segments: Arc<Vec<Arc<Segment>>>,
    size: u64,
    offsets_written: u32,
    /// For the asked offset and for the limit, if they are in the active segment.
    hints: [Hint; 2],
    /// Where the batch with the limit begins, if the tail knows.
    limit_position: Option<u64>,
}

impl LogReader {
    /// Batches from the one that holds `from` on, at most `max_bytes` of them, all below the limit.
    ///
    /// Reads at most index entries and batch headers; may block for them if they are cold, see [`Self::is_hot`].
    pub fn read(
        &self,
        from: Offset,
        max_bytes: u32,
        up_to: UpTo,
        first: FirstBatch,
    ) -> Result<Fetched, ReadError> {
        self.steady(|| self.read_once(from, max_bytes, up_to, first))
    }

    fn read_once(
        &self,
        from: Offset,
        max_bytes: u32,
        up_to: UpTo,
        first: FirstBatch,
    ) -> Result<Fetched, ReadError> {
        let bytes_max = u64::from(max_bytes);
        let taken = {
            let state = self.shared.read();
            let view = state.view;
            if from < view.start || from > view.end {
                let partition = self.shared.partition.clone();
                return Err(ReadError::OutOfRange { partition, asked: from, view });
            }
            let limit = view.limit(up_to);
            if from >= limit {
                return Ok(Fetched { is_hot: true, ..Fetched::of(view, None) });
            }
            let wish = Wish { from, limit, bytes_max, first };
            if let Some(found) = state.read_tail(wish) {
                return Ok(Fetched { is_hot: true, ..Fetched::of(view, Some(found)) });
            }
            state.take(wish)
        };
        let wish = Wish { from, limit: taken.view.limit(up_to), bytes_max, first };
        let found = self.read_files(&taken, wish)?;
        Ok(Fetched::of(taken.view, found))
    }

    fn read_files(&self, taken: &Taken, wish: Wish) -> Result<Option<Found>, ReadError> {
        let segments = &taken.segments;
        let first = segments.partition_point(|segment| segment.base <= wish.from).saturating_sub(1);
        // A segment whose last batches compaction removed holds nothing from the offset on; the next one does.
        for at in first..segments.len() {
            match taken.slice(at, wish) {
                Ok(None) => {}
                Ok(Some(found)) => return Ok(Some(found)),
                Err(error) => return self.read_again(&segments[at], error, wish),
            }
        }
        Ok(None)
    }

    /// Retention may have renamed the file in the meantime: then the offset is out of range, and no disk failed.
    fn read_again(
        &self,
        segment: &Segment,
        error: ScanError,
        wish: Wish,
    ) -> Result<Option<Found>, ReadError> {
        let view = self.view();
        let partition = self.shared.partition.clone();
        if wish.from < view.start {
            return Err(ReadError::OutOfRange { partition, asked: wish.from, view });
        }
        Err(self.scan_error(segment, error))
    }

    pub(super) fn scan_error(&self, segment: &Segment, error: ScanError) -> ReadError {
        match error {
            ScanError::Io(error) => self.disk_error(segment, &error),
            ScanError::Flawed { position, flaw } => ReadError::Corrupt {
                partition: self.shared.partition.clone(),
                segment: segment.base,
                position,
                reason: flaw.to_string(),
            },
        }
    }
}

impl Fetched {
    fn of(view: LogView, found: Option<Found>) -> Fetched {
        let ahead = found.as_ref().map_or(Ahead::default(), |found| found.ahead);
        let returned = found.filter(|found| found.slice.length > 0);
        let (records, place) = returned.map(|found| (found.slice, found.place)).unzip();
        Fetched { view, records, place, ahead, is_hot: false }
    }
}

impl State {
    /// Answers from memory alone; none if the tail does not reach back to the asked offset.
    fn read_tail(&self, wish: Wish) -> Option<Found> {
        let (start, first_end) = self.tail.find(wish.from, self.size)?;
        let end =
            if wish.limit >= self.view.end { self.size } else { self.tail.find(wish.limit, self.size)?.0 };
        let boundary = |position| self.tail.boundary(position).unwrap_or(position);
        let length = length(start, first_end, end, wish, boundary).unwrap_or(0);
        let segment = self.segments.last()?;
        let slice = FileSlice { file: segment.held_log()?.os.clone(), position: start, length };
        let place = Place { segment: segment.base, reach: end.min(allowed(start, first_end, wish)) };
        let ahead = Ahead { bytes: end.saturating_sub(start), is_older: false };
        Some(Found { slice, place, ahead })
    }

    fn take(&self, wish: Wish) -> Taken {
        Taken {
            view: self.view,
            segments: self.segments.clone(),
            size: self.size,
            offsets_written: self.tail.index.offsets_written,
            hints: [wish.from, wish.limit].map(|offset| self.tail.index.hint(offset)),
            limit_position: self.tail.find(wish.limit, self.size).map(|(start, _)| start),
        }
    }
}

impl Taken {
    fn searchable(&self, at: usize) -> Searchable<'_> {
        let segment = &self.segments[at];
        Searchable {
            segment,
            size: segment.sealed_size().unwrap_or(self.size),
            offsets_written: self.offsets_written,
            times_written: 0,
        }
    }

    /// What segment `at` has from the asked offset on; none if it has nothing there, a slice of no bytes if what it
    /// has must not be returned.
    fn slice(&self, at: usize, wish: Wish) -> Result<Option<Found>, ScanError> {
        let searchable = self.searchable(at);
        let Some(found) = searchable.find(wish.from, self.hints[0])? else { return Ok(None) };
        let start = found.position;
        let first_end = start + found.header.size() as u64;
        let end = self.end(at, &searchable, wish)?;
        let boundary = |position| match searchable.boundary(position) {
            Ok(Some(boundary)) if boundary > start => boundary,
            // Without the index's help the last batch is cut short, which every client knows how to take.
            Ok(_) | Err(_) => position,
        };
        let length = length(start, first_end, end, wish, boundary).unwrap_or(0);
        let file = searchable.segment.log()?.os;
        let slice = FileSlice { file, position: start, length };
        let place =
            Place { segment: searchable.segment.base, reach: end.min(allowed(start, first_end, wish)) };
        let is_older = self.segments.get(at + 1).is_some_and(|next| wish.limit > next.base);
        let ahead = Ahead { bytes: end.saturating_sub(start), is_older };
        Ok(Some(Found { slice, place, ahead }))
    }

    /// Where the batches below the limit end in segment `at`.
    fn end(&self, at: usize, searchable: &Searchable<'_>, wish: Wish) -> Result<u64, ScanError> {
        let next = self.segments.get(at + 1);
        let is_beyond = next.map_or(wish.limit >= self.view.end, |next| wish.limit >= next.base);
        if is_beyond {
            return Ok(searchable.size);
        }
        if let (None, Some(position)) = (next, self.limit_position) {
            return Ok(position);
        }
        Ok(searchable.find(wish.limit, self.hints[1])?.map_or(searchable.size, |found| found.position))
    }
}

/// Bytes to return of those from `start` to `end`, the first batch of which ends at `first_end`; none if nothing is
/// to be returned. `boundary` gives a batch boundary at or before a position.
fn length(start: u64, first_end: u64, end: u64, wish: Wish, boundary: impl Fn(u64) -> u64) -> Option<u32> {
    let first_size = first_end - start;
    if end < first_end || (first_size > wish.bytes_max && wish.first == FirstBatch::IfItFits) {
        return None;
    }
    let allowed = allowed(start, first_end, wish);
    let cut = if end <= allowed { end } else { boundary(allowed).max(first_end) };
    u32::try_from(cut - start).ok()
}

/// Up to where a read from `start` on may go.
fn allowed(start: u64, first_end: u64, wish: Wish) -> u64 {
    start + wish.bytes_max.max(first_end - start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_batch_comes_whole_or_not_at_all() {
        let check = |end, bytes_max, first, expected| {
            let wish = Wish { from: Offset(0), limit: Offset(9), bytes_max, first };
            // Batches of a hundred bytes from 1000 on.
            let boundary = |position: u64| position / 100 * 100;
            assert_eq!(length(1000, 1100, end, wish, boundary), expected, "{wish:?}");
        };
        check(1500, 1000, FirstBatch::IfItFits, Some(500));
        check(1500, 250, FirstBatch::IfItFits, Some(200));
        check(1500, 99, FirstBatch::IfItFits, None);
        check(1500, 99, FirstBatch::Whole, Some(100));
        check(1500, 0, FirstBatch::Whole, Some(100));
        check(1000, 500, FirstBatch::Whole, None);
    }
}
