//! The messages of one entry, as consumers see them: a wrapper is opened, offsets inside become absolute.

use std::borrow::Cow;

use super::{Entry, Format, LegacyError};
use crate::batch::{Codec, LOG_OVERHEAD, TimestampType};
use crate::ids::{Millis, Offset};
use crate::record::{HeaderChecksum, decompress_with};

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    pub offset: Offset,
    /// [`Millis::NONE`] in format v0; the wrapper's, if that has log append time.
    pub timestamp: Millis,
    pub timestamp_type: TimestampType,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    /// The message as it is stored, for instance to compare its checksum.
    pub entry: Entry<'a>,
}

/// What an entry holds: itself, or what is compressed in it.
#[derive(Debug, Clone)]
pub struct Messages<'a> {
    /// Entries in a row, each of which has been read once.
    bytes: Cow<'a, [u8]>,
    /// What is added to the offsets in there.
    base: i64,
    /// Of a wrapper with log append time.
    timestamp: Option<Millis>,
}

impl<'a> Messages<'a> {
    /// Opens `entry`, whose messages may take `limit` bytes once decompressed. An incomplete last one is left out.
    /// Checksums are not compared.
    pub fn of(entry: &Entry<'a>, limit: usize) -> Result<Messages<'a>, LegacyError> {
        let codec = entry.attributes.codec().map_err(LegacyError::Codec)?;
        let checksum = match (codec, entry.format) {
            (Codec::None, _) => {
                return Ok(Messages { bytes: Cow::Borrowed(entry.bytes), base: 0, timestamp: None });
            }
            (Codec::Zstd, _) => return Err(LegacyError::Codec(Codec::Zstd as u8)),
            (_, Format::V0) => HeaderChecksum::OfFormat0,
            (_, Format::V1) => HeaderChecksum::Right,
        };
        let block = entry.value.ok_or(LegacyError::NoValue)?;
        let bytes = decompress_with(checksum, codec, block, limit)?;
        let last = last_inner(&bytes, entry.format)?;
        let base = base_offset(entry, last)?;
        let stamped = entry.timestamp_type() == TimestampType::LogAppendTime;
        Ok(Messages { bytes, base, timestamp: stamped.then_some(entry.timestamp) })
    }

    /// The messages with absolute offsets.
    pub fn iter(&self) -> MessageIter<'_> {
        MessageIter { rest: &self.bytes, base: self.base, timestamp: self.timestamp }
    }
}

/// The offset of the last message, as it is stored; checks all of them.
fn last_inner(bytes: &[u8], wrapper: Format) -> Result<Offset, LegacyError> {
    let (mut rest, mut last) = (bytes, None);
    while rest.len() >= LOG_OVERHEAD {
        let entry = match Entry::parse(rest) {
            Ok(entry) => entry,
            Err(LegacyError::Truncated { .. }) => break,
            Err(LegacyError::Format(inner)) => {
                return Err(LegacyError::MixedFormats { inner, wrapper: wrapper as i8 });
            }
            Err(error) => return Err(error),
        };
        if entry.format != wrapper {
            return Err(LegacyError::MixedFormats { inner: entry.format as i8, wrapper: wrapper as i8 });
        }
        if entry.attributes.codec() != Ok(Codec::None) {
            return Err(LegacyError::Nested);
        }
        rest = &rest[entry.bytes.len()..];
        last = Some(entry.offset);
    }
    last.ok_or(LegacyError::Empty)
}

/// What stands between stored and absolute offsets. A wrapper at offset 0 is from a producer, which does not always
/// know better (old librdkafka).
fn base_offset(wrapper: &Entry<'_>, last: Offset) -> Result<i64, LegacyError> {
    if wrapper.format == Format::V0 || wrapper.offset == Offset::ZERO {
        return Ok(0);
    }
    if wrapper.offset < last {
        return Err(LegacyError::WrapperOffset { wrapper: wrapper.offset, last });
    }
    Ok(wrapper.offset.0.wrapping_sub(last.0))
}

/// The messages in order.
#[derive(Debug, Clone)]
pub struct MessageIter<'a> {
    rest: &'a [u8],
    base: i64,
    timestamp: Option<Millis>,
}

impl<'a> Iterator for MessageIter<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        // What cannot be read is the incomplete end; all before it has been read once.
        let entry = Entry::parse(self.rest).ok()?;
        self.rest = &self.rest[entry.bytes.len()..];
        let (timestamp, timestamp_type) = match self.timestamp {
            Some(timestamp) => (timestamp, TimestampType::LogAppendTime),
            None => (entry.timestamp, entry.timestamp_type()),
        };
        Some(Message {
            offset: Offset(self.base.wrapping_add(entry.offset.0)),
            timestamp,
            timestamp_type,
            key: entry.key,
            value: entry.value,
            entry,
        })
    }
}

impl<'a> IntoIterator for &'a Messages<'_> {
    type Item = Message<'a>;
    type IntoIter = MessageIter<'a>;

    fn into_iter(self) -> MessageIter<'a> {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{LegacySample, wrapper};

    const CODECS: [Codec; 3] = [Codec::Gzip, Codec::Snappy, Codec::Lz4];
    const FORMATS: [Format; 2] = [Format::V0, Format::V1];

    fn inner(format: Format, offsets: std::ops::Range<i64>) -> Vec<Vec<u8>> {
        offsets.map(|offset| LegacySample::new(format, offset).bytes()).collect()
    }

    fn offsets(wrapper: &LegacySample) -> Result<Vec<i64>, LegacyError> {
        let bytes = wrapper.bytes();
        let messages = Messages::of(&Entry::parse(&bytes).unwrap(), 1000)?;
        Ok(messages.iter().map(|message| message.offset.0).collect())
    }

    #[test]
    fn a_plain_message_is_its_own() {
        for format in FORMATS {
            let bytes = LegacySample::new(format, 5).bytes();
            let entry = Entry::parse(&bytes).unwrap();
            let messages = Messages::of(&entry, 0).unwrap();
            let found: Vec<_> = messages.iter().collect();
            assert_eq!(found.len(), 1);
            assert_eq!((found[0].offset, found[0].entry, found[0].key), (Offset(5), entry, entry.key));
        }
    }

    #[test]
    fn offsets_become_absolute() {
        for codec in CODECS {
            assert_eq!(
                offsets(&wrapper(Format::V0, codec, 12, &inner(Format::V0, 10..13))).unwrap(),
                [10, 11, 12]
            );
            for (at, expected) in [(12, [10, 11, 12]), (0, [0, 1, 2]), (2, [0, 1, 2])] {
                assert_eq!(
                    offsets(&wrapper(Format::V1, codec, at, &inner(Format::V1, 0..3))).unwrap(),
                    expected
                );
            }
        }
        let error = offsets(&wrapper(Format::V1, Codec::Gzip, 1, &inner(Format::V1, 0..3))).unwrap_err();
        assert_eq!(error, LegacyError::WrapperOffset { wrapper: Offset(1), last: Offset(2) });
    }

    #[test]
    fn a_wrapper_with_log_append_time_gives_all_its_time() {
        let mut outer = wrapper(Format::V1, Codec::Gzip, 2, &inner(Format::V1, 0..3));
        for (attributes, expected) in [(1, [1000, 1001, 1002]), (9, [77; 3])] {
            (outer.attributes, outer.timestamp) = (attributes, 77);
            let bytes = outer.bytes();
            let messages = Messages::of(&Entry::parse(&bytes).unwrap(), 1000).unwrap();
            assert!(messages.iter().map(|message| message.timestamp.0).eq(expected));
        }
    }

    #[test]
    fn an_incomplete_last_message_is_left_out() {
        let mut inner = inner(Format::V1, 0..3);
        let last = inner.pop().unwrap();
        for cut in 0..last.len() {
            let cut = [&inner[..], &[last[..cut].to_vec()]].concat();
            assert_eq!(offsets(&wrapper(Format::V1, Codec::Snappy, 0, &cut)).unwrap(), [0, 1]);
        }
    }

    #[test]
    fn what_is_no_wrapper_is_refused() {
        for format in FORMATS {
            let plain = wrapper(format, Codec::Gzip, 0, &inner(format, 0..2));
            let nested = wrapper(format, Codec::Gzip, 0, &[plain.bytes()]);
            assert_eq!(offsets(&nested).unwrap_err(), LegacyError::Nested);
            assert_eq!(offsets(&wrapper(format, Codec::Gzip, 0, &[])).unwrap_err(), LegacyError::Empty);
            let none = LegacySample { value: None, ..plain.clone() };
            assert_eq!(offsets(&none).unwrap_err(), LegacyError::NoValue);
            for codec in [4, 5, 7] {
                let unknown = LegacySample { attributes: codec, ..plain.clone() };
                assert_eq!(offsets(&unknown).unwrap_err(), LegacyError::Codec(codec));
            }
            let damaged = LegacySample { value: Some(vec![1, 2, 3]), ..plain.clone() };
            assert!(matches!(offsets(&damaged), Err(LegacyError::Compression(_))));
            let large = LegacySample { value: Some(vec![0; 2000]), ..LegacySample::new(format, 0) };
            let bomb = wrapper(format, Codec::Lz4, 0, &[large.bytes()]);
            assert!(matches!(offsets(&bomb), Err(LegacyError::Compression(_))));
        }
        let mixed = wrapper(Format::V1, Codec::Gzip, 0, &inner(Format::V0, 0..1));
        assert_eq!(offsets(&mixed).unwrap_err(), LegacyError::MixedFormats { inner: 0, wrapper: 1 });
    }
}
