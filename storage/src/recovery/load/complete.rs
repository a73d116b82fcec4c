//! Whether the indexes of a sealed segment have all that they should, without reading the segment.
//!
//! For the segment that ends at the recovery point, whose indexes may have lost what they got when it was sealed. A
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
    let mut headers = Headers::new(&file, indexed.min(timed(&offsets, &times)), size);
    match behind(&mut headers) {
        Ok(batches) => {
            let named = offsets.last().map(|entry| base + i64::from(entry.last));
            let first = batches.iter().find(|batch| batch.position >= indexed);
            let first = first.map(|batch| batch.header.last_offset());
            let is_near = batches.last().is_none_or(|last| last.position - indexed <= rules.interval);
            let is_timed = ends_with_the_largest_time(&times, &batches, base);
            Ok(ascend && (named.is_none() || named == first) && is_near && is_timed)
        }
        Err(ScanError::Io(error)) => Err(DiskError::new("read", &path, &error)),
        // Damage in the log is found by whoever makes the indexes anew.
        Err(ScanError::Flawed { .. }) => Ok(false),
    }
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
