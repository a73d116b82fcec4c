//! Checking the segments of one log ahead of the one who takes them in order, on the threads of a [`Crew`] that are free.
//!
//! Checking reads every byte and needs nothing of the segments before; producers and epochs follow in order and need a
//! few headers. Without a crew each segment is checked when it is asked for. Source of the wish: KIP-1346.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Scope;

use protocol::batch::BatchHeader;
use protocol::{LeaderEpoch, Offset};

use super::Crew;
use super::rebuild::{Rebuilt, rebuild};
use super::state::each_batch;
use crate::disk::{Disk, DiskError, During, Mode};
use crate::index::IndexRules;
use crate::names::{LOG, file_path};
use crate::scan::{CheckedBatch, Marker};

/// Segments that may be checked and not taken yet: their index entries wait in memory.
const AHEAD: usize = 16;
/// Batches of one segment that are remembered for producers and epochs: 12 MB. Beyond, the headers are read once more.
const NOTED: usize = 1 << 17;

/// Where and how segments are read.
pub(super) struct Reading<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) dir: &'a Path,
    pub(super) rules: IndexRules,
}

/// A segment that was read from its first byte to the last good one.
pub(super) struct Scanned {
    pub(super) rebuilt: Rebuilt,
    noted: Option<Vec<(BatchHeader, Option<Marker>)>>,
}

impl Reading<'_> {
    pub(super) fn scan(&self, base: Offset) -> Result<Scanned, DiskError> {
        let path = file_path(self.dir, base, LOG);
        let file = self.disk.open(&path, Mode::Read).during("open", &path)?;
        let mut notes = Notes::default();
        let rebuilt = rebuild(&file, &path, base, self.rules, |batch| notes.take(batch))?;
        let noted = notes.finished();
        Ok(Scanned { rebuilt, noted })
    }

    /// Gives every batch that matters to producers or epochs to `take`, in order.
    pub(super) fn replay(
        &self,
        base: Offset,
        scanned: &Scanned,
        mut take: impl FnMut(&BatchHeader, Option<Marker>),
    ) -> Result<(), DiskError> {
        match &scanned.noted {
            Some(batches) => batches.iter().for_each(|(header, marker)| take(header, *marker)),
            None => {
                let path = file_path(self.dir, base, LOG);
                let file = self.disk.open(&path, Mode::Read).during("open", &path)?;
                each_batch(&file, scanned.rebuilt.size, take).during("read", &path)?;
            }
        }
        Ok(())
    }
}

/// Gathers what producers and epochs have to know of a segment.
#[derive(Default)]
struct Notes {
    batches: Vec<(BatchHeader, Option<Marker>)>,
    /// Of the last batch.
    epoch: Option<LeaderEpoch>,
    /// The last batch, if it is not noted.
    passed: Option<BatchHeader>,
    are_too_many: bool,
}

impl Notes {
    fn take(&mut self, batch: &CheckedBatch) {
        let begins_epoch = self.epoch.replace(batch.header.leader_epoch) != Some(batch.header.leader_epoch);
        if begins_epoch {
            self.end_epoch();
        }
        if begins_epoch || batch.header.has_producer() {
            self.passed = None;
            self.push(batch.header, batch.marker);
        } else {
            self.passed = Some(batch.header);
        }
    }

    /// The last batch of an epoch tells that no later epoch begins before it, whatever a file from before a truncation says.
    fn end_epoch(&mut self) {
        if let Some(last) = self.passed.take() {
            self.push(last, None);
        }
    }

    fn push(&mut self, header: BatchHeader, marker: Option<Marker>) {
        if self.batches.len() == NOTED {
            self.are_too_many = true;
            self.batches = Vec::new();
        } else if !self.are_too_many {
            self.batches.push((header, marker));
        }
    }

    fn finished(mut self) -> Option<Vec<(BatchHeader, Option<Marker>)>> {
        self.end_epoch();
        (!self.are_too_many).then_some(self.batches)
    }
}

/// See the module.
pub(super) struct Ahead<'a> {
    reading: Reading<'a>,
    bases: &'a [Offset],
    crew: &'a Crew,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The first segment that nobody checks or has checked.
    next: usize,
    /// Segments below have been taken.
    taken: usize,
    done: BTreeMap<usize, Result<Scanned, DiskError>>,
    /// Those at which a helper panicked; whoever takes them will see it again.
    lost: BTreeSet<usize>,
    is_over: bool,
}

/// Lets the helpers go, also when something fails.
pub(super) struct Over<'a, 'b>(pub(super) &'a Ahead<'b>);

impl Drop for Over<'_, '_> {
    fn drop(&mut self) {
        self.0.state().is_over = true;
        self.0.changed.notify_all();
    }
}

impl<'a> Ahead<'a> {
    pub(super) fn new(reading: Reading<'a>, bases: &'a [Offset], crew: &'a Crew) -> Ahead<'a> {
        Ahead { reading, bases, crew, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Segment `at` of the bases; they are taken one after the other.
    pub(super) fn take<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        at: usize,
    ) -> Result<Scanned, DiskError> {
        while self.state().next + 1 < self.bases.len() && self.crew.recruit() {
            scope.spawn(|| {
                self.help();
                self.crew.join();
            });
        }
        let mut state = self.state();
        loop {
            if let Some(scanned) = state.done.remove(&at) {
                self.taken(state, at);
                return scanned;
            }
            if state.next == at || state.lost.remove(&at) {
                state.next = state.next.max(at + 1);
                drop(state);
                let scanned = self.reading.scan(self.bases[at]);
                self.taken(self.state(), at);
                return scanned;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn reading(&self) -> &Reading<'a> {
        &self.reading
    }

    fn taken(&self, mut state: MutexGuard<'_, State>, at: usize) {
        state.taken = at + 1;
        drop(state);
        self.changed.notify_all();
    }

    fn help(&self) {
        while let Some(at) = self.claim() {
            let scanned = catch_unwind(AssertUnwindSafe(|| self.reading.scan(self.bases[at])));
            let mut state = self.state();
            match scanned {
                Ok(scanned) => drop(state.done.insert(at, scanned)),
                Err(_) => drop(state.lost.insert(at)),
            }
            drop(state);
            self.changed.notify_all();
        }
    }

    /// The next segment to check; none when there is no more.
    fn claim(&self) -> Option<usize> {
        let mut state = self.state();
        loop {
            if state.is_over || state.next >= self.bases.len() {
                return None;
            }
            if state.next < state.taken + AHEAD {
                state.next += 1;
                return Some(state.next - 1);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use protocol::batch::Attributes;
    use protocol::{Millis, ProducerEpoch, ProducerId, Sequence};

    use super::*;
    use crate::disk::OsDisk;
    use crate::disk::crash::scratch;

    fn batch(base: i64, epoch: i32, producer: i64) -> Vec<u8> {
        let mut header = BatchHeader {
            base_offset: Offset(base),
            length: 52,
            leader_epoch: LeaderEpoch(epoch),
            crc: 0,
            attributes: Attributes(0),
            last_offset_delta: 0,
            base_timestamp: Millis(1),
            max_timestamp: Millis(1),
            producer_id: ProducerId(producer),
            producer_epoch: ProducerEpoch(0),
            base_sequence: Sequence(0),
            record_count: 1,
        };
        header.seal(b"abc");
        [&header.to_bytes()[..], b"abc"].concat()
    }

    #[test]
    fn what_is_not_remembered_is_read_once_more() {
        let dir = scratch();
        let bytes = [batch(0, 1, -1), batch(1, 1, -1), batch(2, 1, 7), batch(3, 2, -1)].concat();
        std::fs::write(file_path(dir.path(), Offset(0), LOG), bytes).unwrap();
        let rules = IndexRules { interval: 4096, bytes_max: 1000 };
        let reading = Reading { disk: &OsDisk, dir: dir.path(), rules };
        let mut scanned = reading.scan(Offset(0)).unwrap();
        let given = |scanned: &Scanned| {
            let mut offsets = Vec::new();
            reading.replay(Offset(0), scanned, |header, _| offsets.push(header.base_offset.0)).unwrap();
            offsets
        };
        assert_eq!(given(&scanned), [0, 2, 3]);
        scanned.noted = None;
        assert_eq!(given(&scanned), [0, 1, 2, 3]);
    }
}
