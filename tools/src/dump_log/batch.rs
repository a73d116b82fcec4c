//! A batch with all its bytes, and the line that tells what its header says.

use std::fmt;

use protocol::batch::{Attributes, BatchHeader, Codec, HEADER_SIZE, TimestampType, verify_crc};
use protocol::legacy;

use super::segment::{BatchAt, Fault, SegmentFile};

/// Where the fields of an old message stand.
const CRC_AT: usize = 12;
const ATTRIBUTES_AT: usize = 17;
const TIMESTAMP_AT: usize = 18;

/// A batch of any format.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    pub(super) head: Head,
    pub(super) codec: Codec,
    pub(super) magic: i8,
    pub(super) bytes: &'a [u8],
    is_valid: bool,
}

/// What stands before the records.
#[derive(Debug, Clone, Copy)]
pub(super) enum Head {
    V2(BatchHeader),
    /// A message of format 0 or 1, or a wrapper around some.
    Legacy {
        offset: i64,
        crc: u32,
        timestamp: i64,
        timestamp_type: Option<TimestampType>,
    },
}

impl<'a> Batch<'a> {
    pub(super) fn read(at: &BatchAt, file: &'a mut SegmentFile) -> Result<Batch<'a>, Fault> {
        let head = if at.is_legacy() { None } else { Some(file.header(at)?) };
        let bytes = file.whole(at)?;
        let (head, attributes) = match head {
            Some(header) => (Head::V2(header), header.attributes),
            None => legacy_head(at, bytes)?,
        };
        let codec = attributes.codec().map_err(|codec| format!("there is no codec {codec}"))?;
        let is_valid = match head {
            Head::V2(_) => bytes.len() >= HEADER_SIZE && verify_crc(bytes).is_ok(),
            Head::Legacy { .. } => legacy::verify_crc(bytes).is_ok(),
        };
        Ok(Batch { head, codec, magic: at.magic, bytes, is_valid })
    }

    /// The type of timestamp, by the name that Kafka has for it.
    pub(super) fn timestamp_type(&self) -> &'static str {
        let kind = match self.head {
            Head::V2(header) => Some(header.attributes.timestamp_type()),
            Head::Legacy { timestamp_type, .. } => timestamp_type,
        };
        match kind {
            Some(TimestampType::CreateTime) => "CreateTime",
            Some(TimestampType::LogAppendTime) => "LogAppendTime",
            None => "NoTimestampType",
        }
    }

    pub(super) fn line(&self, position: u64) -> String {
        let (head, timestamp, crc) = match self.head {
            Head::V2(header) => (describe(&header), header.max_timestamp.0, header.crc),
            Head::Legacy { offset, crc, timestamp, .. } => (format!("offset: {offset}"), timestamp, crc),
        };
        format!(
            "{head} position: {position} {}: {timestamp} size: {} magic: {} compresscodec: {} crc: {crc} isvalid: {}",
            self.timestamp_type(),
            self.bytes.len(),
            self.magic,
            self.codec,
            self.is_valid
        )
    }
}

fn describe(header: &BatchHeader) -> String {
    let attributes = header.attributes;
    format!(
        "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} producerId: {} producerEpoch: {} \
         partitionLeaderEpoch: {} isTransactional: {} isControl: {} deleteHorizonMs: {}",
        header.base_offset.0,
        last_offset(header),
        header.record_count,
        header.base_sequence.0,
        header.last_sequence().0,
        header.producer_id.0,
        header.producer_epoch.0,
        header.leader_epoch.0,
        attributes.is_transactional(),
        attributes.is_control(),
        OptionalLong(attributes.has_delete_horizon().then_some(header.base_timestamp.0)),
    )
}

/// The offset that a batch ends with; a damaged header may say anything.
pub(super) fn last_offset(header: &BatchHeader) -> i64 {
    header.base_offset.0.wrapping_add(i64::from(header.last_offset_delta))
}

/// A number that may be missing, as Java's class of that name prints it.
#[derive(Debug, Clone, Copy)]
pub(super) struct OptionalLong(pub(super) Option<i64>);

impl fmt::Display for OptionalLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => write!(f, "OptionalLong[{number}]"),
            None => f.write_str("OptionalLong.empty"),
        }
    }
}

fn legacy_head(at: &BatchAt, bytes: &[u8]) -> Result<(Head, Attributes), Fault> {
    let cut_short = || format!("a message of format {} is not that short", at.magic);
    let attributes = Attributes(i16::from(*bytes.get(ATTRIBUTES_AT).ok_or_else(cut_short)?));
    let crc = bytes[CRC_AT..].first_chunk().map(|crc| u32::from_be_bytes(*crc)).ok_or_else(cut_short)?;
    let (timestamp, timestamp_type) = match at.magic {
        0 => (-1, None),
        1 => {
            let field = bytes[TIMESTAMP_AT..].first_chunk().ok_or_else(cut_short)?;
            (i64::from_be_bytes(*field), Some(attributes.timestamp_type()))
        }
        other => return Err(format!("there is no format {other}")),
    };
    Ok((Head::Legacy { offset: at.offset.0, crc, timestamp, timestamp_type }, attributes))
}
