//! Directories that Kafka 3.9.1 left at a kill −9, some of them damaged afterwards: recovery ends where Kafka's
//! ended, makes the same indexes and snapshots, and keeps what it cut.

use std::fs;
use std::sync::Arc;

use protocol::{LeaderEpoch, Offset};
use serde_json::Value;
use storage::{
    Cleanup, Cut, FirstBatch, Flaw, Log, LogSettings, OpenOptions, OsDisk, RecoveryReport, Shutdown, UpTo,
};

use crate::kit::{append, batch, copy_of, create, decode, files, golden, headers, options, settings, values};
use storage::disk::crash::{Scratch, scratch};

fn small_index() -> LogSettings {
    LogSettings { index_interval_bytes: 512, producer_id_expiration_ms: i64::MAX, ..settings() }
}

fn recovered(case: &str) -> (Scratch, Log, RecoveryReport) {
    let copy = copy_of(&format!("crash-{case}-before/fx-crash-0"));
    let options = OpenOptions {
        recovery_point: Offset(99),
        high_watermark: Offset(120),
        ..options(copy.path(), &small_index(), Shutdown::Unclean)
    };
    let (log, report) = Log::open(options, Arc::new(OsDisk)).unwrap();
    (copy, log, report)
}

/// Compares everything that recovery leaves with what Kafka left.
fn check(case: &str, end: i64) -> RecoveryReport {
    let (copy, log, report) = recovered(case);
    assert_eq!(log.end_offset(), Offset(end), "{case}");
    assert_eq!(log.recovery_point(), Offset(99), "{case}");
    assert_eq!(log.high_watermark(), Offset(120.min(end)), "{case}");
    log.close().unwrap();
    let golden = golden(&format!("crash-{case}-after/fx-crash-0"));
    let after: Vec<_> = files(copy.path()).into_keys().filter(|name| !name.starts_with("salvaged")).collect();
    let expected: Vec<_> = golden.as_object().unwrap().keys().cloned().collect();
    assert_eq!(after, expected, "{case}");
    for (name, expected) in golden.as_object().unwrap() {
        compare(case, copy.path(), name, expected);
    }
    report
}

fn compare(case: &str, dir: &std::path::Path, name: &str, expected: &Value) {
    if name.ends_with(".log") {
        assert_eq!(
            fs::metadata(dir.join(name)).unwrap().len(),
            expected["size"].as_u64().unwrap(),
            "{case} {name}"
        );
    } else if name.ends_with(".snapshot") {
        // Kafka forgot those whose last batch was a day old when it recovered.
        let found = decode(dir, name);
        for expected in expected["entries"].as_array().unwrap() {
            assert!(found.as_array().unwrap().contains(expected), "{case} {name}: {expected}");
        }
    } else if name.ends_with("index") {
        // Kafka leaves a missing or odd time index as it is; here it is made anew.
        let is_better = case == "noindex" && name.ends_with(".timeindex");
        if !is_better {
            assert_eq!(decode(dir, name), expected["entries"], "{case} {name}");
        }
    } else {
        assert_eq!(fs::read_to_string(dir.join(name)).unwrap(), expected.as_str().unwrap(), "{case} {name}");
    }
}

#[test]
fn a_killed_log_is_whole() {
    let report = check("plain", 240);
    assert_eq!((report.segments, report.segments_scanned, report.cut), (8, 5, None));
}

#[test]
fn a_torn_batch_is_cut_and_kept() {
    let cut = check("torn", 237).cut.unwrap();
    assert!(matches!(cut.flaw, Flaw::Torn { .. }));
    assert_eq!((cut.offset, cut.position, cut.segments.len()), (Offset(237), 709, 0));
    let line = cut.to_string();
    assert!(line.starts_with("the log ends at offset 237 now: "), "{line}");
    assert!(line.ends_with("set aside in salvaged-00000000000000000231-at-0000000709-0.bytes"), "{line}");
    let (copy, ..) = recovered("torn");
    let kept = "salvaged-00000000000000000231-at-0000000709-0.bytes";
    assert_eq!(files(copy.path())[kept], cut.bytes);
}

#[test]
fn a_bad_checksum_ends_the_log_and_later_segments_are_kept_aside() {
    let Cut { offset, flaw, bytes, segments, set_aside, .. } = check("crc", 144).cut.unwrap();
    assert_eq!((offset, flaw), (Offset(144), Flaw::Checksum));
    assert_eq!(segments, [Offset(165), Offset(198), Offset(231)]);
    let (copy, ..) = recovered("crc");
    let kept = files(copy.path());
    let names = set_aside.iter().map(|path| path.file_name().unwrap().to_str().unwrap());
    assert_eq!(names.map(|name| kept[name]).sum::<u64>(), bytes);
}

#[test]
fn a_segment_that_lost_its_end_ends_the_log() {
    let dir = scratch();
    let size = batch(&["a"], 1).batch.len() as u64;
    let small = LogSettings { segment_bytes: 3 * size as u32, ..settings() };
    let mut log = create(dir.path(), &small);
    for at in 0..8 {
        append(&mut log, &batch(&["a"], at));
    }
    drop(log);
    // At the boundary of a batch, so that no batch is bad.
    let second =
        fs::OpenOptions::new().write(true).open(dir.path().join("00000000000000000003.log")).unwrap();
    second.set_len(size).unwrap();
    let opened = |cleanup, point| {
        let copy = scratch();
        crate::kit::copy(dir.path(), copy.path());
        let settings = LogSettings { cleanup, ..small.clone() };
        let recovery_point = Offset(point);
        let options = OpenOptions { recovery_point, ..options(copy.path(), &settings, Shutdown::Unclean) };
        let (log, report) = Log::open(options, Arc::new(OsDisk)).unwrap();
        (values(&log).len(), report.cut)
    };
    let (count, cut) = opened(Cleanup::Delete, 3);
    let cut = cut.unwrap();
    assert_eq!((count, cut.offset, cut.bytes, cut.set_aside.len()), (4, Offset(4), 2 * size, 1));
    assert_eq!(cut.flaw, Flaw::Missing { from: Offset(4), to: Offset(5) });
    // After compaction offsets are missing anywhere, and below the recovery point nobody loses what was synced.
    assert_eq!(opened(Cleanup::CompactDelete, 3), (6, None));
    assert_eq!(opened(Cleanup::Delete, 0), (6, None));
    assert_eq!(opened(Cleanup::Delete, 6), (6, None));
}

/// Small segments with many index entries.
fn fine() -> LogSettings {
    LogSettings { segment_bytes: 1000, index_interval_bytes: 100, ..settings() }
}

/// A log that was flushed up to its second segment, with a record of each of these times in the first one.
fn rolled(time: impl Fn(i64) -> i64) -> (Scratch, Log) {
    let dir = scratch();
    let mut log = create(dir.path(), &fine());
    while !files(dir.path()).keys().any(|name| name.ends_with(".log") && !name.starts_with(&"0".repeat(20))) {
        let time = time(log.end_offset().0);
        append(&mut log, &batch(&["a"], time));
        let plan = log.flush_plan(storage::FlushScope::Everything, crate::kit::NOW).unwrap();
        log.flushed(plan.run().unwrap());
    }
    (dir, log)
}

/// Opens the log after a power cut did this to the index files of its first segment: the largest of `times` is found as
/// before, and the start after this one reads less.
fn found_again(time: impl Fn(i64) -> i64, largest: i64, spoil: impl Fn(&str, &mut Vec<u8>)) {
    let (dir, log) = rolled(time);
    let base = log.end_offset() - 1;
    let find = |log: &Log| {
        log.reader().offset_for_timestamp(protocol::Millis(largest), storage::UpTo::LogEnd).unwrap()
    };
    let expected = find(&log);
    assert!(expected.is_some());
    drop(log);
    // The flush before the roll covered the log up to the next segment; what the roll wrote is lost.
    for kind in ["index", "timeindex"] {
        let path = dir.path().join(format!("{:020}.{kind}", 0));
        let mut bytes = fs::read(&path).unwrap();
        spoil(kind, &mut bytes);
        fs::write(&path, &bytes).unwrap();
    }
    let options = OpenOptions { recovery_point: base, ..options(dir.path(), &fine(), Shutdown::Unclean) };
    let (log, report) = Log::open(options.clone(), Arc::new(OsDisk)).unwrap();
    assert_eq!((report.segments, report.segments_scanned), (2, 2));
    assert_eq!(find(&log), expected);
    drop(log);
    let (_, report) = Log::open(options, Arc::new(OsDisk)).unwrap();
    assert_eq!(report.segments_scanned, 1);
}

#[test]
fn indexes_that_were_not_synced_at_a_roll_are_made_anew() {
    found_again(|at| at, 10, |_, bytes| bytes.truncate(bytes.len() / 24 * 12 / 8 * 8));
}

#[test]
fn a_time_index_that_lost_more_than_the_offset_index_is_made_anew() {
    // The largest time stands before the last entry of the offset index.
    let lose =
        |kind: &str, bytes: &mut Vec<u8>| bytes.truncate(if kind == "index" { bytes.len() } else { 12 });
    found_again(|at| if at < 6 { at } else { 0 }, 5, lose);
}

#[test]
fn a_time_index_whose_truncation_was_lost_is_made_anew() {
    let bring_back = |kind: &str, bytes: &mut Vec<u8>| {
        if kind == "timeindex" {
            bytes.extend([100i64.to_be_bytes().as_slice(), &100i32.to_be_bytes()].concat());
        }
    };
    found_again(|at| at, 10, bring_back);
}

/// The next leader's records may be of an older epoch than those that a truncation took, and the file that forgot these may be lost.
#[test]
fn an_epoch_that_no_batch_has_is_not_believed() {
    let dir = scratch();
    let mut log = create(dir.path(), &settings());
    for epoch in [2, 2, 2, 5] {
        log.append(&[batch(&["a"], 0)], LeaderEpoch(epoch), crate::kit::NOW).remove(0).unwrap();
    }
    drop(log);
    fs::write(dir.path().join("leader-epoch-checkpoint"), "0\n3\n2 0\n3 1\n4 2\n").unwrap();
    let (log, _) = Log::open(options(dir.path(), &settings(), Shutdown::Unclean), Arc::new(OsDisk)).unwrap();
    let epochs: Vec<_> = (0..4).map(|at| log.reader().epoch_at(Offset(at)).unwrap().0).collect();
    assert_eq!(epochs, [2, 2, 2, 5]);
}

#[test]
fn zeros_at_the_end_are_cut_and_not_kept() {
    let cut = check("zeros", 240).cut.unwrap();
    assert_eq!((cut.flaw, cut.set_aside), (Flaw::Zeros, vec![]));
}

#[test]
fn missing_indexes_are_made_also_below_the_recovery_point() {
    let report = check("noindex", 240);
    // Five segments past the recovery point, three below it whose indexes were missing or odd.
    assert_eq!(report.segments_scanned, 8);
}

#[test]
fn damaged_snapshots_past_the_recovery_point_are_never_read() {
    check("badsnap", 240);
}

#[test]
fn an_open_transaction_survives() {
    let copy = copy_of("crash-plain-before/fx-crash-txn-0");
    let options =
        OpenOptions { recovery_point: Offset(1), ..options(copy.path(), &small_index(), Shutdown::Unclean) };
    let (log, _) = Log::open(options, Arc::new(OsDisk)).unwrap();
    let golden = golden("crash-plain-after/fx-crash-txn-0");
    let expected = golden["00000000000000000001.txnindex"].as_array().unwrap();
    let aborted = log.reader().aborted(Offset(0), log.end_offset());
    assert_eq!(aborted.len(), expected.len());
    for (found, expected) in aborted.iter().zip(expected) {
        assert_eq!(found.first_offset.0, expected["firstOffset"].as_i64().unwrap());
        assert_eq!(found.last_offset.0, expected["lastOffset"].as_i64().unwrap());
        assert_eq!(found.last_stable_offset.0, expected["lastStableOffset"].as_i64().unwrap());
    }
    assert!(log.reader().view().last_stable_offset < log.end_offset());
}

#[test]
fn damage_below_the_recovery_point_is_refused_and_left_alone() {
    let copy = copy_of("crash-crc-before/fx-crash-0");
    let before = fs::read(copy.path().join("00000000000000000132.log")).unwrap();
    let options = OpenOptions {
        recovery_point: Offset(150),
        ..options(copy.path(), &small_index(), Shutdown::Unclean)
    };
    let error = Log::open(options, Arc::new(OsDisk)).unwrap_err();
    assert!(error.to_string().contains("below the recovery point"), "{error}");
    assert_eq!(fs::read(copy.path().join("00000000000000000132.log")).unwrap(), before);
}

#[test]
fn a_clean_stop_needs_no_scan_and_goes_on() {
    let dir = scratch();
    let mut log = create(dir.path(), &LogSettings { segment_bytes: 1000, ..settings() });
    for at in 0..40 {
        append(&mut log, &batch(&["a", "b"], at));
    }
    let closed = log.close().unwrap();
    assert_eq!(closed.recovery_point, Offset(80));
    let (mut log, report) = Log::open(
        OpenOptions { recovery_point: Offset(80), ..options(dir.path(), &settings(), Shutdown::Clean) },
        Arc::new(OsDisk),
    )
    .unwrap();
    assert_eq!((report.segments_scanned, report.bytes_scanned), (0, 0));
    assert_eq!((log.start_offset(), log.end_offset()), (Offset(0), Offset(80)));
    assert_eq!(append(&mut log, &batch(&["c"], 50)), Offset(80));
    assert_eq!(values(&log).len(), 81);
}

#[test]
fn garbage_behind_a_clean_log_is_found() {
    let dir = scratch();
    let mut log = create(dir.path(), &settings());
    append(&mut log, &batch(&["a"], 1));
    log.close().unwrap();
    let path = dir.path().join("00000000000000000000.log");
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend(b"garbage");
    fs::write(&path, bytes).unwrap();
    let (log, report) =
        Log::open(options(dir.path(), &settings(), Shutdown::Clean), Arc::new(OsDisk)).unwrap();
    assert_eq!(report.cut.map(|cut| cut.bytes), Some(7));
    assert_eq!(headers(&log).len(), 1);
}

/// A follower of Kafka makes one entry for all batches of an answer: the last offset, and where the first begins.
#[test]
fn an_index_of_a_follower_of_kafka_is_believed() {
    let dir = scratch();
    let tight = LogSettings { index_interval_bytes: 0, segment_bytes: 2000, ..settings() };
    let mut log = create(dir.path(), &tight);
    for at in 0..80 {
        append(&mut log, &batch(&["a"], at));
    }
    log.close().unwrap();
    let bases: Vec<i64> =
        files(dir.path()).into_keys().filter_map(|name| name.strip_suffix(".log")?.parse().ok()).collect();
    let path = |base: i64, kind: &str| dir.path().join(format!("{base:020}.{kind}"));
    let mut fewer = Vec::new();
    for base in [0, *bases.last().unwrap()] {
        let bytes = fs::read(path(base, "index")).unwrap();
        let three_at_once = |entries: &[u8]| [&entries[16..20], &entries[4..8]].concat();
        fewer.push(bytes.chunks_exact(24).flat_map(three_at_once).collect::<Vec<u8>>());
        fs::write(path(base, "index"), fewer.last().unwrap()).unwrap();
        // Who searches or checks the segment from its start does not come far: the third batch says that it is long.
        let third = u32::from_be_bytes(bytes[12..16].try_into().unwrap()) as usize;
        let mut log = fs::read(path(base, "log")).unwrap();
        log[third + 8] = 0x7f;
        fs::write(path(base, "log"), log).unwrap();
    }
    let (log, report) = Log::open(
        OpenOptions { recovery_point: Offset(80), ..options(dir.path(), &tight, Shutdown::Clean) },
        Arc::new(OsDisk),
    )
    .unwrap();
    assert_eq!((report.cut.is_none(), log.end_offset()), (true, Offset(80)));
    let last = |entry: usize| i64::from(u32::from_be_bytes(fewer[0][entry..entry + 4].try_into().unwrap()));
    let (begin, end) = (last(8), last(fewer[0].len() - 8));
    assert!(begin < end, "{fewer:?}");
    for offset in begin..=end {
        let read = log.reader().read(Offset(offset), 1, UpTo::LogEnd, FirstBatch::Whole);
        assert!(read.unwrap().records.is_some(), "{offset}");
    }
}

#[test]
fn an_index_that_lies_is_not_believed() {
    let dir = scratch();
    let tight = LogSettings { index_interval_bytes: 0, segment_bytes: 2000, ..settings() };
    let mut log = create(dir.path(), &tight);
    for at in 0..60 {
        append(&mut log, &batch(&["a"], at));
    }
    let expected = values(&log);
    log.close().unwrap();
    let index = dir.path().join("00000000000000000000.index");
    let mut bytes = fs::read(&index).unwrap();
    for byte in bytes.iter_mut().skip(4).step_by(8) {
        *byte ^= 1;
    }
    fs::write(&index, bytes).unwrap();
    let (log, _) = Log::open(
        OpenOptions { recovery_point: Offset(60), ..options(dir.path(), &tight, Shutdown::Clean) },
        Arc::new(OsDisk),
    )
    .unwrap();
    assert_eq!(values(&log), expected);
    for offset in 0..20 {
        assert!(!crate::kit::fetch(&log.reader(), Offset(offset), 1).is_empty());
    }
}
