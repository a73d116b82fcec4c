//! `docs/formats.md` draws what the code writes: each of its tables is read, and compared with the code byte by byte.
//! How: a table's fields lie without gaps; a value that one side puts where the table says is found there by the other.
use std::collections::BTreeMap;
use std::fs;

use protocol::batch::{Attributes, BatchHeader, HEADER_SIZE, MAGIC};
use protocol::{LeaderEpoch, Millis, Offset, ProducerEpoch, ProducerId, Sequence};
use storage::files::{self, AbortedEntry, OffsetIndexEntry, ProducerEntry, TimeIndexEntry};

/// A field as the document has it.
struct Field {
    at: usize,
    name: String,
    size: usize,
}

/// The tables below a heading, in their order.
fn tables(heading: &str) -> Vec<Vec<Field>> {
    let document = fs::read_to_string(tests::project::path("docs/formats.md")).unwrap();
    let (_, section) = document.split_once(&format!("\n### {heading}\n")).unwrap();
    let section = section.split("\n### ").next().unwrap();
    let blocks = section.split("```").skip(1).step_by(2);
    blocks.map(|block| block.lines().filter_map(field).collect()).collect()
}

/// `at  name  type  what it means`; none for a line that draws no field of fixed width.
fn field(line: &str) -> Option<Field> {
    let (at, rest) = line.trim_start().split_once("  ")?;
    let (name, rest) = rest.trim_start().split_once("  ")?;
    let kind = rest.split_whitespace().next()?;
    let bits: usize = kind.strip_prefix(['i', 'u'])?.parse().ok()?;
    Some(Field { at: at.parse().ok()?, name: name.to_owned(), size: bits / 8 })
}

/// Checks that the fields lie one behind the other and fill `size` bytes.
fn fill(fields: &[Field], size: usize) {
    let mut end = 0;
    for field in fields {
        assert_eq!(field.at, end, "{}", field.name);
        end += field.size;
    }
    assert_eq!(end, size);
}

/// Bytes in which every field has its value, where the document puts it.
fn drawn(fields: &[Field], values: &[(&str, i64)]) -> Vec<u8> {
    let values: BTreeMap<_, _> = values.iter().copied().collect();
    assert_eq!(values.len(), fields.len());
    fields
        .iter()
        .flat_map(|field| values[field.name.as_str()].to_be_bytes()[8 - field.size..].to_vec())
        .collect()
}

#[test]
fn a_batch_is_as_it_is_drawn() {
    let [fields] = &tables("A record batch")[..] else { panic!("one table") };
    fill(fields, HEADER_SIZE);
    let header = BatchHeader {
        base_offset: Offset(1 << 40),
        length: 777,
        leader_epoch: LeaderEpoch(3),
        crc: 0x0102_0304,
        attributes: Attributes(0x55),
        last_offset_delta: 9,
        base_timestamp: Millis(1 << 41),
        max_timestamp: Millis(1 << 42),
        producer_id: ProducerId(1 << 43),
        producer_epoch: ProducerEpoch(12),
        base_sequence: Sequence(13),
        record_count: 14,
    };
    let values = [
        ("base offset", 1 << 40),
        ("length", 777),
        ("partition epoch", 3),
        ("magic", i64::from(MAGIC)),
        ("checksum", 0x0102_0304),
        ("attributes", 0x55),
        ("last offset delta", 9),
        ("base timestamp", 1 << 41),
        ("max timestamp", 1 << 42),
        ("producer id", 1 << 43),
        ("producer epoch", 12),
        ("base sequence", 13),
        ("records", 14),
    ];
    assert_eq!(drawn(fields, &values), header.to_bytes());
}

#[test]
fn index_entries_are_as_they_are_drawn() {
    let [fields] = &tables("The offset index")[..] else { panic!("one table") };
    fill(fields, files::OFFSET_ENTRY_SIZE);
    let bytes = drawn(fields, &[("offset", 5), ("position", 1 << 20)]);
    let entry = OffsetIndexEntry { offset: Offset(105), position: 1 << 20 };
    assert_eq!(files::offset_index(&bytes, Offset(100)), [entry]);

    let [fields] = &tables("The time index")[..] else { panic!("one table") };
    fill(fields, files::TIME_ENTRY_SIZE);
    let bytes = drawn(fields, &[("timestamp", 1 << 41), ("offset", 5)]);
    let entry = TimeIndexEntry { timestamp: Millis(1 << 41), offset: Offset(105) };
    assert_eq!(files::time_index(&bytes, Offset(100)), [entry]);

    let [fields] = &tables("The transaction index")[..] else { panic!("one table") };
    fill(fields, files::ABORTED_ENTRY_SIZE);
    let values = [
        ("version", 0),
        ("producer id", 1 << 40),
        ("first offset", 2),
        ("last offset", 3),
        ("last stable offset", 4),
    ];
    let entry = AbortedEntry {
        version: 0,
        producer_id: ProducerId(1 << 40),
        first_offset: Offset(2),
        last_offset: Offset(3),
        last_stable_offset: Offset(4),
    };
    assert_eq!(files::aborted(&drawn(fields, &values)), [entry]);
}

#[test]
fn a_snapshot_is_as_it_is_drawn() {
    let [head, fields] = &tables("A producer snapshot")[..] else { panic!("two tables") };
    fill(head, files::SNAPSHOT_HEADER_SIZE);
    fill(fields, files::PRODUCER_ENTRY_SIZE);
    let values = [
        ("producer id", 1 << 40),
        ("epoch", 2),
        ("last sequence", 3),
        ("last offset", 1 << 41),
        ("offset delta", 4),
        ("timestamp", 1 << 42),
        ("coordinator epoch", 5),
        ("first offset", 1 << 43),
    ];
    let entry = drawn(fields, &values);
    let checked = [&1u32.to_be_bytes()[..], &entry].concat();
    let crc = i64::from(crc32c::crc32c(&checked));
    let bytes = [drawn(head, &[("version", 1), ("checksum", crc), ("entries", 1)]), entry].concat();
    let expected = ProducerEntry {
        producer_id: ProducerId(1 << 40),
        epoch: ProducerEpoch(2),
        last_sequence: Sequence(3),
        last_offset: Offset(1 << 41),
        offset_delta: 4,
        timestamp: Millis(1 << 42),
        coordinator_epoch: 5,
        current_txn_first_offset: Offset(1 << 43),
    };
    assert_eq!(files::producers(&bytes), Ok(vec![expected]));
}
