//! What thousands of logs keep open: counted in /proc, by the paths of this test's own files. And that nobody notices when
//! something is closed between two reads, or is gone when it is to be opened.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use protocol::{Millis, Offset};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use storage::disk::crash::scratch;
use storage::{
    FirstBatch, FlushScope, Handles, Log, LogReader, LogSettings, OpenOptions, ReadError, RetentionPlan,
    RetentionReason, Shutdown, UpTo,
};

use crate::kit::{NOW, append, batch, create, fetch, options, os, settings, slice_bytes, values};

/// The bounds are those of the process, so these tests take turns.
static TURN: Mutex<()> = Mutex::new(());
const FEW: Handles = Handles { files: 16, maps: 24 };
const PLENTY: Handles = Handles { files: 1024, maps: 8192 };

/// Open files and maps of files below `dir`.
fn in_use(dir: &Path) -> Handles {
    let is_below = |entry: fs::DirEntry| fs::read_link(entry.path()).is_ok_and(|to| to.starts_with(dir));
    let files = fs::read_dir("/proc/self/fd").unwrap().flatten().map(is_below);
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let path = dir.to_str().unwrap();
    Handles {
        files: files.filter(|is| *is).count(),
        maps: maps.lines().filter(|line| line.contains(path)).count(),
    }
}

/// An index entry per batch, and a segment per ten batches.
fn tight() -> LogSettings {
    LogSettings { index_interval_bytes: 1, segment_bytes: 800, file_delete_delay_ms: 0, ..settings() }
}

/// A log of fifty records with five segments or so, in a directory that has room for others.
fn grown(dir: &Path) -> Log {
    let mut log = create(dir, &tight());
    for at in 0..50 {
        append(&mut log, &batch(&["a"], NOW.0 + at));
    }
    log
}

fn reopen(dir: &Path) -> Log {
    let options = OpenOptions { recovery_point: Offset(50), ..options(dir, &tight(), Shutdown::Clean) };
    Log::open(options, os()).unwrap().0
}

fn first_slice(reader: &LogReader, from: i64) -> Vec<u8> {
    let fetched = reader.read(Offset(from), 1, UpTo::LogEnd, FirstBatch::Whole).unwrap();
    slice_bytes(&fetched.records.unwrap())
}

#[test]
fn thousands_of_partitions_need_a_handle_each_and_a_bounded_rest() {
    const PARTITIONS: i32 = 3000;
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    FEW.bound();
    let scratch = scratch();
    let dir_of = |index: i32| -> PathBuf { scratch.path().join(format!("t-{index}")) };
    grown(&dir_of(0)).close().unwrap();
    for index in 1..PARTITIONS {
        crate::kit::copy(&dir_of(0), &dir_of(index));
    }
    assert_eq!(in_use(scratch.path()), Handles { files: 0, maps: 0 });

    let logs: Vec<_> = (0..PARTITIONS).map(|index| reopen(&dir_of(index))).collect();
    assert_eq!(in_use(scratch.path()), Handles { files: PARTITIONS as usize, maps: 0 });
    let readers: Vec<_> = logs.iter().map(Log::reader).collect();
    let expected = fetch(&readers[0], Offset(0), 1 << 20);
    for reader in &readers {
        assert_eq!(first_slice(reader, 0), &expected[..expected.len() / 50]);
        assert!(reader.offset_for_timestamp(NOW + 17, UpTo::LogEnd).unwrap().unwrap().offset == Offset(17));
    }
    assert_eq!(fetch(&readers[PARTITIONS as usize / 2], Offset(0), 100), expected);
    let used = in_use(scratch.path());
    assert!(used.files <= PARTITIONS as usize + FEW.files && used.maps <= FEW.maps, "{used:?}");
    assert!(used.maps > FEW.maps / 2, "{used:?}");
    drop((readers, logs));
    assert_eq!(in_use(scratch.path()), Handles { files: 0, maps: 0 });
    PLENTY.bound();
}

#[test]
fn a_slice_outlives_the_closing_and_the_removal_of_its_file() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let scratch = scratch();
    let dir = scratch.path().join("t-0");
    let mut log = grown(&dir);
    let flushed = log.flush_plan(FlushScope::Everything, NOW).unwrap().run().unwrap();
    log.flushed(flushed);
    let reader = log.reader();
    let expected = first_slice(&reader, 0);
    let held = reader.read(Offset(0), 1, UpTo::LogEnd, FirstBatch::Whole).unwrap().records.unwrap();
    Handles { files: 1, maps: 1 }.bound();
    // Another segment takes the one place.
    first_slice(&reader, 25);
    assert_eq!(slice_bytes(&held), expected);

    let second = values(&log).len() as i64 / 5;
    let plan =
        RetentionPlan { segments: vec![(Offset(0), 0, RetentionReason::StartOffset)], start: Offset(second) };
    let removal = log.retire(&plan, NOW).unwrap().run().unwrap();
    removal.run().unwrap();
    assert!(!dir.join("00000000000000000000.log").exists());
    assert_eq!(slice_bytes(&held), expected);
    assert!(reader.read(Offset(0), 1, UpTo::LogEnd, FirstBatch::Whole).is_err());
    drop(held);
    let used = in_use(scratch.path());
    assert!(used.files <= 2 && used.maps <= 1, "{used:?}");
    PLENTY.bound();
}

#[test]
fn an_index_that_is_gone_or_garbage_when_it_is_opened_costs_time_only() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for damage in [None, Some(vec![0; 80]), Some(vec![0xff; 80]), Some((0..77).collect::<Vec<u8>>())] {
        let scratch = scratch();
        let dir = scratch.path().join("t-0");
        grown(&dir).close().unwrap();
        let log = reopen(&dir);
        for entry in fs::read_dir(&dir).unwrap().flatten() {
            if entry.path().extension().is_some_and(|kind| kind == "index" || kind == "timeindex") {
                match &damage {
                    None => fs::remove_file(entry.path()).unwrap(),
                    Some(bytes) => fs::write(entry.path(), bytes).unwrap(),
                }
            }
        }
        let reader = log.reader();
        let all = fetch(&reader, Offset(0), 1 << 20);
        let one = all.len() / 50;
        for offset in 0..50 {
            let at = offset as usize * one;
            assert_eq!(first_slice(&reader, offset), &all[at..at + one], "{damage:?}");
        }
        // By time it may be found later than it stands, never a record that is too old.
        let found = reader.offset_for_timestamp(NOW + 17, UpTo::LogEnd).unwrap();
        assert!(found.is_none_or(|found| found.timestamp >= NOW + 17), "{damage:?}: {found:?}");
        let _ = reader.offset_of_max_timestamp(UpTo::LogEnd).unwrap();
    }
}

#[test]
fn the_cold_part_of_the_last_segment_is_found_by_index_files_that_are_opened_for_it() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    FEW.bound();
    let scratch = scratch();
    let dir = scratch.path().join("t-0");
    let wide = LogSettings { segment_bytes: 1 << 20, ..tight() };
    let mut log = create(&dir, &wide);
    for at in 0..1500 {
        append(&mut log, &batch(&["a"], NOW.0 + at));
    }
    let reader = log.reader();
    let all = fetch(&reader, Offset(0), 1 << 20);
    let one = all.len() / 1500;
    assert_eq!(in_use(scratch.path()).files, 1);
    for offset in [0, 1, 511, 512, 513, 700, 1023, 1024, 1499] {
        let at = offset as usize * one;
        assert_eq!(first_slice(&reader, offset), &all[at..at + one]);
        let by_time = reader.offset_for_timestamp(Millis(NOW.0 + offset), UpTo::LogEnd).unwrap();
        assert_eq!(by_time.map(|found| found.offset), Some(Offset(offset)));
    }
    assert_eq!(in_use(scratch.path()).files, 3);
    PLENTY.bound();
}

/// Runs the named test in a process of its own; true in that process. Where no file can be opened any more, the other tests of this
/// binary would fail.
fn is_alone(test: &str) -> bool {
    const ALONE: &str = "OTTLA_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args([test, "--exact", "--nocapture"]).env(ALONE, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    false
}

/// Lets this process open `more` files beside those it has open.
fn allow(more: u64) {
    let open = fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(open + more), maximum }).unwrap();
}

#[test]
fn where_handles_run_out_the_files_between_reads_make_room() {
    if !is_alone("handles::where_handles_run_out_the_files_between_reads_make_room") {
        return;
    }
    PLENTY.bound();
    let scratch = scratch();
    let mut logs: Vec<_> = (0..8).map(|index| grown(&scratch.path().join(format!("t-{index}")))).collect();
    Handles::give_back();
    allow(10);
    let readers: Vec<_> = logs.iter().map(Log::reader).collect();
    let all = fetch(&readers[0], Offset(0), 1 << 20);
    let one = all.len() / 50;
    for offset in 0..50 {
        for reader in &readers {
            let at = offset as usize * one;
            assert_eq!(first_slice(reader, offset), &all[at..at + one]);
        }
    }
    // What is written makes room for itself too: new segments, flushes that open a directory, deletions.
    for log in &mut logs {
        for at in 50..70 {
            append(log, &batch(&["a"], NOW.0 + at));
        }
        let flushed = log.flush_plan(FlushScope::Everything, NOW).unwrap().run().unwrap();
        log.flushed(flushed);
        assert_eq!(values(log).len(), 70);
    }
}

#[test]
fn where_no_handle_is_left_nothing_is_blamed_on_the_disk() {
    if !is_alone("handles::where_no_handle_is_left_nothing_is_blamed_on_the_disk") {
        return;
    }
    let scratch = scratch();
    let (open, closed) = (scratch.path().join("t-0"), scratch.path().join("t-1"));
    let reader = grown(&open).reader();
    grown(&closed).close().unwrap();
    Handles::give_back();
    allow(20);
    let others: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(others.len() >= 15, "{}", others.len());
    let error = reader.read(Offset(0), 1, UpTo::LogEnd, FirstBatch::Whole).unwrap_err();
    let ReadError::Disk { error, .. } = error else { panic!("{error}") };
    assert!(error.is_shortage && !error.blames_disk(), "{error}");
    let options =
        || OpenOptions { recovery_point: Offset(50), ..options(&closed, &tight(), Shutdown::Clean) };
    let error = Log::open(options(), os()).unwrap_err();
    assert!(error.is_shortage(), "{error}");

    drop(others);
    assert_eq!(
        fetch(&reader, Offset(0), 1 << 20),
        fetch(&Log::open(options(), os()).unwrap().0.reader(), Offset(0), 1 << 20)
    );
}
