//! What Kafka's coordinators wrote into `__consumer_offsets` and `__transaction_state` is read, and written again byte for byte.
//! How: the records of every such log among the fixtures go through `coordinator`'s types and back.
use std::fs;
use std::path::PathBuf;

use coordinator::group::records::{self as groups, GroupMetadata, OffsetCommit};
use coordinator::transaction::records::{self as transactions, Transaction};
use protocol::batch::{Batches, Codec};
use protocol::record::RecordIter;

use crate::kit::fixture;

/// Key and value of a record; a tombstone has no value.
type KeyValue = (Vec<u8>, Option<Vec<u8>>);

/// All records that Kafka wrote to partitions of this topic, markers left out.
fn records_of(topic: &str) -> Vec<KeyValue> {
    let dirs = ["main", "clients", "crash-plain-before", "legacy-ibp28", "misc-before/b"];
    let partitions = dirs.iter().flat_map(|dir| below(&fixture("logdir").join(dir)));
    let logs = partitions
        .filter(|partition| {
            partition.file_name().is_some_and(|name| name.to_string_lossy().starts_with(topic))
        })
        .flat_map(|partition| below(&partition))
        .filter(|file| file.extension().is_some_and(|kind| kind == "log"));
    let mut found = Vec::new();
    for bytes in logs.map(|log| fs::read(log).unwrap()) {
        for batch in Batches::new(&bytes).map(Result::unwrap) {
            assert_eq!(batch.header.attributes.codec(), Ok(Codec::None));
            if batch.header.attributes.is_control() {
                continue;
            }
            for record in RecordIter::new(batch.records(), batch.header.record_count).map(Result::unwrap) {
                found.push((record.key.unwrap().to_vec(), record.value.map(<[u8]>::to_vec)));
            }
        }
    }
    found
}

fn below(dir: &PathBuf) -> Vec<PathBuf> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn version_of(value: &[u8]) -> i16 {
    i16::from_be_bytes([value[0], value[1]])
}

#[test]
fn groups_and_their_offsets_survive() {
    let (mut commits, mut metadata, mut tombstones) = (0, 0, 0);
    for (key, value) in records_of("__consumer_offsets") {
        let parsed = groups::Key::decode(&key).unwrap();
        assert_eq!(parsed.encode(), key);
        match (&parsed, value) {
            (_, None) => tombstones += 1,
            (groups::Key::OffsetCommit { .. }, Some(value)) => {
                assert_eq!(OffsetCommit::decode(&value).unwrap().encode(version_of(&value)), value);
                commits += 1;
            }
            (groups::Key::Group(_), Some(value)) => {
                assert_eq!(GroupMetadata::decode(&value).unwrap().encode(version_of(&value)), value);
                metadata += 1;
            }
            (groups::Key::Other(_), Some(_)) => panic!("{parsed:?}"),
        }
    }
    assert!(commits > 15 && metadata > 10 && tombstones >= 3, "{commits} {metadata} {tombstones}");
}

#[test]
fn transactions_survive() {
    let mut states = Vec::new();
    for (key, value) in records_of("__transaction_state") {
        assert_eq!(transactions::Key::decode(&key).unwrap().encode(), key);
        let value = value.unwrap();
        let transaction = Transaction::decode(&value).unwrap();
        assert_eq!(transaction.encode(version_of(&value)), value);
        states.push(transaction.state.name());
    }
    for state in ["Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort"] {
        assert!(states.contains(&state), "{state}");
    }
}
