//! Truncation: afterwards a log is as if what went had never been written, for its reader, its writer and the next start.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use protocol::batch::Batches;
use protocol::{LeaderEpoch, Millis, Offset};
use storage::disk::crash::{CrashDisk, Fault, scratch};
use storage::{
    FirstBatch, FlushScope, Log, LogSettings, OpenOptions, ReadError, Shutdown, TruncateError, UpTo,
};

use crate::kit::{
    Ends, NOW, append, batch, copy_of, create, create_on, decode, fetch, files, marker, numbered, open,
    options, os, placed, settings, slice_bytes, transactional, values,
};

fn truncate(log: &mut Log, to: i64) {
    drop(log.truncate_to(Offset(to), NOW).unwrap().unwrap());
}

fn follow(log: &mut Log, bytes: &[u8]) {
    log.append_as_follower(bytes, LeaderEpoch(99), NOW).unwrap();
    log.advance_high_watermark(log.end_offset());
}

/// A dense index and small segments, so that every cut meets entries.
fn tight() -> LogSettings {
    LogSettings { segment_bytes: 1500, index_interval_bytes: 150, ..settings() }
}

/// All that can be seen of a log.
fn seen(log: &Log) -> impl PartialEq + std::fmt::Debug + use<> {
    let reader = log.reader();
    let view = reader.view();
    let offsets = view.start.0..view.end.0;
    let found: Vec<_> = offsets
        .clone()
        .map(|offset| {
            let bytes = fetch(&reader, Offset(offset), 1);
            Batches::new(&bytes).next().map(|batch| batch.unwrap().header.base_offset)
        })
        .collect();
    let epochs: Vec<_> = offsets.map(|offset| reader.epoch_at(Offset(offset))).collect();
    let times: Vec<_> = (0..40)
        .map(|step| reader.offset_for_timestamp(Millis(1_700_000_000_000 + 100 * step), UpTo::LogEnd))
        .collect();
    let largest = reader.offset_of_max_timestamp(UpTo::LogEnd);
    let aborted = reader.aborted(view.start, view.end);
    let bytes = fetch(&reader, view.start, 1 << 20);
    (view, bytes, found, epochs, times, largest, aborted)
}

/// The files that a truncation has to leave as if nothing had been there. A time index may keep the entry that a
/// segment got when it ended.
fn content(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let is_same = |name: &String| !name.ends_with(".timeindex") && !name.contains("deleted");
    let read = |name: String| {
        let bytes = if name.ends_with(".snapshot") {
            decode(dir, &name).to_string().into_bytes()
        } else {
            fs::read(dir.join(&name)).unwrap()
        };
        (name, bytes)
    };
    files(dir).into_keys().filter(is_same).map(read).collect()
}

fn check_every_cut(name: &str) {
    let copy = copy_of(&format!("main/{name}"));
    let lasting = LogSettings { producer_id_expiration_ms: i64::MAX, ..settings() };
    let (leader, _) = Log::open(options(copy.path(), &lasting, Shutdown::Clean), os()).unwrap();
    let bytes = fetch(&leader.reader(), Offset(0), 1 << 20);
    let batches: Vec<_> = Batches::new(&bytes).map(|batch| batch.unwrap()).collect();
    let settings = LogSettings { producer_id_expiration_ms: i64::MAX, ..tight() };
    for (at, batch) in batches.iter().enumerate() {
        let to = batch.header.base_offset;
        let (cut_dir, never_dir) = (scratch(), scratch());
        let mut cut = create(cut_dir.path(), &settings);
        follow(&mut cut, &bytes);
        truncate(&mut cut, to.0);
        let mut never = create(never_dir.path(), &settings);
        follow(&mut never, &bytes[..batch.position]);
        let context = format!("{name} cut at {to}");
        // A gap before the cut stays a gap.
        if cut.end_offset() == never.end_offset() {
            assert_eq!(seen(&cut), seen(&never), "{context}");
        }
        // The same again from there on, through to a clean stop.
        follow(&mut cut, &bytes[batch.position..]);
        follow(&mut never, &bytes[batch.position..]);
        assert_eq!(seen(&cut), seen(&never), "{context}");
        cut.close().unwrap();
        never.close().unwrap();
        let (cut, mut never) = (content(cut_dir.path()), content(never_dir.path()));
        // A snapshot of the cut is left where that is not the beginning of a segment.
        let extra = format!("{to:020}.snapshot", to = to.0);
        if let Some(snapshot) = cut.get(&extra) {
            never.entry(extra).or_insert_with(|| snapshot.clone());
        }
        let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&cut), names(&never), "{context}");
        for (name, bytes) in &cut {
            assert!(never.get(name) == Some(bytes), "{context}: {name} ({at})");
        }
    }
}

#[test]
fn every_cut_of_transactions_is_as_if_nothing_had_been_there() {
    check_every_cut("fx-txn-0");
}

#[test]
fn every_cut_of_leader_epochs_is_as_if_nothing_had_been_there() {
    check_every_cut("fx-epochs-0");
}

#[test]
fn every_cut_of_idempotent_producers_is_as_if_nothing_had_been_there() {
    check_every_cut("fx-idempotent-0");
}

#[test]
fn whole_batches_go_and_the_log_ends_where_it_was_told() {
    let dir = scratch();
    let mut log = create(dir.path(), &settings());
    for _ in 0..4 {
        append(&mut log, &batch(&["a", "b", "c"], 1));
    }
    truncate(&mut log, 7);
    assert_eq!((log.end_offset(), log.high_watermark(), values(&log).len()), (Offset(7), Offset(7), 6));
    assert_eq!(append(&mut log, &batch(&["d"], 1)), Offset(7));
    drop(log);
    let (log, report) = open(dir.path(), Shutdown::Unclean).unwrap();
    assert_eq!((values(&log).into_keys().collect::<Vec<_>>(), report.cut), (vec![0, 1, 2, 3, 4, 5, 7], None));
}

#[test]
fn what_is_not_there_is_not_cut() {
    let dir = scratch();
    let mut log = create(dir.path(), &settings());
    append(&mut log, &batch(&["a"], 1));
    assert!(log.truncate_to(Offset(1), NOW).unwrap().is_none());
    assert!(log.truncate_to(Offset(9), NOW).unwrap().is_none());
    assert_eq!(log.end_offset(), Offset(1));
    assert!(matches!(log.truncate_to(Offset(-1), NOW), Err(TruncateError::Negative { .. })));
    // An epoch without a record goes all the same: the new leader may know nothing of it.
    log.assign_epoch(LeaderEpoch(5));
    assert!(log.truncate_to(Offset(1), NOW).unwrap().is_none());
    assert_eq!(log.reader().view().latest_epoch, Some(LeaderEpoch(0)));
}

#[test]
fn points_and_marks_go_down_with_the_end() {
    let dir = scratch();
    let mut log = create(dir.path(), &tight());
    for at in 0..60 {
        append(&mut log, &batch(&["x"], at));
    }
    log.advance_start(Offset(40));
    let flushed = log.flush_plan(FlushScope::Everything, NOW).unwrap().run().unwrap();
    log.flushed(flushed);
    assert_eq!(log.recovery_point(), Offset(60));
    let truncated = log.truncate_to(Offset(33), NOW).unwrap().unwrap();
    assert_eq!((truncated.recovery_point, truncated.log_start), (Offset(33), Some(Offset(33))));
    assert_eq!(
        (log.start_offset(), log.high_watermark(), log.end_offset()),
        (Offset(33), Offset(33), Offset(33))
    );
    // Nothing below the start is seen again.
    assert_eq!(append(&mut log, &batch(&["y"], 1)), Offset(33));
    assert_eq!(values(&log).len(), 1);
    assert_eq!(truncated.removal.due, NOW + 60_000);
    truncated.removal.run().unwrap();
    assert!(files(dir.path()).keys().all(|name| !name.ends_with(".deleted")));
}

#[test]
fn a_flush_from_before_says_nothing_about_what_came_after() {
    let dir = scratch();
    let mut log = create(dir.path(), &settings());
    for at in 0..10 {
        append(&mut log, &batch(&["x"], at));
    }
    let plan = log.flush_plan(FlushScope::Everything, NOW).unwrap();
    truncate(&mut log, 4);
    for at in 0..10 {
        log.append(&[batch(&["y"], at)], LeaderEpoch(7), NOW);
    }
    log.flushed(plan.run().unwrap());
    assert_eq!(log.recovery_point(), Offset(0));
    // The epochs that the old plan wrote are written again.
    let plan = log.flush_plan(log.flush_due(NOW).unwrap(), NOW).unwrap();
    log.flushed(plan.run().unwrap());
    assert_eq!(fs::read_to_string(dir.path().join("leader-epoch-checkpoint")).unwrap(), "0\n2\n0 0\n7 4\n");
}

#[test]
fn a_log_begins_anew_below_its_first_segment_and_wherever_it_is_told() {
    let dir = scratch();
    let mut log = create(dir.path(), &tight());
    for at in 0..40 {
        append(&mut log, &numbered(9, 0, at, &["x"]));
    }
    let first = |dir: &Path| files(dir).into_keys().find(|name| name.ends_with(".log")).unwrap();
    for to in [1000, 1000, 17, 0] {
        let truncated = log.truncate_fully_and_start_at(Offset(to), NOW).unwrap();
        assert_eq!((truncated.recovery_point <= Offset(to), truncated.log_start), (true, None));
        let view = log.reader().view();
        assert_eq!([view.start, view.end, view.high_watermark, view.last_stable_offset], [Offset(to); 4]);
        assert_eq!((view.latest_epoch, log.producer_count(), log.size()), (None, 0, 0));
        assert_eq!(log.reader().offset_of_max_timestamp(UpTo::LogEnd), Ok(None));
        assert_eq!(first(dir.path()), format!("{to:020}.log"));
        let flushed = log.flush_plan(log.flush_due(NOW).unwrap(), NOW).unwrap().run().unwrap();
        log.flushed(flushed);
        assert_eq!(fs::read_to_string(dir.path().join("leader-epoch-checkpoint")).unwrap(), "0\n0\n");
        assert!(files(dir.path()).keys().all(|name| !name.ends_with(".snapshot")));
        assert_eq!(append(&mut log, &numbered(9, 0, 70, &["y"])), Offset(to));
    }
    append(&mut log, &batch(&["z"], 1));
    drop(log.truncate_fully_and_start_at(Offset(500), NOW).unwrap());
    append(&mut log, &batch(&["x"], 1));
    let truncated = log.truncate_to(Offset(300), NOW).unwrap().unwrap();
    assert_eq!((truncated.recovery_point <= Offset(300), log.end_offset()), (true, Offset(300)));
    assert_eq!(truncated.active_base, Offset(300));
    assert_eq!(first(dir.path()), format!("{:020}.log", 300));
    log.close().unwrap();
    let (log, report) = open(dir.path(), Shutdown::Clean).unwrap();
    assert_eq!((log.start_offset(), log.end_offset(), report.segments), (Offset(300), Offset(300), 1));
}

#[test]
fn a_cut_in_a_gap_forgets_no_producer_at_a_clean_stop() {
    let dir = scratch();
    let mut log = create(dir.path(), &settings());
    follow(&mut log, &placed(&transactional(1, 0, 0, &["a"]), 0, 0));
    follow(&mut log, &placed(&batch(&["b"], 1), 9, 0));
    truncate(&mut log, 5);
    assert_eq!((log.end_offset(), log.producer_count()), (Offset(5), 1));
    log.close().unwrap();
    let (log, _) = open(dir.path(), Shutdown::Clean).unwrap();
    let view = log.reader().view();
    assert_eq!((view.end, view.last_stable_offset, log.producer_count()), (Offset(1), Offset(0), 1));
}

#[test]
fn producers_are_those_of_what_stayed() {
    let dir = scratch();
    let mut log = create(dir.path(), &tight());
    for at in 0..30 {
        append(&mut log, &numbered(9, 0, at, &["x"]));
    }
    append(&mut log, &numbered(10, 0, 0, &["y"]));
    truncate(&mut log, 21);
    assert_eq!(log.producer_count(), 1);
    // The last batch that stayed is known, and the next one is the one that went.
    assert_eq!(append(&mut log, &numbered(9, 0, 20, &["x"])), Offset(20));
    assert!(log.append(&[numbered(9, 0, 25, &["gap"])], LeaderEpoch(0), NOW)[0].is_err());
    assert_eq!(append(&mut log, &numbered(9, 0, 21, &["x"])), Offset(21));
}

#[test]
fn a_transaction_whose_marker_went_is_open_again() {
    let dir = scratch();
    let mut log = create(dir.path(), &settings());
    append(&mut log, &transactional(1, 0, 0, &["a"]));
    append(&mut log, &marker(1, 0, Ends::Abort, 0));
    append(&mut log, &transactional(1, 0, 1, &["b"]));
    append(&mut log, &marker(1, 0, Ends::Abort, 0));
    assert_eq!(log.reader().aborted(Offset(0), Offset(4)).len(), 2);
    truncate(&mut log, 3);
    let view = log.reader().view();
    assert_eq!((view.last_stable_offset, log.reader().aborted(Offset(0), Offset(4)).len()), (Offset(2), 1));
    append(&mut log, &marker(1, 0, Ends::Commit, 0));
    log.close().unwrap();
    let (log, _) = open(dir.path(), Shutdown::Clean).unwrap();
    assert_eq!(log.reader().view().last_stable_offset, Offset(4));
    assert_eq!(log.reader().aborted(Offset(0), Offset(4)).len(), 1);
    // Without an entry there is no file.
    drop(log);
    let (mut log, _) = open(dir.path(), Shutdown::Unclean).unwrap();
    truncate(&mut log, 1);
    assert!(!dir.path().join("00000000000000000000.txnindex").exists());
}

#[test]
fn a_reader_never_meets_the_cut() {
    let dir = scratch();
    let mut log = create(dir.path(), &tight());
    for at in 0..60 {
        append(&mut log, &batch(&["x"], at));
    }
    let reader = log.reader();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut from = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                from = (from + 7) % 61;
                match reader.read(Offset(from), 300, UpTo::LogEnd, FirstBatch::Whole) {
                    Ok(fetched) => assert!(fetched.view.end >= Offset(from)),
                    Err(ReadError::OutOfRange { view, .. }) => assert!(view.end < Offset(from)),
                    Err(error) => panic!("{error}"),
                }
                reader.offset_for_timestamp(Millis(from), UpTo::LogEnd).unwrap();
                reader.offset_of_max_timestamp(UpTo::LogEnd).unwrap();
            }
        });
        for round in 0..200 {
            truncate(&mut log, 60 - round % 60 - 1);
            while log.end_offset() < Offset(60) {
                let time = log.end_offset().0;
                append(&mut log, &batch(&["x"], time));
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(values(&log).len(), 60);
}

#[test]
fn a_slice_of_a_segment_that_went_stays_good() {
    let dir = scratch();
    let mut log = create(dir.path(), &tight());
    for at in 0..60 {
        append(&mut log, &batch(&["x"], at));
    }
    let slice = log.reader().read(Offset(30), 300, UpTo::LogEnd, FirstBatch::Whole).unwrap().records.unwrap();
    let before = slice_bytes(&slice);
    let truncated = log.truncate_to(Offset(3), NOW).unwrap().unwrap();
    truncated.removal.run().unwrap();
    assert_eq!(slice_bytes(&slice), before);
}

#[test]
fn an_index_that_lies_is_made_anew() {
    let dir = scratch();
    let mut log = create(dir.path(), &tight());
    for at in 0..60 {
        append(&mut log, &batch(&["x"], at));
    }
    log.close().unwrap();
    let index = dir.path().join("00000000000000000000.index");
    let mut bytes = fs::read(&index).unwrap();
    let expected = bytes.clone();
    bytes.iter_mut().skip(7).step_by(8).for_each(|byte| *byte ^= 1);
    fs::write(&index, bytes).unwrap();
    let settings =
        OpenOptions { recovery_point: Offset(60), ..options(dir.path(), &tight(), Shutdown::Clean) };
    let (mut log, _) = Log::open(settings, os()).unwrap();
    truncate(&mut log, 15);
    assert_eq!(values(&log).len(), 15);
    let found = fs::read(&index).unwrap();
    assert!(!found.is_empty() && expected.starts_with(&found));
}

#[test]
fn damage_before_the_cut_is_named_and_nothing_is_changed() {
    let dir = scratch();
    let mut log = create(dir.path(), &settings());
    for at in 0..9 {
        append(&mut log, &batch(&["x"], at));
    }
    let path = dir.path().join("00000000000000000000.log");
    let mut bytes = fs::read(&path).unwrap();
    let size = bytes.len() / 9;
    bytes[4 * size + 16] = 9;
    fs::write(&path, &bytes).unwrap();
    let error = log.truncate_to(Offset(7), NOW).unwrap_err();
    assert!(
        matches!(error, TruncateError::Corrupt { position, .. } if position == 4 * size as u64),
        "{error}"
    );
    assert!(error.to_string().starts_with("t-0: segment 0 cannot be truncated"), "{error}");
    assert_eq!((log.end_offset(), fs::read(&path).unwrap()), (Offset(9), bytes));
    truncate(&mut log, 4);
    assert_eq!(values(&log).len(), 4);
}

#[test]
fn a_disk_that_fails_in_a_truncation_leaves_the_log_to_the_next_start() {
    let mut attempts = 0;
    for fully in [false, true] {
        for attempt in 0..60 {
            let dir = scratch();
            let disk = Arc::new(CrashDisk::new(dir.path()).unwrap());
            let mut log = create_on(dir.path(), &tight(), disk.clone());
            for at in 0..60 {
                append(&mut log, &numbered(3, 0, at, &["x"]));
            }
            disk.fail_at(disk.attempts() + attempt, Fault::Once(ErrorKind::Other));
            let outcome = if fully {
                log.truncate_fully_and_start_at(Offset(8), NOW).map(drop)
            } else {
                log.truncate_to(Offset(8), NOW).map(drop)
            };
            if outcome.is_ok() {
                break;
            }
            attempts += 1;
            assert!(log.append_as_follower(&placed(&batch(&["y"], 1), 8, 1), LeaderEpoch(1), NOW).is_err());
            assert!(matches!(log.truncate_to(Offset(3), NOW), Err(TruncateError::Offline { .. })));
            assert!(log.close().is_err());
            let (log, report) = open(dir.path(), Shutdown::Unclean).unwrap();
            assert_eq!(report.cut, None);
            // A part of the old log from its beginning, or nothing.
            let found = values(&log);
            assert!(found.keys().copied().eq(0..found.len() as i64), "attempt {attempt}");
            assert!(fully || found.len() >= 8, "attempt {attempt}");
        }
    }
    assert!(attempts > 20, "{attempts}");
}
