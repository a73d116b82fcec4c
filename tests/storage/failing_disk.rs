//! A disk that is full or fails: the log stays as it was, says what happened, and goes on when it can.

use std::io::ErrorKind;
use std::sync::Arc;

use protocol::Offset;
use storage::disk::crash::{CrashDisk, Fault, scratch};
use storage::{AppendError, Log, LogSettings, Shutdown};

use crate::kit::{EPOCH, NOW, append, batch, create_on, numbered, open, settings, values};

#[test]
fn a_full_disk_takes_nothing_and_leaves_nothing() {
    let dir = scratch();
    let disk = Arc::new(CrashDisk::new(dir.path()).unwrap());
    let mut log = create_on(dir.path(), &settings(), disk.clone());
    append(&mut log, &numbered(1, 0, 0, &["a"]));
    let size = log.size();
    disk.set_space(Some(20));
    let results = log.append(&[numbered(1, 0, 1, &["b"]), numbered(1, 0, 2, &["c"])], EPOCH, NOW);
    for result in &results {
        assert!(matches!(result, Err(AppendError::Disk { error, .. }) if error.is_full()), "{result:?}");
    }
    assert_eq!((log.end_offset(), log.size()), (Offset(1), size));
    assert_eq!(dir.path().join("00000000000000000000.log").metadata().unwrap().len(), size);
    // As if the batches had never come.
    disk.set_space(None);
    let results = log.append(&[numbered(1, 0, 1, &["b"])], EPOCH, NOW);
    assert_eq!(results[0].as_ref().unwrap().first_offset, Offset(1));
    drop(log);
    let (log, report) = open(dir.path(), Shutdown::Unclean).unwrap();
    assert_eq!((values(&log).len(), report.cut), (2, None));
}

#[test]
fn a_batch_behind_one_that_failed_is_judged_again() {
    let dir = scratch();
    let size = numbered(1, 0, 0, &["a"]).batch.len() as u32;
    let disk = Arc::new(CrashDisk::new(dir.path()).unwrap());
    let mut log = create_on(dir.path(), &LogSettings { segment_bytes: 2 * size, ..settings() }, disk.clone());
    append(&mut log, &numbered(1, 0, 0, &["a"]));
    // The second batch fills the segment and fails, so the third, which would begin the next one, must not come.
    disk.fail_at(disk.attempts(), Fault::Once(ErrorKind::StorageFull));
    let batches = [numbered(1, 0, 1, &["b"]), numbered(1, 0, 2, &["c"]), numbered(1, 0, 1, &["b"])];
    let results = log.append(&batches, EPOCH, NOW);
    assert!(matches!(results[0], Err(AppendError::Disk { .. })));
    assert!(matches!(results[1], Err(AppendError::Disk { .. })));
    assert_eq!(results[2].as_ref().unwrap().first_offset, Offset(1));
}

#[test]
fn a_duplicate_is_not_confirmed_before_its_first_is_written() {
    let dir = scratch();
    let disk = Arc::new(CrashDisk::new(dir.path()).unwrap());
    let mut log = create_on(dir.path(), &settings(), disk.clone());
    disk.fail_at(disk.attempts(), Fault::Once(ErrorKind::StorageFull));
    let results = log.append(&[numbered(1, 0, 0, &["a"]), numbered(1, 0, 0, &["a"])], EPOCH, NOW);
    assert!(results.iter().all(|result| matches!(result, Err(AppendError::Disk { .. }))), "{results:?}");
    assert_eq!(log.end_offset(), Offset(0));
}

#[test]
fn a_write_that_cannot_be_taken_back_ends_the_log() {
    let dir = scratch();
    let disk = Arc::new(CrashDisk::new(dir.path()).unwrap());
    let mut log = create_on(dir.path(), &settings(), disk.clone());
    append(&mut log, &batch(&["a"], 1));
    disk.fail_at(disk.attempts(), Fault::Always(ErrorKind::Other));
    // Whatever stopped the write, this is what the directory is judged by.
    let worse = &log.append(&[batch(&["b"], 1)], EPOCH, NOW)[0];
    assert!(matches!(worse, Err(AppendError::Disk { error, .. }) if error.blames_disk()), "{worse:?}");
    assert!(worse.as_ref().unwrap_err().to_string().contains("cannot cut back "), "{worse:?}");
    let offline = &log.append(&[batch(&["b"], 1)], EPOCH, NOW)[0];
    assert!(matches!(offline, Err(AppendError::Offline { .. })));
    // What was acknowledged can still be read.
    assert_eq!(values(&log).len(), 1);
}

#[test]
fn a_failure_anywhere_in_a_roll_loses_nothing() {
    let size = batch(&["x"], 1).batch.len() as u32;
    let mut failures = 0;
    for attempt in 0..40 {
        let dir = scratch();
        let disk = Arc::new(CrashDisk::new(dir.path()).unwrap());
        let small = LogSettings { segment_bytes: 2 * size, index_interval_bytes: 0, ..settings() };
        let mut log = create_on(dir.path(), &small, disk.clone());
        disk.fail_at(disk.attempts() + attempt, Fault::Once(ErrorKind::StorageFull));
        let mut acknowledged = 0;
        for at in 0..8 {
            match &log.append(&[batch(&["x"], at)], EPOCH, NOW)[0] {
                Ok(appended) => {
                    assert_eq!(appended.first_offset, Offset(acknowledged));
                    acknowledged += 1;
                }
                Err(error) => {
                    assert!(matches!(error, AppendError::Disk { .. }), "{error}");
                    failures += 1;
                }
            }
        }
        assert_eq!(values(&log).len() as i64, acknowledged, "attempt {attempt}");
        drop(log);
        let (log, report) = open(dir.path(), Shutdown::Unclean).unwrap();
        assert_eq!((values(&log).len() as i64, report.cut), (acknowledged, None), "attempt {attempt}");
    }
    assert!(failures > 20, "{failures}");
}

#[test]
fn a_failed_sync_is_an_error_and_moves_nothing() {
    let dir = scratch();
    let disk = Arc::new(CrashDisk::new(dir.path()).unwrap());
    let mut log = create_on(dir.path(), &settings(), disk.clone());
    append(&mut log, &batch(&["a"], 1));
    let plan = log.flush_plan(storage::FlushScope::Everything, NOW).unwrap();
    disk.fail_at(disk.attempts(), Fault::Once(ErrorKind::Other));
    assert!(plan.run().unwrap_err().to_string().starts_with("cannot sync "));
    assert_eq!(log.recovery_point(), Offset(0));
}

/// A roll just where a flush ended syncs the indexes itself, and that is final, too.
#[test]
fn a_sync_that_failed_in_a_roll_ends_the_log() {
    let dir = scratch();
    let disk = Arc::new(CrashDisk::new(dir.path()).unwrap());
    let size = batch(&["a"], 1).batch.len() as u32;
    let mut log = create_on(dir.path(), &LogSettings { segment_bytes: size, ..settings() }, disk.clone());
    append(&mut log, &batch(&["a"], 1));
    let plan = log.flush_plan(storage::FlushScope::Everything, NOW).unwrap();
    log.flushed(plan.run().unwrap());
    // Behind the write of the entry that closes the time index.
    disk.fail_at(disk.attempts() + 1, Fault::Once(ErrorKind::Other));
    let failed = log.append(&[batch(&["b"], 1)], EPOCH, NOW).remove(0).unwrap_err().to_string();
    assert!(failed.contains("cannot sync ") && failed.contains(".index"), "{failed}");
    let offline = &log.append(&[batch(&["b"], 1)], EPOCH, NOW)[0];
    assert!(matches!(offline, Err(AppendError::Offline { .. })));
}

#[test]
fn a_directory_that_cannot_be_written_says_so() {
    let dir = scratch();
    let disk = Arc::new(CrashDisk::new(dir.path()).unwrap());
    disk.fail_at(0, Fault::Always(ErrorKind::ReadOnlyFilesystem));
    let options = storage::CreateOptions {
        dir: dir.path().join("t-0"),
        partition: crate::kit::partition(),
        topic_id: None,
        settings: settings(),
        now: NOW,
    };
    let error = Log::create(options, disk).unwrap_err().to_string();
    assert!(error.starts_with("t-0: cannot create "), "{error}");
}
