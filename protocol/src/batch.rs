//! A record batch (format v2) from outside: its 61-byte header, its checksum, batches that follow each other.
//!
//! The records stay opaque bytes. Offsets and leader epoch lie outside the checksum, so that a leader assigns them
//! without touching the rest. Called by the Produce path, the log and the tools. Source: DefaultRecordBatch.

use crate::ids::{LeaderEpoch, Millis, Offset, ProducerEpoch, ProducerId, Sequence};

mod admission;
mod attributes;
mod produced;
mod refused;
mod row;
mod rules;
mod writer;

pub use admission::admit;
pub use attributes::{Attributes, Codec, TimestampType};
pub use produced::{Produced, ProducedError, Sent, check_produced, only_batch, sent};
pub use refused::{RecordsReason, RefusedRecord, RefusedRecords};
pub use row::{BatchAt, Batches};
pub(crate) use rules::Window;
pub use rules::{Keys, ProduceRules, StoredAs};
pub(crate) use writer::BatchWriter;

/// Bytes of the header, up to the first record.
pub const HEADER_SIZE: usize = 61;
/// Bytes of base offset and length, which the length does not count.
pub const LOG_OVERHEAD: usize = 12;
/// The format's number.
pub const MAGIC: i8 = 2;
/// The smallest value of the length field.
pub const LENGTH_MIN: usize = HEADER_SIZE - LOG_OVERHEAD;

const LENGTH_AT: usize = 8;
const LEADER_EPOCH_AT: usize = 12;
/// Where the magic stands, in this format and in the older ones.
pub const MAGIC_AT: usize = 16;
const CRC_AT: usize = 17;
/// The checksum covers everything from here on.
const ATTRIBUTES_AT: usize = 21;
const LAST_OFFSET_DELTA_AT: usize = 23;
const BASE_TIMESTAMP_AT: usize = 27;
const MAX_TIMESTAMP_AT: usize = 35;
const PRODUCER_ID_AT: usize = 43;
const PRODUCER_EPOCH_AT: usize = 51;
const BASE_SEQUENCE_AT: usize = 53;
const RECORD_COUNT_AT: usize = 57;

/// Why bytes are not a batch of format v2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    #[error("batch is cut short: {needed} bytes needed, {present} there")]
    Truncated { needed: usize, present: usize },
    #[error("batch length {0} is less than a header")]
    Length(i32),
    #[error("batch has format {0} where 2 is expected")]
    Magic(i8),
    #[error("batch has checksum {computed:08x} but says {stored:08x}")]
    Checksum { stored: u32, computed: u32 },
}

/// The header's fields as they are on the wire; counts and deltas are not yet checked against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    pub base_offset: Offset,
    /// Bytes after the length field; at least [`LENGTH_MIN`].
    pub length: u32,
    pub leader_epoch: LeaderEpoch,
    pub crc: u32,
    pub attributes: Attributes,
    pub last_offset_delta: i32,
    /// Timestamp of the first record, or the delete horizon if the attributes say so.
    pub base_timestamp: Millis,
    pub max_timestamp: Millis,
    pub producer_id: ProducerId,
    pub producer_epoch: ProducerEpoch,
    pub base_sequence: Sequence,
    pub record_count: i32,
}

impl BatchHeader {
    /// Of a batch without records yet, as a producer without idempotence begins it: base offset 0, no leader epoch.
    pub(crate) fn empty(codec: Codec) -> BatchHeader {
        BatchHeader {
            base_offset: Offset::ZERO,
            length: 0,
            leader_epoch: LeaderEpoch::NONE,
            crc: 0,
            attributes: Attributes::new(codec),
            last_offset_delta: -1,
            base_timestamp: Millis::NONE,
            max_timestamp: Millis::NONE,
            producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch::NONE,
            base_sequence: Sequence::NONE,
            record_count: 0,
        }
    }

    /// Reads the header at the front of `bytes`. Only the header has to be there, not the whole batch.
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        let Some(head) = bytes.first_chunk::<HEADER_SIZE>() else {
            return Err(BatchError::Truncated { needed: HEADER_SIZE, present: bytes.len() });
        };
        let magic = head[MAGIC_AT] as i8;
        if magic != MAGIC {
            return Err(BatchError::Magic(magic));
        }
        let length = i32::from_be_bytes(field(head, LENGTH_AT));
        if length < LENGTH_MIN as i32 {
            return Err(BatchError::Length(length));
        }
        Ok(BatchHeader {
            base_offset: Offset(i64::from_be_bytes(field(head, 0))),
            length: length as u32,
            leader_epoch: LeaderEpoch(i32::from_be_bytes(field(head, LEADER_EPOCH_AT))),
            crc: u32::from_be_bytes(field(head, CRC_AT)),
            attributes: Attributes(i16::from_be_bytes(field(head, ATTRIBUTES_AT))),
            last_offset_delta: i32::from_be_bytes(field(head, LAST_OFFSET_DELTA_AT)),
            base_timestamp: Millis(i64::from_be_bytes(field(head, BASE_TIMESTAMP_AT))),
            max_timestamp: Millis(i64::from_be_bytes(field(head, MAX_TIMESTAMP_AT))),
            producer_id: ProducerId(i64::from_be_bytes(field(head, PRODUCER_ID_AT))),
            producer_epoch: ProducerEpoch(i16::from_be_bytes(field(head, PRODUCER_EPOCH_AT))),
            base_sequence: Sequence(i32::from_be_bytes(field(head, BASE_SEQUENCE_AT))),
            record_count: i32::from_be_bytes(field(head, RECORD_COUNT_AT)),
        })
    }

    /// The header's bytes, checksum as it stands in `crc`.
    pub fn to_bytes(&self) -> [u8; HEADER_SIZE] {
        let mut head = [0; HEADER_SIZE];
        put(&mut head, 0, self.base_offset.0.to_be_bytes());
        put(&mut head, LENGTH_AT, self.length.to_be_bytes());
        put(&mut head, LEADER_EPOCH_AT, self.leader_epoch.0.to_be_bytes());
        put(&mut head, MAGIC_AT, MAGIC.to_be_bytes());
        put(&mut head, CRC_AT, self.crc.to_be_bytes());
        put(&mut head, ATTRIBUTES_AT, self.attributes.0.to_be_bytes());
        put(&mut head, LAST_OFFSET_DELTA_AT, self.last_offset_delta.to_be_bytes());
        put(&mut head, BASE_TIMESTAMP_AT, self.base_timestamp.0.to_be_bytes());
        put(&mut head, MAX_TIMESTAMP_AT, self.max_timestamp.0.to_be_bytes());
        put(&mut head, PRODUCER_ID_AT, self.producer_id.0.to_be_bytes());
        put(&mut head, PRODUCER_EPOCH_AT, self.producer_epoch.0.to_be_bytes());
        put(&mut head, BASE_SEQUENCE_AT, self.base_sequence.0.to_be_bytes());
        put(&mut head, RECORD_COUNT_AT, self.record_count.to_be_bytes());
        head
    }

    /// Bytes of the whole batch.
    pub fn size(&self) -> usize {
        LOG_OVERHEAD + self.length as usize
    }

    /// Offset of the last record as produced; compaction keeps it even if that record is gone.
    pub fn last_offset(&self) -> Offset {
        self.base_offset + i64::from(self.last_offset_delta)
    }

    /// The offset after the batch.
    pub fn next_offset(&self) -> Offset {
        self.last_offset() + 1
    }

    /// Sequence of the last record, or none if the producer is not idempotent.
    pub fn last_sequence(&self) -> Sequence {
        if self.base_sequence == Sequence::NONE {
            return Sequence::NONE;
        }
        self.base_sequence.plus(self.last_offset_delta)
    }

    /// Whether the producer is idempotent: its sequences are checked.
    pub fn has_producer(&self) -> bool {
        self.producer_id.0 > ProducerId::NONE.0
    }

    /// Sets type and maximum of the timestamps, which needs a new checksum over `records`, the bytes after the
    /// header. The unused high byte of the attributes is cleared, as Kafka clears it.
    pub fn stamp(&mut self, kind: TimestampType, max: Millis, records: &[u8]) {
        self.attributes = self.attributes.with_timestamp_type(kind);
        self.max_timestamp = max;
        self.seal(records);
    }

    /// Computes the checksum anew; `records` are the bytes after the header.
    pub fn seal(&mut self, records: &[u8]) {
        let head = self.to_bytes();
        self.crc = crc32c::crc32c_append(crc32c::crc32c(&head[ATTRIBUTES_AT..]), records);
    }
}

/// The first 61 bytes of `batch` with base offset and leader epoch assigned, to be written before the batch's
/// remaining bytes. The checksum does not cover the two.
pub fn patch(
    batch: &[u8],
    base_offset: Offset,
    leader_epoch: LeaderEpoch,
) -> Result<[u8; HEADER_SIZE], BatchError> {
    let Some(head) = batch.first_chunk::<HEADER_SIZE>() else {
        return Err(BatchError::Truncated { needed: HEADER_SIZE, present: batch.len() });
    };
    let mut head = *head;
    put(&mut head, 0, base_offset.0.to_be_bytes());
    put(&mut head, LEADER_EPOCH_AT, leader_epoch.0.to_be_bytes());
    Ok(head)
}

/// Compares the checksum of exactly one batch with the one it carries.
pub fn verify_crc(batch: &[u8]) -> Result<(), BatchError> {
    let Some(head) = batch.first_chunk::<HEADER_SIZE>() else {
        return Err(BatchError::Truncated { needed: HEADER_SIZE, present: batch.len() });
    };
    let stored = u32::from_be_bytes(field(head, CRC_AT));
    let computed = crc32c::crc32c(&batch[ATTRIBUTES_AT..]);
    if stored == computed { Ok(()) } else { Err(BatchError::Checksum { stored, computed }) }
}

fn field<const N: usize>(head: &[u8; HEADER_SIZE], at: usize) -> [u8; N] {
    let mut value = [0; N];
    value.copy_from_slice(&head[at..at + N]);
    value
}

fn put<const N: usize>(head: &mut [u8; HEADER_SIZE], at: usize, value: [u8; N]) {
    head[at..at + N].copy_from_slice(&value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> BatchHeader {
        BatchHeader {
            base_offset: Offset(0x0102_0304_0506_0708),
            length: 49 + 3,
            leader_epoch: LeaderEpoch(7),
            crc: 0,
            attributes: Attributes(0),
            last_offset_delta: 4,
            base_timestamp: Millis(1_700_000_000_000),
            max_timestamp: Millis(1_700_000_000_009),
            producer_id: ProducerId(12),
            producer_epoch: ProducerEpoch(3),
            base_sequence: Sequence(i32::MAX - 1),
            record_count: 5,
        }
    }

    fn batch(records: &[u8]) -> Vec<u8> {
        let mut header = header();
        header.length = (LENGTH_MIN + records.len()) as u32;
        header.seal(records);
        [&header.to_bytes()[..], records].concat()
    }

    #[test]
    fn a_header_survives_its_bytes() {
        let bytes = batch(b"abc");
        let parsed = BatchHeader::parse(&bytes).unwrap();
        assert_eq!(BatchHeader { crc: 0, ..parsed }, header());
        assert_eq!(parsed.to_bytes(), bytes[..HEADER_SIZE]);
        assert_eq!(parsed.size(), bytes.len());
        assert_eq!(parsed.last_sequence(), Sequence(2));
        assert_eq!(verify_crc(&bytes), Ok(()));
    }

    #[test]
    fn assigned_offsets_leave_the_checksum_alone() {
        let mut bytes = batch(b"abc");
        let head = patch(&bytes, Offset(99), LeaderEpoch(8)).unwrap();
        bytes[..HEADER_SIZE].copy_from_slice(&head);
        assert_eq!(verify_crc(&bytes), Ok(()));
        let parsed = BatchHeader::parse(&bytes).unwrap();
        assert_eq!((parsed.base_offset, parsed.leader_epoch), (Offset(99), LeaderEpoch(8)));
        assert_eq!((parsed.last_offset(), parsed.next_offset()), (Offset(103), Offset(104)));
    }

    #[test]
    fn a_stamp_makes_a_new_checksum() {
        let bytes = batch(b"abc");
        let mut header = BatchHeader::parse(&bytes).unwrap();
        header.attributes = Attributes(0x7f10);
        header.stamp(TimestampType::LogAppendTime, Millis(5), b"abc");
        assert_eq!(header.attributes, Attributes(0x18));
        let stamped = [&header.to_bytes()[..], b"abc"].concat();
        assert_eq!(verify_crc(&stamped), Ok(()));
        assert_eq!(BatchHeader::parse(&stamped).unwrap().max_timestamp, Millis(5));
    }

    #[test]
    fn every_flipped_bit_behind_the_checksum_is_noticed() {
        let bytes = batch(b"abc");
        for at in CRC_AT..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                assert!(
                    matches!(verify_crc(&damaged), Err(BatchError::Checksum { .. })),
                    "byte {at} bit {bit}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let bytes = batch(b"");
        for len in 0..HEADER_SIZE {
            let error = BatchError::Truncated { needed: HEADER_SIZE, present: len };
            assert_eq!(BatchHeader::parse(&bytes[..len]), Err(error));
            assert_eq!(verify_crc(&bytes[..len]), Err(error));
            assert_eq!(patch(&bytes[..len], Offset(0), LeaderEpoch(0)), Err(error));
        }
        let mut old = bytes.clone();
        old[MAGIC_AT] = 1;
        assert_eq!(BatchHeader::parse(&old), Err(BatchError::Magic(1)));
        for length in [i32::MIN, -1, 0, 48] {
            let mut short = bytes.clone();
            short[LENGTH_AT..LENGTH_AT + 4].copy_from_slice(&length.to_be_bytes());
            assert_eq!(BatchHeader::parse(&short), Err(BatchError::Length(length)));
        }
    }
}
