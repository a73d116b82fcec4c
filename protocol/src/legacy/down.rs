//! Converts what is stored in a newer format down to one that an old client reads, a batch at a time.
//!
//! Headers, and control batches as a whole, have no place there; the codec stays, and zstd cannot. Nothing is converted
//! that is damaged, since the result would carry a checksum that is right. Called by the Fetch path. Source: RecordsUtil of
//! Kafka 3.9.

use super::write::{MessageSetWriter, NewMessage};
use super::{Entry, Format, LegacyError, Message, Messages};
use crate::batch::{BatchError, BatchHeader, Codec, HEADER_SIZE, MAGIC, MAGIC_AT, TimestampType, verify_crc};
use crate::ids::{Millis, Offset};
use crate::record::{Block, CompressionError, Record, RecordError, RecordIter, RecordStream, StreamError};

/// The most that is held in memory of what comes out of one batch: a record of a batch, or all of a compressed message.
pub const OPENED_BYTES_MAX: usize = 256 << 20;
/// Bytes that may come out of one batch, a record at a time; Kafka cannot make a batch of more.
const BATCH_BYTES_MAX: usize = i32::MAX as usize;

/// Why a batch cannot be converted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DownError {
    #[error("batch is compressed with zstd, which formats 0 and 1 do not have")]
    Zstd,
    #[error("batch has compression type {0}, which does not exist")]
    Codec(u8),
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error(transparent)]
    Message(#[from] LegacyError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Compression(#[from] CompressionError),
}

impl From<StreamError> for DownError {
    fn from(error: StreamError) -> DownError {
        match error {
            StreamError::Record(error) => DownError::Record(error),
            StreamError::Compression(error) => DownError::Compression(error),
        }
    }
}

/// One batch, or message of format v1, in format `to`; no bytes if there is nothing in it for a client of that format.
///
/// Records below `from` are left out where they stand alone: some clients take the first message for the one they
/// asked for. In a compressed set they stay, as in any answer.
pub fn down_convert(item: &[u8], to: Format, from: Offset) -> Result<Vec<u8>, DownError> {
    if item.get(MAGIC_AT).is_some_and(|magic| *magic as i8 == MAGIC) {
        return batch(item, to, from);
    }
    let entry = Entry::parse(item)?;
    entry.verify_crc()?;
    let messages = Messages::of(&entry, OPENED_BYTES_MAX)?;
    let codec = entry.attributes.codec().map_err(DownError::Codec)?;
    let mut set = MessageSetWriter::new(Vec::with_capacity(item.len()), to, codec, entry.timestamp_type())?;
    for Message { offset, timestamp, key, value, .. } in &messages {
        if codec != Codec::None || offset >= from {
            set.push(&NewMessage { offset, timestamp, key, value })?;
        }
    }
    Ok(set.finish()?)
}

fn batch(bytes: &[u8], to: Format, from: Offset) -> Result<Vec<u8>, DownError> {
    let header = BatchHeader::parse(bytes)?;
    if header.attributes.is_control() {
        return Ok(Vec::new());
    }
    let codec = header.attributes.codec().map_err(DownError::Codec)?;
    if codec == Codec::Zstd {
        return Err(DownError::Zstd);
    }
    verify_crc(bytes)?;
    let kind = header.attributes.timestamp_type();
    let mut set = MessageSetWriter::new(Vec::with_capacity(bytes.len()), to, codec, kind)?;
    if codec == Codec::None {
        for record in RecordIter::new(&bytes[HEADER_SIZE..], header.record_count) {
            let message = message(&header, &record?);
            if message.offset >= from {
                set.push(&message)?;
            }
        }
        return Ok(set.finish()?);
    }
    let block =
        Block { codec, bytes: &bytes[HEADER_SIZE..], count: header.record_count, limit: BATCH_BYTES_MAX };
    let mut records = RecordStream::new(&block, OPENED_BYTES_MAX);
    while let Some(record) = records.next()? {
        set.push(&message(&header, &record))?;
    }
    Ok(set.finish()?)
}

fn message<'a>(header: &BatchHeader, record: &Record<'a>) -> NewMessage<'a> {
    NewMessage {
        offset: header.base_offset + i64::from(record.offset_delta),
        timestamp: timestamp(header, record.timestamp_delta),
        key: record.key,
        value: record.value,
    }
}

fn timestamp(header: &BatchHeader, delta: i64) -> Millis {
    match header.attributes.timestamp_type() {
        TimestampType::CreateTime => header.base_timestamp + delta,
        TimestampType::LogAppendTime => header.max_timestamp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Attributes, LOG_OVERHEAD};
    use crate::legacy::{Item, Items};
    use crate::random::{Random, push, samples};
    use crate::record::BatchBuilder;

    /// What a client sees of a record.
    type Seen = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>);

    const CODECS: [Codec; 4] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4];

    fn seen(set: &[u8], format: Format) -> Vec<Seen> {
        let mut all = Vec::new();
        for item in Items::new(set) {
            let Item::Entry(entry) = item.unwrap() else { panic!("a batch") };
            entry.verify_crc().unwrap();
            assert_eq!(entry.format, format);
            for message in &Messages::of(&entry, 1 << 20).unwrap() {
                message.entry.verify_crc().unwrap();
                let copy = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
                all.push((message.offset.0, message.timestamp.0, copy(message.key), copy(message.value)));
            }
        }
        all
    }

    /// A batch at offset 100, and what is in it.
    fn sample(random: &mut Random, codec: Codec, attributes: i16) -> (Vec<u8>, Vec<Seen>) {
        let samples = samples(random);
        let mut builder = BatchBuilder::new(codec);
        samples.iter().for_each(|sample| push(&mut builder, sample));
        builder.header.base_offset = Offset(100);
        builder.header.attributes.0 |= attributes;
        let stamped = builder.header.attributes.timestamp_type() == TimestampType::LogAppendTime;
        let append_time = builder.header.max_timestamp;
        let seen = samples.iter().zip(100..).map(|(sample, offset)| {
            let timestamp = if stamped { append_time } else { sample.timestamp };
            (offset, timestamp.0, sample.key.clone(), sample.value.clone())
        });
        let seen = seen.collect();
        (builder.build().unwrap().to_vec(), seen)
    }

    fn timeless(seen: &[Seen]) -> Vec<Seen> {
        seen.iter().cloned().map(|(offset, _, key, value)| (offset, -1, key, value)).collect()
    }

    #[test]
    fn records_survive_both_ways_down() {
        for seed in 0..100 {
            let mut random = Random::new(seed);
            for codec in CODECS {
                let attributes = if random.one_in(2) { 8 } else { 0 };
                let (batch, records) = sample(&mut random, codec, attributes);
                let one = down_convert(&batch, Format::V1, Offset(0)).unwrap();
                assert_eq!(seen(&one, Format::V1), records, "{codec} seed {seed}");
                let zero = down_convert(&batch, Format::V0, Offset(0)).unwrap();
                assert_eq!(seen(&zero, Format::V0), timeless(&records), "{codec} seed {seed}");
                let mut twice = Vec::new();
                for item in Items::new(&one) {
                    let Item::Entry(entry) = item.unwrap() else { panic!("a batch") };
                    twice.extend(down_convert(entry.bytes, Format::V0, Offset(0)).unwrap());
                }
                assert!(twice == zero, "{codec} seed {seed}");
            }
        }
    }

    #[test]
    fn a_wrapper_says_what_is_in_it() {
        for (attributes, kind) in [(0, TimestampType::CreateTime), (8, TimestampType::LogAppendTime)] {
            let (batch, records) = sample(&mut Random::new(4), Codec::Gzip, attributes);
            let set = down_convert(&batch, Format::V1, Offset(0)).unwrap();
            let entry = Entry::parse(&set).unwrap();
            assert_eq!(entry.bytes.len(), set.len());
            assert_eq!(Some(entry.offset.0), records.last().map(|record| record.0));
            assert_eq!(Some(entry.timestamp.0), records.iter().map(|record| record.1).max());
            assert_eq!((entry.key, entry.timestamp_type()), (None, kind));
        }
    }

    #[test]
    fn records_below_the_asked_offset_are_left_out_unless_compressed() {
        for codec in CODECS {
            let (batch, records) = sample(&mut Random::new(8), codec, 0);
            let from = records[records.len() / 2].0;
            let set = down_convert(&batch, Format::V1, Offset(from)).unwrap();
            let first = if codec == Codec::None { from } else { 100 };
            assert_eq!(seen(&set, Format::V1)[0].0, first, "{codec}");
        }
        let (batch, records) = sample(&mut Random::new(8), Codec::None, 0);
        let beyond = Offset(100 + records.len() as i64);
        assert_eq!(down_convert(&batch, Format::V1, beyond), Ok(Vec::new()));
    }

    #[test]
    fn offsets_may_have_gaps() {
        for codec in CODECS {
            let mut builder = BatchBuilder::new(codec);
            builder.header.base_offset = Offset(7);
            let record =
                crate::record::NewRecord { timestamp: Millis(5), key: None, value: None, headers: &[] };
            [2, 3, 9].iter().for_each(|delta| builder.push_at(*delta, &record));
            let batch = builder.build().unwrap();
            for format in [Format::V0, Format::V1] {
                let set = down_convert(&batch, format, Offset(0)).unwrap();
                let offsets: Vec<_> = seen(&set, format).iter().map(|record| record.0).collect();
                assert_eq!(offsets, [9, 10, 16], "{codec}");
            }
        }
    }

    #[test]
    fn control_batches_and_zstd_have_no_place() {
        let (batch, _) = sample(&mut Random::new(1), Codec::None, Attributes(0).control().0);
        assert_eq!(down_convert(&batch, Format::V1, Offset(0)), Ok(Vec::new()));
        let (batch, _) = sample(&mut Random::new(1), Codec::Zstd, 0);
        assert_eq!(down_convert(&batch, Format::V0, Offset(0)), Err(DownError::Zstd));
    }

    #[test]
    fn damage_is_not_converted() {
        for codec in CODECS {
            let (batch, _) = sample(&mut Random::new(3), codec, 0);
            let set = down_convert(&batch, Format::V1, Offset(0)).unwrap();
            let size = Entry::parse(&set).unwrap().bytes.len();
            for (item, from) in [(&batch[..], 21), (&set[..size], MAGIC_AT + 1)] {
                for at in [from, from + 1, item.len() - 1] {
                    let mut damaged = item.to_vec();
                    damaged[at] ^= 0x40;
                    assert!(down_convert(&damaged, Format::V0, Offset(0)).is_err(), "{codec} byte {at}");
                }
            }
        }
        assert!(down_convert(&[0; LOG_OVERHEAD], Format::V0, Offset(0)).is_err());
        assert!(down_convert(&[], Format::V0, Offset(0)).is_err());
    }
}
