//! What lies in a log directory beside whole logs: files and directories of work that was interrupted, Kafka's and
//! our own. A start brings every one of them to one of its two ends.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::batch::Batches;
use protocol::{Millis, Offset, TopicPartition};
use storage::disk::crash::{CrashDisk, Loss, Scratch, scratch};
use storage::{Checkpoint, Cleanup, Log, LogDir, LogSettings, OpenOptions, OsDisk, RecoveryReport, Shutdown};

use crate::kit::{
    append, copy, copy_of, create, decode, fetch, files, golden, numbered, open_dir, options, os, settings,
    values,
};

fn compacted() -> LogSettings {
    let cleanup = Cleanup::Compact;
    LogSettings { cleanup, producer_id_expiration_ms: i64::MAX, ..settings() }
}

fn opened(dir: &Path, point: i64, start: Option<i64>, shutdown: Shutdown) -> (Log, RecoveryReport) {
    let options = OpenOptions {
        recovery_point: Offset(point),
        log_start: start.map(Offset),
        ..options(dir, &compacted(), shutdown)
    };
    Log::open(options, os()).unwrap()
}

fn log_dir(path: &Path) -> LogDir {
    open_dir(path, Arc::new(OsDisk)).unwrap()
}

#[test]
fn directories_of_moves_and_deletions_are_told_apart() {
    let (a, b) = (copy_of("misc-before/a"), copy_of("misc-before/b"));
    let mark = |name: &str| a.path().join(name);
    let dir = log_dir(a.path());
    let listing = dir.list().unwrap();
    let names = |replicas: BTreeMap<TopicPartition, PathBuf>| {
        replicas.into_keys().map(|partition| partition.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(listing.replicas), ["fx-empty-0", "fx-segdel-0"]);
    assert_eq!(listing.deleted, [mark("fx-del-0.330b759ca6514fb5a5fcb5e8779a7489-delete")]);
    let moving = mark("fx-move-0.adfa6a7184ec4b178240f9857b617f84-future");
    assert_eq!(listing.future, BTreeMap::from([(TopicPartition::new("fx-move", 0), moving.clone())]));
    assert_eq!(names(log_dir(b.path()).list().unwrap().replicas), ["__transaction_state-0", "fx-move-0"]);
    // A future log opens under its own name, with what its directory's checkpoints say of the partition.
    let points = dir.read_offsets(Checkpoint::RecoveryPoint).unwrap();
    let point = points[&TopicPartition::new("fx-move", 0)];
    let (log, report) = opened(&moving, point.0, None, Shutdown::Clean);
    assert_eq!((log.end_offset(), report.cut), (Offset(13), None));
    for deleted in listing.deleted {
        dir.removal(deleted.clone(), Millis(0)).run().unwrap();
        assert!(!deleted.exists());
    }
}

#[test]
fn a_stray_replica_is_left_alone() {
    let root = copy_of("misc-before/a");
    let stray = root.path().join("fx-empty-0.330b759ca6514fb5a5fcb5e8779a7489-stray");
    fs::rename(root.path().join("fx-empty-0"), &stray).unwrap();
    let before = files(&stray);
    let listing = log_dir(root.path()).list().unwrap();
    assert_eq!((listing.stray.as_slice(), listing.replicas.len()), (&[stray.clone()][..], 1));
    assert_eq!(files(&stray), before);
}

#[test]
fn deleted_segments_of_kafka_go() {
    let copy = copy_of("misc-before/a/fx-segdel-0");
    let (log, report) = opened(copy.path(), 40, Some(20), Shutdown::Clean);
    assert_eq!((log.start_offset(), log.end_offset()), (Offset(20), Offset(40)));
    assert_eq!(report.leftovers.len(), 3);
    let names: Vec<_> = files(copy.path()).into_keys().collect();
    assert!(names.iter().all(|name| !name.ends_with(".deleted")), "{names:?}");
    assert_eq!(values(&log).into_keys().next(), Some(13).filter(|_| log.start_offset().0 == 13).or(Some(20)));
}

#[test]
fn emptied_batches_stay_what_they_are() {
    for (shutdown, point) in [(Shutdown::Clean, 81), (Shutdown::Unclean, 0), (Shutdown::Unclean, 81)] {
        let copy = copy_of("misc-before/a/fx-empty-0");
        let snapshot = decode(copy.path(), "00000000000000000081.snapshot");
        let logs = files(copy.path()).into_keys().filter(|name| name.ends_with(".log"));
        let bytes: Vec<u8> = logs.flat_map(|name| fs::read(copy.path().join(name)).unwrap()).collect();
        let (log, report) = opened(copy.path(), point, None, shutdown);
        assert_eq!((log.end_offset(), report.cut), (Offset(81), None), "{shutdown:?}");
        assert_eq!(fetch(&log.reader(), Offset(0), 1 << 20), bytes, "{shutdown:?}");
        assert!(Batches::new(&bytes).any(|batch| batch.unwrap().header.record_count == 0));
        log.close().unwrap();
        // Their producers are known by them.
        assert_eq!(decode(copy.path(), "00000000000000000081.snapshot"), snapshot, "{shutdown:?}");
    }
}

#[test]
fn a_start_that_completes_a_cleaning_may_be_cut_off_anywhere() {
    let copy = copy_of("swap-before/fx-compact-0");
    let golden = golden("swap-after/fx-compact-0");
    let expected: Vec<_> =
        golden.as_object().unwrap().keys().filter(|name| name.ends_with(".log")).cloned().collect();
    let disk = Arc::new(CrashDisk::new(copy.path()).unwrap());
    let first = OpenOptions { ..options(copy.path(), &compacted(), Shutdown::Unclean) };
    let (log, _) = Log::open(first, disk.clone()).unwrap();
    let content = fetch(&log.reader(), log.start_offset(), 1 << 20);
    for cut in 0..=disk.operations() {
        for loss in [Loss::Nothing, Loss::Unsynced, Loss::UnsyncedBytes, Loss::Random(cut as u64)] {
            let image = scratch();
            disk.image(cut, loss, image.path()).unwrap();
            let (log, _) = opened(image.path(), 0, None, Shutdown::Unclean);
            let logs: Vec<_> =
                files(image.path()).into_keys().filter(|name| name.ends_with(".log")).collect();
            assert_eq!(logs, expected, "cut at {cut}, {loss:?}");
            assert_eq!(fetch(&log.reader(), log.start_offset(), 1 << 20), content, "cut at {cut}, {loss:?}");
        }
    }
}

/// A log of four segments, and the first two as a cleaning would make one of them: every second batch.
fn before_a_cleaning() -> (Scratch, BTreeMap<&'static str, Vec<u8>>) {
    let dir = scratch();
    let size = numbered(3, 0, 0, &["x"]).batch.len() as u32;
    let small = LogSettings { segment_bytes: 4 * size, index_interval_bytes: 1, ..compacted() };
    let mut log = create(dir.path(), &small);
    for at in 0..14 {
        append(&mut log, &numbered(3, 0, at, &["x"]));
    }
    log.close().unwrap();
    let old: Vec<u8> = [0, 4]
        .iter()
        .flat_map(|base| fs::read(dir.path().join(format!("{base:020}.log"))).unwrap())
        .collect();
    let kept =
        Batches::new(&old).map(|batch| batch.unwrap()).filter(|batch| batch.header.base_offset.0 % 2 == 1);
    let cleaned = kept.flat_map(|batch| batch.bytes.to_vec()).collect();
    (dir, BTreeMap::from([("log", cleaned), ("index", Vec::new()), ("timeindex", Vec::new())]))
}

#[test]
fn every_step_of_a_cleaning_ends_before_or_after_it() {
    let kinds = ["log", "index", "timeindex"];
    let name = |base: i64, kind: &str, suffix: &str| format!("{base:020}.{kind}{suffix}");
    // Kafka's order: cleaned files, their renames to .swap, the old segments' renames, the last renames.
    let mut steps: Vec<(String, String)> = Vec::new();
    steps.extend(kinds.map(|kind| (String::new(), name(0, kind, ".cleaned"))));
    steps.extend(kinds.map(|kind| (name(0, kind, ".cleaned"), name(0, kind, ".swap"))));
    for base in [0, 4] {
        steps.extend(kinds.map(|kind| (name(base, kind, ""), name(base, kind, ".deleted"))));
    }
    steps.extend(kinds.map(|kind| (name(0, kind, ".swap"), name(0, kind, ""))));
    let (old, new): (Vec<i64>, Vec<i64>) =
        ((0..14).collect(), [1, 3, 5, 7].into_iter().chain(8..14).collect());
    let mut is_done = false;
    for count in 0..=steps.len() {
        for shutdown in [Shutdown::Clean, Shutdown::Unclean] {
            let (before, cleaned) = before_a_cleaning();
            let dir = scratch();
            copy(before.path(), dir.path());
            for (from, to) in &steps[..count] {
                let to = dir.path().join(to);
                let kind =
                    kinds.iter().find(|kind| to.to_string_lossy().contains(&format!(".{kind}."))).copied();
                match from.as_str() {
                    "" => fs::write(&to, &cleaned[kind.unwrap()]).unwrap(),
                    from => fs::rename(dir.path().join(from), &to).unwrap(),
                }
            }
            let (log, report) = opened(dir.path(), 14, None, shutdown);
            let found: Vec<_> = values(&log).into_keys().collect();
            let context = format!("{count} steps, {shutdown:?}: {found:?}");
            is_done |= found == new;
            assert_eq!(&found, if is_done { &new } else { &old }, "{context}");
            assert_eq!((log.end_offset(), report.cut), (Offset(14), None), "{context}");
            let plain = |name: &String| name.matches('.').count() <= 1;
            assert!(files(dir.path()).keys().all(plain), "{context}: {:?}", files(dir.path()));
        }
    }
    assert!(is_done);
}

#[test]
fn files_without_their_log_go_and_strangers_stay() {
    let (dir, _) = before_a_cleaning();
    let at = |name: &str| dir.path().join(name);
    let orphans =
        ["00000000000000000099.index", "00000000000000000099.timeindex", "00000000000000000002.txnindex"];
    let strangers = ["notes.txt", "00000000000000000000.logx", "leader-epoch-checkpoint.tmp", "x.index"];
    for name in orphans.iter().chain(&strangers) {
        fs::write(at(name), "").unwrap();
    }
    fs::create_dir(at("a directory")).unwrap();
    let (log, report) = opened(dir.path(), 14, None, Shutdown::Clean);
    assert_eq!((log.end_offset(), report.leftovers.len()), (Offset(14), orphans.len()));
    assert!(orphans.iter().all(|name| !at(name).exists()));
    assert!(strangers.iter().all(|name| at(name).exists()));
}
