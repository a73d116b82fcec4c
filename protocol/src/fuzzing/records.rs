//! What a Produce request carries for one partition, as far as the batch that is stored, and from there down to old clients.
//!
//! Two bytes in front of it choose the version, the topic's rules, and how the rest is taken: as it is, or as the content of a
//! batch or a message set that this target wraps around it, since no mutation finds a codec's frame or a checksum.

use bytes::Bytes;

use super::{DECODED_PER_BYTE, allocations};
use crate::batch::{
    Attributes, BatchHeader, Codec, HEADER_SIZE, Keys, LENGTH_MIN, LOG_OVERHEAD, MAGIC, MAGIC_AT,
    ProduceRules, Produced, StoredAs, TimestampType, admit, sent, verify_crc,
};
use crate::ids::{Millis, Offset, TopicPartition};
use crate::legacy::{Checksum, Format, Item, Items, Messages, down_convert, item_size};
use crate::record::{Compression, RecordIter, compress, decompress};

/// Bytes that validation may take besides what the input pays for: one block of a codec, its window and its tables.
const VALIDATED_MIN: usize = 6 << 20;
/// Where records are written anew, one of them is held, of 32 MiB at most; its copy grows by doubling.
const REWRITTEN_MIN: usize = 160 << 20;
const NOW: Millis = Millis(1_700_000_000_000);

/// Memory is bounded; what is admitted is a batch that reads, and goes down to both old formats.
pub fn records(input: &[u8]) {
    let [version, choices, rest @ ..] = input else { return };
    let version = i16::from(version & 0x0f) % 12;
    let wrapped = if choices & 0x80 == 0 { sealed(rest) } else { wrapped(rest) };
    let records = Bytes::from(wrapped);
    let rules = rules(*choices, version);
    let partition = TopicPartition { topic: "t".into(), partition: 0 };
    let (admitted, peak) = allocations::peak(|| {
        sent(Some(&records), version).and_then(|sent| admit(sent, &rules, &partition, NOW))
    });
    let rewrites = rules.stored_as != StoredAs::Sent || records.get(MAGIC_AT) != Some(&(MAGIC as u8));
    let bound = DECODED_PER_BYTE * records.len() + if rewrites { REWRITTEN_MIN } else { VALIDATED_MIN };
    assert!(peak <= bound, "{} bytes took {peak} bytes of memory where {bound} is the most", records.len());
    if let Ok(Some(produced)) = admitted {
        check_stored(&produced);
    }
}

fn rules(choices: u8, version: i16) -> ProduceRules {
    let stored_as = match choices & 0x07 {
        1 => StoredAs::Always(Compression::None),
        2 => StoredAs::Always(Compression::Gzip(1)),
        3 => StoredAs::Always(Compression::Snappy),
        4 => StoredAs::Always(Compression::Lz4(9)),
        5 => StoredAs::Always(Compression::Zstd(1)),
        _ => StoredAs::Sent,
    };
    ProduceRules {
        max_message_bytes: if choices & 0x40 == 0 { 1 << 20 } else { 300 },
        timestamp_type: if choices & 0x08 == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        },
        timestamp_before_max_ms: if version == 8 { 1000 } else { u64::MAX },
        timestamp_after_max_ms: u64::MAX,
        keys: if choices & 0x10 == 0 { Keys::Optional } else { Keys::Required },
        stored_as,
    }
}

/// A row of entries and batches whose checksums are right.
fn sealed(row: &[u8]) -> Vec<u8> {
    let mut row = row.to_vec();
    let mut at = 0;
    while let Ok(Some(size)) = item_size(&row[at..]) {
        let Some(item) = row.get_mut(at..at + size) else { break };
        seal(item);
        at += size;
    }
    row
}

fn seal(item: &mut [u8]) {
    if item[MAGIC_AT] != MAGIC as u8 {
        let mut checksum = Checksum::default();
        checksum.add(&item[MAGIC_AT..]);
        item[12..16].copy_from_slice(&checksum.value().to_be_bytes());
    } else if let Ok(mut header) = BatchHeader::parse(item) {
        header.seal(&item[HEADER_SIZE..]);
        item[..HEADER_SIZE].copy_from_slice(&header.to_bytes());
    }
}

/// A batch, or a message with other messages inside; three bytes choose format and codec, attributes, and the count.
fn wrapped(input: &[u8]) -> Vec<u8> {
    let [kind, attributes, count, content @ ..] = input else { return Vec::new() };
    let codec = Codec::ALL[usize::from(kind >> 2) % Codec::ALL.len()];
    match Format::from_magic((kind & 0x03) as i8) {
        Some(format) => message(format, codec, *attributes, &sealed(content)),
        None => batch(codec, *attributes, i32::from(*count), content),
    }
}

fn batch(codec: Codec, attributes: u8, count: i32, content: &[u8]) -> Vec<u8> {
    let block = compress(codec, content).expect("records of any content are compressed");
    let mut header = BatchHeader::empty(codec);
    header.attributes = Attributes(i16::from(attributes) << 3 | codec as i16);
    header.length = (LENGTH_MIN + block.len()) as u32;
    (header.record_count, header.last_offset_delta) = (count, count - 1);
    (header.base_timestamp, header.max_timestamp) = (NOW, NOW);
    header.seal(&block);
    [&header.to_bytes()[..], &block].concat()
}

fn message(format: Format, codec: Codec, attributes: u8, content: &[u8]) -> Vec<u8> {
    let block = compress(codec, content).expect("messages of any content are compressed");
    let mut out = vec![0; LOG_OVERHEAD + 4];
    out.extend([format as u8, attributes << 3 | codec as u8]);
    if format == Format::V1 {
        out.extend(NOW.0.to_be_bytes());
    }
    out.extend((-1i32).to_be_bytes());
    out.extend((block.len() as i32).to_be_bytes());
    out.extend_from_slice(&block);
    let length = (out.len() - LOG_OVERHEAD) as i32;
    out[LOG_OVERHEAD - 4..LOG_OVERHEAD].copy_from_slice(&length.to_be_bytes());
    seal(&mut out);
    out
}

fn check_stored(produced: &Produced) {
    let header = produced.header;
    let batch = [&header.to_bytes()[..], produced.records()].concat();
    assert_eq!((verify_crc(&batch), batch.len()), (Ok(()), header.size()));
    let codec = header.attributes.codec().expect("an admitted batch has a codec");
    let records = decompress(codec, produced.records(), 1 << 30).expect("an admitted batch reads");
    let read = RecordIter::new(&records, header.record_count).map(|record| record.map(|_| ()));
    let read: Result<Vec<()>, _> = read.collect();
    assert_eq!(read.map(|read| read.len() as i32), Ok(header.record_count));
    if codec != Codec::Zstd {
        for format in [Format::V0, Format::V1] {
            check_down(&batch, format, header.record_count);
        }
    }
}

fn check_down(batch: &[u8], format: Format, count: i32) {
    // As for Kafka, a record that is not compressed may have an offset before its batch.
    let set = down_convert(batch, format, Offset(i64::MIN)).expect("what is stored goes down");
    let mut messages = 0;
    for item in Items::new(&set) {
        let Ok(Item::Entry(entry)) = item else { panic!("a set of {format:?} has {item:?}") };
        let within = Messages::of(&entry, 1 << 30).expect("what was converted reads");
        for message in &within {
            assert_eq!(message.entry.verify_crc(), Ok(()));
            messages += 1;
        }
    }
    assert_eq!(messages, count, "{format:?}");
}
