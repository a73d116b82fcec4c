//! Finding the batch that holds an offset, through index and headers.
//!
//! An index position is believed only if the batch it names stands there; otherwise the segment is searched from
//! its start, which is slow and right. Source: OffsetIndex.lookup, FileRecords.searchForOffsetWithSize.

use std::io;

use protocol::Offset;

use crate::disk::DiskFile;
use crate::index::{OffsetEntry, TimeEntry, is_named, relative};
use crate::scan::{HeaderAt, Headers, ScanError};
use crate::segment::{Indexes, Segment};

use super::tail::Hint;

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

impl Searchable<'_> {
    /// The batch that holds `offset`, or the first one behind it; none if the segment ends before. `hint` is of
    /// the active segment.
    pub(super) fn find(&self, offset: Offset, hint: Hint) -> Result<Option<HeaderAt>, ScanError> {
        let file = self.segment.log()?;
        if let Some(entry) = self.entry_before(offset, hint)? {
            let mut headers = Headers::new(&file, u64::from(entry.position), self.size);
            if let Some(first) = self.named_by(entry, &mut headers, &file)? {
                let is_it = first.header.last_offset() >= offset;
                return if is_it { Ok(Some(first)) } else { first_at(&mut headers, offset) };
            }
        }
        first_at(&mut Headers::new(&file, 0, self.size), offset)
    }

    /// The batch at an entry's position, if it is what the entry names.
    fn named_by(
        &self,
        entry: OffsetEntry,
        headers: &mut Headers<'_>,
        file: &DiskFile,
    ) -> Result<Option<HeaderAt>, ScanError> {
        let last = self.segment.base + i64::from(entry.last);
        match headers.next() {
            Ok(Some(first)) => Ok(is_named(file, &first, last)?.then_some(first)),
            Ok(None) | Err(ScanError::Flawed { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn entry_before(&self, offset: Offset, hint: Hint) -> io::Result<Option<OffsetEntry>> {
        let Some(target) = relative(self.segment.base, offset) else { return Ok(None) };
        match (&self.segment.indexes, hint) {
            (Indexes::Sealed(sealed), _) => self.segment.sealed_offset(sealed, |entry| entry.last <= target),
            (Indexes::Growing(growing), Hint::Chunk(chunk)) => {
                self.segment.growing_offset(growing, (chunk, self.offsets_written), target)
            }
            (Indexes::Growing(_), Hint::Entry(entry)) => Ok(Some(entry)),
            (Indexes::Growing(_), Hint::Nothing) => Ok(None),
        }
    }

    /// The last batch boundary that the index knows up to `position`.
    pub(super) fn boundary(&self, position: u64) -> io::Result<Option<u64>> {
        let found = match &self.segment.indexes {
            Indexes::Sealed(sealed) => {
                self.segment.sealed_offset(sealed, |entry| u64::from(entry.position) <= position)?
            }
            // Another read of the file would cost more than the part of a batch it saves.
            Indexes::Growing(_) => None,
        };
        Ok(found.map(|entry| u64::from(entry.position)))
    }

    /// The last entry of the time index for which `is_before` holds, if it is in a file.
    pub(super) fn greatest_time(
        &self,
        is_before: impl Fn(&TimeEntry) -> bool,
    ) -> io::Result<Option<TimeEntry>> {
        match &self.segment.indexes {
            Indexes::Sealed(sealed) => self.segment.sealed_time(sealed, is_before),
            Indexes::Growing(growing) => self.segment.growing_time(growing, self.times_written, is_before),
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
