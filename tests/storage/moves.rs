//! Power cuts while a log moves between two log directories, back and forth, and takes records all the time. Whatever the medium holds
//! after any disk operation: one log counts, it has all that was synced and nothing that was not written, and a copy that is
//! there can be filled on. Where both logs have the name, either has all that was synced: a Kafka that is to start needs one removed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use protocol::batch::BatchHeader;
use protocol::{LeaderEpoch, Offset, TopicId};
use storage::claim::{self, Claim, Side};
use storage::disk::crash::{CrashDisk, Scratch, scratch};
use storage::{
    Checkpoint, Copied, Disk, FlushScope, Listing, Log, LogDir, LogSettings, OpenOptions, OsDisk, Shutdown,
};

use crate::crash_lives::{History, loss};
use crate::judge;
use crate::kit::{Dice, NOW, batch, create_on, open_dir, options, partition, settings, with_seeds};

fn small() -> LogSettings {
    LogSettings { segment_bytes: 700, index_interval_bytes: 120, file_delete_delay_ms: 0, ..settings() }
}

/// What is certain after some number of operations.
#[derive(Debug, Clone, Copy)]
struct Known {
    operations: usize,
    /// Offsets below were written, and those below the other were synced.
    end: i64,
    synced: i64,
}

struct Life {
    disk: Arc<CrashDisk>,
    _root: Scratch,
    dirs: [LogDir; 2],
    /// In the directory with number `at`.
    log: Log,
    at: usize,
    copy: Option<Log>,
    dice: Dice,
    count: u32,
    history: History,
    known: Vec<Known>,
}

fn log_dirs(root: &Path, disk: &Arc<dyn Disk>) -> [LogDir; 2] {
    ["a", "b"].map(|name| open_dir(&root.join(name), Arc::clone(disk)).unwrap())
}

impl Life {
    fn new(seed: u64) -> Life {
        let root = scratch();
        ["a", "b"].iter().for_each(|name| std::fs::create_dir(root.path().join(name)).unwrap());
        let disk = Arc::new(CrashDisk::new(root.path()).unwrap());
        let shared: Arc<dyn Disk> = disk.clone();
        let dirs = log_dirs(root.path(), &shared);
        let log = create_on(&dirs[0].partition_dir(&partition()), &small(), shared);
        let (history, known) = (History::new(), Vec::new());
        let mut life = Life {
            disk,
            _root: root,
            dirs,
            log,
            at: 0,
            copy: None,
            dice: Dice(seed),
            count: 0,
            history,
            known,
        };
        // From here on its name is on the medium.
        life.flush();
        life
    }

    fn note(&mut self) {
        let before = self.known.last().map_or(0, |known| known.synced);
        let synced = self.log.recovery_point().0.max(before);
        self.known.push(Known { operations: self.disk.operations(), end: self.log.end_offset().0, synced });
    }

    fn mark(&mut self) -> TopicId {
        self.count += 1;
        TopicId::from_u128(u128::from(self.count))
    }

    fn step(&mut self) {
        match self.dice.below(12) {
            0..=4 => self.append(),
            5 => self.flush(),
            6..=8 => self.copy(),
            9 => self.flush_copy(),
            10 if self.dice.below(3) == 0 => self.give_up(),
            _ => self.finish(),
        }
    }

    fn append(&mut self) {
        self.count += 1;
        let value = format!("record {}", self.count);
        let results = self.log.append(&[batch(&[&value, "and another"], NOW.0)], LeaderEpoch(3), NOW);
        assert!(results.iter().all(Result::is_ok));
        self.log.advance_high_watermark(self.log.end_offset());
        self.history = judge::batches(&self.log);
        self.note();
    }

    fn flush(&mut self) {
        flush(&mut self.log);
        self.note();
        self.checkpoint();
    }

    fn checkpoint(&mut self) {
        let mut points = [BTreeMap::new(), BTreeMap::new()];
        points[self.at].insert(partition(), self.log.recovery_point());
        if let Some(copy) = &self.copy {
            points[1 - self.at].insert(partition(), copy.recovery_point());
        }
        for (dir, points) in self.dirs.iter().zip(&points) {
            dir.write_offsets(Checkpoint::RecoveryPoint, points).unwrap();
        }
        self.note();
    }

    fn copy(&mut self) {
        if self.copy.is_none() {
            let mark = self.mark();
            let dir = self.dirs[1 - self.at].future_dir(&partition(), mark).unwrap();
            self.copy = Some(create_on(&dir, &small(), self.disk.clone()));
        }
        let copied = self.copy.as_mut().unwrap().copy_from(&self.log.reader(), 300, NOW).unwrap();
        assert!(matches!(copied, Copied::Records { .. }));
        self.note();
    }

    fn flush_copy(&mut self) {
        if let Some(copy) = &mut self.copy {
            flush(copy);
            self.checkpoint();
        }
    }

    fn give_up(&mut self) {
        let mark = self.mark();
        if let Some(copy) = self.copy.take() {
            copy.delete(mark, NOW).unwrap().run().unwrap();
            self.checkpoint();
        }
    }

    fn finish(&mut self) {
        let Some(mut copy) = self.copy.take() else { return };
        fill(&mut copy, &self.log);
        flush(&mut copy);
        let id = self.mark();
        claim::write(&*self.disk, &copy.dir, Claim::Took(id)).unwrap();
        self.note();
        let to = self.dirs[1 - self.at].partition_dir(&partition());
        copy.rename_dir(to.clone()).unwrap();
        self.note();
        let old = self.log.replace_with(copy);
        self.at = 1 - self.at;
        // What the old log had not synced is certain only when that one is gone.
        let mark = self.mark();
        let removal = old.delete(mark, NOW).unwrap();
        self.note();
        claim::remove(&*self.disk, &to).unwrap();
        self.note();
        // Appends go on before the checkpoints are written.
        self.append();
        self.checkpoint();
        removal.run().unwrap();
        self.note();
    }
}

fn flush(log: &mut Log) {
    if let Some(plan) = log.flush_plan(FlushScope::Everything, NOW) {
        let flushed = plan.run().unwrap();
        log.flushed(flushed);
    }
}

fn fill(copy: &mut Log, log: &Log) {
    while copy.behind(&log.reader()) != 0 {
        match copy.copy_from(&log.reader(), 1 << 20, NOW).unwrap() {
            Copied::Records { .. } => {}
            Copied::Cut(truncated) => truncated.removal.run().unwrap(),
        }
    }
}

fn found(dir: &LogDir, path: &Path) -> OpenOptions {
    let points = dir.read_offsets(Checkpoint::RecoveryPoint).unwrap();
    let recovery_point = points.get(&partition()).copied().unwrap_or(Offset(0));
    OpenOptions { recovery_point, ..options(path, &small(), Shutdown::Unclean) }
}

fn open(dir: &LogDir, path: &Path, context: &str) -> Log {
    let opened = Log::open(found(dir, path), Arc::new(OsDisk)).map_err(|error| format!("{context}: {error}"));
    opened.unwrap().0
}

/// All that was synced, and nothing but a beginning of what was written.
fn check(log: &Log, history: &History, (before, after): (Known, Known), context: &str) {
    let found = judge::batches(log);
    let is_there = |base: &i64| found.contains_key(base);
    for (base, bytes) in history {
        let next = BatchHeader::parse(bytes).unwrap().next_offset().0;
        assert!(next > before.synced || is_there(base), "{context}: synced batch {base} is lost");
    }
    assert!(found.iter().zip(history).all(|(found, written)| found == written), "{context}: other records");
    assert!(
        found.len() <= history.len() && log.end_offset().0 <= after.end,
        "{context}: {}",
        log.end_offset()
    );
}

fn check_image(image: &Path, history: &History, known: (Known, Known), context: &str) {
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    let dirs = log_dirs(image, &disk);
    let listings: Vec<Listing> = dirs.iter().map(|dir| dir.list().unwrap()).collect();
    let at: Vec<usize> = (0..2).filter(|at| !listings[*at].replicas.is_empty()).collect();
    let chosen = match at[..] {
        [at] => at,
        [_, _] => {
            let claims = dirs.each_ref().map(|dir| claim::read(&dir.partition_dir(&partition())));
            match claim::counts(claims[0], claims[1]) {
                Some(Side::One) => 0,
                Some(Side::Other) => 1,
                None => panic!("{context}: {claims:?} do not tell which log counts"),
            }
        }
        _ => panic!("{context}: there is no log"),
    };
    for at in at {
        let log = open(&dirs[at], &dirs[at].partition_dir(&partition()), context);
        check(&log, history, known, context);
        if at != chosen {
            continue;
        }
        if let Some(future) = listings[1 - at].future.get(&partition()) {
            let options = found(&dirs[1 - at], future);
            let (mut copy, truncated) = Log::open_copy(options, Arc::new(OsDisk)).unwrap();
            truncated.into_iter().for_each(|truncated| truncated.removal.run().unwrap());
            fill(&mut copy, &log);
            let (own, theirs) = (judge::batches(&copy), judge::batches(&log));
            assert!(own == theirs, "{context}: {:?} in place of {:?}", own.keys(), theirs.keys());
        }
    }
}

#[test]
fn a_move_is_whole_whenever_the_power_goes() {
    with_seeds(3, |seed| {
        let mut life = Life::new(seed);
        let first = life.disk.operations();
        (0..60).for_each(|_| life.step());
        let mut dice = Dice(!seed);
        for operations in first..=life.disk.operations() {
            let after = life.known.partition_point(|known| known.operations <= operations);
            let before = life.known[after - 1];
            let after = *life.known.get(after).unwrap_or(&before);
            let loss = loss(&mut dice);
            let context = format!("seed {seed}, the power cut after {operations} operations, {loss:?}");
            let image = scratch();
            life.disk.image(operations, loss, image.path()).unwrap();
            check_image(image.path(), &life.history, (before, after), &context);
        }
    });
}
