//! The records of a batch that break a rule of its topic, each with the text that clients show to their users.

use std::fmt;

use super::rules::{Keys, ProduceRules, TimeFault};
use super::{BatchHeader, Codec, TimestampType};
use crate::ids::{Millis, TopicPartition};
use crate::record::Glimpse;

/// Records that are named one by one; a bomb may hold many millions.
const NAMED_MAX: usize = 10_000;
/// Records that the summary quotes.
const QUOTED: usize = 3;

/// Why a batch is refused as a whole though some of its records may be right. Its text is Kafka's, for it reaches users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRecords {
    pub reason: RecordsReason,
    /// At most 10,000 of them.
    pub records: Vec<RefusedRecord>,
    /// How many there are.
    pub count: usize,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRecord {
    /// Its place in the batch.
    pub index: i32,
    pub text: String,
}

/// The code with which the batch is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordsReason {
    /// INVALID_RECORD
    Record,
    /// INVALID_TIMESTAMP; where a record is refused for another reason too, this one is given.
    Timestamp,
}

impl fmt::Display for RefusedRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.reason == RecordsReason::Timestamp {
            return f.write_str("One or more records have been rejected due to invalid timestamp");
        }
        write!(
            f,
            "One or more records have been rejected due to {} record errors in total, and only showing the first three \
             errors at most: [",
            self.count
        )?;
        for (at, record) in self.records.iter().take(QUOTED).enumerate() {
            let separator = if at == 0 { "" } else { ", " };
            write!(f, "{separator}RecordError(batchIndex={}, message='{}')", record.index, record.text)?;
        }
        f.write_str("]")
    }
}

/// How Kafka's messages call a record: by how it was read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reading {
    /// With key and value.
    Full,
    /// Lengths only, as it reads a compressed batch that it leaves as it is.
    Partial,
}

/// Gathers refused records.
pub(super) struct Naming<'a> {
    pub(super) header: &'a BatchHeader,
    pub(super) partition: &'a TopicPartition,
    pub(super) rules: &'a ProduceRules,
    pub(super) now: Millis,
    pub(super) reading: Reading,
    pub(super) found: RefusedRecords,
}

impl RefusedRecords {
    pub(super) fn none() -> RefusedRecords {
        RefusedRecords { reason: RecordsReason::Record, records: Vec::new(), count: 0 }
    }
}

impl Naming<'_> {
    pub(super) fn see(&mut self, index: i32, record: &Glimpse) {
        let window = self.rules.window(self.now);
        let said = self.header.attributes.timestamp_type();
        let time = match said {
            TimestampType::CreateTime => self.header.base_timestamp + record.timestamp_delta,
            TimestampType::LogAppendTime => self.header.max_timestamp,
        };
        let text = if self.rules.keys == Keys::Required && record.key_size < 0 {
            let partition = self.partition;
            format!("Compacted topic cannot accept message without key in topic partition {partition}")
        } else if let Some(fault) = window.fault(time, said) {
            self.found.reason = RecordsReason::Timestamp;
            let offset = self.header.base_offset + i64::from(record.offset_delta);
            match fault {
                TimeFault::OutOfRange => format!(
                    "Timestamp {time} of message with offset {offset} is out of range. The timestamp should be within \
                     [{}, {}]",
                    window.earliest, window.latest
                ),
                TimeFault::Type => format!(
                    "Invalid timestamp type in message {}. Producer should not set timestamp type to LogAppendTime.",
                    self.reading.describe(record, (offset.0, time.0))
                ),
            }
        } else {
            return;
        };
        self.found.count += 1;
        if self.found.records.len() < NAMED_MAX {
            self.found.records.push(RefusedRecord { index, text });
        }
    }
}

impl Reading {
    /// The reading of a batch that is stored with the codec `target`.
    pub(super) fn of(source: Codec, target: Codec) -> Reading {
        if source != Codec::None && source == target { Reading::Partial } else { Reading::Full }
    }

    fn describe(self, record: &Glimpse, (offset, time): (i64, i64)) -> String {
        let (name, least) = match self {
            Reading::Full => ("DefaultRecord", 0),
            Reading::Partial => ("PartialDefaultRecord", i32::MIN),
        };
        let (key, value) = (record.key_size.max(least), record.value_size.max(least));
        format!("{name}(offset={offset}, timestamp={time}, key={key} bytes, value={value} bytes)")
    }
}
