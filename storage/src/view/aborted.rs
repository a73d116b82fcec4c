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

impl LogReader {
    /// Those that may have records in `from..to`, in the order of their ends.
    pub fn aborted(&self, from: Offset, to: Offset) -> Vec<AbortedTransaction> {
        let (segments, newest) = {
            let state = self.shared.read();
            (state.segments.clone(), state.tail.aborted.clone())
        };
        let first = segments.partition_point(|segment| segment.base <= from).saturating_sub(1);
        between(all(&segments[first..], &newest), from, to)
    }

    /// For what a read from `from` on found at `place`, in the order of their ends.
    pub fn aborted_at(&self, from: Offset, place: Place) -> Result<Vec<AbortedTransaction>, ReadError> {
        let (segments, newest, end, waiting, is_first_waiting, written) = {
            let state = self.shared.read();
            let index = &state.tail.index;
            let at = index.offsets.partition_point(|entry| u64::from(entry.position) < place.reach);
            let waiting = index.offsets.get(at).copied();
            let newest = state.tail.aborted.clone();
            (state.segments.clone(), newest, state.view.end, waiting, at == 0, index.offsets_written)
        };
        let first = segments.partition_point(|segment| segment.base <= place.segment).saturating_sub(1);
        let (segments, segment) = (&segments[first..], &segments[first]);
        if newest.is_empty() && segments.iter().all(|segment| segment.aborted.is_empty()) {
            return Ok(Vec::new());
        }
        let entry = match &segment.indexes {
            Indexes::Sealed(sealed) => behind(place, |is_before| segment.sealed_offset(sealed, is_before)),
            Indexes::Growing(growing) if is_first_waiting => {
                behind(place, |is_before| segment.growing_offset_before(growing, written, is_before))
                    .map(|entry| entry.or(waiting))
            }
            Indexes::Growing(_) => Ok(waiting),
        };
        let entry = entry.map_err(|error| self.disk_error(segment, &error))?;
        let next = segments.get(1).map_or(end, |next| next.base);
        let to = entry.map_or(next, |entry| segment.base + i64::from(entry.last));
        Ok(between(all(segments, &newest), from, to))
    }
}

/// The first entry of an index whose batch begins at `place`'s end or behind. `search` finds the last one for which its
/// argument holds, and so looks at the one behind that too.
fn behind(
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

/// Those of sealed segments and those that came since, in the order of their ends.
fn all<'a>(
    segments: &'a [Arc<Segment>],
    newest: &'a [AbortedTransaction],
) -> impl Iterator<Item = &'a AbortedTransaction> {
    segments.iter().flat_map(|segment| &segment.aborted).chain(newest)
}

fn between<'a>(
    aborted: impl Iterator<Item = &'a AbortedTransaction>,
    from: Offset,
    to: Offset,
) -> Vec<AbortedTransaction> {
    let mut found = Vec::new();
    for entry in aborted {
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
