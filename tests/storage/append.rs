//! What an append answers and writes: offsets, stamps, idempotence, segments, and what readers see afterwards.

use std::path::Path;
use std::sync::Arc;

use protocol::batch::{Codec, TimestampType};
use protocol::{LeaderEpoch, Millis, Offset};
use storage::disk::crash::scratch;
use storage::{AppendError, Freshness, Log, LogSettings, OpenOptions, OsDisk, Shutdown};

use crate::kit::{
    EPOCH, NOW, append, batch, batch_with, create, decode, files, headers, numbered, options, settings,
    transactional, values,
};

#[test]
fn batches_get_offsets_and_the_leaders_epoch() {
    let dir = scratch();
    let mut log = create(dir.path(), &settings());
    let batches =
        [batch(&["a", "b"], 5), batch_with(Codec::Zstd, &["c", "d", "e"], 9, |_| {}), batch(&["f"], 7)];
    let results = log.append(&batches, LeaderEpoch(3), NOW);
    let found: Vec<_> = results.iter().map(|result| result.as_ref().unwrap()).collect();
    assert_eq!(found.iter().map(|one| one.first_offset.0).collect::<Vec<_>>(), [0, 2, 5]);
    assert_eq!(found.iter().map(|one| one.last_offset.0).collect::<Vec<_>>(), [1, 4, 5]);
    assert!(found.iter().all(|one| one.freshness == Freshness::Written && one.log_append_time.is_none()));
    assert!(headers(&log).iter().all(|header| header.leader_epoch == LeaderEpoch(3)));
    assert_eq!(values(&log).into_values().collect::<String>(), "abcdef");
    assert_eq!(log.reader().epoch_at(Offset(0)), Some(LeaderEpoch(3)));
    // Nothing is visible to consumers before the high watermark moves.
    assert_eq!(log.reader().view().high_watermark, Offset(0));
}

#[test]
fn log_append_time_is_stamped() {
    let dir = scratch();
    let mut log =
        create(dir.path(), &LogSettings { timestamp_type: TimestampType::LogAppendTime, ..settings() });
    let results = log.append(&[batch(&["a", "b"], 5)], EPOCH, Millis(77));
    assert_eq!(results[0].as_ref().unwrap().log_append_time, Some(Millis(77)));
    let header = headers(&log)[0];
    assert_eq!(header.attributes.timestamp_type(), TimestampType::LogAppendTime);
    assert_eq!((header.base_timestamp, header.max_timestamp), (Millis(5), Millis(77)));
    // Compares the checksum too.
    assert_eq!(values(&log).len(), 2);
}

#[test]
fn a_duplicate_answers_its_first_offset() {
    let dir = scratch();
    let mut log = create(dir.path(), &settings());
    append(&mut log, &batch(&["x"], 1));
    append(&mut log, &numbered(9, 0, 0, &["a", "b"]));
    append(&mut log, &numbered(9, 0, 2, &["c"]));
    let results = log.append(&[numbered(9, 0, 0, &["a", "b"])], EPOCH, NOW);
    let duplicate = results[0].as_ref().unwrap();
    assert_eq!((duplicate.first_offset, duplicate.last_offset), (Offset(1), Offset(2)));
    assert_eq!(duplicate.freshness, Freshness::Duplicate);
    assert_eq!(duplicate.log_append_time, Some(NOW + 1));
    assert_eq!(log.end_offset(), Offset(4));
}

#[test]
fn each_batch_of_an_append_is_judged_alone() {
    let dir = scratch();
    let mut log = create(dir.path(), &settings());
    let batches = [
        numbered(9, 0, 0, &["a"]),
        numbered(9, 0, 2, &["gap"]),
        numbered(9, 0, 0, &["a"]),
        numbered(9, 0, 1, &["b"]),
        numbered(8, 4, 7, &["other"]),
        numbered(8, 3, 8, &["old"]),
    ];
    let results = log.append(&batches, EPOCH, NOW);
    assert_eq!(results[0].as_ref().unwrap().first_offset, Offset(0));
    assert!(matches!(&results[1], Err(AppendError::OutOfOrderSequence { sequence, .. }) if sequence.0 == 2));
    assert_eq!(results[2].as_ref().unwrap().freshness, Freshness::Duplicate);
    assert_eq!(results[3].as_ref().unwrap().first_offset, Offset(1));
    assert_eq!(results[4].as_ref().unwrap().first_offset, Offset(2));
    assert!(matches!(&results[5], Err(AppendError::InvalidProducerEpoch { current, .. }) if current.0 == 4));
    assert_eq!(values(&log).into_values().collect::<Vec<_>>(), ["a", "b", "other"]);
}

#[test]
fn duplicates_are_known_after_a_restart_of_either_kind() {
    for shutdown in [Shutdown::Clean, Shutdown::Unclean] {
        let dir = scratch();
        let mut log = create(dir.path(), &settings());
        append(&mut log, &numbered(9, 0, 0, &["a"]));
        append(&mut log, &numbered(9, 0, 1, &["b"]));
        match shutdown {
            Shutdown::Clean => drop(log.close().unwrap()),
            Shutdown::Unclean => drop(log),
        }
        let (mut log, _) = Log::open(options(dir.path(), &settings(), shutdown), Arc::new(OsDisk)).unwrap();
        let results = log.append(&[numbered(9, 0, 1, &["b"]), numbered(9, 0, 2, &["c"])], EPOCH, NOW);
        assert_eq!(results[0].as_ref().unwrap().freshness, Freshness::Duplicate, "{shutdown:?}");
        assert_eq!(results[1].as_ref().unwrap().first_offset, Offset(2), "{shutdown:?}");
        let gap = log.append(&[numbered(9, 0, 9, &["gap"])], EPOCH, NOW);
        assert!(matches!(gap[0], Err(AppendError::OutOfOrderSequence { .. })), "{shutdown:?}");
    }
}

#[test]
fn silent_producers_are_forgotten() {
    let dir = scratch();
    let mut log = create(dir.path(), &LogSettings { producer_id_expiration_ms: 1000, ..settings() });
    append(&mut log, &numbered(9, 0, 5, &["a"]));
    log.expire_producers(NOW + 999);
    assert_eq!(log.producer_count(), 1);
    log.expire_producers(NOW + 1000);
    assert_eq!(log.producer_count(), 0);
    assert!(log.append(&[numbered(9, 0, 77, &["b"])], EPOCH, NOW)[0].is_ok());
}

#[test]
fn a_start_forgets_silent_producers_but_no_open_transaction() {
    let dir = scratch();
    let mut log = create(dir.path(), &settings());
    append(&mut log, &numbered(9, 0, 0, &["a"]));
    append(&mut log, &transactional(10, 0, 0, &["b"]));
    log.close().unwrap();
    let later = |now| OpenOptions { now, ..options(dir.path(), &settings(), Shutdown::Clean) };
    let day = settings().producer_id_expiration_ms;
    let (log, _) = Log::open(later(NOW + (day - 1)), Arc::new(OsDisk)).unwrap();
    assert_eq!(log.producer_count(), 2);
    drop(log);
    let (mut log, _) = Log::open(later(NOW + day), Arc::new(OsDisk)).unwrap();
    assert_eq!((log.producer_count(), log.reader().view().last_stable_offset), (1, Offset(1)));
    // Who is forgotten may go on from anywhere.
    assert_eq!(append(&mut log, &numbered(9, 0, 7, &["c"])), Offset(2));
}

#[test]
fn a_segment_ends_by_size() {
    let dir = scratch();
    let size = batch(&["x"], 1).batch.len() as u32;
    let mut log = create(dir.path(), &LogSettings { segment_bytes: 3 * size, ..settings() });
    let batches: Vec<_> = (0..7).map(|at| batch(&["x"], at)).collect();
    assert!(log.append(&batches, EPOCH, NOW).iter().all(Result::is_ok));
    let logs: Vec<_> = files(dir.path()).into_iter().filter(|(name, _)| name.ends_with(".log")).collect();
    let name = |base: i64| format!("{base:020}.log");
    let full = u64::from(3 * size);
    assert_eq!(logs, [(name(0), full), (name(3), full), (name(6), u64::from(size))]);
    // A sealed segment has its closing time entry and nothing behind it.
    assert_eq!(decode(dir.path(), "00000000000000000000.timeindex"), serde_json::json!([[2, 2]]));
    assert_eq!(headers(&log).len(), 7);
    let large = log.append(&[batch(&[&"y".repeat(300)], 1)], EPOCH, NOW);
    assert!(matches!(large[0], Err(AppendError::LargerThanSegment { .. })));
}

#[test]
fn a_segment_ends_by_age() {
    let dir = scratch();
    let mut log = create(dir.path(), &LogSettings { segment_ms: 100, ..settings() });
    append(&mut log, &batch(&["a"], 1000));
    append(&mut log, &batch(&["b"], 1100));
    append(&mut log, &batch(&["c"], 1101));
    assert!(dir.path().join("00000000000000000002.log").exists());
    assert!(!dir.path().join("00000000000000000001.log").exists());
    // Without record times it is the segment's own age that counts.
    log.append(&[batch(&["d"], 1300)], EPOCH, NOW);
    append(&mut log, &batch_with(Codec::None, &["e"], -1, |_| {}));
    assert_eq!(values(&log).len(), 5);
}

#[test]
fn a_segment_ends_when_its_index_is_full() {
    let dir = scratch();
    let tight = LogSettings { index_interval_bytes: 0, index_bytes_max: 48, ..settings() };
    let mut log = create(dir.path(), &tight);
    for at in 0..20 {
        append(&mut log, &batch(&["x"], at));
    }
    let files = files(dir.path());
    assert!(files.len() > 6);
    assert!(files.iter().all(|(name, size)| !name.ends_with("index") || *size <= 48), "{files:?}");
    assert_eq!(values(&log).len(), 20);
}

#[test]
fn a_segment_spans_31_bits_of_offsets() {
    let dir = scratch();
    let mut log = create(dir.path(), &settings());
    let wide = |delta: i32| batch_with(Codec::None, &["x"], 1, |_| {}).header.record_count == 1 && delta > 0;
    assert!(wide(1));
    append(&mut log, &batch(&["x"], 1));
    let mut far = batch(&["x"], 1);
    far.header.last_offset_delta = i32::MAX - 1;
    far.header.stamp(TimestampType::CreateTime, far.header.max_timestamp, far.records().to_vec().as_slice());
    append(&mut log, &far);
    append(&mut log, &batch(&["y"], 1));
    assert!(dir.path().join("00000000002147483648.log").exists());
    assert_eq!(log.end_offset(), Offset(2_147_483_649));
}

#[test]
fn an_epoch_without_records_is_assigned() {
    let dir = scratch();
    let mut log = create(dir.path(), &settings());
    append(&mut log, &batch(&["x"], 1));
    log.assign_epoch(LeaderEpoch(4));
    check_epochs(&mut log, dir.path(), "0\n2\n0 0\n4 1\n");
    assert_eq!(log.reader().view().latest_epoch, Some(LeaderEpoch(4)));
    assert_eq!(log.reader().epoch_end(LeaderEpoch(0)).map(|end| end.end), Some(Offset(1)));
    log.assign_epoch(LeaderEpoch(4));
    assert_eq!(log.flush_due(NOW), None);
}

/// The controller counts anew: what the file said of later epochs is of no use.
#[test]
fn an_older_epoch_drops_the_later_ones() {
    let dir = scratch();
    let mut log = create(dir.path(), &settings());
    append(&mut log, &batch(&["x"], 1));
    log.assign_epoch(LeaderEpoch(4));
    check_epochs(&mut log, dir.path(), "0\n2\n0 0\n4 1\n");
    log.assign_epoch(LeaderEpoch(2));
    check_epochs(&mut log, dir.path(), "0\n2\n0 0\n2 1\n");
    assert_eq!(log.reader().view().latest_epoch, Some(LeaderEpoch(2)));
    assert_eq!(log.reader().epoch_end(LeaderEpoch(2)).map(|end| end.end), Some(Offset(1)));
}

/// What the due flush leaves in the file of epochs.
#[track_caller]
fn check_epochs(log: &mut Log, dir: &Path, expected: &str) {
    let scope = log.flush_due(NOW).unwrap();
    let flushed = log.flush_plan(scope, NOW).unwrap().run().unwrap();
    log.flushed(flushed);
    assert_eq!(log.flush_due(NOW), None);
    let text = std::fs::read_to_string(dir.join("leader-epoch-checkpoint")).unwrap();
    assert_eq!(text, expected);
}

#[test]
fn flushes_are_due_by_count_age_and_sealed_segments() {
    let dir = scratch();
    let size = batch(&["x"], 1).batch.len() as u32;
    let eager =
        LogSettings { flush_messages: 3, flush_ms: Some(1000), segment_bytes: 4 * size, ..settings() };
    let mut log = create(dir.path(), &eager);
    let flush = |log: &mut Log| {
        let scope = log.flush_due(NOW)?;
        let flushed = log.flush_plan(scope, NOW)?.run().unwrap();
        log.flushed(flushed);
        Some((scope, log.recovery_point().0))
    };
    append(&mut log, &batch(&["x"], 1));
    flush(&mut log);
    assert_eq!(flush(&mut log), None);
    append(&mut log, &batch(&["x"], 1));
    append(&mut log, &batch(&["x"], 1));
    assert_eq!(flush(&mut log), Some((storage::FlushScope::Everything, 3)));
    append(&mut log, &batch(&["x"], 1));
    assert_eq!(log.flush_due(NOW), None);
    assert_eq!(log.flush_due(NOW + 1000), Some(storage::FlushScope::Everything));
    append(&mut log, &batch(&["x"], 1));
    assert_eq!(flush(&mut log), Some((storage::FlushScope::Sealed, 4)));
}

#[test]
fn a_reader_sees_what_a_closed_log_holds() {
    let dir = scratch();
    let mut log = create(dir.path(), &settings());
    for at in 0..600 {
        append(&mut log, &batch(&["x"], at));
    }
    let expected = values(&log);
    log.close().unwrap();
    let (log, _) = Log::open(
        OpenOptions { recovery_point: Offset(600), ..options(dir.path(), &settings(), Shutdown::Clean) },
        Arc::new(OsDisk),
    )
    .unwrap();
    assert_eq!(values(&log), expected);
}
