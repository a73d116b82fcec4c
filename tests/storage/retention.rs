//! Forgetting segments and whole logs: what readers and the directory see at each step.

use std::sync::Arc;

use protocol::{Offset, TopicId};
use storage::disk::crash::scratch;
use storage::{
    Cleanup, DeleteRecordsError, FirstBatch, Log, LogSettings, OpenOptions, OsDisk, ReadError,
    RetentionReason, Shutdown, UpTo,
};

use crate::kit::{NOW, append, batch, create, files, numbered, options, settings, values};

/// Segments of two batches each, the first of them at 0, 2, 4, …; the last one holds one.
fn filled(dir: &std::path::Path, settings: &LogSettings) -> Log {
    let size = batch(&["x"], 1).batch.len() as u32;
    let mut log = create(dir, &LogSettings { segment_bytes: 2 * size, ..settings.clone() });
    for at in 0..7 {
        append(&mut log, &batch(&["x"], NOW.0 + at));
    }
    log
}

fn bases(dir: &std::path::Path) -> Vec<String> {
    files(dir).into_keys().filter_map(|name| name.strip_suffix(".log").map(str::to_owned)).collect()
}

#[test]
fn old_segments_go_in_three_steps() {
    let dir = scratch();
    let mut log = filled(dir.path(), &LogSettings { retention_ms: Some(100), ..settings() });
    assert_eq!(log.retention_plan(NOW + 100), None);
    let reader = log.reader();
    let plan = log.retention_plan(NOW + 104).unwrap();
    assert_eq!((plan.start, plan.segments.len()), (Offset(4), 2));
    assert!(plan.segments.iter().all(|segment| segment.2 == RetentionReason::Time));

    let before = reader.read(Offset(0), 10, UpTo::LogEnd, FirstBatch::Whole).unwrap().records.unwrap();
    let retirement = log.retire(&plan, NOW).unwrap();
    assert_eq!((log.start_offset(), values(&log).len()), (Offset(4), 3));
    let gone = reader.read(Offset(0), 10, UpTo::LogEnd, FirstBatch::Whole);
    assert!(matches!(gone, Err(ReadError::OutOfRange { .. })));

    let removal = retirement.run().unwrap();
    assert_eq!(bases(dir.path()).len(), 2);
    assert!(dir.path().join("00000000000000000000.log.deleted").exists());
    assert!(dir.path().join("00000000000000000002.snapshot.deleted").exists());
    assert_eq!(removal.due, NOW + 60_000);
    // A slice that is being sent stays good.
    assert_eq!(crate::kit::slice_bytes(&before).len(), before.length as usize);
    removal.run().unwrap();
    assert!(files(dir.path()).keys().all(|name| !name.ends_with(".deleted")));
    assert_eq!(log.start_to_checkpoint(), None);
}

/// Kafka does the same when it loads a log; what a newer snapshot says is kept.
#[test]
fn a_start_removes_snapshots_of_which_no_record_is_left() {
    let size = numbered(1, 0, 0, &["x"]).batch.len() as u32;
    let small = LogSettings { segment_bytes: 2 * size, file_delete_delay_ms: 0, ..settings() };
    for (shutdown, producers) in [(Shutdown::Clean, 2), (Shutdown::Unclean, 1)] {
        let dir = scratch();
        let mut log = create(dir.path(), &small);
        for at in 0..7 {
            append(&mut log, &numbered(if at < 3 { 1 } else { 2 }, 0, at, &["x"]));
        }
        log.advance_start(Offset(4));
        let plan = log.retention_plan(NOW).unwrap();
        log.retire(&plan, NOW).unwrap().run().unwrap().run().unwrap();
        log.close().unwrap();
        let snapshots = || files(dir.path()).into_keys().filter(|name| name.ends_with(".snapshot")).count();
        assert_eq!(snapshots(), 3);
        let (log, _) = Log::open(options(dir.path(), &small, shutdown), Arc::new(OsDisk)).unwrap();
        assert_eq!((snapshots(), log.producer_count()), (2, producers), "{shutdown:?}");
        assert!(!dir.path().join("00000000000000000004.snapshot").exists());
        // Where nothing is left at all no snapshot is made of that.
        drop(log);
        let all = OpenOptions { log_start: Some(Offset(20)), ..options(dir.path(), &small, shutdown) };
        let (log, _) = Log::open(all, Arc::new(OsDisk)).unwrap();
        assert_eq!((log.end_offset(), snapshots()), (Offset(20), 0));
        log.close().unwrap();
        assert_eq!(snapshots(), 0);
    }
}

#[test]
fn the_active_segment_goes_too_and_an_empty_one_follows() {
    let dir = scratch();
    let mut log = filled(dir.path(), &LogSettings { retention_ms: Some(100), ..settings() });
    let plan = log.retention_plan(NOW + 1000).unwrap();
    assert_eq!((plan.start, plan.segments.len()), (Offset(7), 4));
    let retirement = log.retire(&plan, NOW).unwrap();
    drop(retirement.run().unwrap());
    assert_eq!(bases(dir.path()), ["00000000000000000007"]);
    assert_eq!((log.start_offset(), log.end_offset(), log.size()), (Offset(7), Offset(7), 0));
    assert_eq!(log.retention_plan(NOW + 5000), None);
    assert_eq!(append(&mut log, &batch(&["y"], 1)), Offset(7));
}

#[test]
fn records_are_deleted_on_request() {
    let dir = scratch();
    let mut log = filled(dir.path(), &LogSettings { retention_ms: Some(100), ..settings() });
    for (asked, start) in [(3, 3), (1, 3), (5, 5)] {
        assert_eq!(log.delete_records(Some(Offset(asked))), Ok(Offset(asked)));
        assert_eq!(log.start_offset(), Offset(start));
    }
    for asked in [-1, 8] {
        let refused = log.delete_records(Some(Offset(asked)));
        assert!(matches!(refused, Err(DeleteRecordsError::OutOfRange { .. })), "{refused:?}");
    }
    // Only what the start has left behind goes, however old the rest is.
    let plan = log.plan_below_start().unwrap();
    assert_eq!(plan.segments.iter().map(|segment| segment.0.0).collect::<Vec<_>>(), [0, 2]);
    drop(log.retire(&plan, NOW).unwrap().run().unwrap());
    assert_eq!((bases(dir.path()).len(), log.start_offset()), (2, Offset(5)));
    assert_eq!(log.plan_below_start(), None);

    log.set_settings(LogSettings { cleanup: Cleanup::Compact, ..settings() });
    for before in [None, Some(Offset(100))] {
        let refused = log.delete_records(before);
        assert!(matches!(refused, Err(DeleteRecordsError::Policy { .. })), "{refused:?}");
    }
    log.set_settings(LogSettings { cleanup: Cleanup::CompactDelete, ..settings() });
    assert_eq!(log.delete_records(None), Ok(Offset(7)));
    assert_eq!((log.start_offset(), values(&log).len()), (Offset(7), 0));
}

#[test]
fn a_raised_start_is_checkpointed_and_survives() {
    let dir = scratch();
    let mut log = filled(dir.path(), &settings());
    log.advance_start(Offset(5));
    assert_eq!(log.start_to_checkpoint(), Some(Offset(5)));
    let plan = log.retention_plan(NOW).unwrap();
    assert_eq!(plan.segments.iter().map(|segment| segment.0.0).collect::<Vec<_>>(), [0, 2]);
    let retirement = log.retire(&plan, NOW).unwrap();
    drop(retirement.run().unwrap());
    let closed = log.close().unwrap();
    assert_eq!(closed.log_start, Some(Offset(5)));
    let options = storage::OpenOptions {
        log_start: closed.log_start,
        recovery_point: closed.recovery_point,
        ..options(dir.path(), &settings(), Shutdown::Clean)
    };
    let (log, report) = Log::open(options, Arc::new(OsDisk)).unwrap();
    assert_eq!((log.start_offset(), log.end_offset()), (Offset(5), Offset(7)));
    // The files that were waiting for their removal went at the start.
    assert!(report.leftovers.iter().all(|path| path.to_str().unwrap().ends_with(".deleted")));
    assert_eq!(report.leftovers.len(), 7);
}

#[test]
fn a_log_whose_files_end_below_its_start_begins_anew() {
    let dir = scratch();
    let mut log = create(dir.path(), &settings());
    append(&mut log, &batch(&["x"], 1));
    log.close().unwrap();
    let options = storage::OpenOptions {
        log_start: Some(Offset(50)),
        ..options(dir.path(), &settings(), Shutdown::Unclean)
    };
    let (log, _) = Log::open(options, Arc::new(OsDisk)).unwrap();
    assert_eq!((log.start_offset(), log.end_offset()), (Offset(50), Offset(50)));
    assert_eq!(bases(dir.path()), ["00000000000000000050"]);
}

#[test]
fn a_flush_under_way_survives_a_deletion() {
    let parent = scratch();
    let mut log = filled(&parent.path().join("t-0"), &settings());
    log.assign_epoch(protocol::LeaderEpoch(5));
    let plan = log.flush_plan(storage::FlushScope::Everything, NOW).unwrap();
    drop(log.delete(TopicId::from_u128(7), NOW).unwrap());
    assert!(plan.run().is_ok());
}

#[test]
fn a_deleted_log_leaves_its_name() {
    let parent = scratch();
    let dir = parent.path().join("t-0");
    let mut log = create(&dir, &settings());
    append(&mut log, &batch(&["x"], 1));
    let removal = log.delete(TopicId::from_u128(7), NOW).unwrap();
    let marked = parent.path().join("t-0.00000000000000000000000000000007-delete");
    assert!(marked.is_dir() && !dir.exists());
    removal.run().unwrap();
    assert!(!marked.exists());
}
