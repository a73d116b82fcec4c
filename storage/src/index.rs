//! The two sparse indexes of a segment: entries, their bytes, and the search in them.
//!
//! An index only says where to begin looking: whoever uses a position checks the batch there. Offsets and timestamps
//! strictly increase from entry to entry. Source: OffsetIndex, TimeIndex, AbstractIndex of Kafka 3.9.

use std::io;
use std::path::Path;

use protocol::{Millis, Offset};

use crate::disk::DiskFile;

mod mapped;
mod named;
mod rules;

pub(crate) use mapped::{Mapped, MappedIndex};
pub(crate) use named::is_named;
pub(crate) use rules::{IndexRules, Indexer, Largest};

/// An index entry of fixed size.
pub(crate) trait Entry: Copy {
    const SIZE: usize;
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
    fn put(self, into: &mut Vec<u8>);
}

/// A batch's last offset, relative to the segment's base, and where the batch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    pub(crate) last: u32,
    pub(crate) position: u32,
}

impl Entry for OffsetEntry {
    const SIZE: usize = 8;

    fn from_bytes(bytes: &[u8]) -> Option<OffsetEntry> {
        let (last, rest) = bytes.split_first_chunk()?;
        let position = rest.first_chunk()?;
        Some(OffsetEntry { last: u32::from_be_bytes(*last), position: u32::from_be_bytes(*position) })
    }

    fn put(self, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.last.to_be_bytes());
        into.extend_from_slice(&self.position.to_be_bytes());
    }
}

/// The largest timestamp so far and the last offset, relative to the base, of the first batch that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    pub(crate) timestamp: Millis,
    pub(crate) last: u32,
}

impl Entry for TimeEntry {
    const SIZE: usize = 12;

    fn from_bytes(bytes: &[u8]) -> Option<TimeEntry> {
        let (timestamp, rest) = bytes.split_first_chunk()?;
        let last = rest.first_chunk()?;
        Some(TimeEntry { timestamp: Millis(i64::from_be_bytes(*timestamp)), last: u32::from_be_bytes(*last) })
    }

    fn put(self, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.timestamp.0.to_be_bytes());
        into.extend_from_slice(&self.last.to_be_bytes());
    }
}

/// The bytes of these entries, as they stand in the file.
pub(crate) fn to_bytes<E: Entry>(entries: &[E]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * E::SIZE);
    for entry in entries {
        entry.put(&mut bytes);
    }
    bytes
}

/// An offset relative to a segment's base, if the segment can hold it.
pub(crate) fn relative(base: Offset, offset: Offset) -> Option<u32> {
    let distance = offset.0.checked_sub(base.0)?;
    i32::try_from(distance).ok().and_then(|distance| u32::try_from(distance).ok())
}

/// The greatest of ordered entries for which `is_before` holds; found with as few entries read as possible.
fn greatest<E: Entry>(
    count: usize,
    entry_at: impl Fn(usize) -> io::Result<Option<E>>,
    is_before: impl Fn(&E) -> bool,
) -> io::Result<Option<E>> {
    let (mut low, mut high) = (0, count);
    let mut found = None;
    while low < high {
        let middle = low + (high - low) / 2;
        match entry_at(middle)? {
            Some(entry) if is_before(&entry) => {
                found = Some(entry);
                low = middle + 1;
            }
            _ => high = middle,
        }
    }
    Ok(found)
}

/// Searches the first `count` entries of a file that may still grow.
pub(crate) fn greatest_in_file<E: Entry>(
    file: &DiskFile,
    count: u32,
    is_before: impl Fn(&E) -> bool,
) -> io::Result<Option<E>> {
    let entry_at = |at: usize| {
        let mut bytes = [0; 16];
        let bytes = &mut bytes[..E::SIZE];
        file.read_at(bytes, (at * E::SIZE) as u64)?;
        Ok(E::from_bytes(bytes))
    };
    greatest(count as usize, entry_at, is_before)
}

/// Entries of the offset index that are read at once: 4 KiB.
pub(crate) const CHUNK: usize = 512;

/// Searches one chunk of an offset index that has `count` entries.
pub(crate) fn greatest_in_chunk(
    file: &DiskFile,
    chunk: u32,
    count: u32,
    target: u32,
) -> io::Result<Option<OffsetEntry>> {
    let first = chunk as usize * CHUNK;
    let entries = (count as usize).saturating_sub(first).min(CHUNK);
    let mut bytes = [0; CHUNK * OffsetEntry::SIZE];
    let bytes = &mut bytes[..entries * OffsetEntry::SIZE];
    file.read_at(bytes, (first * OffsetEntry::SIZE) as u64)?;
    let entry_at = |at: usize| Ok(OffsetEntry::from_bytes(&bytes[at * OffsetEntry::SIZE..]));
    greatest(entries, entry_at, |entry: &OffsetEntry| entry.last <= target)
}

/// The last offset of the first entry of every chunk.
pub(crate) fn fences(entries: impl Iterator<Item = OffsetEntry>) -> Vec<u32> {
    entries.step_by(CHUNK).map(|entry| entry.last).collect()
}

/// The fences of a file.
pub(crate) fn fences_in_file(file: &DiskFile, count: u32) -> io::Result<Vec<u32>> {
    let mut bytes = vec![0; count as usize * OffsetEntry::SIZE];
    file.read_at(&mut bytes, 0)?;
    Ok(fences(bytes.chunks_exact(OffsetEntry::SIZE).filter_map(OffsetEntry::from_bytes)))
}

/// The end of an index file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ending<E> {
    /// Whole entries in the file.
    pub(crate) count: u32,
    pub(crate) last: Option<E>,
}

/// Looks at the end of a file; none if the last entry does not follow the one before it, as in a tail of zeros.
pub(crate) fn ending_of<E: Entry>(file: &DiskFile, key: impl Fn(&E) -> i64) -> io::Result<Option<Ending<E>>> {
    let count = file.size()? / E::SIZE as u64;
    let entry_at = |at: u64| {
        let mut bytes = [0; 16];
        let bytes = &mut bytes[..E::SIZE];
        file.read_at(bytes, at * E::SIZE as u64)?;
        Ok::<_, io::Error>(E::from_bytes(bytes))
    };
    let last = count.checked_sub(1).map(entry_at).transpose()?.flatten();
    let before = count.checked_sub(2).map(entry_at).transpose()?.flatten();
    let follows = last.zip(before).is_none_or(|(last, before)| key(&last) > key(&before));
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    Ok(follows.then_some(Ending { count, last }))
}

/// The same of a file that is opened for it; none if it is missing, too.
pub(crate) fn ending_of_path<E: Entry>(
    path: &Path,
    key: impl Fn(&E) -> i64,
) -> io::Result<Option<Ending<E>>> {
    mapped::open(path)?.map_or(Ok(None), |file| ending_of(&file, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_have_kafkas_bytes() {
        let entry = OffsetEntry { last: 5, position: 318 };
        assert_eq!(to_bytes(&[entry]), [0, 0, 0, 5, 0, 0, 1, 0x3e]);
        assert_eq!(OffsetEntry::from_bytes(&to_bytes(&[entry])), Some(entry));
        let entry = TimeEntry { timestamp: Millis(0x0102), last: 7 };
        assert_eq!(to_bytes(&[entry]), [0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 7]);
        assert_eq!(TimeEntry::from_bytes(&to_bytes(&[entry])), Some(entry));
        assert_eq!(TimeEntry::from_bytes(&[0; 11]), None);
    }

    #[test]
    fn a_segment_holds_2_31_offsets() {
        let base = Offset(10);
        assert_eq!(relative(base, Offset(10)), Some(0));
        assert_eq!(relative(base, base + i64::from(i32::MAX)), Some(i32::MAX as u32));
        assert_eq!(relative(base, base + i64::from(i32::MAX) + 1), None);
        assert_eq!(relative(base, Offset(9)), None);
        assert_eq!(relative(Offset(i64::MIN), Offset(i64::MAX)), None);
    }

    #[test]
    fn the_greatest_entry_before_a_target_is_found() {
        let entries: Vec<_> = (0..9).map(|at| OffsetEntry { last: at * 10, position: at }).collect();
        for target in 0..100 {
            let found =
                greatest(9, |at| Ok(Some(entries[at])), |entry: &OffsetEntry| entry.last <= target).unwrap();
            assert_eq!(found.map(|entry| entry.position), Some((target / 10).min(8)));
        }
        assert_eq!(greatest(9, |at| Ok(Some(entries[at])), |_| false).unwrap(), None);
        assert_eq!(greatest(0, |at| Ok(Some(entries[at])), |_| true).unwrap(), None);
    }
}
