//! Message sets: the record formats v0 and v1, which came before batches. Reading them, and converting them to a batch.
//!
//! A message set is a row of entries. An entry is a message, or a wrapper whose value is a compressed row of messages. Nothing is
//! copied but what has to be decompressed, and that is bounded. Called by the Produce path and by the Fetch path for old
//! clients. Sources: LegacyRecord and AbstractLegacyRecordBatch of Kafka 3.9, KIP-31 and KIP-32.

use crate::batch::{BatchAt, BatchError, BatchHeader, LOG_OVERHEAD, MAGIC, MAGIC_AT};
use crate::ids::Offset;
use crate::record::CompressionError;

mod down;
mod entry;
mod messages;
mod up;
mod write;

pub use down::{DownError, OPENED_BYTES_MAX, down_convert};
pub use entry::{Entry, verify_crc};
pub use messages::{Message, MessageIter, Messages};
pub(crate) use up::to_batch;
pub use write::{Checksum, MessageSetWriter, NewMessage};

/// The two formats before batches, by their magic number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i8)]
pub enum Format {
    /// Without timestamps; offsets inside a wrapper are absolute.
    V0 = 0,
    /// With timestamps; offsets inside a wrapper count from its first message.
    V1 = 1,
}

impl Format {
    /// `None` for batches and for what does not exist.
    pub const fn from_magic(magic: i8) -> Option<Format> {
        match magic {
            0 => Some(Format::V0),
            1 => Some(Format::V1),
            _ => None,
        }
    }

    /// The least that the length field of an entry says.
    pub const fn length_min(self) -> i32 {
        match self {
            Format::V0 => 14,
            Format::V1 => 22,
        }
    }
}

/// Why bytes are not an entry of a message set, or a wrapper does not hold messages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LegacyError {
    #[error("message is cut short: {needed} bytes needed, {present} there")]
    Truncated { needed: usize, present: usize },
    #[error("message length {0} is less than the fields of a message")]
    Length(i32),
    #[error("message has format {0} where 0 or 1 is expected")]
    Format(i8),
    #[error("message has checksum {computed:08x} but says {stored:08x}")]
    Checksum { stored: u32, computed: u32 },
    #[error("message has a key or value that does not fit in it")]
    Parts,
    #[error("message has compression type {0}, which does not exist in its format")]
    Codec(u8),
    #[error("compressed message has no value")]
    NoValue,
    #[error("compressed message holds no messages")]
    Empty,
    #[error("message inside a compressed one is compressed itself")]
    Nested,
    #[error("message of format {inner} is inside a compressed one of format {wrapper}")]
    MixedFormats { inner: i8, wrapper: i8 },
    #[error("compressed message has offset {wrapper}, less than that of its last message, {last}")]
    WrapperOffset { wrapper: Offset, last: Offset },
    #[error(transparent)]
    Compression(#[from] CompressionError),
}

/// One item of a row in which formats may be mixed, as in a log that is older than format v2.
#[derive(Debug, Clone, Copy)]
pub enum Item<'a> {
    /// A message or wrapper of format v0 or v1.
    Entry(Entry<'a>),
    /// A batch of format v2.
    Batch(BatchAt<'a>),
}

/// Why a row of any formats cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    #[error(transparent)]
    Entry(#[from] LegacyError),
    #[error(transparent)]
    Batch(#[from] BatchError),
}

/// The entries and batches that stand one after the other in `bytes`: a records field or a part of a segment.
///
/// An incomplete one at the end is left out. After an error the iterator ends. Checksums are not compared here.
#[derive(Debug, Clone)]
pub struct Items<'a> {
    bytes: &'a [u8],
    position: usize,
    failed: bool,
}

impl<'a> Items<'a> {
    /// `bytes` begins with an entry or a batch.
    pub fn new(bytes: &'a [u8]) -> Items<'a> {
        Items { bytes, position: 0, failed: false }
    }

    /// Where the next item would begin.
    pub fn position(&self) -> usize {
        self.position
    }

    fn read(&self, rest: &'a [u8], size: usize) -> Result<Option<Item<'a>>, ItemError> {
        if rest.len() < size {
            return Ok(None);
        }
        if rest[MAGIC_AT] as i8 != MAGIC {
            return Ok(Some(Item::Entry(Entry::parse(rest)?)));
        }
        let header = BatchHeader::parse(rest)?;
        Ok(Some(Item::Batch(BatchAt { position: self.position, header, bytes: &rest[..size] })))
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<Item<'a>, ItemError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let rest = &self.bytes[self.position..];
        let item = match item_size(rest).map_err(ItemError::Batch) {
            Ok(None) => return None,
            Ok(Some(size)) => {
                let item = self.read(rest, size);
                self.position += if matches!(item, Ok(Some(_))) { size } else { 0 };
                item
            }
            Err(error) => Err(error),
        };
        self.failed = item.is_err();
        item.transpose()
    }
}

/// Bytes of the entry or batch at the front of `rest`, whose end may be missing; none if what is there does not reach
/// to its format's number.
pub fn item_size(rest: &[u8]) -> Result<Option<usize>, BatchError> {
    let Some((_, after)) = rest.split_at_checked(LOG_OVERHEAD - 4) else { return Ok(None) };
    let Some(length) = after.first_chunk::<4>() else { return Ok(None) };
    let length = i32::from_be_bytes(*length);
    if length < Format::V0.length_min() {
        return Err(BatchError::Length(length));
    }
    match rest.get(MAGIC_AT) {
        None => Ok(None),
        Some(magic) if !(0..=MAGIC).contains(&(*magic as i8)) => Err(BatchError::Magic(*magic as i8)),
        Some(_) => Ok(Some(LOG_OVERHEAD + length as usize)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Codec;
    use crate::ids::Millis;
    use crate::random::LegacySample;
    use crate::record::{BatchBuilder, NewRecord};

    fn batch() -> Vec<u8> {
        let mut builder = BatchBuilder::new(Codec::None);
        builder.push(&NewRecord { timestamp: Millis(1), key: None, value: None, headers: &[] });
        builder.build().unwrap().to_vec()
    }

    #[test]
    fn formats_stand_in_one_row() {
        let first = LegacySample::new(Format::V0, 3).bytes();
        let second = LegacySample::new(Format::V1, 4).bytes();
        let row = [&first[..], &second, &batch()].concat();
        let mut items = Items::new(&row);
        let mut found = Vec::new();
        for item in items.by_ref() {
            found.push(match item.unwrap() {
                Item::Entry(entry) => (entry.format as i8, entry.offset.0, entry.bytes.len()),
                Item::Batch(batch) => (2, batch.position as i64, batch.bytes.len()),
            });
        }
        let at = first.len() + second.len();
        assert_eq!(found, [(0, 3, first.len()), (1, 4, second.len()), (2, at as i64, row.len() - at)]);
        assert_eq!(items.position(), row.len());
        for cut in at + 1..row.len() {
            let mut items = Items::new(&row[..cut]);
            assert_eq!(
                (items.by_ref().map(Result::unwrap).count(), items.position()),
                (2, at),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn an_error_ends_the_row() {
        let mut row = [LegacySample::new(Format::V0, 3).bytes(), batch()].concat();
        let at = row.len() - batch().len();
        for (field, value, error) in
            [(MAGIC_AT, 3, BatchError::Magic(3)), (LOG_OVERHEAD - 1, 13, BatchError::Length(13))]
        {
            let before = std::mem::replace(&mut row[at + field], value);
            let mut items = Items::new(&row);
            assert!(items.next().unwrap().is_ok());
            assert_eq!(items.next().unwrap().unwrap_err(), ItemError::Batch(error));
            assert!(items.next().is_none());
            row[at + field] = before;
        }
    }
}
