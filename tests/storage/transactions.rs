//! Transactions that Apache Kafka 3.9.1 wrote, read by consumers that want committed records only: what each fetch may
//! return, and the list of aborted transactions that goes with it. A broker of Kafka's was asked for the same from every
//! offset and with several limits; what it said is in `fixtures/fetch/aborted.txt`, offsets with the same answer in one line.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use protocol::Offset;
use protocol::batch::Batches;
use storage::{Checkpoint, FirstBatch, Log, LogReader, LogSettings, OpenOptions, OsDisk, Shutdown, UpTo};

use crate::kit::{copy_of, fixture, options, settings, slice_bytes};

/// What a fetch is answered: the offset of the last whole batch, and the rest in the words of the recording.
fn told(reader: &LogReader, from: i64, max_bytes: u32) -> (Option<i64>, String) {
    let fetched = reader.read(Offset(from), max_bytes, UpTo::LastStableOffset, FirstBatch::Whole).unwrap();
    let bytes = fetched.records.map(|slice| slice_bytes(&slice)).unwrap_or_default();
    let last = Batches::new(&bytes).map(|batch| batch.unwrap().header.last_offset().0).last();
    let aborted =
        fetched.place.map(|place| reader.aborted_at(Offset(from), place).unwrap()).unwrap_or_default();
    let aborted: Vec<_> =
        aborted.iter().map(|one| format!("{}:{}", one.producer_id.0, one.first_offset)).collect();
    let view = fetched.view;
    let (watermark, stable) = (view.high_watermark, view.last_stable_offset);
    (last, format!("error 0 hw {watermark} lso {stable} aborted {}", aborted.join(" ")))
}

fn opened(name: &str, dir: &std::path::Path) -> Log {
    let text =
        fs::read_to_string(fixture("logdir/main").join(Checkpoint::HighWatermark.file_name())).unwrap();
    let (topic, partition) = name.rsplit_once('-').unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{topic} {partition} ")));
    let end = Offset(line.unwrap().parse().unwrap());
    let settings = LogSettings { producer_id_expiration_ms: i64::MAX, ..settings() };
    let options = OpenOptions { recovery_point: end, ..options(dir, &settings, Shutdown::Clean) };
    Log::open(options, Arc::new(OsDisk)).unwrap().0
}

#[test]
fn aborted_transactions_are_listed_as_kafka_lists_them() {
    let recorded = fs::read_to_string(fixture("fetch/aborted.txt")).unwrap();
    for name in ["fx-txn-0", "fx-txn-1", "fx-compact-txn-0"] {
        let copy = copy_of(&format!("main/{name}"));
        let log = opened(name, copy.path());
        let mut answers = 0;
        for line in recorded.lines().filter_map(|line| line.strip_prefix(&format!("{name} max "))) {
            let (max_bytes, rest) = line.split_once(" @").unwrap();
            let (offsets, expected) = rest.split_once(' ').unwrap();
            let (from, to) = offsets.split_once("..").unwrap();
            let (before, after) = expected.split_once(" last ").unwrap();
            let (kafkas_last, after) = after.split_once(' ').unwrap();
            for offset in from.parse::<i64>().unwrap()..=to.parse().unwrap() {
                let (last, told) = told(&log.reader(), offset, max_bytes.parse().unwrap());
                assert_eq!(told, format!("{before} {after}"), "{name} from {offset}, {max_bytes} bytes");
                // Ours may end at an earlier batch, where an index entry is.
                let kafkas_last = kafkas_last.parse().ok();
                assert!(
                    last <= kafkas_last && last.is_some() == kafkas_last.is_some(),
                    "{name} from {offset}"
                );
                answers += 1;
            }
        }
        assert_eq!(answers, 4 * (log.end_offset().0 + 1), "{name}");
    }
}

/// Operators remove the indexes of a stopped broker to have them made anew; Kafka makes the transaction indexes too.
#[test]
fn transaction_indexes_that_were_removed_with_the_others_are_made_anew() {
    let scratch = copy_of("main/fx-txn-0");
    let indexes = |ending: &str| -> BTreeMap<_, _> {
        let all = fs::read_dir(scratch.path()).unwrap().map(|entry| entry.unwrap().path());
        let kind = all.filter(|path| path.to_string_lossy().ends_with(ending));
        kind.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    };
    let before = indexes(".txnindex");
    assert_eq!(before.len(), 3);
    for path in indexes("index").keys() {
        fs::remove_file(path).unwrap();
    }
    drop(opened("fx-txn-0", scratch.path()));
    assert_eq!(indexes(".txnindex"), before);
}
