//! What must be true of any log: everything that is kept beside the records says the same as they do.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use protocol::batch::{BatchHeader, Batches, verify_crc};
use protocol::record::RecordIter;
use protocol::{Offset, ProducerId};
use storage::{Log, UpTo};

use crate::crash_lives::History;
use crate::kit::{fetch, files};

/// The batches that a reader finds, by base offset; each has its right checksum.
pub(crate) fn batches(log: &Log) -> History {
    let bytes = fetch(&log.reader(), log.start_offset(), 1 << 20);
    let mut found = History::new();
    for batch in Batches::new(&bytes) {
        let batch = batch.unwrap();
        verify_crc(batch.bytes).unwrap();
        found.insert(batch.header.base_offset.0, batch.bytes.to_vec());
    }
    found
}

fn headers(history: &History) -> impl Iterator<Item = (BatchHeader, &Vec<u8>)> {
    history.values().map(|bytes| (BatchHeader::parse(bytes).unwrap(), bytes))
}

/// The last data batch of each producer, as far as the log has it.
pub(crate) fn last_batches(log: &Log) -> Vec<BatchHeader> {
    let mut last = BTreeMap::new();
    for (header, _) in headers(&batches(log)) {
        if header.has_producer() && !header.attributes.is_control() {
            last.insert(header.producer_id.0, header);
        }
    }
    last.into_values().collect()
}

/// Look-ups, leader epochs, aborted transactions and the last stable offset, by the batches in the log and by the
/// history that they are a piece of. Of records below `start`, which were forgotten, no epoch need be known.
pub(crate) fn everything_fits(log: &Log, history: &History, start: i64, context: &str) {
    let found = batches(log);
    let reader = log.reader();
    for (header, bytes) in headers(&found) {
        if header.last_offset().0 >= start {
            let epoch = reader.epoch_at(header.base_offset.max(log.start_offset()).max(Offset(start)));
            assert_eq!(epoch, Some(header.leader_epoch), "{context}: the epoch at {}", header.base_offset);
        }
        for offset in header.base_offset.max(log.start_offset()).0..=header.last_offset().0 {
            let slice = fetch(&reader, Offset(offset), 1);
            assert!(slice.starts_with(bytes), "{context}: offset {offset} is found elsewhere");
        }
    }
    transactions_fit(log, history, &found, context);
}

/// Which batches belong to transactions that were aborted, and where the first open one begins.
fn transactions(history: &History, end: Offset) -> (Vec<i64>, Option<i64>) {
    let mut open: BTreeMap<ProducerId, Vec<i64>> = BTreeMap::new();
    let mut aborted = Vec::new();
    for (header, bytes) in headers(history).filter(|(header, _)| header.base_offset < end) {
        if header.attributes.is_control() {
            let batch = Batches::new(bytes).next().unwrap().unwrap();
            let record = RecordIter::new(batch.records(), 1).next().unwrap().unwrap();
            let data = open.remove(&header.producer_id).unwrap_or_default();
            if record.key.unwrap()[3] == 0 {
                aborted.extend(data);
            }
        } else if header.attributes.is_transactional() {
            open.entry(header.producer_id).or_default().push(header.base_offset.0);
        }
    }
    let first = open.values().filter_map(|data| data.first()).min();
    (aborted, first.copied())
}

fn transactions_fit(log: &Log, history: &History, found: &History, context: &str) {
    let view = log.reader().view();
    // After a hole the log may end behind its last batch.
    let end = headers(found).last().map_or(view.start, |(header, _)| header.next_offset());
    let (aborted, _) = transactions(history, end);
    let listed = log.reader().aborted(view.start, view.end);
    for (header, _) in headers(found) {
        let base = header.base_offset;
        if header.attributes.is_control() || !header.attributes.is_transactional() {
            continue;
        }
        let is_listed = listed.iter().any(|entry| {
            entry.producer_id == header.producer_id && entry.first_offset <= base && base < entry.last_offset
        });
        assert_eq!(is_listed, aborted.contains(&base.0), "{context}: the transaction of batch {base}");
    }
    // A transaction that began below the log's start may be forgotten as far as it went, but not what stayed of it.
    let clamp = |first: Option<i64>| first.unwrap_or(view.end.0).clamp(view.start.0, view.end.0);
    let by_history = clamp(transactions(history, end).1);
    let by_batches = clamp(transactions(found, end).1);
    let stable = view.limit(UpTo::LastStableOffset).0;
    // Of a log with a hole nobody knows whether a transaction from below its start ended in the hole.
    let has_hole = history == found || found.keys().next().is_some_and(|first| *first > view.start.0);
    let is_unknown = has_hole && stable == view.start.0;
    assert!(
        stable == by_history || stable == by_batches || is_unknown,
        "{context}: {view:?}, {by_history} or {by_batches}"
    );
}

/// Every entry of every index names a batch, and entries ascend.
pub(crate) fn indexes_fit(dir: &Path, context: &str) {
    for name in files(dir).into_keys() {
        let Some(stem) = name.strip_suffix(".log") else { continue };
        let base: i64 = stem.parse().unwrap();
        let bytes = fs::read(dir.join(&name)).unwrap();
        let all: Vec<_> = Batches::new(&bytes).map(|batch| batch.unwrap()).collect();
        let read = |kind: &str| fs::read(dir.join(format!("{stem}.{kind}"))).unwrap();
        let (index, times) = (read("index"), read("timeindex"));
        let offsets: Vec<(i64, i64)> = index
            .chunks_exact(8)
            .map(|entry| {
                let int = |at: usize| i64::from(u32::from_be_bytes(entry[at..at + 4].try_into().unwrap()));
                (base + int(0), int(4))
            })
            .collect();
        assert!(offsets.is_sorted_by(|one, next| one < next), "{context}: {name}'s index goes back");
        for (last, position) in offsets {
            let is_it = |batch: &protocol::batch::BatchAt<'_>| {
                batch.position as i64 == position && batch.header.last_offset().0 == last
            };
            assert!(all.iter().any(is_it), "{context}: no batch ends at {last} at {position} of {name}");
        }
        let times: Vec<(i64, i64)> = times
            .chunks_exact(12)
            .map(|entry| {
                let last = i64::from(u32::from_be_bytes(entry[8..12].try_into().unwrap()));
                (i64::from_be_bytes(entry[..8].try_into().unwrap()), base + last)
            })
            .collect();
        assert!(times.is_sorted_by(|one, next| one.0 < next.0), "{context}: {name}'s time index goes back");
        for (time, last) in &times {
            let is_it = |batch: &protocol::batch::BatchAt<'_>| {
                batch.header.max_timestamp.0 == *time && batch.header.last_offset().0 == *last
            };
            assert!(
                all.iter().any(is_it),
                "{context}: no batch of {name} has time {time} and ends at {last}"
            );
        }
        let largest = all.iter().map(|batch| batch.header.max_timestamp.0).max();
        assert_eq!(times.last().map(|entry| entry.0), largest, "{context}: the largest time of {name}");
    }
}
