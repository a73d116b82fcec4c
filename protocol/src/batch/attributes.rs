//! The attribute bits of a batch. Readers look at the low byte; what a client sets in the high one is kept until
//! the field is rewritten. Source: DefaultRecordBatch, KIP-98, KIP-534.

use std::fmt;

const CODEC_MASK: i16 = 0x07;
const LOG_APPEND_TIME: i16 = 0x08;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
const DELETE_HORIZON: i16 = 0x40;
const USED: i16 = 0x7f;

/// How the records of a batch are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Codec {
    None = 0,
    Gzip = 1,
    Snappy = 2,
    Lz4 = 3,
    Zstd = 4,
}

impl Codec {
    /// In the order of their numbers.
    pub const ALL: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    /// The name that configuration and tools use.
    pub const fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }

    /// The reverse of [`name`](Codec::name), to the letter.
    pub fn from_name(name: &str) -> Option<Codec> {
        Codec::ALL.into_iter().find(|codec| codec.name() == name)
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whose clock the timestamps of a batch are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimestampType {
    CreateTime,
    /// Every record reads as having the batch's max timestamp.
    LogAppendTime,
}

/// The attributes field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes(pub i16);

impl Attributes {
    /// Of a batch with this codec and nothing else said.
    pub const fn new(codec: Codec) -> Attributes {
        Attributes(codec as i16)
    }

    /// The codec, or the number if there is no such codec (5 to 7).
    pub const fn codec(self) -> Result<Codec, u8> {
        match self.0 & CODEC_MASK {
            0 => Ok(Codec::None),
            1 => Ok(Codec::Gzip),
            2 => Ok(Codec::Snappy),
            3 => Ok(Codec::Lz4),
            4 => Ok(Codec::Zstd),
            other => Err(other as u8),
        }
    }

    /// Whose clock the times are from.
    pub const fn timestamp_type(self) -> TimestampType {
        if self.0 & LOG_APPEND_TIME == 0 { TimestampType::CreateTime } else { TimestampType::LogAppendTime }
    }

    /// Whether the records belong to a transaction, and are hidden from read_committed until it ends.
    pub const fn is_transactional(self) -> bool {
        self.0 & TRANSACTIONAL != 0
    }

    /// Whether the records are markers of the broker, which consumers do not see.
    pub const fn is_control(self) -> bool {
        self.0 & CONTROL != 0
    }

    /// Whether base timestamp is the time from which the tombstones inside may be dropped.
    pub const fn has_delete_horizon(self) -> bool {
        self.0 & DELETE_HORIZON != 0
    }

    /// With another timestamp type; bits that no reader knows are cleared.
    pub const fn with_timestamp_type(self, kind: TimestampType) -> Attributes {
        let others = self.0 & USED & !LOG_APPEND_TIME;
        match kind {
            TimestampType::CreateTime => Attributes(others),
            TimestampType::LogAppendTime => Attributes(others | LOG_APPEND_TIME),
        }
    }

    /// Marked as part of a transaction.
    pub const fn transactional(self) -> Attributes {
        Attributes(self.0 | TRANSACTIONAL)
    }

    /// Marked as control records.
    pub const fn control(self) -> Attributes {
        Attributes(self.0 | CONTROL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_survive_their_bits_and_names() {
        for codec in Codec::ALL {
            assert_eq!(Attributes::new(codec).codec(), Ok(codec));
            assert_eq!(Codec::from_name(codec.name()), Some(codec));
        }
        assert_eq!(Attributes(0x7fd).codec(), Err(5));
        assert_eq!(Codec::from_name("producer"), None);
    }

    #[test]
    fn each_flag_has_its_bit() {
        let all = Attributes(0x78);
        assert!(all.is_transactional() && all.is_control() && all.has_delete_horizon());
        assert_eq!(all.timestamp_type(), TimestampType::LogAppendTime);
        assert_eq!(Attributes::new(Codec::None).transactional().control(), Attributes(0x30));
        assert_eq!(all.with_timestamp_type(TimestampType::CreateTime), Attributes(0x70));
    }
}
