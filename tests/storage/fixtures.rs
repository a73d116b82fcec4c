//! Directories that Apache Kafka 3.9.1 wrote and closed cleanly: every partition is opened and compared with what
//! an independent decoder read from the same files.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use protocol::batch::Batches;
use protocol::{LeaderEpoch, Millis, Offset, TopicPartition};
use serde_json::Value;
use storage::{
    Checkpoint, Cleanup, EpochEnd, Log, LogSettings, OpenOptions, OsDisk, RecoveryReport, Shutdown,
    TimestampedOffset, UpTo,
};

use crate::kit::{copy_of, decode, fetch, files, fixture, golden, open_dir, options, settings};

const PARTITIONS: [&str; 14] = [
    "fx-none-0",
    "fx-gzip-0",
    "fx-snappy-0",
    "fx-lz4-0",
    "fx-zstd-0",
    "fx-records-0",
    "fx-logappend-0",
    "fx-idempotent-0",
    "fx-segments-0",
    "fx-txn-0",
    "fx-txn-1",
    "fx-delrec-0",
    "fx-epochs-0",
    "fx-compact-delete-0",
];

/// Producers are kept however old their batches are.
fn lasting() -> LogSettings {
    LogSettings { producer_id_expiration_ms: i64::MAX, index_interval_bytes: 512, ..settings() }
}

/// The offset that a checkpoint of the fixture lists for a partition.
fn listed(which: Checkpoint, name: &str) -> Option<Offset> {
    let text = fs::read_to_string(fixture("logdir/main").join(which.file_name())).unwrap();
    let (topic, partition) = name.rsplit_once('-').unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{topic} {partition} ")))?;
    Some(Offset(line.parse().unwrap()))
}

/// Opens as a broker does after a clean stop.
fn opened(dir: &std::path::Path, name: &str, settings: &LogSettings) -> (Log, RecoveryReport) {
    let options = OpenOptions {
        recovery_point: listed(Checkpoint::RecoveryPoint, name).unwrap(),
        log_start: listed(Checkpoint::LogStart, name),
        high_watermark: listed(Checkpoint::HighWatermark, name).unwrap(),
        ..options(dir, settings, Shutdown::Clean)
    };
    Log::open(options, Arc::new(OsDisk)).unwrap()
}

/// All batches that the decoder found, in order.
fn golden_batches(golden: &Value) -> Vec<Value> {
    let logs: BTreeMap<_, _> =
        golden.as_object().unwrap().iter().filter(|(name, _)| name.ends_with(".log")).collect();
    logs.values().flat_map(|log| log["batches"].as_array().unwrap().clone()).collect()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap()
}

#[test]
fn every_batch_is_served() {
    for name in PARTITIONS {
        let copy = copy_of(&format!("main/{name}"));
        let before = files(copy.path());
        let (log, report) = opened(copy.path(), name, &lasting());
        let expected: Vec<_> = golden_batches(&golden(&format!("main/{name}")))
            .into_iter()
            .filter(|batch| {
                number(&batch["baseOffset"]) + number(&batch["lastOffsetDelta"]) >= log.start_offset().0
            })
            .collect();
        for max_bytes in [1, 100, 4000, 1 << 20] {
            let bytes = fetch(&log.reader(), log.start_offset(), max_bytes);
            let found: Vec<_> = Batches::new(&bytes).map(|batch| batch.unwrap()).collect();
            assert_eq!(found.len(), expected.len(), "{name}");
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(found.header.base_offset.0, number(&expected["baseOffset"]), "{name}");
                assert_eq!(found.header.crc, number(&expected["crc"]) as u32, "{name}");
                assert_eq!(found.bytes.len() as i64, number(&expected["size"]), "{name}");
            }
        }
        assert_eq!(log.end_offset(), listed(Checkpoint::HighWatermark, name).unwrap(), "{name}");
        assert_eq!((report.segments_scanned, report.cut), (0, None), "{name}");
        // Kafka itself removes snapshots of earlier clean stops at a start.
        let after = files(copy.path());
        let changed: Vec<_> = before.iter().filter(|(name, size)| after.get(*name) != Some(size)).collect();
        assert!(changed.iter().all(|(name, _)| name.ends_with(".snapshot")), "{name}: {changed:?}");
    }
}

#[test]
fn any_offset_is_found() {
    for name in PARTITIONS {
        let copy = copy_of(&format!("main/{name}"));
        let (log, _) = opened(copy.path(), name, &lasting());
        let batches = golden_batches(&golden(&format!("main/{name}")));
        for offset in log.start_offset().0..log.end_offset().0 {
            let expected = batches
                .iter()
                .find(|batch| number(&batch["baseOffset"]) + number(&batch["lastOffsetDelta"]) >= offset);
            let bytes = fetch(&log.reader(), Offset(offset), 1);
            let found = Batches::new(&bytes).next().map(|batch| batch.unwrap().header.base_offset.0);
            assert_eq!(found, expected.map(|batch| number(&batch["baseOffset"])), "{name} {offset}");
        }
    }
}

#[test]
fn times_are_found_to_the_record() {
    for name in PARTITIONS {
        let copy = copy_of(&format!("main/{name}"));
        let (log, _) = opened(copy.path(), name, &lasting());
        let mut records = Vec::new();
        for batch in golden_batches(&golden(&format!("main/{name}"))) {
            for record in batch["records"].as_array().unwrap() {
                records.push(TimestampedOffset {
                    offset: Offset(number(&record["offset"])),
                    timestamp: Millis(number(&record["timestamp"])),
                    leader_epoch: LeaderEpoch(number(&batch["partitionLeaderEpoch"]) as i32),
                });
            }
        }
        records.retain(|record| record.offset >= log.start_offset());
        let times =
            records.iter().flat_map(|record| [record.timestamp - 1, record.timestamp, record.timestamp + 1]);
        for at in times {
            let expected = records.iter().find(|record| record.timestamp >= at).copied();
            assert_eq!(log.reader().offset_for_timestamp(at, UpTo::LogEnd), Ok(expected), "{name} {at}");
        }
        let largest = records.iter().map(|record| record.timestamp).max();
        let expected = records.iter().find(|record| Some(record.timestamp) == largest).copied();
        assert_eq!(log.reader().offset_of_max_timestamp(UpTo::LogEnd), Ok(expected), "{name}");
    }
}

#[test]
fn producers_are_what_kafka_knew() {
    for name in PARTITIONS {
        let golden = golden(&format!("main/{name}"));
        let snapshots: Vec<_> =
            golden.as_object().unwrap().keys().filter(|file| file.ends_with(".snapshot")).collect();
        // Kafka had forgotten producers that it wrote to the log.
        if name.starts_with("fx-compact") {
            continue;
        }
        let newest = snapshots.last().unwrap();
        let copy = copy_of(&format!("main/{name}"));
        fs::remove_file(copy.path().join(newest)).unwrap();
        let (log, _) = opened(copy.path(), name, &lasting());
        log.close().unwrap();
        if snapshots.len() > 1 {
            assert_eq!(decode(copy.path(), newest), golden[newest.as_str()]["entries"], "{name} {newest}");
        }
    }
}

#[test]
fn transactions_hold_back_the_last_stable_offset() {
    let copy = copy_of("main/fx-txn-1");
    let (log, _) = opened(copy.path(), "fx-txn-1", &lasting());
    let view = log.reader().view();
    assert_eq!((view.last_stable_offset, view.end), (Offset(14), Offset(16)));

    let copy = copy_of("main/fx-txn-0");
    let (log, _) = opened(copy.path(), "fx-txn-0", &lasting());
    let view = log.reader().view();
    assert_eq!((view.last_stable_offset, view.end), (Offset(70), Offset(70)));
    let golden = golden("main/fx-txn-0");
    let expected: Vec<_> = golden
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| name.ends_with(".txnindex"))
        .flat_map(|(_, entries)| entries.as_array().unwrap())
        .map(|entry| {
            (number(&entry["producerId"]), number(&entry["firstOffset"]), number(&entry["lastOffset"]))
        })
        .collect();
    let aborted = log.reader().aborted(Offset(0), view.end);
    let found: Vec<_> = aborted
        .iter()
        .map(|entry| (entry.producer_id.0, entry.first_offset.0, entry.last_offset.0))
        .collect();
    assert_eq!(found, expected);
    let (_, first, last) = expected[2];
    let some = log.reader().aborted(Offset(last), Offset(last + 1));
    assert!(some.iter().any(|entry| entry.first_offset.0 == first));
    assert!(some.iter().all(|entry| entry.last_offset.0 >= last));
}

#[test]
fn epochs_answer_as_kafkas() {
    let copy = copy_of("main/fx-epochs-0");
    let (log, _) = opened(copy.path(), "fx-epochs-0", &lasting());
    let end = |epoch| log.reader().epoch_end(LeaderEpoch(epoch));
    let answer = |epoch, end| Some(EpochEnd { epoch: LeaderEpoch(epoch), end: Offset(end) });
    assert_eq!(end(0), answer(0, 5));
    assert_eq!(end(3), answer(3, 25));
    assert_eq!(end(4), answer(4, 30));
    // Epoch 6 was assigned at the end of the log and had no record; such an entry does not survive a start.
    assert_eq!(end(5), None);
    assert_eq!(end(6), None);
    assert_eq!(log.reader().epoch_at(Offset(12)), Some(LeaderEpoch(2)));
    assert_eq!(log.topic_id.map(|id| id.is_nil()), Some(false));
}

#[test]
fn missing_indexes_become_kafkas() {
    for name in ["fx-segments-0", "fx-none-0", "fx-txn-0", "fx-records-0"] {
        let copy = copy_of(&format!("main/{name}"));
        let golden = golden(&format!("main/{name}"));
        let indexes: Vec<_> = golden
            .as_object()
            .unwrap()
            .keys()
            .filter(|file| file.ends_with("index") && !file.contains("txn"))
            .collect();
        for index in &indexes {
            fs::remove_file(copy.path().join(index)).unwrap();
        }
        let interval = if name == "fx-segments-0" { 512 } else { 4096 };
        let settings = LogSettings { index_interval_bytes: interval, ..lasting() };
        let (log, report) = opened(copy.path(), name, &settings);
        assert_eq!(report.indexes_rebuilt, indexes.len(), "{name}");
        log.close().unwrap();
        for index in indexes {
            // The fixture's other topics had an interval of their own.
            let is_comparable =
                name == "fx-segments-0" || index.ends_with(".timeindex") && name == "fx-none-0";
            if is_comparable {
                assert_eq!(decode(copy.path(), index), golden[index.as_str()]["entries"], "{name} {index}");
            }
        }
    }
}

#[test]
fn a_whole_directory_is_read() {
    let copy = copy_of("main");
    let dir = open_dir(copy.path(), Arc::new(OsDisk)).unwrap();
    let listing = dir.list().unwrap();
    let dirs = fs::read_dir(copy.path()).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir());
    assert_eq!(listing.replicas.len(), dirs.count());
    let meta = dir.read_meta().unwrap().unwrap();
    assert_eq!(meta.broker_id, Some(protocol::BrokerId(1)));
    let points = dir.read_offsets(Checkpoint::RecoveryPoint).unwrap();
    assert_eq!(points[&TopicPartition::new("fx-segments", 0)], Offset(360));
    let starts = dir.read_offsets(Checkpoint::LogStart).unwrap();
    assert_eq!(starts[&TopicPartition::new("fx-delrec", 0)], Offset(73));
}

#[test]
fn an_interrupted_cleaning_is_completed() {
    let copy = copy_of("swap-before/fx-compact-0");
    let compacted = LogSettings { cleanup: Cleanup::Compact, ..settings() };
    let (log, report) =
        Log::open(options(copy.path(), &compacted, Shutdown::Unclean), Arc::new(OsDisk)).unwrap();
    assert!(report.leftovers.len() > 3);
    let golden = golden("swap-after/fx-compact-0");
    let names = |kind: &'static str| move |name: &&String| name.ends_with(kind);
    let expected: Vec<_> = golden.as_object().unwrap().keys().filter(names(".log")).cloned().collect();
    let found: Vec<_> = files(copy.path()).keys().filter(names(".log")).cloned().collect();
    assert_eq!(found, expected);
    let bytes = fetch(&log.reader(), log.start_offset(), 1 << 20);
    let found: Vec<_> = Batches::new(&bytes).map(|batch| batch.unwrap().header.base_offset.0).collect();
    let expected: Vec<_> = golden_batches(&golden).iter().map(|batch| number(&batch["baseOffset"])).collect();
    assert_eq!(found, expected);
}
