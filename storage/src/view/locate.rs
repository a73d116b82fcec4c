//! Finding the batch that holds an offset, through index and headers.
//!
//! An index position is believed only if the batch it names stands there; otherwise the segment is searched from
//! its start, which is slow and right. Source: OffsetIndex.lookup, FileRecords.searchForOffsetWithSize.

use std::io;

use protocol::Offset;

use crate::disk::DiskFile;
use crate::index::{OffsetEntry, TimeEntry, greatest_in_file, relative};
use crate::scan::{HeaderAt, Headers, ScanError};
use crate::segment::{Indexes, Segment};

use super::State;

/// A segment and as much of its growing part as was published: enough to search it without the lock.
#[derive(Debug)]
pub(super) struct Searchable<'a> {
    pub(super) segment: &'a Segment,
    /// Bytes that may be read.
    pub(super) size: u64,
    /// Entries in the files of a growing segment.
    pub(super) offsets_written: u32,
    pub(super) times_written: u32,
}

/// The entry that a search begins at.
pub(super) fn newest_before<E>(entries: &[E], is_before: impl Fn(&E) -> bool) -> Option<E>
where
    E: Copy,
{
    let above = entries.partition_point(is_before);
    above.checked_sub(1).map(|at| entries[at])
}

impl State {
    /// The newest unwritten entry of the growing index that is not beyond `offset`.
    pub(super) fn unwritten_before(&self, offset: Offset) -> Option<OffsetEntry> {
        let active = self.segments.last()?;
        let target = relative(active.base, offset)?;
        newest_before(&self.tail.offsets, |entry| entry.last <= target)
    }
}

impl Searchable<'_> {
    /// The batch that holds `offset`, or the first one behind it; none if the segment ends before. `hint` is an
    /// entry known to be near.
    pub(super) fn find(
        &self,
        offset: Offset,
        hint: Option<OffsetEntry>,
    ) -> Result<Option<HeaderAt>, ScanError> {
        let file = self.segment.log()?;
        let entry = match hint {
            Some(entry) => Some(entry),
            None => self.entry_before(offset)?,
        };
        if let Some(entry) = entry
            && let Some(found) = self.find_from(file, entry, offset)?
        {
            return Ok(Some(found));
        }
        first_at(&mut Headers::new(file, 0, self.size), offset)
    }

    /// Searches from an entry on; none also if the entry does not fit the log.
    fn find_from(
        &self,
        file: &DiskFile,
        entry: OffsetEntry,
        offset: Offset,
    ) -> Result<Option<HeaderAt>, ScanError> {
        let mut headers = Headers::new(file, u64::from(entry.position), self.size);
        let expected = self.segment.base + i64::from(entry.last);
        match headers.next() {
            Ok(Some(first)) if first.header.last_offset() == expected => {
                if expected >= offset {
                    return Ok(Some(first));
                }
                first_at(&mut headers, offset)
            }
            Ok(_) | Err(ScanError::Flawed { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn entry_before(&self, offset: Offset) -> io::Result<Option<OffsetEntry>> {
        let Some(target) = relative(self.segment.base, offset) else { return Ok(None) };
        self.greatest_offset(|entry| entry.last <= target)
    }

    /// The last batch boundary that the index knows up to `position`.
    pub(super) fn boundary(&self, position: u64) -> io::Result<Option<u64>> {
        let found = match &self.segment.indexes {
            Indexes::Sealed(sealed) => {
                sealed.offsets.greatest(|entry: &OffsetEntry| u64::from(entry.position) <= position)?
            }
            // Some ten reads of the file would cost more than the part of a batch they save.
            Indexes::Growing { .. } => None,
        };
        Ok(found.map(|entry| u64::from(entry.position)))
    }

    fn greatest_offset(&self, is_before: impl Fn(&OffsetEntry) -> bool) -> io::Result<Option<OffsetEntry>> {
        match &self.segment.indexes {
            Indexes::Sealed(sealed) => sealed.offsets.greatest(is_before),
            Indexes::Growing { offsets, .. } => greatest_in_file(offsets, self.offsets_written, is_before),
        }
    }

    /// The last entry of the time index for which `is_before` holds, if it is in a file.
    pub(super) fn greatest_time(
        &self,
        is_before: impl Fn(&TimeEntry) -> bool,
    ) -> io::Result<Option<TimeEntry>> {
        match &self.segment.indexes {
            Indexes::Sealed(sealed) => sealed.times.greatest(is_before),
            Indexes::Growing { times, .. } => greatest_in_file(times, self.times_written, is_before),
        }
    }
}

/// The first batch that ends at `offset` or behind.
fn first_at(headers: &mut Headers<'_>, offset: Offset) -> Result<Option<HeaderAt>, ScanError> {
    while let Some(found) = headers.next()? {
        if found.header.last_offset() >= offset {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
