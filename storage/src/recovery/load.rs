//! The steps of loading a partition's directory, in order.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use protocol::Offset;
use protocol::batch::BatchHeader;

use super::ahead::{Ahead, Over, Reading, Scanned};
use super::cut::{Place, cut};
use super::leftovers::{self, Cleared, offsets_of, stray_snapshots};
use super::rebuild::Rebuilt;
use super::{Crew, Flaw, RecoveryError, RecoveryReport, state};
use crate::aborted::{AbortedTransaction, TxnIndexFile, read as read_aborted, settle};
use crate::disk::{Disk, DiskError, During, Mode, remove_if_there};
use crate::epochs::Epochs;
use crate::index::{Entry, OffsetEntry, TimeEntry};
use crate::log::{Active, Loaded, OpenOptions, create_segment, index_rules};
use crate::log_dir::Shutdown;
use crate::names::{INDEX, LOG, SNAPSHOT, TIME_INDEX, TXN_INDEX, file_path};
use crate::partition_metadata;
use crate::producers::Producers;
use crate::scan::Marker;
use crate::segment::Segment;

mod complete;
mod ending;

pub(crate) use ending::{Files, clean_tail};

/// Loads the directory that `options` name.
pub(crate) fn load(
    options: &OpenOptions,
    disk: &Arc<dyn Disk>,
    crew: &Crew,
) -> Result<(Loaded, RecoveryReport), RecoveryError> {
    let disk = &**disk;
    let dir: Arc<Path> = options.dir.as_path().into();
    let epochs = Epochs::read(&dir)
        .map_err(|error| RecoveryError::Checkpoint { partition: options.partition.clone(), error })?;
    let loader = Loader {
        disk,
        crew,
        dir,
        options,
        report: RecoveryReport::default(),
        bases: Vec::new(),
        snapshots: BTreeSet::new(),
        had_snapshots: false,
        transactions: BTreeSet::new(),
        epochs,
        segments: Vec::new(),
    };
    loader.load()
}

struct Loader<'a> {
    disk: &'a dyn Disk,
    crew: &'a Crew,
    dir: Arc<Path>,
    options: &'a OpenOptions,
    report: RecoveryReport,
    /// Of the segments, oldest first.
    bases: Vec<Offset>,
    snapshots: BTreeSet<Offset>,
    /// There were some, above the log's start or not.
    had_snapshots: bool,
    /// Segments that have a transaction index.
    transactions: BTreeSet<Offset>,
    epochs: Epochs,
    /// Those that will not be written any more.
    segments: Vec<Arc<Segment>>,
}

/// The last segment, ready to be written, and what goes with it.
struct Ending {
    active: Active,
    end: Offset,
    producers: Producers,
}

impl Loader<'_> {
    fn load(mut self) -> Result<(Loaded, RecoveryReport), RecoveryError> {
        let partition = || self.options.partition.clone();
        let topic_id = partition_metadata::read(&self.dir)
            .map_err(|error| RecoveryError::Metadata { partition: partition(), error })?;
        let before = self.epochs.clone();
        self.tidy().map_err(|error| self.disk_error(error))?;
        let mut ending = self.ending()?;
        if ending.end < self.options.log_start.unwrap_or(Offset::ZERO) {
            ending = self.begin_anew().map_err(|error| self.disk_error(error))?;
        }
        let Ending { active, end, mut producers } = ending;
        self.segments.push(active.segment.clone());
        let first = self.segments[0].base;
        let start = self.options.log_start.map_or(first, |start| start.max(first)).min(end);
        self.epochs.truncate_end(end);
        self.epochs.truncate_start(start);
        producers.start_moved(start);
        self.snapshot_at_end(&producers, end).map_err(|error| self.disk_error(error))?;
        self.report.segments = self.segments.len();
        let recovery_point = self.options.recovery_point.min(end);
        if recovery_point < self.options.recovery_point {
            self.report.missing_up_to = Some(self.options.recovery_point);
        }
        let loaded = Loaded {
            segments: self.segments,
            active,
            epochs_changed: before != self.epochs,
            epochs: self.epochs,
            producers,
            snapshots: self.snapshots,
            start,
            end,
            high_watermark: self.options.high_watermark.clamp(start, end),
            recovery_point: match self.options.shutdown {
                Shutdown::Clean => end,
                Shutdown::Unclean => recovery_point,
            },
            topic_id,
        };
        Ok((loaded, self.report))
    }

    fn disk_error(&self, error: DiskError) -> RecoveryError {
        RecoveryError::Disk { partition: self.options.partition.clone(), error }
    }

    /// Clears up what interrupted work left, and lists what is there.
    fn tidy(&mut self) -> Result<(), DiskError> {
        let Cleared { names, touched } = leftovers::clear(self.disk, &self.dir)?;
        self.report.leftovers = touched;
        self.transactions = offsets_of(&names, TXN_INDEX);
        self.bases = offsets_of(&names, LOG).into_iter().collect();
        self.snapshots = offsets_of(&names, SNAPSHOT);
        for stray in stray_snapshots(&names) {
            self.forget_snapshot(stray)?;
        }
        self.had_snapshots = !self.snapshots.is_empty();
        // ProducerStateManager.truncateAndReload: producers whose records are all gone are forgotten.
        let start = if self.bases.is_empty() { Offset(i64::MAX) } else { self.start() };
        while let Some(oldest) = self.snapshots.first().filter(|oldest| **oldest <= start).copied() {
            self.forget_snapshot(oldest)?;
        }
        Ok(())
    }

    /// Where the log begins, unless it ends before.
    fn start(&self) -> Offset {
        let listed = self.options.log_start.unwrap_or(Offset::ZERO);
        self.bases.first().map_or(listed, |first| listed.max(*first))
    }

    fn forget_snapshot(&mut self, offset: Offset) -> Result<(), DiskError> {
        self.snapshots.remove(&offset);
        remove_if_there(self.disk, &file_path(&self.dir, offset, SNAPSHOT))
    }

    fn forget_snapshots_above(&mut self, offset: Offset) -> Result<(), DiskError> {
        while let Some(newest) = self.snapshots.last().filter(|newest| **newest > offset).copied() {
            self.forget_snapshot(newest)?;
        }
        Ok(())
    }

    /// Takes the trusted segments as they are and recovers the rest, down to the segment that will be written.
    fn ending(&mut self) -> Result<Ending, RecoveryError> {
        let Some(last) = self.bases.last().copied() else {
            return self.begin_anew().map_err(|error| self.disk_error(error));
        };
        let mut untrusted = match self.options.shutdown {
            Shutdown::Clean => self.bases.len(),
            Shutdown::Unclean => {
                let point = self.options.recovery_point;
                self.bases.partition_point(|base| *base <= point).saturating_sub(1)
            }
        };
        let mut at = 0;
        while at < untrusted.min(self.bases.len() - 1) {
            match self.trust(at)? {
                Some(segment) => self.segments.push(Arc::new(segment)),
                None => untrusted = at,
            }
            at += 1;
        }
        if untrusted == self.bases.len() {
            match self.clean_ending(last)? {
                Some(ending) => return Ok(ending),
                None => untrusted -= 1,
            }
        }
        self.segments.truncate(untrusted);
        self.recover(untrusted)
    }

    /// A segment below the recovery point; none if its transaction index is damaged, so that it has to be recovered.
    fn trust(&mut self, at: usize) -> Result<Option<Segment>, RecoveryError> {
        let (base, next) = (self.bases[at], self.bases[at + 1]);
        let path = file_path(&self.dir, base, LOG);
        let size = path.metadata().during("read", &path).map_err(|error| self.disk_error(error))?.len();
        let is_whole = |kind: &str, entry: usize| {
            file_path(&self.dir, base, kind).metadata().is_ok_and(|file| file.len() % entry as u64 == 0)
        };
        let is_whole = is_whole(INDEX, OffsetEntry::SIZE) && is_whole(TIME_INDEX, TimeEntry::SIZE);
        // Kafka may have sealed it after the flush that moved the recovery point to its end: then nobody synced what
        // its indexes got at that moment. A log of ours has them on the medium before it goes on.
        let is_doubtful = self.options.shutdown == Shutdown::Unclean && next == self.options.recovery_point;
        if !is_whole || (is_doubtful && !self.indexes_reach_the_end(base, size)?) {
            let dir = Arc::clone(&self.dir);
            let reading = self.reading(&dir);
            let scanned = reading.scan(base).map_err(|error| self.disk_error(error))?;
            match self.may_lack_aborted(base) {
                true => self.find_aborted(at, &reading, &scanned)?,
                false => self.note(&reading, (base, &scanned), |_, _| {})?,
            }
            let rebuilt = scanned.rebuilt;
            self.refuse_damage(base, &rebuilt)?;
            rebuilt.replace_indexes(self.disk, &self.dir, base).map_err(|error| self.disk_error(error))?;
            self.report.indexes_rebuilt += 2;
        }
        match self.aborted(base)? {
            TxnIndexFile::Good(aborted) => Ok(Some(Segment::sealed(&self.dir, base, size, aborted))),
            TxnIndexFile::Damaged => Ok(None),
        }
    }

    /// Whoever removes the indexes of a segment to have them made anew removes its transaction index with them.
    fn may_lack_aborted(&self, base: Offset) -> bool {
        !self.transactions.contains(&base) && !file_path(&self.dir, base, INDEX).exists()
    }

    /// Makes the transaction index of a trusted segment anew.
    fn find_aborted(
        &mut self,
        at: usize,
        reading: &Reading<'_>,
        scanned: &Scanned,
    ) -> Result<(), RecoveryError> {
        let base = self.bases[at];
        let mut producers = self.producers_at(base, at).map_err(|error| self.disk_error(error))?;
        let mut aborted = Vec::new();
        self.note(reading, (base, scanned), |header, marker| {
            aborted.extend(producers.replay(header, marker));
        })?;
        if !aborted.is_empty() {
            // Before there is an index again: that it was missing is what tells that this was, too.
            self.settle_aborted(base, &aborted).map_err(|error| self.disk_error(error))?;
            self.transactions.insert(base);
        }
        Ok(())
    }

    fn indexes_reach_the_end(&self, base: Offset, size: u64) -> Result<bool, RecoveryError> {
        let rules = index_rules(&self.options.settings);
        complete::indexes_reach_the_end(&self.dir, base, size, rules).map_err(|error| self.disk_error(error))
    }

    fn aborted(&self, base: Offset) -> Result<TxnIndexFile, RecoveryError> {
        if !self.transactions.contains(&base) {
            return Ok(TxnIndexFile::Good(Vec::new()));
        }
        read_aborted(&file_path(&self.dir, base, TXN_INDEX), base).map_err(|error| self.disk_error(error))
    }

    fn reading<'b>(&self, dir: &'b Path) -> Reading<'b>
    where
        Self: 'b,
    {
        Reading { disk: self.disk, dir, rules: index_rules(&self.options.settings) }
    }

    /// Notes the epochs in a segment that was read, and gives its batches to `take`.
    fn note(
        &mut self,
        reading: &Reading<'_>,
        (base, scanned): (Offset, &Scanned),
        mut take: impl FnMut(&BatchHeader, Option<Marker>),
    ) -> Result<(), RecoveryError> {
        let epochs = &mut self.epochs;
        let outcome = reading.replay(base, scanned, |header, marker| {
            epochs.found(header.leader_epoch, header.base_offset);
            take(header, marker);
        });
        self.report.segments_scanned += 1;
        self.report.bytes_scanned += scanned.rebuilt.size;
        outcome.map_err(|error| self.disk_error(error))
    }

    /// What was synced is not cut: a copy may be elsewhere, and an operator has to know.
    fn refuse_damage(&self, base: Offset, rebuilt: &Rebuilt) -> Result<(), RecoveryError> {
        match rebuilt.flaw {
            None => Ok(()),
            Some(flaw) => Err(RecoveryError::DamagedBelowRecoveryPoint {
                partition: self.options.partition.clone(),
                file: file_path(&self.dir, base, LOG),
                position: rebuilt.size,
                flaw,
            }),
        }
    }

    /// Reads the segments from this one on, batch by batch, up to the first bad one.
    fn recover(&mut self, from: usize) -> Result<Ending, RecoveryError> {
        let (bases, dir, crew) = (self.bases.clone(), Arc::clone(&self.dir), self.crew);
        let ahead = Ahead::new(self.reading(&dir), &bases[from..], crew);
        std::thread::scope(|scope| {
            let _over = Over(&ahead);
            self.recover_each(&bases, from, &ahead, |at| ahead.take(scope, at - from))
        })
    }

    fn recover_each(
        &mut self,
        bases: &[Offset],
        from: usize,
        ahead: &Ahead<'_>,
        take: impl Fn(usize) -> Result<Scanned, DiskError>,
    ) -> Result<Ending, RecoveryError> {
        let mut producers = self.producers_at(bases[from], from).map_err(|error| self.disk_error(error))?;
        for (at, base) in bases.iter().copied().enumerate().skip(from) {
            let mut aborted = Vec::new();
            let scanned = take(at).map_err(|error| self.disk_error(error))?;
            self.note(ahead.reading(), (base, &scanned), |header, marker| {
                aborted.extend(producers.replay(header, marker));
            })?;
            let rebuilt = scanned.rebuilt;
            let flaw = rebuilt.flaw.or_else(|| self.hole(rebuilt.next, bases.get(at + 1)));
            if let Some(flaw) = flaw {
                self.cut(base, &rebuilt, flaw, &bases[at + 1..])?;
            }
            if at == from {
                // Only now: a log that is refused keeps all its files. Snapshots behind its base are not believed.
                self.forget_snapshots_above(base).map_err(|error| self.disk_error(error))?;
            }
            let written = self.settle_aborted(base, &aborted).and_then(|()| {
                if self.is_flushed(bases.get(at + 1)) {
                    rebuilt.replace_indexes(self.disk, &self.dir, base)
                } else {
                    rebuilt.write_indexes(self.disk, &self.dir, base)
                }
            });
            written.map_err(|error| self.disk_error(error))?;
            self.report.indexes_rebuilt += 2;
            if flaw.is_some() || at + 1 == bases.len() {
                self.bases.truncate(at + 1);
                producers.end = rebuilt.next;
                return self.recovered_ending(base, &rebuilt, aborted, producers);
            }
            self.segments.push(Arc::new(Segment::sealed(&self.dir, base, rebuilt.size, aborted)));
            producers.end = bases[at + 1];
            let error = self.snapshot_at_end(&producers, bases[at + 1]);
            error.map_err(|error| self.disk_error(error))?;
        }
        // The caller names a segment that exists, so the loop returns.
        self.begin_anew().map_err(|error| self.disk_error(error))
    }

    /// A segment may have lost its end at the boundary of a batch, while the next one reached the medium. What
    /// follows is cut, so that replicas agree and no record is served whose predecessors are gone. Kafka goes on
    /// behind the hole. Where offsets may be missing for good, after compaction, there is no telling; nor where no
    /// recovery point is known, so that the log may be of any age and have been compacted once.
    fn hole(&self, from: Offset, next: Option<&Offset>) -> Option<Flaw> {
        let next = next.copied().filter(|next| *next > from)?;
        let point = self.options.recovery_point;
        let is_certain = !self.options.settings.cleanup.compacts() && point > Offset::ZERO && from >= point;
        is_certain.then_some(Flaw::Missing { from, to: next - 1 })
    }

    /// The producers as of the base of an untrusted segment.
    fn producers_at(&mut self, base: Offset, at: usize) -> Result<Producers, DiskError> {
        let mut producers = self.restore(base)?;
        state::replay(self.disk, &self.dir, &self.bases[..at], base, &mut producers)?;
        Ok(producers)
    }

    /// The newest snapshot up to `bound` without producers that are expired; none known if there is no snapshot.
    fn restore(&mut self, bound: Offset) -> Result<Producers, DiskError> {
        let found = state::newest(self.disk, &self.dir, &mut self.snapshots, bound)?;
        let first = self.bases.first().copied().unwrap_or(bound);
        let mut producers = found.unwrap_or_else(|| Producers::none(first));
        producers.expire(self.options.now, self.options.settings.producer_id_expiration_ms);
        Ok(producers)
    }

    fn cut(
        &mut self,
        base: Offset,
        rebuilt: &Rebuilt,
        flaw: Flaw,
        later: &[Offset],
    ) -> Result<(), RecoveryError> {
        if rebuilt.next < self.options.recovery_point {
            return self.refuse_damage(base, rebuilt);
        }
        let path = file_path(&self.dir, base, LOG);
        let file = self
            .disk
            .open(&path, Mode::Write)
            .during("open", &path)
            .map_err(|error| self.disk_error(error))?;
        let place = Place {
            dir: &self.dir,
            base,
            file: &file,
            position: rebuilt.size,
            found: rebuilt.found,
            flaw,
            offset: rebuilt.next,
            later,
        };
        self.report.cut = Some(cut(self.disk, &place).map_err(|error| self.disk_error(error))?);
        Ok(())
    }

    /// Whether no flush looks at the segment again that ends where `next` begins.
    fn is_flushed(&self, next: Option<&Offset>) -> bool {
        let is_below = |next: &Offset| match self.options.shutdown {
            Shutdown::Clean => true,
            Shutdown::Unclean => *next <= self.options.recovery_point,
        };
        next.is_some_and(is_below)
    }

    fn settle_aborted(&self, base: Offset, aborted: &[AbortedTransaction]) -> Result<(), DiskError> {
        // Most segments have none and had none, and need not be asked.
        if aborted.is_empty() && !self.transactions.contains(&base) {
            return Ok(());
        }
        settle(self.disk, &file_path(&self.dir, base, TXN_INDEX), aborted)
    }

    fn snapshot_at_end(&mut self, producers: &Producers, end: Offset) -> Result<(), DiskError> {
        self.forget_snapshots_above(end)?;
        let newest = self.snapshots.last().copied().unwrap_or_else(|| self.start());
        if newest >= end {
            return Ok(());
        }
        let path = file_path(&self.dir, end, SNAPSHOT);
        let file = self.disk.open(&path, Mode::Replace).during("create", &path)?;
        let bytes = producers.to_snapshot();
        self.disk.write_at(&file, 0, &mut [std::io::IoSlice::new(&bytes)]).during("write", &path)?;
        self.snapshots.insert(end);
        Ok(())
    }

    /// Removes whatever segments there are and begins an empty log at its start.
    fn begin_anew(&mut self) -> Result<Ending, DiskError> {
        for base in std::mem::take(&mut self.bases) {
            for kind in [LOG, INDEX, TIME_INDEX, TXN_INDEX] {
                remove_if_there(self.disk, &file_path(&self.dir, base, kind))?;
            }
        }
        for snapshot in self.snapshots.clone() {
            self.forget_snapshot(snapshot)?;
        }
        self.segments.clear();
        let start = self.options.log_start.unwrap_or(Offset::ZERO);
        let (segment, log) = create_segment(self.disk, &self.dir, start)?;
        let active = Active::new(segment, log, crate::index::Indexer::new(start), self.options.now);
        Ok(Ending { active, end: start, producers: Producers::none(start) })
    }
}
