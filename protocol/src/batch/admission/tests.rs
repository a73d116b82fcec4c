//! Batches of every codec and format against the rules of a topic: what is stored, and in which words the rest is refused.

use super::*;
use crate::batch::{Attributes, BatchHeader, RecordsReason, StoredAs, sent, verify_crc};
use crate::ids::{ProducerEpoch, ProducerId, Sequence};
use crate::random::{LegacySample, Random, push, samples, wrapper};
use crate::record::{
    BatchBuilder, Encoder, HeaderChecksum, NewRecord, RecordIter, compress, decompress, put_varint,
};

const NOW: Millis = Millis(1_700_000_000_000);
const VERSION: i16 = 9;

fn rules() -> ProduceRules {
    ProduceRules {
        max_message_bytes: 1 << 20,
        timestamp_type: TimestampType::CreateTime,
        timestamp_before_max_ms: i64::MAX as u64,
        timestamp_after_max_ms: i64::MAX as u64,
        keys: Keys::Optional,
        stored_as: StoredAs::Sent,
    }
}

fn as_codec(codec: Codec) -> StoredAs {
    StoredAs::Always(codec.into())
}

fn admitted(version: i16, bytes: &[u8], rules: &ProduceRules) -> Result<Option<Produced>, ProducedError> {
    let frame = bytes::Bytes::copy_from_slice(bytes);
    admit(sent(Some(&frame), version)?, rules, &TopicPartition::new("t", 0), NOW)
}

fn accepted(version: i16, bytes: &[u8], rules: &ProduceRules) -> Produced {
    let produced = admitted(version, bytes, rules).unwrap().unwrap();
    let header = produced.header;
    assert_eq!(header.size(), produced.batch.len());
    // The log writes the header as it is in `header`, and then the rest of the batch.
    let written = [&header.to_bytes()[..], produced.records()].concat();
    verify_crc(&written).unwrap();
    assert_eq!(header.record_count - 1, header.last_offset_delta);
    produced
}

/// Times, keys, values and headers of a batch, as consumers see them.
fn contents(produced: &Produced) -> Vec<(i64, String)> {
    let header = produced.header;
    let codec = header.attributes.codec().unwrap();
    let records = decompress(codec, produced.records(), 1 << 30).unwrap();
    let told = RecordIter::new(&records, header.record_count).map(|record| {
        let record = record.unwrap();
        let headers: Vec<_> = record.headers.collect();
        let time = header.base_timestamp + record.timestamp_delta;
        (time.0, format!("{:?} {:?} {headers:?}", record.key, record.value))
    });
    told.collect()
}

fn small(codec: Codec, change: impl FnOnce(&mut BatchBuilder)) -> Vec<u8> {
    let mut builder = BatchBuilder::new(codec);
    for (time, key) in [(NOW, Some(&b"k"[..])), (NOW + 7, None), (NOW - 3, Some(b""))] {
        builder.push(&NewRecord { timestamp: time, key, value: Some(b"value"), headers: &[] });
    }
    change(&mut builder);
    builder.build().unwrap().to_vec()
}

#[test]
fn every_codec_becomes_every_codec() {
    for seed in 0..100 {
        let mut random = Random::new(seed);
        let (source, target) = (Codec::ALL[random.below(5)], Codec::ALL[random.below(5)]);
        let mut builder = BatchBuilder::new(source);
        builder.header.producer_id = ProducerId(5);
        builder.header.producer_epoch = ProducerEpoch(6);
        builder.header.base_sequence = Sequence(7);
        let samples = samples(&mut random);
        samples.iter().for_each(|sample| push(&mut builder, sample));
        let max = builder.header.max_timestamp;
        let before = builder.build().unwrap();
        let stored_as = if random.one_in(4) { StoredAs::Sent } else { as_codec(target) };
        let after = accepted(VERSION, &before, &ProduceRules { stored_as, ..rules() });
        let target = stored_as.target(source).codec();
        assert_eq!(after.header.attributes, Attributes::new(target), "seed {seed}");
        assert_eq!(after.header.max_timestamp, max);
        assert_eq!(after.header.base_sequence, Sequence(7));
        assert_eq!(
            (after.header.producer_id, after.header.producer_epoch),
            (ProducerId(5), ProducerEpoch(6))
        );
        let header = BatchHeader::parse(&before).unwrap();
        assert_eq!(contents(&after), contents(&Produced { header, batch: before.clone() }), "seed {seed}");
        if source == target {
            assert_eq!(after.batch, before);
        }
    }
}

#[test]
fn levels_make_a_difference() {
    let mut builder = BatchBuilder::new(Codec::None);
    for at in 0..3000 {
        let value = format!("the quick brown fox {} jumps over {}", at % 97, (at * at) % 1009);
        builder.push(&NewRecord { timestamp: NOW, key: None, value: Some(value.as_bytes()), headers: &[] });
    }
    let batch = builder.build().unwrap();
    for (weak, strong) in [
        (Compression::Gzip(1), Compression::Gzip(9)),
        (Compression::Lz4(9), Compression::Lz4(17)),
        (Compression::Zstd(-7), Compression::Zstd(19)),
    ] {
        let size = |level| {
            accepted(VERSION, &batch, &ProduceRules { stored_as: StoredAs::Always(level), ..rules() })
                .batch
                .len()
        };
        assert!(size(strong) < size(weak), "{weak:?} {strong:?}");
    }
}

#[test]
fn the_header_tells_the_largest_time() {
    for codec in Codec::ALL {
        for (max, bits) in [(NOW + 7, 0), (NOW + 999, 0), (Millis(-1), 0), (NOW + 5, 8), (NOW + 5, 0x7f00)] {
            let batch = small(codec, |batch| {
                batch.header.max_timestamp = max;
                batch.header.attributes.0 |= bits;
            });
            let after = accepted(VERSION, &batch, &rules()).header;
            // What the sender stamped as a whole has that time.
            let expected = if bits == 8 { NOW + 5 } else { NOW + 7 };
            assert_eq!(
                (after.max_timestamp, after.attributes),
                (expected, Attributes::new(codec)),
                "{codec}"
            );
        }
        let right = small(codec, |batch| batch.header.attributes.0 |= 0x7f00);
        assert_eq!(accepted(VERSION, &right, &rules()).header.attributes.0, 0x7f00 | codec as i16);
    }
    let stamped = small(Codec::None, |batch| {
        (batch.header.max_timestamp, batch.header.attributes.0) = (NOW + 5, 8);
    });
    let after = accepted(VERSION, &stamped, &ProduceRules { stored_as: as_codec(Codec::Gzip), ..rules() });
    assert!(contents(&after).iter().all(|(time, _)| *time == NOW.0 + 5));
}

fn records(error: ProducedError) -> RefusedRecords {
    let ProducedError::Records(refused) = error else { panic!("{error}") };
    refused
}

/// The reason and the texts with which a batch is refused.
fn refusal(batch: &[u8], rules: &ProduceRules) -> (RecordsReason, Vec<(i32, String)>) {
    let refused = records(admitted(VERSION, batch, rules).unwrap_err());
    assert_eq!(refused.count, refused.records.len());
    (refused.reason, refused.records.into_iter().map(|record| (record.index, record.text)).collect())
}

#[test]
fn refused_records_are_named_as_kafka_names_them() {
    let keyed = ProduceRules { keys: Keys::Required, ..rules() };
    let recent = ProduceRules { timestamp_after_max_ms: 5, timestamp_before_max_ms: 10, ..keyed };
    let stamping = ProduceRules { timestamp_type: TimestampType::LogAppendTime, ..rules() };
    let keyless = "Compacted topic cannot accept message without key in topic partition t-0";
    for codec in Codec::ALL {
        let batch = small(codec, |_| {});
        assert_eq!(refusal(&batch, &keyed), (RecordsReason::Record, vec![(1, keyless.to_owned())]));
        let late = small(codec, |batch| {
            batch.push(&NewRecord { timestamp: NOW + 6, key: Some(b"k"), value: None, headers: &[] });
        });
        let range = "Timestamp 1700000000006 of message with offset 3 is out of range. The timestamp should be within \
                     [1699999999990, 1700000000005]";
        let expected = vec![(1, keyless.to_owned()), (3, range.to_owned())];
        assert_eq!(refusal(&late, &recent), (RecordsReason::Timestamp, expected));

        let stamped = small(codec, |batch| batch.header.attributes.0 |= 8);
        let (name, null) =
            if codec == Codec::None { ("DefaultRecord", 0) } else { ("PartialDefaultRecord", -1) };
        let (reason, records) = refusal(&stamped, &stamping);
        let text = format!(
            "Invalid timestamp type in message {name}(offset=1, timestamp=1700000000007, key={null} bytes, value=5 \
             bytes). Producer should not set timestamp type to LogAppendTime."
        );
        assert_eq!((reason, records.len(), &records[1].1), (RecordsReason::Timestamp, 3, &text));
    }
    let error = admitted(VERSION, &small(Codec::None, |_| {}), &keyed).unwrap_err();
    let summary = "One or more records have been rejected due to 1 record errors in total, and only showing the first \
                   three errors at most: [RecordError(batchIndex=1, message='Compacted topic cannot accept message \
                   without key in topic partition t-0')]";
    assert_eq!(error.to_string(), summary);
}

#[test]
fn what_a_topic_cannot_store_is_refused() {
    let mut gaps = BatchBuilder::new(Codec::None);
    let record = NewRecord { timestamp: Millis(-2), key: None, value: Some(&[7; 2000]), headers: &[] };
    gaps.push_at(3, &record);
    gaps.push_at(1, &record);
    let plain = gaps.clone().build().unwrap();
    // In place neither offsets nor times before 1970 matter.
    let taken = accepted(VERSION, &plain, &rules());
    assert_eq!((taken.batch, taken.header.max_timestamp), (plain.clone(), Millis(-1)));
    let anew = ProduceRules { stored_as: as_codec(Codec::Zstd), ..rules() };
    let error = admitted(VERSION, &plain, &anew).unwrap_err();
    assert_eq!(error, ProducedError::NegativeTimestamp(Millis(-2)));
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        gaps.header.attributes = Attributes::new(codec);
        let batch = gaps.clone().build().unwrap();
        assert_eq!(admitted(VERSION, &batch, &rules()).unwrap_err(), ProducedError::Gaps);

        let large = ProduceRules { stored_as: as_codec(Codec::None), max_message_bytes: 1000, ..rules() };
        let batch = small(codec, |batch| {
            batch.push(&NewRecord { timestamp: NOW, value: Some(&[7; 2000]), ..record });
        });
        let error = admitted(VERSION, &batch, &large).unwrap_err();
        assert!(matches!(error, ProducedError::TooLarge { max: 1000, .. }), "{error}");
        assert!(admitted(VERSION, &batch, &rules()).is_ok());

        let mut damaged = BatchBuilder::new(Codec::None);
        damaged.header.attributes = Attributes::new(codec);
        let header = BatchHeader { record_count: 1, last_offset_delta: 0, ..damaged.header };
        let garbage = sealed(header, b"no block of any codec");
        let error = admitted(VERSION, &garbage, &rules()).unwrap_err();
        assert!(matches!(error, ProducedError::Compression(_)), "{error}");
        let other = sealed(header, &compress(codec, b"no records").unwrap());
        let error = admitted(VERSION, &other, &rules()).unwrap_err();
        assert!(matches!(error, ProducedError::Record(_)), "{error}");
    }
}

fn sealed(mut header: BatchHeader, records: &[u8]) -> Vec<u8> {
    header.length = (crate::batch::LENGTH_MIN + records.len()) as u32;
    header.seal(records);
    [&header.to_bytes()[..], records].concat()
}

#[test]
fn a_bomb_is_too_large() {
    use std::io::Write;
    // One record without a key, whose value is as long as can be.
    let mut record = Vec::new();
    put_varint(&mut record, i32::MAX);
    record.extend([0, 0, 0, 1]);
    put_varint(&mut record, i32::MAX - 10);
    let mut zstd = Encoder::new(Codec::Zstd.into(), Vec::new(), HeaderChecksum::Right).unwrap();
    zstd.write_all(&record).unwrap();
    for _ in 0..257 {
        zstd.write_all(&[0; 1 << 20]).unwrap();
    }
    let header =
        BatchHeader { record_count: 1, last_offset_delta: 0, ..BatchBuilder::new(Codec::Zstd).header };
    let bomb = sealed(header, &zstd.finish().unwrap());
    assert!(bomb.len() < 100_000);
    let error = admitted(VERSION, &bomb, &rules()).unwrap_err();
    assert!(error.to_string().contains("more than 268435456 bytes"), "{error}");
}

#[test]
fn old_messages_become_one_batch() {
    use legacy::Format::{V0, V1};
    for (format, source) in [V0, V1]
        .into_iter()
        .flat_map(|f| Codec::ALL.map(|codec| (f, codec)))
        .filter(|(_, c)| *c != Codec::Zstd)
    {
        let messages: Vec<_> = (0..3).map(|at| LegacySample::new(format, at)).collect();
        let mut inner: Vec<_> = messages.iter().map(LegacySample::bytes).collect();
        if source != Codec::None {
            inner = vec![wrapper(format, source, 2, &inner).bytes()];
        }
        let set = inner.concat();
        for stored_as in [StoredAs::Sent, as_codec(Codec::Zstd), as_codec(Codec::None)] {
            for version in 0..3 {
                let after = accepted(version, &set, &ProduceRules { stored_as, ..rules() });
                assert_eq!(after.header.attributes, Attributes::new(stored_as.target(source).codec()));
                let expected: Vec<_> = messages
                    .iter()
                    .map(|message| {
                        let time = if format == V0 { -1 } else { message.timestamp };
                        (time, format!("{:?} {:?} []", message.key.as_deref(), message.value.as_deref()))
                    })
                    .collect();
                assert_eq!(contents(&after), expected, "{format:?} {source}");
                assert_eq!(after.header.max_timestamp.0, if format == V0 { -1 } else { 1002 });
                assert_eq!(after.header.producer_id, ProducerId::NONE);
            }
        }
        assert!(admitted(3, &set, &rules()).is_err());
        let cut = accepted(2, &[&set[..], &set[..set.len() - 1]].concat(), &rules());
        assert_eq!(cut.header.record_count % 3, if source == Codec::None { 2 } else { 0 });
    }
}

#[test]
fn old_messages_keep_to_the_rules() {
    use crate::legacy::{Format, LegacyError};
    let keyless = LegacySample { key: None, ..LegacySample::new(Format::V1, 0) };
    let keyed = LegacySample::new(Format::V1, 0).bytes();
    let wrapped = |inner: &[Vec<u8>]| wrapper(Format::V1, Codec::Gzip, 0, inner).bytes();
    let broken = |mut bytes: Vec<u8>| {
        *bytes.last_mut().unwrap() ^= 1;
        bytes
    };
    let refused = |bytes: &[u8], rules: &ProduceRules| admitted(2, bytes, rules).unwrap_err();
    let required = ProduceRules { keys: Keys::Required, ..rules() };
    let recent = ProduceRules { timestamp_before_max_ms: 5, ..required };
    for set in [keyless.bytes(), wrapped(&[keyed.clone(), keyless.bytes()])] {
        assert_eq!(records(refused(&set, &required)).reason, RecordsReason::Record);
        assert!(admitted(2, &set, &rules()).is_ok());
    }
    let old = refused(&wrapped(&[keyless.bytes(), keyed.clone()]), &recent);
    assert_eq!(records(old).reason, RecordsReason::Timestamp);
    let tight = ProduceRules { max_message_bytes: keyed.len() - 1, ..rules() };
    assert!(matches!(refused(&keyed, &tight), ProducedError::TooLarge { .. }));
    for set in [broken(keyed.clone()), wrapped(&[broken(keyed.clone())])] {
        let error = refused(&set, &rules());
        assert!(matches!(error, ProducedError::Message(LegacyError::Checksum { .. })), "{error}");
    }
    let inner = wrapped(std::slice::from_ref(&keyed));
    for several in [[&inner[..], &inner], [&inner, &keyed], [&keyed, &inner]] {
        assert_eq!(refused(&several.concat(), &rules()), ProducedError::SeveralBatches);
    }
    let v0 = LegacySample::new(Format::V0, 1).bytes();
    let v2 = small(Codec::None, |_| {});
    for other in [v0, v2.clone()] {
        let error = refused(&[&keyed[..], &other].concat(), &rules());
        assert!(matches!(error, ProducedError::Message(LegacyError::MixedFormats { .. })), "{error}");
    }
    assert_eq!(refused(&[&v2[..], &keyed].concat(), &rules()), ProducedError::SeveralBatches);
    assert!(admitted(2, &v2, &rules()).unwrap().is_some());
    for nothing in [&keyed[..5], &keyed[..keyed.len() - 1], &[]] {
        assert!(admitted(2, nothing, &rules()).unwrap().is_none());
    }
}

#[test]
fn garbage_is_refused_without_harm() {
    for seed in 0..3000 {
        let mut random = Random::new(seed);
        let codec = Codec::ALL[random.below(4)];
        let mut bytes = if random.one_in(2) {
            small(codec, |_| {})
        } else {
            let inner = LegacySample::new(legacy::Format::V1, 0).bytes();
            wrapper(legacy::Format::V1, codec, 0, &[inner.clone(), inner]).bytes()
        };
        for _ in 0..random.below(4) {
            let at = random.below(bytes.len());
            bytes[at] = random.next() as u8;
        }
        if bytes.len() > HEADER_SIZE
            && random.one_in(2)
            && let Ok(mut header) = BatchHeader::parse(&bytes)
        {
            // A right checksum over wrong bytes.
            header.seal(&bytes[HEADER_SIZE..]);
            bytes[..HEADER_SIZE].copy_from_slice(&header.to_bytes());
        }
        let _ = admitted(2, &bytes, &rules());
    }
}
