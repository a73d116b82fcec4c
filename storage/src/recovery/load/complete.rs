//! Whether the indexes of a sealed segment have all that they should, without reading the segment.
//!
//! For the segment that ends at the recovery point, whose indexes may have lost what they got when Kafka sealed it. A
//! look at the entries and at the batches behind the last ones, which are few if none is missing.

use std::path::Path;

use protocol::Offset;

use crate::disk::Disk;
use crate::disk::{DiskError, During, Mode, OsDisk, read_if_there};
use crate::index::{Entry, IndexRules, OffsetEntry, TimeEntry};
use crate::names::{INDEX, LOG, TIME_INDEX, file_path};
use crate::scan::{HeaderAt, Headers, ScanError};

/// Entries that ascend, up to the last batches of a log file of `size` bytes.
pub(super) fn indexes_reach_the_end(
    dir: &Path,
    base: Offset,
    size: u64,
    rules: IndexRules,
) -> Result<bool, DiskError> {
    let read = |kind| read_if_there(&file_path(dir, base, kind)).map(Option::unwrap_or_default);
    let (offsets, times) = (read(INDEX)?, read(TIME_INDEX)?);
    let offsets: Vec<OffsetEntry> = offsets.chunks_exact(8).filter_map(OffsetEntry::from_bytes).collect();
    let times: Vec<TimeEntry> = times.chunks_exact(12).filter_map(TimeEntry::from_bytes).collect();
    let ascend = offsets.is_sorted_by(|one, next| one.last < next.last && one.position < next.position)
        && times.is_sorted_by(|one, next| one.timestamp < next.timestamp);
    let path = file_path(dir, base, LOG);
    let file = OsDisk.open(&path, Mode::Read).during("open", &path)?;
    let indexed = offsets.last().map_or(0, |entry| u64::from(entry.position));
    let from = indexed.min(timed(&offsets, &times));
    match behind(&mut Headers::new(&file, from, size)) {
        Ok(batches) => {
            let is_near = batches.last().is_none_or(|last| last.position <= indexed + rules.interval);
            let is_timed = ends_with_the_largest_time(&times, &batches, base);
            Ok(ascend && each_names_a_batch(&offsets, from, &batches, base) && is_near && is_timed)
        }
        Err(ScanError::Io(error)) => Err(DiskError::new("read", &path, &error)),
        // Damage in the log is found by whoever makes the indexes anew.
        Err(ScanError::Flawed { .. }) => Ok(false),
    }
}

/// Whether the entries from `from` on name batches there. One of a batch that was truncated may have the offset of
/// the batch that came in its place and another position; one of a follower of Kafka has the position of the first batch
/// that came with the one of its offset.
fn each_names_a_batch(offsets: &[OffsetEntry], from: u64, batches: &[HeaderAt], base: Offset) -> bool {
    let read = offsets.partition_point(|entry| u64::from(entry.position) < from);
    offsets[read..].iter().all(|entry| {
        let at = batches.binary_search_by_key(&u64::from(entry.position), |batch| batch.position);
        let named = base + i64::from(entry.last);
        at.is_ok_and(|at| {
            batches[at..].binary_search_by_key(&named, |batch| batch.header.last_offset()).is_ok()
        })
    })
}

/// Whether the last entry names a batch of the largest time: an earlier one was lost, or a truncation of the file was and the entry names what is
/// gone.
fn ends_with_the_largest_time(times: &[TimeEntry], batches: &[HeaderAt], base: Offset) -> bool {
    let largest = batches.iter().map(|batch| batch.header.max_timestamp).max();
    let Some(entry) = times.last() else { return largest.is_none_or(|largest| largest.0 < 0) };
    let is_named = |batch: &HeaderAt| {
        batch.header.max_timestamp == entry.timestamp
            && batch.header.last_offset() == base + i64::from(entry.last)
    };
    largest == Some(entry.timestamp) && batches.iter().any(is_named)
}

/// Where to look for times beyond the last entry: the two files are not synced together, so that one may have lost more than the other.
fn timed(offsets: &[OffsetEntry], times: &[TimeEntry]) -> u64 {
    let last = times.last().map_or(0, |entry| entry.last);
    let floor = offsets.iter().rev().find(|entry| entry.last <= last);
    floor.map_or(0, |entry| u64::from(entry.position))
}

fn behind(headers: &mut Headers<'_>) -> Result<Vec<HeaderAt>, ScanError> {
    let mut batches = Vec::new();
    while let Some(batch) = headers.next()? {
        batches.push(batch);
    }
    Ok(batches)
}

#[cfg(test)]
mod tests {
    use protocol::batch::{Attributes, BatchHeader};
    use protocol::{LeaderEpoch, Millis, ProducerEpoch, ProducerId, Sequence};

    use super::*;
    use crate::disk::crash::scratch;
    use crate::index::to_bytes;

    /// 64 bytes.
    fn batch(base: i64) -> Vec<u8> {
        let mut header = BatchHeader {
            base_offset: Offset(base),
            length: 52,
            leader_epoch: LeaderEpoch(1),
            crc: 0,
            attributes: Attributes(0),
            last_offset_delta: 0,
            base_timestamp: Millis(1),
            max_timestamp: Millis(1),
            producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch::NONE,
            base_sequence: Sequence::NONE,
            record_count: 1,
        };
        header.seal(b"abc");
        [&header.to_bytes()[..], b"abc"].concat()
    }

    /// With these entries beside a log of three batches.
    fn reach_the_end(entries: &[(u32, u32)]) -> bool {
        let dir = scratch();
        let write = |kind, bytes| std::fs::write(file_path(dir.path(), Offset(0), kind), bytes).unwrap();
        write(LOG, [batch(0), batch(1), batch(2)].concat());
        let offsets: Vec<_> =
            entries.iter().map(|(last, position)| OffsetEntry { last: *last, position: *position }).collect();
        write(INDEX, to_bytes(&offsets));
        write(TIME_INDEX, to_bytes(&[TimeEntry { timestamp: Millis(1), last: 0 }]));
        let rules = IndexRules { interval: 63, bytes_max: 1000 };
        indexes_reach_the_end(dir.path(), Offset(0), 192, rules).unwrap()
    }

    #[test]
    fn entries_name_batches_up_to_the_last() {
        assert!(reach_the_end(&[(1, 64), (2, 128)]));
        assert!(reach_the_end(&[(1, 0), (2, 128)]), "the first two came at once");
        assert!(!reach_the_end(&[(1, 64)]), "one is missing");
        assert!(!reach_the_end(&[]));
    }

    #[test]
    fn an_entry_of_what_was_truncated_names_no_batch() {
        // The offset is right, and a batch of it comes next behind the position.
        assert!(!reach_the_end(&[(1, 64), (2, 120)]));
        assert!(!reach_the_end(&[(1, 60), (2, 128)]));
        assert!(!reach_the_end(&[(1, 64), (2, 128), (3, 192)]));
        assert!(!reach_the_end(&[(1, 64), (2, 400)]));
    }
}
