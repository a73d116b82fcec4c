//! Logs that hold messages of formats v0 and v1, written by Apache Kafka: found by offset and time, recovered, cut where
//! they are damaged, and continued with batches. What is in them an independent decoder has told.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use protocol::batch::Codec;
use protocol::legacy::{Item, Items};
use protocol::{LeaderEpoch, Millis, Offset};
use serde_json::Value;
use storage::{
    FirstBatch, Flaw, Log, LogReader, LogSettings, OsDisk, RecoveryReport, Shutdown, TimestampedOffset, UpTo,
};

use crate::kit::{NOW, append, batch_with, copy_of, decode, files, golden, options, settings, slice_bytes};

const LOG: &str = "00000000000000000000.log";
const INDEX: &str = "00000000000000000000.index";
const TIME_INDEX: &str = "00000000000000000000.timeindex";

/// Every partition: of formats v0 and v1 alone, and with a batch behind.
fn partitions() -> Vec<String> {
    let mut all = Vec::new();
    for folder in ["legacy-ibp28", "legacy-after39"] {
        for format in ["v0", "v1"] {
            for codec in ["none", "gzip", "snappy", "lz4"] {
                all.push(format!("{folder}/fx-{format}-{codec}-0"));
            }
        }
    }
    all
}

fn opened(dir: &Path, settings: &LogSettings, shutdown: Shutdown) -> (Log, RecoveryReport) {
    Log::open(options(dir, settings, shutdown), Arc::new(OsDisk)).unwrap()
}

/// One entry or batch as the decoder tells it.
struct Stored {
    size: i64,
    last: i64,
    epoch: i32,
    records: Vec<TimestampedOffset>,
}

fn stored(name: &str) -> Vec<Stored> {
    let number = |value: &Value| value.as_i64().unwrap();
    let one = |batch: &Value| {
        let is_batch = number(&batch["magic"]) == 2;
        let epoch = if is_batch { number(&batch["partitionLeaderEpoch"]) as i32 } else { -1 };
        let record = |record: &Value| TimestampedOffset {
            offset: Offset(number(&record["offset"])),
            timestamp: Millis(number(&record["timestamp"])),
            leader_epoch: LeaderEpoch(epoch),
        };
        let records: Vec<_> = batch["records"].as_array().unwrap().iter().map(record).collect();
        Stored { size: number(&batch["size"]), last: records[records.len() - 1].offset.0, epoch, records }
    };
    golden(name)[LOG]["batches"].as_array().unwrap().iter().map(one).collect()
}

/// Entries and batches from an offset on: their sizes and last offsets as they stand in the row.
fn read(reader: &LogReader, from: i64, max_bytes: u32) -> Vec<i64> {
    let fetched = reader.read(Offset(from), max_bytes, UpTo::LogEnd, FirstBatch::Whole).unwrap();
    let bytes = fetched.records.map(|slice| slice_bytes(&slice)).unwrap_or_default();
    let last = |item| match item {
        Item::Entry(entry) => entry.offset.0,
        Item::Batch(batch) => batch.header.last_offset().0,
    };
    Items::new(&bytes).map(|item| last(item.unwrap())).collect()
}

fn check_reads(log: &Log, stored: &[Stored], name: &str) {
    let reader = log.reader();
    let end = stored[stored.len() - 1].last + 1;
    assert_eq!((log.start_offset(), log.end_offset()), (Offset(0), Offset(end)), "{name}");
    for from in 0..end {
        let rest: Vec<_> = stored.iter().filter(|one| one.last >= from).collect();
        let lasts: Vec<_> = rest.iter().map(|one| one.last).collect();
        assert_eq!(read(&reader, from, 1 << 20), lasts, "{name} from {from}");
        assert_eq!(read(&reader, from, 1), lasts[..1], "{name} from {from}");
        let two = rest.iter().take(2).map(|one| one.size as u32).sum();
        assert_eq!(read(&reader, from, two), lasts[..lasts.len().min(2)], "{name} from {from}");
        let fit = reader.read(Offset(from), rest[0].size as u32 - 1, UpTo::LogEnd, FirstBatch::IfItFits);
        assert!(fit.unwrap().records.is_none(), "{name} from {from}");
    }
    assert_eq!(read(&reader, end, 100), [] as [i64; 0], "{name}");
}

fn check_times(log: &Log, stored: &[Stored], name: &str) {
    let records: Vec<_> = stored.iter().flat_map(|one| &one.records).copied().collect();
    let times = records.iter().flat_map(|record| [-1, 0, 1].map(|by| record.timestamp.0 + by));
    for at in times.filter(|at| *at >= 0) {
        let expected = records.iter().find(|record| record.timestamp.0 >= at).copied();
        assert_eq!(log.reader().offset_for_timestamp(Millis(at), UpTo::LogEnd), Ok(expected), "{name} {at}");
    }
    let largest = records.iter().map(|record| record.timestamp).max().filter(|largest| largest.0 >= 0);
    let expected = records.iter().find(|record| Some(record.timestamp) == largest).copied();
    assert_eq!(log.reader().offset_of_max_timestamp(UpTo::LogEnd), Ok(expected), "{name}");
}

#[test]
fn a_log_of_old_messages_is_read_after_any_stop() {
    for name in partitions() {
        let stored = stored(&name);
        for shutdown in [Shutdown::Clean, Shutdown::Unclean] {
            // With an index entry for every message, and with Kafka's spacing, which gives none here.
            for index_interval_bytes in [0, 4096] {
                let copy = copy_of(&name);
                let before = fs::read(copy.path().join(LOG)).unwrap();
                let settings = LogSettings { index_interval_bytes, ..settings() };
                let (log, report) = opened(copy.path(), &settings, shutdown);
                assert_eq!(report.cut, None, "{name}");
                assert_eq!(report.segments_scanned, usize::from(shutdown == Shutdown::Unclean), "{name}");
                check_reads(&log, &stored, &name);
                check_times(&log, &stored, &name);
                let epoch = stored.iter().map(|one| one.epoch).max().filter(|epoch| *epoch >= 0);
                let known = log.reader().epoch_at(Offset(12));
                assert!(epoch.is_none() || known == epoch.map(LeaderEpoch), "{name}: {known:?}");
                drop(log);
                assert!(fs::read(copy.path().join(LOG)).unwrap() == before, "{name}");
            }
        }
    }
}

#[test]
fn rebuilt_indexes_are_kafkas() {
    for name in partitions() {
        let copy = copy_of(&name);
        for index in [INDEX, TIME_INDEX] {
            fs::remove_file(copy.path().join(index)).unwrap();
        }
        let (log, _) = opened(copy.path(), &settings(), Shutdown::Unclean);
        log.close().unwrap();
        for index in [INDEX, TIME_INDEX] {
            assert_eq!(decode(copy.path(), index), golden(&name)[index]["entries"], "{name} {index}");
        }
    }
}

#[test]
fn epochs_begin_with_batches() {
    let copy = copy_of("legacy-after39/fx-v1-gzip-0");
    fs::remove_file(copy.path().join("leader-epoch-checkpoint")).unwrap();
    let (log, _) = opened(copy.path(), &settings(), Shutdown::Unclean);
    assert_eq!(log.reader().epoch_at(Offset(11)), None);
    assert_eq!(log.reader().epoch_at(Offset(12)), Some(LeaderEpoch(0)));
}

#[test]
fn a_batch_goes_behind_old_messages() {
    for name in partitions() {
        let copy = copy_of(&name);
        let (mut log, _) = opened(copy.path(), &settings(), Shutdown::Clean);
        let end = log.end_offset();
        assert_eq!(append(&mut log, &batch_with(Codec::Gzip, &["a", "b"], NOW.0, |_| {})), end);
        let lasts: Vec<_> = stored(&name).iter().map(|one| one.last).chain([end.0 + 1]).collect();
        assert_eq!(read(&log.reader(), 0, 1 << 20), lasts, "{name}");
        log.close().unwrap();
        assert_eq!(files(copy.path()).keys().filter(|file| file.ends_with(".log")).count(), 1, "{name}");
        let (log, report) = opened(copy.path(), &settings(), Shutdown::Unclean);
        assert_eq!((read(&log.reader(), 0, 1 << 20), report.cut), (lasts, None), "{name}");
    }
}

#[test]
fn damage_in_an_old_message_ends_the_log_there() {
    for name in partitions() {
        let stored = stored(&name);
        let position = stored[0].size as usize;
        for at in [position + 12, position + 17, position + stored[1].size as usize - 1] {
            let copy = copy_of(&name);
            let path = copy.path().join(LOG);
            let mut bytes = fs::read(&path).unwrap();
            bytes[at] ^= 0x20;
            fs::write(&path, bytes).unwrap();
            let (log, report) = opened(copy.path(), &settings(), Shutdown::Unclean);
            let cut = report.cut.unwrap();
            assert_eq!((cut.position, cut.flaw), (position as u64, Flaw::Checksum), "{name} {at}");
            assert_eq!(log.end_offset(), Offset(stored[0].last + 1), "{name} {at}");
        }
        let copy = copy_of(&name);
        let path = copy.path().join(LOG);
        let bytes = fs::read(&path).unwrap();
        for end in position + 1..position + stored[1].size as usize {
            fs::write(&path, &bytes[..end]).unwrap();
            let (log, report) = opened(copy.path(), &settings(), Shutdown::Unclean);
            assert_eq!(report.cut.unwrap().position, position as u64, "{name} {end}");
            assert_eq!(log.end_offset(), Offset(stored[0].last + 1), "{name} {end}");
        }
    }
}
