//! The records inside a batch: walking them without a copy or an allocation, and making batches.
//!
//! Records of an uncompressed batch are the bytes behind its header; `decompress` gives those of any other. Called
//! by the Produce path (`scan`), by look-ups inside a batch and by the tools. Source: DefaultRecord.

mod builder;
mod compression;
mod inflow;
mod scan;
mod stream;
mod varint;

pub(crate) use builder::put_record;
pub use builder::{BatchBuilder, NewRecord};
pub use compression::{Compression, CompressionError, compress, decompress};
pub(crate) use compression::{Encoder, HeaderChecksum, damaged, decompress_with};
pub(crate) use scan::walk;
pub use scan::{Glimpse, Scan, scan};
pub use stream::{Block, StreamError, find_record, scan_block};
pub(crate) use stream::{RecordStream, walk_block};
use varint::Reader;
pub use varint::{put_unsigned, put_varint, put_varlong};

/// Why the bytes are not the records that the batch announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("record {record} of the batch {fault}")]
pub struct RecordError {
    /// Index in the batch.
    pub record: i32,
    pub fault: RecordFault,
}

/// What is wrong with one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    #[error("is cut short")]
    CutShort,
    #[error("has length {0}")]
    Length(i32),
    #[error("has parts that do not fill its length")]
    Unfilled,
    #[error("has {0} headers")]
    HeaderCount(i32),
    #[error("has a header without key")]
    NullHeaderKey,
    /// More bytes than the batch's count accounts for.
    #[error("is the last, and {0} bytes follow it")]
    Leftover(usize),
}

/// A record, borrowed from its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Unused by the format; kept as it is.
    pub attributes: i8,
    /// Milliseconds from the batch's base timestamp.
    pub timestamp_delta: i64,
    /// Distance from the batch's base offset.
    pub offset_delta: i32,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: Headers<'a>,
}

impl<'a> Record<'a> {
    /// A record without headers, at the base of its batch.
    pub(crate) fn plain(key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> Record<'a> {
        let headers = Headers { bytes: &[], count: 0 };
        Record { attributes: 0, timestamp_delta: 0, offset_delta: 0, key, value, headers }
    }
}

/// The headers of a record, in order: key (UTF-8 by convention, not checked) and value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headers<'a> {
    bytes: &'a [u8],
    count: usize,
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        self.count = self.count.checked_sub(1)?;
        let mut reader = Reader { rest: self.bytes };
        // Both were read once when the record was, so neither is missing here.
        let header = (reader.nullable()??, reader.nullable()?);
        self.bytes = reader.rest;
        Some(header)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

impl ExactSizeIterator for Headers<'_> {}

/// The records of a batch, in order; ends after the first error.
#[derive(Debug, Clone)]
pub struct RecordIter<'a> {
    reader: Reader<'a>,
    next: i32,
    count: i32,
}

impl<'a> RecordIter<'a> {
    /// `records` are the uncompressed bytes behind the header that states `count`.
    pub fn new(records: &'a [u8], count: i32) -> RecordIter<'a> {
        RecordIter { reader: Reader { rest: records }, next: 0, count }
    }

    fn leftover(&mut self) -> Option<Result<Record<'a>, RecordError>> {
        let bytes = std::mem::take(&mut self.reader.rest).len();
        let error = RecordError { record: self.next - 1, fault: RecordFault::Leftover(bytes) };
        (bytes > 0).then_some(Err(error))
    }
}

impl<'a> Iterator for RecordIter<'a> {
    type Item = Result<Record<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.count {
            return self.leftover();
        }
        let record = self.next;
        self.next += 1;
        match read(&mut self.reader) {
            Ok(found) => Some(Ok(found)),
            Err(fault) => {
                *self = RecordIter::new(&[], 0);
                Some(Err(RecordError { record, fault }))
            }
        }
    }
}

/// Reads the record at the front. Its length is checked first, so that no part of it reaches into the next one.
#[inline(always)]
fn read<'a>(reader: &mut Reader<'a>) -> Result<Record<'a>, RecordFault> {
    let length = reader.varint().ok_or(RecordFault::CutShort)?;
    let size = usize::try_from(length).map_err(|_| RecordFault::Length(length))?;
    let mut body = Reader { rest: reader.take(size).ok_or(RecordFault::CutShort)? };
    let record = parts(&mut body).ok_or(RecordFault::CutShort)?;
    let count = body.varint().ok_or(RecordFault::CutShort)?;
    if count == 0 && body.rest.is_empty() {
        return Ok(record);
    }
    let headers = headers(&mut body, count)?;
    if body.rest.is_empty() { Ok(Record { headers, ..record }) } else { Err(RecordFault::Unfilled) }
}

#[inline(always)]
fn parts<'a>(body: &mut Reader<'a>) -> Option<Record<'a>> {
    Some(Record {
        attributes: body.byte()? as i8,
        timestamp_delta: body.varlong()?,
        offset_delta: body.varint()?,
        key: body.nullable()?,
        value: body.nullable()?,
        headers: Headers { bytes: &[], count: 0 },
    })
}

#[inline(never)]
fn headers<'a>(body: &mut Reader<'a>, count: i32) -> Result<Headers<'a>, RecordFault> {
    // A header takes two bytes at least.
    let headers = usize::try_from(count).map_err(|_| RecordFault::HeaderCount(count))?;
    if headers > body.rest.len() / 2 {
        return Err(RecordFault::HeaderCount(count));
    }
    let bytes = body.rest;
    for _ in 0..headers {
        body.nullable().ok_or(RecordFault::CutShort)?.ok_or(RecordFault::NullHeaderKey)?;
        body.nullable().ok_or(RecordFault::CutShort)?;
    }
    Ok(Headers { bytes, count: headers })
}

#[cfg(test)]
mod tests {
    use kafka_protocol::records::RecordBatchDecoder;

    use super::*;
    use crate::Millis;
    use crate::batch::{BatchHeader, Codec, HEADER_SIZE, verify_crc};
    use crate::random::{Random, push, samples};

    #[test]
    fn records_survive_their_batch() {
        for seed in 0..200 {
            let mut random = Random::new(seed);
            let samples = samples(&mut random);
            let codec = Codec::ALL[random.below(Codec::ALL.len())];
            let mut builder = BatchBuilder::new(codec);
            samples.iter().for_each(|sample| push(&mut builder, sample));
            let batch = builder.build().unwrap();
            verify_crc(&batch).unwrap();
            let header = BatchHeader::parse(&batch).unwrap();
            let records = decompress(codec, &batch[HEADER_SIZE..], 1 << 20).unwrap();

            let scan = scan(&records, header.base_timestamp, header.record_count).unwrap();
            assert_eq!(Some(scan.max_timestamp), samples.iter().map(|sample| sample.timestamp).max());
            assert_eq!(Some(scan.min_timestamp), samples.iter().map(|sample| sample.timestamp).min());
            assert_eq!(scan.max_timestamp, header.max_timestamp);
            assert_eq!(scan.null_key, samples.iter().any(|sample| sample.key.is_none()));
            assert!(scan.consecutive);

            let found: Vec<_> = RecordIter::new(&records, header.record_count).map(Result::unwrap).collect();
            assert_eq!(found.len(), samples.len(), "seed {seed}");
            for (at, (record, sample)) in found.iter().zip(&samples).enumerate() {
                assert_eq!(record.offset_delta, at as i32);
                assert_eq!(header.base_timestamp + record.timestamp_delta, sample.timestamp);
                assert_eq!((record.key, record.value), (sample.key.as_deref(), sample.value.as_deref()));
                let headers = sample.headers.iter().map(|(key, value)| (key.as_bytes(), value.as_deref()));
                assert!(record.headers.eq(headers), "seed {seed}");
            }
        }
    }

    #[test]
    fn another_decoder_reads_our_batches() {
        for seed in 0..50 {
            let mut random = Random::new(seed);
            let mut samples = samples(&mut random);
            // That decoder takes the -1 of a null header value for a length.
            samples.iter_mut().for_each(|sample| sample.headers.retain(|(_, value)| value.is_some()));
            let mut builder = BatchBuilder::new(Codec::None);
            builder.header.base_offset = crate::Offset(100);
            samples.iter().for_each(|sample| push(&mut builder, sample));
            let decoded = RecordBatchDecoder::decode(&mut builder.build().unwrap()).unwrap();
            assert_eq!(decoded.records.len(), samples.len());
            for ((record, sample), offset) in decoded.records.iter().zip(&samples).zip(100..) {
                assert_eq!((record.offset, record.timestamp), (offset, sample.timestamp.0));
                assert_eq!(record.key.as_deref(), sample.key.as_deref());
                assert_eq!(record.value.as_deref(), sample.value.as_deref());
                assert!(sample.headers.iter().all(|(key, _)| record.headers.contains_key(key.as_bytes())));
            }
        }
    }

    /// Three records of which the middle one is `middle`, behind its length.
    fn among_others(middle: &[u8]) -> Vec<u8> {
        let plain = [12, 0, 0, 0, 1, 1, 0];
        let mut out = plain.to_vec();
        put_varint(&mut out, middle.len() as i32);
        out.extend(middle);
        out.extend(plain);
        out
    }

    fn refused(records: &[u8], record: i32, fault: RecordFault) {
        let error = RecordError { record, fault };
        assert_eq!(scan(records, Millis(0), 3).unwrap_err(), error, "{records:?}");
        let mut found = RecordIter::new(records, 3);
        assert_eq!(found.by_ref().find_map(Result::err), Some(error));
        assert_eq!(found.next(), None);
    }

    #[test]
    fn a_record_fills_its_length_and_no_more() {
        assert!(scan(&among_others(&[0, 0, 2, 1, 1, 0]), Millis(0), 3).is_ok());
        refused(&among_others(&[]), 1, RecordFault::CutShort);
        refused(&among_others(&[0, 0, 2, 1]), 1, RecordFault::CutShort);
        refused(&among_others(&[0, 0, 2, 1, 1]), 1, RecordFault::CutShort);
        refused(&among_others(&[0, 0, 2, 1, 1, 0, 9]), 1, RecordFault::Unfilled);
        // A value, then a header, that would reach into the next record.
        refused(&among_others(&[0, 0, 2, 1, 4, 0]), 1, RecordFault::CutShort);
        refused(&among_others(&[0, 0, 2, 1, 1, 2, 8, 8]), 1, RecordFault::CutShort);
        refused(&among_others(&[0, 0, 2, 1, 1, 1]), 1, RecordFault::HeaderCount(-1));
        refused(&among_others(&[0, 0, 2, 1, 1, 100, 0, 0]), 1, RecordFault::HeaderCount(50));
        refused(&among_others(&[0, 0, 2, 1, 1, 2, 1, 1]), 1, RecordFault::NullHeaderKey);
    }

    #[test]
    fn the_count_accounts_for_all_bytes() {
        let three = among_others(&[0, 0, 2, 1, 1, 0]);
        refused(&three[..20], 2, RecordFault::CutShort);
        refused(&three[..14], 2, RecordFault::CutShort);
        refused(&[&three[..], &[0, 0]].concat(), 2, RecordFault::Leftover(2));
        refused(&[1], 0, RecordFault::Length(-1));
        refused(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0], 0, RecordFault::Length(i32::MIN));
        refused(&[0xfe, 0xff, 0xff, 0xff, 0x0f, 0], 0, RecordFault::CutShort);
    }

    #[test]
    fn gaps_and_missing_keys_are_noticed() {
        let seen = scan(&among_others(&[0, 5, 4, 0, 1, 0]), Millis(10), 3).unwrap();
        let expected =
            Scan { min_timestamp: Millis(7), max_timestamp: Millis(10), null_key: true, consecutive: false };
        assert_eq!(seen, expected);
    }

    #[test]
    fn garbage_is_refused_without_harm() {
        for seed in 0..3000 {
            let mut random = Random::new(seed);
            let size = random.below(60);
            let bytes = random.bytes(size);
            let ok = scan(&bytes, Millis(i64::MAX), 3).is_ok();
            assert_eq!(ok, RecordIter::new(&bytes, 3).all(|record| record.is_ok()));
        }
    }
}
