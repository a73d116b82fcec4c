//! Writes messages of formats v0 and v1: in a row, or compressed in the value of a wrapper, behind bytes that are there.
//!
//! A wrapper has the offset of its last message and, in format v1, the largest of their times; inside, format v1
//! counts offsets from the first message. Sources: MemoryRecordsBuilder, LegacyRecord of Kafka 3.9, KIP-31, KIP-32.

use std::io::Write;

use super::Format;
use crate::batch::{Codec, LOG_OVERHEAD, MAGIC_AT, TimestampType};
use crate::ids::{Millis, Offset};
use crate::record::{Compression, CompressionError, Encoder, HeaderChecksum, damaged};

const SIZE_AT: usize = 8;
const CRC_AT: usize = 12;
const LOG_APPEND_TIME: u8 = 0x08;
const NULL: i32 = -1;

/// CRC-32 of IEEE 802.3, which formats v0 and v1 carry, computed piece by piece.
#[derive(Debug, Default)]
pub struct Checksum(flate2::Crc);

impl Checksum {
    /// Takes the next bytes; a message's checksum begins at its magic.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// What a message carries.
    pub fn value(&self) -> u32 {
        self.0.sum()
    }
}

/// A message to be written.
#[derive(Debug, Clone, Copy)]
pub struct NewMessage<'a> {
    /// Larger than that of the message before.
    pub offset: Offset,
    /// Format v0 has no place for it.
    pub timestamp: Millis,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
}

/// A message set in the making.
pub struct MessageSetWriter {
    format: Format,
    codec: Codec,
    timestamp_type: TimestampType,
    /// Where the set begins in the output.
    start: usize,
    out: Encoder,
    /// Offset of the first message.
    first: Option<Offset>,
    last: Offset,
    largest: Millis,
    message: Vec<u8>,
}

impl MessageSetWriter {
    /// A set that is appended to `out`, with each codec but zstd, which these formats do not know.
    pub fn new(
        mut out: Vec<u8>,
        format: Format,
        codec: Codec,
        timestamp_type: TimestampType,
    ) -> Result<MessageSetWriter, CompressionError> {
        if codec == Codec::Zstd {
            return Err(damaged(codec, "formats 0 and 1 do not have it"));
        }
        let checksum = match format {
            Format::V0 => HeaderChecksum::OfFormat0,
            Format::V1 => HeaderChecksum::Right,
        };
        let start = out.len();
        if codec != Codec::None {
            out.resize(start + wrapper_size(format), 0);
        }
        let out = Encoder::new(Compression::from(codec), out, checksum).map_err(|e| damaged(codec, e))?;
        let (first, last, largest) = (None, Offset::NONE, Millis::NONE);
        Ok(MessageSetWriter {
            format,
            codec,
            timestamp_type,
            start,
            out,
            first,
            last,
            largest,
            message: Vec::new(),
        })
    }

    /// Adds a message behind the others.
    pub fn push(&mut self, new: &NewMessage<'_>) -> Result<(), CompressionError> {
        let first = *self.first.get_or_insert(new.offset);
        self.last = new.offset;
        self.largest = self.largest.max(new.timestamp);
        let is_relative = self.format == Format::V1 && self.codec != Codec::None;
        let offset = if is_relative { Offset(new.offset.0.wrapping_sub(first.0)) } else { new.offset };
        self.message.clear();
        self.head(offset, self.attributes(Codec::None), new.timestamp);
        put_nullable(&mut self.message, new.key);
        put_nullable(&mut self.message, new.value);
        seal(&mut self.message);
        self.out.write_all(&self.message).map_err(|error| damaged(self.codec, error))
    }

    /// The output with the set behind it; without a message nothing is behind it.
    pub fn finish(mut self) -> Result<Vec<u8>, CompressionError> {
        let compressed = self.attributes(self.codec);
        self.message.clear();
        self.head(self.last, compressed, self.largest);
        self.message.extend(NULL.to_be_bytes());
        let mut out = self.out.finish().map_err(|error| damaged(self.codec, error))?;
        if self.first.is_none() {
            out.truncate(self.start);
        } else if self.codec != Codec::None {
            let (set, head) = (&mut out[self.start..], &mut self.message);
            let value = set.len() - wrapper_size(self.format);
            head.extend((value as i32).to_be_bytes());
            set[..head.len()].copy_from_slice(head);
            seal(set);
        }
        Ok(out)
    }

    fn attributes(&self, codec: Codec) -> u8 {
        let is_stamped = self.format == Format::V1 && self.timestamp_type == TimestampType::LogAppendTime;
        codec as u8 | if is_stamped { LOG_APPEND_TIME } else { 0 }
    }

    /// The fields in front of the key; `seal` fills in size and checksum.
    fn head(&mut self, offset: Offset, attributes: u8, timestamp: Millis) {
        self.message.extend(offset.0.to_be_bytes());
        self.message.extend([0; MAGIC_AT - SIZE_AT]);
        self.message.extend([self.format as u8, attributes]);
        if self.format == Format::V1 {
            self.message.extend(timestamp.0.to_be_bytes());
        }
    }
}

impl std::fmt::Debug for MessageSetWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageSetWriter").field("format", &self.format).field("codec", &self.codec).finish()
    }
}

/// Bytes of a wrapper in front of its value: a message without key.
fn wrapper_size(format: Format) -> usize {
    LOG_OVERHEAD + format.length_min() as usize
}

/// Fills in size and checksum of one whole message.
fn seal(message: &mut [u8]) {
    let size = (message.len() - LOG_OVERHEAD) as i32;
    message[SIZE_AT..CRC_AT].copy_from_slice(&size.to_be_bytes());
    let mut checksum = Checksum::default();
    checksum.add(&message[MAGIC_AT..]);
    message[CRC_AT..MAGIC_AT].copy_from_slice(&checksum.value().to_be_bytes());
}

fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    out.extend(bytes.map_or(NULL, |bytes| bytes.len() as i32).to_be_bytes());
    out.extend(bytes.unwrap_or_default());
}
