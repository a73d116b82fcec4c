//! When a log rolls, forgets and flushes: each rule of Kafka at its edge, and settings that change at run time.

use std::collections::BTreeSet;
use std::path::Path;

use protocol::batch::{Codec, TimestampType};
use protocol::{LeaderEpoch, Millis, TopicPartition};
use storage::disk::crash::scratch;
use storage::{AppendError, Cleanup, CreateOptions, FlushScope, Log, LogSettings, RetentionReason, Shutdown};

use crate::kit::{
    EPOCH, NOW, append, batch, batch_with, create, files, headers, numbered, open, os, settings, values,
};

/// Bases of the segments in a directory.
fn bases(dir: &Path) -> Vec<i64> {
    let logs = files(dir).into_keys().filter_map(|name| name.strip_suffix(".log").map(str::to_owned));
    logs.map(|stem| stem.parse().unwrap()).collect()
}

fn size() -> u32 {
    batch(&["x"], 1).batch.len() as u32
}

#[test]
fn a_batch_as_large_as_a_segment_fits_and_a_larger_one_does_not() {
    let dir = scratch();
    let fits = numbered(3, 0, 0, &["x"]);
    let segment_bytes = fits.batch.len() as u32;
    let mut log = create(dir.path(), &LogSettings { segment_bytes, ..settings() });
    append(&mut log, &fits);
    let refused = log.append(&[numbered(3, 0, 1, &["xy"])], EPOCH, NOW).remove(0);
    assert!(matches!(refused, Err(AppendError::LargerThanSegment { max, .. }) if max == segment_bytes));
    // It leaves no trace: the next one is the producer's second.
    assert_eq!(bases(dir.path()), [0]);
    append(&mut log, &numbered(3, 0, 1, &["x"]));
    assert_eq!(bases(dir.path()), [0, 1]);
}

#[test]
fn age_counts_from_the_first_batch_that_is_written_with_it() {
    let dir = scratch();
    let mut log = create(dir.path(), &LogSettings { segment_ms: 100, ..settings() });
    // In one append as in three.
    let batches = [1000, 1100, 1101, 1050, 1202].map(|time| batch(&["x"], time));
    assert!(log.append(&batches, EPOCH, NOW).iter().all(Result::is_ok));
    assert_eq!(bases(dir.path()), [0, 2, 4]);
}

#[test]
fn with_log_append_time_it_is_the_brokers_clock_that_ages() {
    let dir = scratch();
    let stamped = LogSettings { timestamp_type: TimestampType::LogAppendTime, segment_ms: 100, ..settings() };
    let mut log = create(dir.path(), &stamped);
    let mut append = |client: i64, now: i64| {
        assert!(log.append(&[batch(&["x"], client)], EPOCH, Millis(now)).remove(0).is_ok());
        bases(dir.path()).len()
    };
    // What clients say their time is has no say.
    assert_eq!(append(7_000_000, 1000), 1);
    assert_eq!(append(9_000_000, 1100), 1);
    assert_eq!(append(5, 1101), 2);
}

#[test]
fn without_record_times_a_segment_ages_from_its_making() {
    let dir = scratch();
    let mut log = create(dir.path(), &LogSettings { segment_ms: 100, ..settings() });
    let timeless = || batch_with(Codec::None, &["x"], -1, |_| {});
    for (now, count) in [(0, 1), (100, 1), (101, 2), (201, 2), (202, 3)] {
        assert!(log.append(&[timeless()], EPOCH, NOW + now).remove(0).is_ok());
        assert_eq!(bases(dir.path()).len(), count, "after {now} ms");
    }
}

#[test]
fn a_compacted_topics_segment_ages_by_the_compaction_lag_too() {
    let count = |cleanup, compaction_lag_max_ms| {
        let dir = scratch();
        let limits = LogSettings { segment_ms: 1000, cleanup, compaction_lag_max_ms, ..settings() };
        let mut log = create(dir.path(), &limits);
        append(&mut log, &batch(&["x"], 1000));
        append(&mut log, &batch(&["x"], 1101));
        bases(dir.path()).len()
    };
    assert_eq!(count(Cleanup::Delete, 100), 1);
    assert_eq!(count(Cleanup::Compact, 100), 2);
    assert_eq!(count(Cleanup::CompactDelete, 100), 2);
    // The lag only shortens, and 0 is no lag.
    assert_eq!(count(Cleanup::Compact, 5000), 1);
    assert_eq!(count(Cleanup::Compact, 0), 1);
}

/// Milliseconds that a segment of this partition is written for.
fn lifetime(partition: i32, jitter: i64) -> i64 {
    let dir = scratch();
    let limits = LogSettings { segment_ms: 100, segment_jitter_ms: jitter, ..settings() };
    let create = CreateOptions {
        dir: dir.path().to_owned(),
        partition: TopicPartition::new("t", partition),
        topic_id: None,
        settings: limits,
        now: NOW,
    };
    let mut log = Log::create(create, os()).unwrap();
    append(&mut log, &batch(&["x"], 0));
    let rolls = |age: &i64| {
        append(&mut log, &batch(&["x"], *age));
        bases(dir.path()).len() > 1
    };
    (0..).find(rolls).unwrap()
}

#[test]
fn jitter_lets_segments_end_at_different_times_and_never_late() {
    let found: BTreeSet<_> = (0..40).map(|partition| lifetime(partition, 60)).collect();
    assert!(found.len() > 10 && found.iter().all(|age| (41..=101).contains(age)), "{found:?}");
    assert_eq!(lifetime(3, 60), lifetime(3, 60));
    assert_eq!(lifetime(3, 0), 101);
    // More than the age itself cannot be taken off.
    assert!((0..40).all(|partition| lifetime(partition, i64::MAX) >= 1));
}

#[test]
fn without_record_times_a_segment_is_as_old_as_its_file() {
    let dir = scratch();
    let mut log =
        create(dir.path(), &LogSettings { segment_bytes: size(), retention_ms: Some(1000), ..settings() });
    for _ in 0..3 {
        append(&mut log, &batch_with(Codec::None, &["x"], -1, |_| {}));
    }
    let file =
        std::fs::File::options().write(true).open(dir.path().join("00000000000000000000.log")).unwrap();
    let times = std::fs::FileTimes::new();
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(NOW.0 as u64);
    file.set_times(times.set_modified(at)).unwrap();
    assert_eq!(log.retention_plan(NOW + 1000), None);
    let plan = log.retention_plan(NOW + 1001).unwrap();
    assert_eq!(plan.segments.iter().map(|segment| segment.0.0).collect::<Vec<_>>(), [0]);
}

#[test]
fn a_time_in_the_future_keeps_a_segment_and_those_behind_it() {
    let dir = scratch();
    let mut log =
        create(dir.path(), &LogSettings { segment_bytes: size(), retention_ms: Some(10), ..settings() });
    for time in [NOW.0, NOW.0 + 500, NOW.0, NOW.0] {
        append(&mut log, &batch(&["x"], time));
    }
    let plan = log.retention_plan(NOW + 100).unwrap();
    assert_eq!((plan.segments.len(), plan.start.0), (1, 1));
}

#[test]
fn nothing_above_the_high_watermark_goes() {
    let dir = scratch();
    let mut log =
        create(dir.path(), &LogSettings { segment_bytes: size(), retention_bytes: Some(0), ..settings() });
    for at in 0..5 {
        log.append(&[batch(&["x"], at)], EPOCH, NOW).remove(0).unwrap();
    }
    assert_eq!(log.retention_plan(NOW), None);
    log.advance_high_watermark(protocol::Offset(2));
    assert_eq!(log.retention_plan(NOW).map(|plan| plan.start.0), Some(2));
    log.advance_high_watermark(protocol::Offset(5));
    assert_eq!(log.retention_plan(NOW).map(|plan| plan.start.0), Some(5));
}

#[test]
fn settings_change_a_log_that_is_open() {
    let dir = scratch();
    let mut log = create(dir.path(), &settings());
    for at in 0..4 {
        append(&mut log, &batch(&["x"], NOW.0 + at));
    }
    assert_eq!(
        (bases(dir.path()).len(), log.retention_plan(NOW + 1_000_000), log.flush_due(NOW)),
        (1, None, Some(FlushScope::Sealed))
    );

    log.set_settings(LogSettings { segment_bytes: 2 * size(), ..settings() });
    append(&mut log, &batch(&["x"], NOW.0 + 4));
    assert_eq!(bases(dir.path()), [0, 4]);

    log.set_settings(LogSettings { segment_ms: 10, ..settings() });
    append(&mut log, &batch(&["x"], NOW.0 + 15));
    assert_eq!(bases(dir.path()), [0, 4, 5]);

    log.set_settings(LogSettings { index_bytes_max: 8, index_interval_bytes: 0, ..settings() });
    append(&mut log, &batch(&["x"], NOW.0 + 15));
    append(&mut log, &batch(&["x"], NOW.0 + 15));
    assert_eq!(bases(dir.path()).len(), 5);

    log.set_settings(LogSettings { retention_ms: Some(50), ..settings() });
    let plan = log.retention_plan(NOW + 60).unwrap();
    assert_eq!((plan.start.0, plan.segments[0].2), (5, RetentionReason::Time));
    log.set_settings(LogSettings { retention_bytes: Some(u64::from(size())), ..settings() });
    assert_eq!(log.retention_plan(NOW).unwrap().segments[0].2, RetentionReason::Size);
    log.set_settings(LogSettings { cleanup: Cleanup::Compact, retention_bytes: Some(0), ..settings() });
    assert_eq!(log.retention_plan(NOW), None);

    log.set_settings(LogSettings { flush_messages: 1, ..settings() });
    assert_eq!(log.flush_due(NOW), Some(FlushScope::Everything));
    let plan = log.flush_plan(FlushScope::Everything, NOW).unwrap();
    log.flushed(plan.run().unwrap());
    append(&mut log, &batch(&["x"], NOW.0 + 15));
    log.set_settings(LogSettings { flush_ms: Some(500), ..settings() });
    assert_eq!((log.flush_due(NOW + 499), log.flush_due(NOW + 500)), (None, Some(FlushScope::Everything)));

    log.set_settings(LogSettings { timestamp_type: TimestampType::LogAppendTime, ..settings() });
    append(&mut log, &batch(&["x"], 3));
    let last = *headers(&log).last().unwrap();
    assert_eq!((last.max_timestamp, last.attributes.timestamp_type()), (NOW, TimestampType::LogAppendTime));

    log.set_settings(LogSettings { producer_id_expiration_ms: 10, ..settings() });
    append(&mut log, &numbered(3, 0, 0, &["x"]));
    log.expire_producers(NOW + 10);
    assert_eq!(log.producer_count(), 0);

    log.set_settings(LogSettings { file_delete_delay_ms: 5, retention_bytes: Some(0), ..settings() });
    let plan = log.retention_plan(NOW).unwrap();
    let removal = log.retire(&plan, NOW).unwrap().run().unwrap();
    assert_eq!(removal.due, NOW + 5);
}

#[test]
fn a_flush_is_due_by_what_was_not_planned_yet() {
    let dir = scratch();
    let mut log = create(dir.path(), &LogSettings { flush_messages: 4, ..settings() });
    append(&mut log, &batch(&["x"], 1));
    let plan = log.flush_plan(FlushScope::Everything, NOW).unwrap();
    // Records that come while a flush is under way count for the next one.
    append(&mut log, &batch(&["a", "b", "c"], 1));
    assert_ne!(log.flush_due(NOW), Some(FlushScope::Everything));
    append(&mut log, &batch(&["d"], 1));
    assert_eq!(log.flush_due(NOW), Some(FlushScope::Everything));
    log.flushed(plan.run().unwrap());
    assert_eq!(log.flush_due(NOW), Some(FlushScope::Everything));
    assert_eq!(log.recovery_point().0, 1);
}

#[test]
fn what_the_leader_appended_outlives_changed_settings() {
    let dir = scratch();
    let mut log = create(dir.path(), &LogSettings { segment_bytes: 2 * size(), ..settings() });
    for at in 0..9 {
        log.set_settings(LogSettings {
            segment_bytes: (1 + at % 3) * size(),
            index_interval_bytes: at,
            ..settings()
        });
        log.append(&[batch(&["x"], i64::from(at))], LeaderEpoch(at as i32), NOW).remove(0).unwrap();
    }
    drop(log);
    let (log, report) = open(dir.path(), Shutdown::Unclean).unwrap();
    assert_eq!((values(&log).len(), report.cut), (9, None));
}
