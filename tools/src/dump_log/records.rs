//! The records of a batch, whatever its format, one after the other.
//!
//! Source: DefaultRecordBatch, AbstractLegacyRecordBatch of Kafka 3.9.

use std::io;

use protocol::Sequence;
use protocol::batch::{BatchHeader, HEADER_SIZE, TimestampType};
use protocol::legacy::{Entry, Message, Messages};
use protocol::record::{Headers, Record, RecordIter, decompress};

use super::batch::{Batch, Head};
use super::decoder::KeyValue;
use super::segment::Fault;

/// The most that the records of one batch may take once decompressed.
const RECORDS_MAX: usize = 1 << 30;

/// A record as a reader of the log sees it.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    pub(super) offset: i64,
    pub(super) timestamp: i64,
    pub(super) content: KeyValue<'a>,
    pub(super) extra: Extra<'a>,
    pub(super) is_control: bool,
}

/// What only one of the formats has.
#[derive(Debug)]
pub(super) enum Extra<'a> {
    V2 { sequence: i32, headers: Headers<'a> },
    Legacy(Entry<'a>),
}

/// Shows every record to `see`; the inner error is what keeps the rest from being read.
pub(super) fn each(
    batch: &Batch<'_>,
    see: impl FnMut(&Seen<'_>) -> io::Result<()>,
) -> io::Result<Result<(), Fault>> {
    match batch.head {
        Head::V2(header) => each_record(batch, &header, see),
        Head::Legacy { .. } => each_message(batch, see),
    }
}

fn each_record(
    batch: &Batch<'_>,
    header: &BatchHeader,
    mut see: impl FnMut(&Seen<'_>) -> io::Result<()>,
) -> io::Result<Result<(), Fault>> {
    if header.record_count == 0 {
        return Ok(Ok(()));
    }
    if header.record_count < 0 {
        return Ok(Err(format!("it cannot have {} records", header.record_count)));
    }
    let Some(block) = batch.bytes.get(HEADER_SIZE..) else {
        return Ok(Err("it is smaller than its header".to_owned()));
    };
    let records = match decompress(batch.codec, block, RECORDS_MAX) {
        Ok(records) => records,
        Err(error) => return Ok(Err(error.to_string())),
    };
    for record in RecordIter::new(&records, header.record_count) {
        match record {
            Ok(record) => see(&of_record(header, &record))?,
            Err(error) => return Ok(Err(error.to_string())),
        }
    }
    Ok(Ok(()))
}

fn each_message(
    batch: &Batch<'_>,
    mut see: impl FnMut(&Seen<'_>) -> io::Result<()>,
) -> io::Result<Result<(), Fault>> {
    let messages = Entry::parse(batch.bytes).and_then(|entry| Messages::of(&entry, RECORDS_MAX));
    let messages = match messages {
        Ok(messages) => messages,
        Err(error) => return Ok(Err(error.to_string())),
    };
    for message in &messages {
        see(&of_message(&message))?;
    }
    Ok(Ok(()))
}

fn of_record<'a>(header: &BatchHeader, record: &Record<'a>) -> Seen<'a> {
    let attributes = header.attributes;
    let timestamp = match attributes.timestamp_type() {
        TimestampType::CreateTime => header.base_timestamp.0.wrapping_add(record.timestamp_delta),
        TimestampType::LogAppendTime => header.max_timestamp.0,
    };
    let sequence = match header.base_sequence {
        Sequence(base) if base < 0 => Sequence::NONE,
        base => base.plus(record.offset_delta),
    };
    Seen {
        offset: header.base_offset.0.wrapping_add(i64::from(record.offset_delta)),
        timestamp,
        content: KeyValue { key: record.key, value: record.value },
        extra: Extra::V2 { sequence: sequence.0, headers: record.headers },
        is_control: attributes.is_control(),
    }
}

fn of_message<'a>(message: &Message<'a>) -> Seen<'a> {
    Seen {
        offset: message.offset.0,
        timestamp: message.timestamp.0,
        content: KeyValue { key: message.key, value: message.value },
        extra: Extra::Legacy(message.entry),
        is_control: false,
    }
}
