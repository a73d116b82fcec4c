//! What Kafka, librdkafka and kafka-python once sent, sent again to a leader of ours: the batches of the fixtures as producers
//! made them, and message sets of formats v0 and v1. What has to come out an independent decoder has told.

use std::fmt::Write;
use std::fs;

use protocol::batch::{
    BatchHeader, Batches, Codec, HEADER_SIZE, Keys, ProduceRules, Produced, StoredAs, TimestampType, admit,
    patch, sent, verify_crc,
};
use protocol::bytes::Bytes;
use protocol::legacy::{Item, Items};
use protocol::record::{RecordIter, decompress};
use protocol::{LeaderEpoch, Offset};
use serde_json::Value;

use crate::kit::{NOW, fixture, golden, partition};

const PARTITIONS: [&str; 22] = [
    "main/fx-none-0",
    "main/fx-gzip-0",
    "main/fx-snappy-0",
    "main/fx-lz4-0",
    "main/fx-zstd-0",
    "main/fx-records-0",
    "main/fx-recompress-0",
    "main/fx-idempotent-0",
    "main/fx-segments-0",
    "main/fx-epochs-0",
    "clients/fx-rdk-none-0",
    "clients/fx-rdk-gzip-0",
    "clients/fx-rdk-snappy-0",
    "clients/fx-rdk-lz4-0",
    "clients/fx-rdk-zstd-0",
    "clients/fx-rdk-idem-0",
    "clients/fx-rdk-txn-0",
    "clients/fx-kpy-none-0",
    "clients/fx-kpy-gzip-0",
    "clients/fx-kpy-snappy-0",
    "clients/fx-kpy-lz4-0",
    "clients/fx-kpy-zstd-0",
];

fn rules(stored_as: StoredAs) -> ProduceRules {
    ProduceRules {
        max_message_bytes: 1 << 20,
        timestamp_type: TimestampType::CreateTime,
        timestamp_before_max_ms: i64::MAX as u64,
        timestamp_after_max_ms: i64::MAX as u64,
        keys: Keys::Optional,
        stored_as,
    }
}

fn admitted(version: i16, records: &[u8], stored_as: StoredAs) -> Produced {
    let sent = sent(Some(&Bytes::copy_from_slice(records)), version).unwrap();
    let produced = admit(sent, &rules(stored_as), &partition(), NOW).unwrap().unwrap();
    verify_crc(&[&produced.header.to_bytes()[..], produced.records()].concat()).unwrap();
    produced
}

/// The segments of a partition, and the batches that the decoder found in each.
fn segments(name: &str) -> Vec<(Vec<u8>, Vec<Value>)> {
    let golden = golden(name);
    let logs = golden.as_object().unwrap().iter().filter(|(file, _)| file.ends_with(".log"));
    logs.map(|(file, log)| {
        let bytes = fs::read(fixture("logdir").join(name).join(file)).unwrap();
        (bytes, log["batches"].as_array().unwrap().clone())
    })
    .collect()
}

/// Time, key, value and headers of each record, in words.
fn told(records: &Value) -> Vec<String> {
    let part = |value: &Value| match value.as_str() {
        None => "null".to_owned(),
        // Of a long value only its size is compared.
        Some(text) => text.rsplit_once(':').map_or(text.to_owned(), |(_, size)| format!("{size} bytes")),
    };
    let record = |record: &Value| {
        let mut text = format!("{} {} {}", record["timestamp"], part(&record["key"]), part(&record["value"]));
        for header in record["headers"].as_array().into_iter().flatten() {
            write!(text, " {}={}", header[0].as_str().unwrap(), part(&header[1])).unwrap();
        }
        text
    };
    records.as_array().unwrap().iter().map(record).collect()
}

fn found(produced: &Produced, likeness: &[String]) -> Vec<String> {
    let header = &produced.header;
    let records = decompress(header.attributes.codec().unwrap(), produced.records(), 1 << 20).unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let records = RecordIter::new(&records, header.record_count).zip(likeness);
    let text = records.map(|(record, like)| {
        let record = record.unwrap();
        let part = |bytes: Option<&[u8]>| match bytes {
            None => "null".to_owned(),
            Some(bytes) if like.contains(" bytes") && bytes.len() > 64 => format!("{} bytes", bytes.len()),
            Some(bytes) => hex(bytes),
        };
        let time = header.base_timestamp + record.timestamp_delta;
        let mut text = format!("{time} {} {}", part(record.key), part(record.value));
        for (key, value) in record.headers {
            write!(text, " {}={}", String::from_utf8_lossy(key), part(value)).unwrap();
        }
        text
    });
    text.collect()
}

#[test]
fn what_clients_sent_is_taken_as_it_is_or_written_anew() {
    let mut taken = 0;
    for name in PARTITIONS {
        for (bytes, golden) in segments(name) {
            for (batch, golden) in Batches::new(&bytes).map(Result::unwrap).zip(&golden) {
                if batch.header.attributes.is_control() {
                    continue;
                }
                // As the producer had it: offsets from 0 on, and of no leader.
                let head = patch(batch.bytes, Offset(0), LeaderEpoch::NONE).unwrap();
                let sent = [&head[..], batch.records()].concat();
                let expected = told(&golden["records"]);
                taken += 1;
                let kept = admitted(9, &sent, StoredAs::Sent);
                assert!(kept.batch == sent && kept.header == BatchHeader::parse(&sent).unwrap(), "{name}");
                assert_eq!(found(&kept, &expected), expected, "{name}");
                for codec in Codec::ALL {
                    let stored = admitted(9, &sent, StoredAs::Always(codec.into()));
                    assert_eq!(stored.header.attributes.codec(), Ok(codec));
                    assert_eq!(stored.header.base_sequence, batch.header.base_sequence);
                    assert_eq!(found(&stored, &expected), expected, "{name} as {codec}");
                }
            }
        }
    }
    assert!(taken > 100, "{taken}");
}

#[test]
fn old_message_sets_become_batches() {
    for name in ["v0", "v1"].iter().flat_map(|format| {
        ["none", "gzip", "snappy", "lz4"].map(|codec| format!("legacy-ibp28/fx-{format}-{codec}-0"))
    }) {
        for (bytes, golden) in segments(&name) {
            for (item, golden) in Items::new(&bytes).map(Result::unwrap).zip(&golden) {
                let Item::Entry(entry) = item else { panic!("{name}") };
                let source = entry.attributes.codec().unwrap();
                let expected = told(&golden["records"]);
                for (stored_as, codec) in [
                    (StoredAs::Sent, source),
                    (StoredAs::Always(Codec::Zstd.into()), Codec::Zstd),
                    (StoredAs::Always(Codec::None.into()), Codec::None),
                ] {
                    let batch = admitted(2, entry.bytes, stored_as);
                    assert_eq!(batch.header.attributes.codec(), Ok(codec), "{name}");
                    assert_eq!(batch.header.last_offset_delta, expected.len() as i32 - 1, "{name}");
                    assert_eq!(found(&batch, &expected), expected, "{name}");
                    assert_eq!(batch.batch.len(), HEADER_SIZE + batch.records().len());
                }
            }
        }
    }
}
