//! The aborted transactions that the answer to a read has to name: those that may have records in it.
//!
//! The answer's last offset is not known without reading it, so the index says where to stop; some may be named in
//! vain. Source: LocalLog.addAbortedTransactions, OffsetIndex.fetchUpperBoundOffset of Kafka 3.9.

use std::cell::Cell;
use std::io;
use std::sync::Arc;

use protocol::Offset;

use super::{LogReader, Place, ReadError};
use crate::aborted::AbortedTransaction;
use crate::index::OffsetEntry;
use crate::segment::{Indexes, Segment};

/// The segments that may hold markers, and the markers that are in none of them yet.
struct Markers<'a> {
    segments: &'a [Arc<Segment>],
    newest: &'a [AbortedTransaction],
}

impl LogReader {
    /// Those that may have records in `from..to`, in the order of their ends.
    pub fn aborted(&self, from: Offset, to: Offset) -> Vec<AbortedTransaction> {
        let (segments, newest) = {
            let state = self.shared.read();
            (state.segments.clone(), state.tail.aborted.clone())
        };
        let first = segments.partition_point(|segment| segment.base <= from).saturating_sub(1);
        Markers { segments: &segments[first..], newest: &newest }.between(from, to)
    }

    /// For what a read from `from` on found at `place`, in the order of their ends.
    pub fn aborted_at(&self, from: Offset, place: Place) -> Result<Vec<AbortedTransaction>, ReadError> {
        let (segments, newest, end, tail) = {
            let state = self.shared.read();
            let index = &state.tail.index;
            let at = index.offsets.partition_point(|entry| u64::from(entry.position) < place.reach);
            // Entries wait behind those in the file.
            let written = if at == 0 { index.offsets_written } else { 0 };
            let tail = (written, index.offsets.get(at).copied());
            (state.segments.clone(), state.tail.aborted.clone(), state.view.end, tail)
        };
        let first = segments.partition_point(|segment| segment.base <= place.segment).saturating_sub(1);
        let markers = Markers { segments: &segments[first..], newest: &newest };
        if markers.is_empty() {
            return Ok(Vec::new());
        }
        let segment = &segments[first];
        let entry = behind(segment, place, tail).map_err(|error| self.disk_error(segment, &error))?;
        let next = segments.get(first + 1).map_or(end, |next| next.base);
        let to = entry.map_or(next, |entry| segment.base + i64::from(entry.last));
        Ok(markers.between(from, to))
    }
}

/// The first index entry of a segment whose batch begins at the end of `place` or behind. Of a segment that grows, so many
/// entries are to be searched in the file, and one is waiting.
fn behind(
    segment: &Segment,
    place: Place,
    (written, waiting): (u32, Option<OffsetEntry>),
) -> io::Result<Option<OffsetEntry>> {
    match &segment.indexes {
        Indexes::Sealed(sealed) => first_behind(place, |is_before| segment.sealed_offset(sealed, is_before)),
        Indexes::Growing(growing) => {
            let search = |is_before: &dyn Fn(&OffsetEntry) -> bool| {
                segment.growing_position(growing, written, is_before)
            };
            Ok(first_behind(place, search)?.or(waiting))
        }
    }
}

/// `search` finds the last entry for which its argument holds, and so looks at the one behind that too.
fn first_behind(
    place: Place,
    search: impl FnOnce(&dyn Fn(&OffsetEntry) -> bool) -> io::Result<Option<OffsetEntry>>,
) -> io::Result<Option<OffsetEntry>> {
    let found: Cell<Option<OffsetEntry>> = Cell::new(None);
    search(&|entry| {
        let is_before = u64::from(entry.position) < place.reach;
        if !is_before && found.get().is_none_or(|found| entry.position < found.position) {
            found.set(Some(*entry));
        }
        is_before
    })?;
    Ok(found.get())
}

impl Markers<'_> {
    fn is_empty(&self) -> bool {
        self.newest.is_empty() && self.segments.iter().all(|segment| segment.aborted.is_empty())
    }

    fn between(&self, from: Offset, to: Offset) -> Vec<AbortedTransaction> {
        let mut found = Vec::new();
        let sealed = self.segments.iter().flat_map(|segment| &segment.aborted);
        for entry in sealed.chain(self.newest) {
            if entry.last_offset >= from && entry.first_offset < to {
                found.push(*entry);
            }
            // Transactions that end later began above the range.
            if entry.last_stable_offset >= to {
                break;
            }
        }
        found
    }
}
