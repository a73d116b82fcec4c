//! Power cuts: for every disk operation of a workload, several images of what the medium may hold. Each must open
//! again with everything that was synced, in order, and with nothing that was never appended; and the recovery of
//! an image may itself be cut off anywhere.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use protocol::{Offset, TopicPartition};
use storage::disk::crash::{CrashDisk, Loss, scratch};
use storage::{Checkpoint, Disk, FlushScope, Log, LogDir, LogSettings, OpenOptions, OsDisk, Shutdown};

use crate::kit::{NOW, append, create_on, files, numbered, open_dir, options, partition, settings, values};

/// What the workload knows after some number of operations.
#[derive(Debug, Clone, Copy)]
struct Known {
    operations: usize,
    /// Everything below was synced, and the caller was told.
    synced: i64,
    start: i64,
}

/// A run of a log on a journaling disk.
struct Run {
    disk: Arc<CrashDisk>,
    root: storage::disk::crash::Scratch,
    known: Vec<Known>,
    appended: BTreeMap<i64, String>,
}

fn small() -> LogSettings {
    LogSettings {
        segment_bytes: 600,
        index_interval_bytes: 100,
        retention_bytes: Some(2500),
        file_delete_delay_ms: 0,
        ..settings()
    }
}

impl Run {
    fn new() -> Run {
        let root = scratch();
        let disk = Arc::new(CrashDisk::new(root.path()).unwrap());
        Run { disk, root, known: Vec::new(), appended: BTreeMap::new() }
    }

    fn note(&mut self, log: &Log) {
        let operations = self.disk.operations();
        let synced = log.recovery_point().0;
        self.known.push(Known { operations, synced, start: log.start_offset().0 });
    }

    fn append(&mut self, log: &mut Log, sequence: &mut i32) {
        let value = format!("record {}", log.end_offset());
        let offset = append(log, &numbered(5, 0, *sequence, &[&value]));
        *sequence += 1;
        self.appended.insert(offset.0, value);
        self.note(log);
    }

    /// Syncs as the upkeep does, and writes the recovery point afterwards.
    fn flush(&mut self, log: &mut Log, dir: &LogDir, scope: FlushScope) {
        if let Some(plan) = log.flush_plan(scope, NOW) {
            let flushed = plan.run().unwrap();
            log.flushed(flushed);
            self.note(log);
        }
        let points = BTreeMap::from([(partition(), log.recovery_point())]);
        dir.write_offsets(Checkpoint::RecoveryPoint, &points).unwrap();
        self.note(log);
    }

    fn retain(&mut self, log: &mut Log) {
        let Some(plan) = log.retention_plan(NOW) else { return };
        let retirement = log.retire(&plan, NOW).unwrap();
        self.note(log);
        retirement.run().unwrap().run().unwrap();
        self.note(log);
    }

    /// Appends with flushes and retention in between.
    fn work(&mut self) {
        let dir = open_dir(self.root.path(), self.disk.clone()).unwrap();
        let path = dir.partition_dir(&partition());
        let mut log = create_on(&path, &small(), self.disk.clone());
        let mut sequence = 0;
        self.note(&log);
        for at in 0..48 {
            self.append(&mut log, &mut sequence);
            match at % 12 {
                5 => self.flush(&mut log, &dir, FlushScope::Sealed),
                9 => self.flush(&mut log, &dir, FlushScope::Everything),
                11 => self.retain(&mut log),
                _ => {}
            }
        }
    }

    /// What was known to be certain when the power went after `operations`.
    fn known_at(&self, operations: usize) -> Option<Known> {
        self.known.iter().rev().find(|known| known.operations <= operations).copied()
    }
}

/// Opens what a power cut left, as a broker does.
fn reopen(root: &Path, disk: Arc<dyn Disk>) -> Option<Log> {
    let dir = open_dir(root, disk.clone()).unwrap();
    let points = dir.read_offsets(Checkpoint::RecoveryPoint).unwrap();
    let path = dir.list().unwrap().replicas.remove(&partition())?;
    let recovery_point = points.get(&partition()).copied().unwrap_or(Offset(0));
    let options = OpenOptions { recovery_point, ..options(&path, &small(), Shutdown::Unclean) };
    Some(Log::open(options, disk).unwrap().0)
}

fn check(run: &Run, log: Option<&Log>, known: Known, context: &str) {
    let Some(log) = log else {
        assert_eq!(known.synced, 0, "{context}: the partition is gone");
        return;
    };
    let found = values(log);
    for (offset, value) in &found {
        assert_eq!(run.appended.get(offset), Some(value), "{context}: offset {offset} is invented");
    }
    for offset in known.start.max(log.start_offset().0)..known.synced {
        assert!(found.contains_key(&offset), "{context}: synced offset {offset} is lost");
    }
    assert!(log.start_offset().0 <= known.start.max(known.synced), "{context}: the start moved");
    assert!(log.end_offset().0 >= known.synced, "{context}");
}

const LOSSES: [Loss; 7] = [
    Loss::Nothing,
    Loss::Unsynced,
    Loss::UnsyncedBytes,
    Loss::Random(1),
    Loss::Random(2),
    Loss::Random(3),
    Loss::Random(4),
];

#[test]
fn every_image_of_a_workload_opens_again() {
    let mut run = Run::new();
    run.work();
    for operations in 0..=run.disk.operations() {
        let Some(known) = run.known_at(operations) else { continue };
        for loss in LOSSES {
            let image = scratch();
            run.disk.image(operations, loss, image.path()).unwrap();
            let context = format!("after {operations} operations, {loss:?}");
            let log = reopen(image.path(), Arc::new(OsDisk));
            check(&run, log.as_ref(), known, &context);
            let Some(mut log) = log else { continue };
            // It can be written again, and stopped and started.
            let end = log.end_offset();
            assert_eq!(append(&mut log, &numbered(6, 0, 0, &["after"])), end, "{context}");
            let before = values(&log);
            log.close().unwrap();
            let path = image.path().join(partition().to_string());
            let clean = OpenOptions { recovery_point: end + 1, ..options(&path, &small(), Shutdown::Clean) };
            let (log, report) = Log::open(clean, Arc::new(OsDisk)).unwrap();
            assert_eq!((values(&log), report.segments_scanned), (before, 0), "{context}");
        }
    }
}

#[test]
fn recovery_may_be_cut_off_anywhere() {
    let mut run = Run::new();
    run.work();
    let operations = run.disk.operations();
    for operations in [operations / 2, operations * 3 / 4, operations] {
        let known = run.known_at(operations).unwrap();
        for seed in 0..4 {
            let image = scratch();
            run.disk.image(operations, Loss::Random(seed), image.path()).unwrap();
            let disk = Arc::new(CrashDisk::new(image.path()).unwrap());
            let once = reopen(image.path(), disk.clone());
            check(&run, once.as_ref(), known, "recovered once");
            let end = once.map_or(0, |log| log.end_offset().0);
            for cut in 0..=disk.operations() {
                for loss in [Loss::Nothing, Loss::Unsynced, Loss::Random(seed)] {
                    let second = scratch();
                    disk.image(cut, loss, second.path()).unwrap();
                    let context = format!("{operations}, seed {seed}, recovery cut at {cut}, {loss:?}");
                    let log = reopen(second.path(), Arc::new(OsDisk));
                    check(&run, log.as_ref(), known, &context);
                    // Recovery reads what is there and decides alike, however often it is begun.
                    assert_eq!(log.map_or(0, |log| log.end_offset().0), end, "{context}");
                }
            }
        }
    }
}

#[test]
fn a_clean_stop_survives_the_power() {
    let mut run = Run::new();
    let dir = open_dir(run.root.path(), run.disk.clone()).unwrap();
    let mut log = create_on(&dir.partition_dir(&partition()), &small(), run.disk.clone());
    let mut sequence = 0;
    for _ in 0..20 {
        run.append(&mut log, &mut sequence);
    }
    let closed = log.close().unwrap();
    let points = BTreeMap::from([(closed.partition.clone(), closed.recovery_point)]);
    dir.write_offsets(Checkpoint::RecoveryPoint, &points).unwrap();
    dir.write_clean_mark().unwrap();
    for loss in LOSSES {
        let image = scratch();
        run.disk.image(run.disk.operations(), loss, image.path()).unwrap();
        let dir = open_dir(image.path(), Arc::new(OsDisk)).unwrap();
        assert_eq!(dir.take_clean_mark(), Ok(Shutdown::Clean), "{loss:?}");
        let path = dir.partition_dir(&TopicPartition::new("t", 0));
        let options = OpenOptions { recovery_point: Offset(20), ..options(&path, &small(), Shutdown::Clean) };
        let (log, report) = Log::open(options, Arc::new(OsDisk)).unwrap();
        assert_eq!((values(&log), report.segments_scanned), (run.appended.clone(), 0), "{loss:?}");
    }
}

/// The log files of a partition's directory, and what was set aside, without names.
fn contents(dir: &Path) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (mut logs, mut pieces) = (Vec::new(), Vec::new());
    for name in files(dir).into_keys() {
        let bytes = || std::fs::read(dir.join(&name)).unwrap();
        if name.ends_with(".log") {
            logs.push(bytes());
        } else if name.starts_with("salvaged-") {
            pieces.push(bytes());
        }
    }
    (logs, pieces)
}

#[test]
fn a_hole_stays_the_end_and_no_byte_behind_it_is_lost() {
    let root = scratch();
    let path = root.path().join(partition().to_string());
    let mut log = create_on(&path, &small(), Arc::new(OsDisk));
    for sequence in 0..30 {
        append(&mut log, &numbered(5, 0, sequence, &["x"]));
    }
    drop(log);
    // Segments of seven batches; the hole is in the second batch of the second one.
    let (mut logs, _) = contents(&path);
    let damaged = path.join("00000000000000000008.log");
    let mut bytes = std::fs::read(&damaged).unwrap();
    let batch = bytes.len() / 8;
    bytes[batch + 30] ^= 1;
    std::fs::write(&damaged, &bytes).unwrap();
    logs[1] = bytes.split_off(batch);

    let disk = Arc::new(CrashDisk::new(root.path()).unwrap());
    assert_eq!(reopen(root.path(), disk.clone()).unwrap().end_offset(), Offset(9));
    for cut in 0..=disk.operations() {
        for loss in LOSSES {
            let image = scratch();
            disk.image(cut, loss, image.path()).unwrap();
            let log = reopen(image.path(), Arc::new(OsDisk)).unwrap();
            assert_eq!(log.end_offset(), Offset(9), "recovery cut at {cut}, {loss:?}");
            let (_, pieces) = contents(&image.path().join(partition().to_string()));
            for lost in &logs[1..] {
                assert!(pieces.contains(lost), "recovery cut at {cut}, {loss:?}: bytes are gone");
            }
        }
    }
}
