//! What a topic wants of the batches that clients send; plain values, made from its settings by the broker.

use super::{Codec, TimestampType};
use crate::ids::Millis;
use crate::record::Compression;

/// A record without a time.
pub(crate) const NO_TIMESTAMP: Millis = Millis::NONE;
/// Bytes that a batch may unpack to, for any topic: more than producers can gather, less than a second's work.
const UNPACKED_MIN: usize = 256 << 20;
/// The same for topics with large batches, per byte of their `max.message.bytes`.
const UNPACKED_RATIO: usize = 64;
/// Bytes of one record, or of one old message set, that are held while it is written anew, for any topic.
const HELD_MIN: usize = 32 << 20;

/// What a batch must keep to before it is appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProduceRules {
    pub max_message_bytes: usize,
    pub timestamp_type: TimestampType,
    /// How far a record's time may lie behind and ahead of the broker's clock, in milliseconds.
    pub timestamp_before_max_ms: u64,
    pub timestamp_after_max_ms: u64,
    pub keys: Keys,
    pub stored_as: StoredAs,
}

/// Whether records may come without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    Optional,
    /// The topic is compacted.
    Required,
}

/// The codec of stored batches (`compression.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredAs {
    /// Whatever the producer chose; where it has to be written anew, at the default level.
    Sent,
    Always(Compression),
}

impl StoredAs {
    pub(crate) fn target(self, source: Codec) -> Compression {
        match self {
            StoredAs::Sent => source.into(),
            StoredAs::Always(compression) => compression,
        }
    }
}

impl ProduceRules {
    /// Bytes that a compressed batch may unpack to.
    pub(crate) fn unpacked_max(&self) -> usize {
        UNPACKED_MIN.max(self.max_message_bytes.saturating_mul(UNPACKED_RATIO))
    }

    /// Bytes that are held at once while records are written anew.
    pub(crate) fn held_max(&self) -> usize {
        HELD_MIN.max(self.max_message_bytes)
    }

    pub(crate) fn window(&self, now: Millis) -> Window {
        let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        Window {
            timestamp_type: self.timestamp_type,
            earliest: now.0.saturating_sub(signed(self.timestamp_before_max_ms)),
            latest: now.0.saturating_add(signed(self.timestamp_after_max_ms)),
        }
    }
}

/// The times that records may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    timestamp_type: TimestampType,
    pub(crate) earliest: i64,
    pub(crate) latest: i64,
}

impl Window {
    /// What is wrong with a time, given whose clock the producer says it is from. A real time in a topic of producers'
    /// times is taken whatever is said.
    pub(crate) fn fault(&self, time: Millis, said: TimestampType) -> Option<TimeFault> {
        if self.timestamp_type == TimestampType::CreateTime && time != NO_TIMESTAMP {
            let holds = (self.earliest..=self.latest).contains(&time.0);
            return (!holds).then_some(TimeFault::OutOfRange);
        }
        (said == TimestampType::LogAppendTime).then_some(TimeFault::Type)
    }
}

/// Why a record's time is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeFault {
    OutOfRange,
    /// Only the broker sets log append time.
    Type,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_judged_by_topic_and_sender() {
        use TimestampType::{CreateTime, LogAppendTime};
        let rules = |timestamp_type, limit| ProduceRules {
            max_message_bytes: 1000,
            timestamp_type,
            timestamp_before_max_ms: limit,
            timestamp_after_max_ms: limit,
            keys: Keys::Optional,
            stored_as: StoredAs::Sent,
        };
        for (topic, limit, time, said, expected) in [
            (CreateTime, 10, 990, CreateTime, None),
            (CreateTime, 10, 1010, LogAppendTime, None),
            (CreateTime, 10, 989, CreateTime, Some(TimeFault::OutOfRange)),
            (CreateTime, 10, 1011, CreateTime, Some(TimeFault::OutOfRange)),
            (CreateTime, 10, -1, CreateTime, None),
            (CreateTime, 10, -1, LogAppendTime, Some(TimeFault::Type)),
            (CreateTime, u64::MAX, i64::MIN + 2000, CreateTime, None),
            (CreateTime, i64::MAX as u64, i64::MAX, CreateTime, None),
            (LogAppendTime, 10, 0, CreateTime, None),
            (LogAppendTime, 10, 1000, LogAppendTime, Some(TimeFault::Type)),
        ] {
            let window = rules(topic, limit).window(Millis(1000));
            assert_eq!(window.fault(Millis(time), said), expected, "{topic:?} {limit} {time} {said:?}");
        }
    }
}
