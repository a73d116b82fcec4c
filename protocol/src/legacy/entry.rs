//! One entry of a message set: its fields and its checksum.

use super::{Format, LegacyError};
use crate::batch::{Attributes, LOG_OVERHEAD, MAGIC_AT, TimestampType};
use crate::ids::{Millis, Offset};

const CRC_AT: usize = 12;
const ATTRIBUTES_AT: usize = 17;
const TIMESTAMP_AT: usize = 18;

/// A message, or a wrapper around compressed ones, as it stands in the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// As it is stored; of a wrapper, that of its last message. Not what consumers see inside a wrapper of format v1.
    pub offset: Offset,
    pub crc: u32,
    pub format: Format,
    /// Codec and, in format v1, timestamp type.
    pub attributes: Attributes,
    /// [`Millis::NONE`] in format v0.
    pub timestamp: Millis,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    /// All of it, from the offset on.
    pub bytes: &'a [u8],
}

impl<'a> Entry<'a> {
    /// Reads the entry at the front of `bytes`, which has to be there as a whole. The checksum is compared only where
    /// key and value do not fit, to tell damage from nonsense.
    pub fn parse(bytes: &'a [u8]) -> Result<Entry<'a>, LegacyError> {
        let Some(head) = bytes.first_chunk::<{ MAGIC_AT + 1 }>() else {
            return Err(LegacyError::Truncated { needed: MAGIC_AT + 1, present: bytes.len() });
        };
        let mut reader = Reader { rest: head };
        let offset = Offset(i64::from_be_bytes(reader.field()?));
        let length = i32::from_be_bytes(reader.field()?);
        let crc = u32::from_be_bytes(reader.field()?);
        if length < Format::V0.length_min() {
            return Err(LegacyError::Length(length));
        }
        let size = LOG_OVERHEAD + length as usize;
        let present = bytes.len();
        let bytes = bytes.get(..size).ok_or(LegacyError::Truncated { needed: size, present })?;
        let magic = bytes[MAGIC_AT] as i8;
        let format = Format::from_magic(magic).ok_or(LegacyError::Format(magic))?;
        let attributes = Attributes(i16::from(bytes[ATTRIBUTES_AT]));
        let entry =
            Entry { offset, crc, format, attributes, timestamp: Millis::NONE, key: None, value: None, bytes };
        entry.with_parts().or_else(|error| verify_crc(bytes).and(Err(error)))
    }

    /// Compares the checksum with the one that the entry carries.
    pub fn verify_crc(&self) -> Result<(), LegacyError> {
        verify_crc(self.bytes)
    }

    /// Format v0 has no timestamps, whatever its attributes say.
    pub fn timestamp_type(&self) -> TimestampType {
        match self.format {
            Format::V0 => TimestampType::CreateTime,
            Format::V1 => self.attributes.timestamp_type(),
        }
    }

    /// Bytes after the value are left alone, as Kafka leaves them.
    fn with_parts(mut self) -> Result<Entry<'a>, LegacyError> {
        let mut reader = Reader { rest: &self.bytes[TIMESTAMP_AT..] };
        if self.format == Format::V1 {
            self.timestamp = Millis(i64::from_be_bytes(reader.field()?));
        }
        self.key = reader.nullable()?;
        self.value = reader.nullable()?;
        Ok(self)
    }
}

/// Compares the checksum of exactly one entry with the one it carries.
pub fn verify_crc(entry: &[u8]) -> Result<(), LegacyError> {
    let (Some(covered), Some(stored)) = (entry.get(MAGIC_AT..), entry.get(CRC_AT..)) else {
        return Err(LegacyError::Truncated { needed: MAGIC_AT + 1, present: entry.len() });
    };
    let stored = u32::from_be_bytes(Reader { rest: stored }.field()?);
    let mut crc = flate2::Crc::new();
    crc.update(covered);
    let computed = crc.sum();
    if stored == computed { Ok(()) } else { Err(LegacyError::Checksum { stored, computed }) }
}

/// Takes fields of fixed width off the front.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn field<const N: usize>(&mut self) -> Result<[u8; N], LegacyError> {
        let (field, rest) = self.rest.split_first_chunk().ok_or(LegacyError::Parts)?;
        self.rest = rest;
        Ok(*field)
    }

    /// Any negative length means null.
    fn nullable(&mut self) -> Result<Option<&'a [u8]>, LegacyError> {
        let Ok(size) = usize::try_from(i32::from_be_bytes(self.field()?)) else { return Ok(None) };
        let (bytes, rest) = self.rest.split_at_checked(size).ok_or(LegacyError::Parts)?;
        self.rest = rest;
        Ok(Some(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Codec;
    use crate::random::{LegacySample, Random};

    #[test]
    fn an_entry_survives_its_bytes() {
        for format in [Format::V0, Format::V1] {
            for (key, value) in [(None, None), (Some(vec![]), Some(vec![1])), (Some(vec![1, 2]), None)] {
                let sample = LegacySample {
                    key: key.clone(),
                    value: value.clone(),
                    attributes: 9,
                    ..LegacySample::new(format, 7)
                };
                let bytes = [sample.bytes(), vec![1, 2, 3]].concat();
                let entry = Entry::parse(&bytes).unwrap();
                assert_eq!((entry.offset, entry.format), (Offset(7), format));
                assert_eq!(entry.attributes.codec(), Ok(Codec::Gzip));
                assert_eq!((entry.key, entry.value), (key.as_deref(), value.as_deref()));
                let (timestamp, kind) = match format {
                    Format::V0 => (Millis::NONE, TimestampType::CreateTime),
                    Format::V1 => (Millis(1007), TimestampType::LogAppendTime),
                };
                assert_eq!((entry.timestamp, entry.timestamp_type()), (timestamp, kind));
                assert_eq!((entry.bytes.len(), entry.verify_crc()), (bytes.len() - 3, Ok(())));
            }
        }
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        let bytes = LegacySample::new(Format::V1, 7).bytes();
        for cut in 0..bytes.len() {
            let needed = if cut < 17 { 17 } else { bytes.len() };
            let error = LegacyError::Truncated { needed, present: cut };
            assert_eq!(Entry::parse(&bytes[..cut]), Err(error));
        }
        for (at, value, error) in [
            (MAGIC_AT, 2, LegacyError::Format(2)),
            (MAGIC_AT, 0xff, LegacyError::Format(-1)),
            (8, 0x80, LegacyError::Length(i32::from_be_bytes([0x80, 0, 0, bytes[11]]))),
            (11, 13, LegacyError::Length(13)),
        ] {
            let mut wrong = bytes.clone();
            wrong[at] = value;
            assert_eq!(Entry::parse(&wrong), Err(error));
        }
    }

    #[test]
    fn nonsense_under_a_right_checksum_is_no_damage() {
        let mut bytes = LegacySample::new(Format::V0, 7).bytes();
        bytes[18] = 0x7f;
        assert!(matches!(Entry::parse(&bytes), Err(LegacyError::Checksum { .. })));
        let mut crc = flate2::Crc::new();
        crc.update(&bytes[MAGIC_AT..]);
        bytes[CRC_AT..MAGIC_AT].copy_from_slice(&crc.sum().to_be_bytes());
        assert_eq!(Entry::parse(&bytes), Err(LegacyError::Parts));
    }

    #[test]
    fn garbage_is_refused_without_harm() {
        for seed in 0..3000 {
            let mut random = Random::new(seed);
            let mut bytes = LegacySample::new(Format::V1, 7).bytes();
            for _ in 0..3 {
                let at = random.below(bytes.len());
                bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)];
            }
            if let Ok(entry) = Entry::parse(&bytes) {
                assert!(entry.bytes.len() <= bytes.len());
            }
        }
    }
}
