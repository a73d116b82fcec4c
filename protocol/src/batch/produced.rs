//! What a Produce request may carry for one partition: one batch of format v2, or before Produce v3 a message set too.
//!
//! Pure checks from header and checksum, in Kafka's order; the records inside are for `admission`. Bytes after a batch that form no
//! second one are dropped. Sources: ProduceRequest.validateRecords, ByteBufferLogInputStream,
//! UnifiedLog.analyzeAndValidateRecords, LogValidator.validateBatch of Kafka 3.9.

use bytes::Bytes;

use super::{BatchError, BatchHeader, Codec, HEADER_SIZE, MAGIC, MAGIC_AT, RefusedRecords, verify_crc};
use crate::ids::{Millis, Offset};
use crate::legacy::{LegacyError, item_size};
use crate::record::{CompressionError, RecordError, StreamError};

/// First version of Produce that may carry nothing but one batch of format v2 (KIP-98).
const BATCHES_SINCE: i16 = 3;
/// First version of Produce that may carry zstd (KIP-110).
const ZSTD_SINCE: i16 = 7;

/// What was sent for one partition, told apart and not yet checked.
#[derive(Debug, Clone)]
pub enum Sent {
    /// Nothing complete, which versions before 3 may send.
    Nothing,
    Batch(Produced),
    /// A message set of format v0 or v1, at least one entry of which is complete.
    Messages(Bytes),
}

/// One batch of a Produce request.
#[derive(Debug, Clone)]
pub struct Produced {
    pub header: BatchHeader,
    /// The whole batch, a slice of the frame.
    pub batch: Bytes,
}

impl Produced {
    /// The bytes after the header, compressed if the attributes say so.
    pub fn records(&self) -> &[u8] {
        &self.batch[HEADER_SIZE..]
    }
}

/// Why a partition's records are refused; the comment names Kafka's code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProducedError {
    /// INVALID_RECORD
    #[error("records hold no complete batch")]
    NoBatch,
    /// INVALID_RECORD
    #[error("records hold more than one batch")]
    SeveralBatches,
    /// INVALID_RECORD
    #[error("batch has format {0} where only format 2 may be produced")]
    OldFormat(i8),
    /// CORRUPT_MESSAGE
    #[error(transparent)]
    Corrupt(#[from] BatchError),
    /// UNSUPPORTED_COMPRESSION_TYPE
    #[error("batch is compressed with zstd, which Produce v{0} may not carry; v7 may")]
    ZstdTooEarly(i16),
    /// INVALID_RECORD
    #[error("batch has base offset {0} where a producer sends 0")]
    BaseOffset(Offset),
    /// MESSAGE_TOO_LARGE
    #[error("batch of {size} bytes exceeds max.message.bytes {max}")]
    TooLarge { size: usize, max: usize },
    /// INVALID_RECORD
    #[error("batch holds {count} records but its last offset delta is {last_offset_delta}")]
    Count { count: i32, last_offset_delta: i32 },
    /// INVALID_RECORD
    #[error("batch is a control batch, which clients may not write")]
    Control,
    /// INVALID_RECORD
    #[error("batch of producer {producer_id} has base sequence {base_sequence}")]
    Sequence { producer_id: i64, base_sequence: i32 },
    /// UNKNOWN_SERVER_ERROR
    #[error("batch has compression type {0}, which does not exist")]
    UnknownCodec(u8),
    /// INVALID_RECORD
    #[error(transparent)]
    Record(#[from] RecordError),
    /// UNKNOWN_SERVER_ERROR where it is damaged, MESSAGE_TOO_LARGE where it unpacks to too much
    #[error(transparent)]
    Compression(#[from] CompressionError),
    /// UNKNOWN_SERVER_ERROR, and only where the codec stays what it is
    #[error("records of the compressed batch do not have the offsets 0, 1, 2 and so on")]
    Gaps,
    /// INVALID_RECORD or INVALID_TIMESTAMP
    #[error("{0}")]
    Records(RefusedRecords),
    /// UNKNOWN_SERVER_ERROR, and only where the batch has to be written anew
    #[error("record has timestamp {0}, which is before 1970 and not -1 for none")]
    NegativeTimestamp(Millis),
    /// By the cause: CORRUPT_MESSAGE, INVALID_RECORD, UNKNOWN_SERVER_ERROR
    #[error(transparent)]
    Message(#[from] LegacyError),
}

impl From<StreamError> for ProducedError {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Record(error) => error.into(),
            StreamError::Compression(error) => error.into(),
        }
    }
}

/// Tells what was sent: what Kafka checks before it looks at the partition. The rest is for [`super::admit`].
pub fn sent(records: Option<&Bytes>, version: i16) -> Result<Sent, ProducedError> {
    let old = version < BATCHES_SINCE;
    let (true, Some(records)) = (old, records) else { return only_batch(records, version).map(Sent::Batch) };
    match complete_batch(records)? {
        None => Ok(Sent::Nothing),
        Some(_) if records[MAGIC_AT] == MAGIC as u8 => only_batch(Some(records), version).map(Sent::Batch),
        Some(_) => Ok(Sent::Messages(records.clone())),
    }
}

/// Splits off the only batch: what Kafka checks before it looks at the partition.
pub fn only_batch(records: Option<&Bytes>, version: i16) -> Result<Produced, ProducedError> {
    let records = records.ok_or(ProducedError::NoBatch)?;
    let size = complete_batch(records)?.ok_or(ProducedError::NoBatch)?;
    let magic = records[MAGIC_AT] as i8;
    if magic != MAGIC {
        return Err(ProducedError::OldFormat(magic));
    }
    let batch = records.slice(..size);
    let header = BatchHeader::parse(records)?;
    if (BATCHES_SINCE..ZSTD_SINCE).contains(&version) && header.attributes.codec() == Ok(Codec::Zstd) {
        return Err(ProducedError::ZstdTooEarly(version));
    }
    match complete_batch(&records[size..])? {
        Some(_) => Err(ProducedError::SeveralBatches),
        None => Ok(Produced { header, batch }),
    }
}

/// What Kafka's leader checks from the header and the checksum before it looks at records. Gives the codec.
pub fn check_produced(produced: &Produced, max_message_bytes: usize) -> Result<Codec, ProducedError> {
    let header = &produced.header;
    if header.base_offset != Offset::ZERO {
        return Err(ProducedError::BaseOffset(header.base_offset));
    }
    if header.size() > max_message_bytes {
        return Err(ProducedError::TooLarge { size: header.size(), max: max_message_bytes });
    }
    verify_crc(&produced.batch)?;
    check_consistent(header)
}

fn check_consistent(header: &BatchHeader) -> Result<Codec, ProducedError> {
    let (count, last_offset_delta) = (header.record_count, header.last_offset_delta);
    if count <= 0 || count - 1 != last_offset_delta {
        return Err(ProducedError::Count { count, last_offset_delta });
    }
    if header.attributes.is_control() {
        return Err(ProducedError::Control);
    }
    if header.has_producer() && header.base_sequence.0 < 0 {
        let (producer_id, base_sequence) = (header.producer_id.0, header.base_sequence.0);
        return Err(ProducedError::Sequence { producer_id, base_sequence });
    }
    header.attributes.codec().map_err(ProducedError::UnknownCodec)
}

/// Bytes of the batch at the front of `rest`, in any format; none if it is not all there.
fn complete_batch(rest: &[u8]) -> Result<Option<usize>, BatchError> {
    Ok(item_size(rest)?.filter(|size| rest.len() >= *size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Attributes, LENGTH_AT, LENGTH_MIN};
    use crate::ids::{LeaderEpoch, Millis, ProducerEpoch, ProducerId, Sequence};

    const MAX: usize = 1000;

    fn validate(records: Option<&Bytes>, version: i16, max: usize) -> Result<Produced, ProducedError> {
        let produced = only_batch(records, version)?;
        check_produced(&produced, max).map(|_| produced)
    }

    fn header() -> BatchHeader {
        BatchHeader {
            base_offset: Offset(0),
            length: (LENGTH_MIN + 10) as u32,
            leader_epoch: LeaderEpoch(-1),
            crc: 0,
            attributes: Attributes(0),
            last_offset_delta: 0,
            base_timestamp: Millis(1),
            max_timestamp: Millis(1),
            producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch::NONE,
            base_sequence: Sequence::NONE,
            record_count: 1,
        }
    }

    fn sealed(mut header: BatchHeader) -> Vec<u8> {
        header.seal(b"0123456789");
        [&header.to_bytes()[..], b"0123456789"].concat()
    }

    fn check(bytes: Vec<u8>, expected: ProducedError) {
        assert_eq!(validate(Some(&Bytes::from(bytes)), 9, MAX).unwrap_err(), expected);
    }

    #[test]
    fn one_batch_is_taken_without_a_copy() {
        let frame = Bytes::from(sealed(header()));
        let produced = validate(Some(&frame), 9, MAX).unwrap();
        assert_eq!(produced.batch.as_ptr(), frame.as_ptr());
        assert_eq!(produced.records(), b"0123456789");
    }

    #[test]
    fn an_incomplete_second_batch_is_dropped() {
        let one = sealed(header());
        let two = [&one[..], &one[..]].concat();
        for end in one.len()..two.len() {
            let produced = validate(Some(&Bytes::from(two[..end].to_vec())), 9, MAX).unwrap();
            assert_eq!(produced.batch, one);
        }
        check(two, ProducedError::SeveralBatches);
    }

    #[test]
    fn nothing_complete_is_no_batch() {
        assert_eq!(validate(None, 9, MAX).unwrap_err(), ProducedError::NoBatch);
        let one = sealed(header());
        for end in 0..one.len() {
            check(one[..end].to_vec(), ProducedError::NoBatch);
        }
    }

    #[test]
    fn formats_before_v2_are_invalid_and_unknown_ones_corrupt() {
        for magic in [0, 1] {
            let mut bytes = sealed(header());
            bytes[MAGIC_AT] = magic;
            check(bytes, ProducedError::OldFormat(magic as i8));
        }
        for magic in [3, 0x7f, 0xff] {
            let mut bytes = sealed(header());
            bytes[MAGIC_AT] = magic;
            check(bytes, ProducedError::Corrupt(BatchError::Magic(magic as i8)));
        }
    }

    #[test]
    fn a_length_without_room_for_a_header_is_corrupt() {
        for length in [i32::MIN, -1, 0, 13, 14, 48] {
            let mut bytes = sealed(header());
            bytes[LENGTH_AT..LENGTH_AT + 4].copy_from_slice(&length.to_be_bytes());
            check(bytes, ProducedError::Corrupt(BatchError::Length(length)));
        }
    }

    #[test]
    fn the_checks_come_in_kafkas_order() {
        let mut wrong = header();
        wrong.base_offset = Offset(5);
        let mut bytes = sealed(wrong);
        *bytes.last_mut().unwrap() ^= 1;
        check(bytes, ProducedError::BaseOffset(Offset(5)));

        let mut bytes = sealed(BatchHeader { record_count: 7, ..header() });
        *bytes.last_mut().unwrap() ^= 1;
        let Err(ProducedError::Corrupt(BatchError::Checksum { .. })) =
            validate(Some(&Bytes::from(bytes.clone())), 9, MAX)
        else {
            panic!("the checksum counts before the record count");
        };
        let error = validate(Some(&Bytes::from(bytes)), 9, 70).unwrap_err();
        assert_eq!(error, ProducedError::TooLarge { size: 71, max: 70 });
    }

    #[test]
    fn counts_have_to_agree() {
        for (count, last_offset_delta) in [
            (0, -1),
            (1, 1),
            (2, 0),
            (-1, -2),
            (i32::MIN, i32::MAX),
            (i32::MIN, 0),
            (1, i32::MAX),
            (0, i32::MIN),
        ] {
            let bytes = sealed(BatchHeader { record_count: count, last_offset_delta, ..header() });
            check(bytes, ProducedError::Count { count, last_offset_delta });
        }
    }

    #[test]
    fn clients_write_no_control_batches_and_number_their_records() {
        let attributes = Attributes(0).control();
        check(sealed(BatchHeader { attributes, ..header() }), ProducedError::Control);
        let unnumbered = BatchHeader { producer_id: ProducerId(4), ..header() };
        check(sealed(unnumbered), ProducedError::Sequence { producer_id: 4, base_sequence: -1 });
    }

    #[test]
    fn zstd_needs_version_7_and_codecs_5_to_7_do_not_exist() {
        let zstd = Bytes::from(sealed(BatchHeader { attributes: Attributes::new(Codec::Zstd), ..header() }));
        assert_eq!(validate(Some(&zstd), 6, MAX).unwrap_err(), ProducedError::ZstdTooEarly(6));
        assert!(validate(Some(&zstd), 7, MAX).is_ok());
        for codec in 5..8 {
            let attributes = Attributes(codec);
            check(sealed(BatchHeader { attributes, ..header() }), ProducedError::UnknownCodec(codec as u8));
        }
    }
}
