//! What the oldest ListOffsets answers: offsets where segments begin, chosen by when their files were last written.
//!
//! Blocks for the disk. Source: UnifiedLog.legacyFetchOffsetsBefore, Partition.legacyFetchOffsetsForTimestamp (3.9).

use protocol::{Millis, Offset};

use super::{LogReader, UpTo};
use crate::names::LOG;
use crate::segment::modified;

/// From which segment on, going back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentTime {
    Latest,
    Earliest,
    /// The newest that was last written at this time or before.
    Until(Millis),
}

/// Where a segment begins and when it was last written.
#[derive(Debug, Clone, Copy)]
struct Begun {
    at: Offset,
    written: Millis,
}

impl LogReader {
    /// At most `count` offsets, newest first. The log's end stands for a segment that is written `now`, unless the
    /// last one is empty and stands for it itself. Offsets beyond the limit become the limit.
    pub fn segment_offsets(&self, from: SegmentTime, count: usize, up_to: UpTo, now: Millis) -> Vec<Offset> {
        let (view, segments, size) = {
            let state = self.shared.read();
            (state.view, state.segments.clone(), state.size)
        };
        let mut begun: Vec<Begun> = segments
            .iter()
            .map(|segment| Begun {
                at: segment.base.max(view.start),
                // Of a file that is gone Java tells the time 0.
                written: modified(&segment.path(LOG)).unwrap_or(Millis(0)),
            })
            .collect();
        if size > 0 {
            begun.push(Begun { at: view.end, written: now });
        }
        let offsets = choose(&begun, from, count);
        let limit = view.limit(up_to);
        if offsets.first().is_none_or(|newest| *newest <= limit) {
            return offsets;
        }
        let below = offsets.into_iter().filter(|offset| *offset <= limit);
        std::iter::once(limit).chain(below).collect()
    }
}

fn choose(begun: &[Begun], from: SegmentTime, count: usize) -> Vec<Offset> {
    let kept = match from {
        SegmentTime::Latest => begun.len(),
        SegmentTime::Earliest => begun.len().min(1),
        SegmentTime::Until(time) => {
            begun.iter().rposition(|segment| segment.written <= time).map_or(0, |at| at + 1)
        }
    };
    begun[..kept].iter().rev().take(count).map(|segment| segment.at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_chosen_by_the_times_of_files() {
        let begun = [(0, 100), (10, 300), (20, 200), (25, 400)]
            .map(|(at, written)| Begun { at: Offset(at), written: Millis(written) });
        let check = |from, count, expected: &[i64]| {
            let found: Vec<i64> = choose(&begun, from, count).into_iter().map(|offset| offset.0).collect();
            assert_eq!(found, expected, "{count} from {from:?}");
        };
        check(SegmentTime::Latest, 2, &[25, 20]);
        check(SegmentTime::Latest, 9, &[25, 20, 10, 0]);
        check(SegmentTime::Earliest, 9, &[0]);
        check(SegmentTime::Until(Millis(399)), 9, &[20, 10, 0]);
        // The newest that is old enough, though an older one is too new.
        check(SegmentTime::Until(Millis(250)), 1, &[20]);
        check(SegmentTime::Until(Millis(150)), 9, &[0]);
        check(SegmentTime::Until(Millis(99)), 9, &[]);
        check(SegmentTime::Latest, 0, &[]);
    }
}
