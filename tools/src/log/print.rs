//! The records of a salvaged piece in the lines of Kafka's dump of a log; those of a bad batch are guesses and say so.

use std::io::Write;

use anyhow::Context;
use protocol::batch::{Attributes, BatchHeader, Codec, TimestampType};
use protocol::record::{Record, RecordIter, decompress};
use storage::salvage::{Bad, Batch, Found, Piece};

use crate::failure::Failure;

/// The most that the records of one batch may occupy in memory.
const RECORDS_MAX: usize = 256 << 20;

pub(super) fn piece(piece: &Piece, out: &mut impl Write) -> Result<(), Failure> {
    writeln!(out, "Salvaged from {}: {}", piece.partition, piece.path.display())?;
    for found in piece.batches().context("the piece cannot be read")? {
        match found.with_context(|| piece.path.display().to_string())? {
            Found::Good(found) => {
                writeln!(out, "{} isvalid: true", headline(&found))?;
                records(&found, "|", out)?;
            }
            Found::Bad(bad) => bad_stretch(&bad, out)?,
        }
    }
    Ok(())
}

fn bad_stretch(bad: &Bad, out: &mut impl Write) -> Result<(), Failure> {
    let flaw = bad.flaw;
    match &bad.batch {
        Some(batch) => {
            writeln!(out, "{} isvalid: false ({flaw})", headline(batch))?;
            records(batch, "?", out)
        }
        None => Ok(writeln!(out, "position: {} size: {} isvalid: false ({flaw})", bad.position, bad.bytes)?),
    }
}

fn headline(batch: &Batch) -> String {
    let header = &batch.header;
    format!(
        "baseOffset: {} lastOffset: {} count: {} producerId: {} producerEpoch: {} partitionLeaderEpoch: {} \
         isTransactional: {} isControl: {} position: {} {}: {} size: {} compresscodec: {} crc: {}",
        header.base_offset,
        header.last_offset(),
        header.record_count,
        header.producer_id,
        header.producer_epoch,
        header.leader_epoch,
        header.attributes.is_transactional(),
        header.attributes.is_control(),
        batch.position,
        kind(header.attributes),
        header.max_timestamp,
        header.size(),
        header.attributes.codec().map_or("unknown", name),
        header.crc,
    )
}

fn kind(attributes: Attributes) -> &'static str {
    match attributes.timestamp_type() {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

fn name(codec: Codec) -> &'static str {
    match codec {
        Codec::None => "none",
        Codec::Gzip => "gzip",
        Codec::Snappy => "snappy",
        Codec::Lz4 => "lz4",
        Codec::Zstd => "zstd",
    }
}

/// Prints records until the bytes are none any more, which in a bad batch is no surprise.
fn records(batch: &Batch, mark: &str, out: &mut impl Write) -> Result<(), Failure> {
    let header = &batch.header;
    let bytes = batch.records().context("the piece cannot be read")?;
    let codec = header.attributes.codec().unwrap_or(Codec::None);
    let bytes = match decompress(codec, &bytes, RECORDS_MAX) {
        Ok(bytes) => bytes,
        Err(error) => return Ok(writeln!(out, "{mark} no records: {error}")?),
    };
    for record in RecordIter::new(&bytes, header.record_count) {
        match record {
            Ok(record) => writeln!(out, "{mark} {}", line(header, &record))?,
            Err(error) => return Ok(writeln!(out, "{mark} no more records: {error}")?),
        }
    }
    Ok(())
}

fn line(header: &BatchHeader, record: &Record<'_>) -> String {
    let size = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| bytes.len() as i64);
    let timestamp = match header.attributes.timestamp_type() {
        TimestampType::CreateTime => header.base_timestamp + record.timestamp_delta,
        TimestampType::LogAppendTime => header.max_timestamp,
    };
    let sequence = if header.has_producer() { header.base_sequence.plus(record.offset_delta).0 } else { -1 };
    let keys: Vec<_> = record.headers.map(|(key, _)| String::from_utf8_lossy(key)).collect();
    let mut line = format!(
        "offset: {} {}: {timestamp} keySize: {} valueSize: {} sequence: {sequence} headerKeys: [{}]",
        header.base_offset + i64::from(record.offset_delta),
        kind(header.attributes),
        size(record.key),
        size(record.value),
        keys.join(","),
    );
    for (name, bytes) in [("key", record.key), ("payload", record.value)] {
        if let Some(bytes) = bytes {
            line.push_str(&format!(" {name}: {}", String::from_utf8_lossy(bytes)));
        }
    }
    line
}
