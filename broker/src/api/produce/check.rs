//! What a leader checks in a batch before it reaches the log: header, checksum, and the records where they are not compressed.
//! Pure; corrects the batch's maximum timestamp as Kafka does. Source: LogValidator (3.9).

use protocol::StrBytes;
use protocol::batch::{Codec, Produced, TimestampType, check_produced};
use protocol::error_code::ErrorCode;
use protocol::ids::{Millis, TopicPartition};
use protocol::messages::produce_response::BatchIndexAndErrorMessage;
use protocol::record::{Record, RecordIter, scan};

use super::{Refused, Rejected};
use crate::topic_settings::{Keys, ProduceRules};

/// A record without a time.
const NO_TIMESTAMP: i64 = -1;

/// Checks `produced` against the topic's rules; its max timestamp is what its records say when this returns.
pub(super) fn records(
    produced: &mut Produced,
    partition: &TopicPartition,
    rules: &ProduceRules,
    now: Millis,
) -> Result<(), Rejected> {
    check_produced(produced, rules.max_message_bytes).map_err(|error| Refused::from(&error))?;
    if produced.header.attributes.codec() != Ok(Codec::None) {
        return Ok(());
    }
    let header = &produced.header;
    let found = scan(produced.records(), header.base_timestamp, header.record_count)
        .map_err(|error| Refused::new(ErrorCode::InvalidRecord, error.to_string()))?;
    let window = Window::around(now, rules);
    let late = !window.holds(found.min_timestamp) || !window.holds(found.max_timestamp);
    let keyless = rules.keys == Keys::Required && found.null_key;
    if late || keyless {
        return Err(name_records(produced, partition, rules, &window));
    }
    if rules.timestamp_type == TimestampType::CreateTime {
        correct(produced, found.max_timestamp);
    }
    Ok(())
}

/// With CreateTime the header says the largest time of its records, whatever the client said.
fn correct(produced: &mut Produced, max: Millis) {
    let stamped = produced.header.attributes.timestamp_type() == TimestampType::CreateTime;
    if stamped && produced.header.max_timestamp == max {
        return;
    }
    let records = produced.batch.slice(protocol::batch::HEADER_SIZE..);
    produced.header.stamp(TimestampType::CreateTime, max, &records);
}

/// The times that records may have.
struct Window {
    timestamp_type: TimestampType,
    earliest: i64,
    latest: i64,
}

impl Window {
    fn around(now: Millis, rules: &ProduceRules) -> Self {
        let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        Self {
            timestamp_type: rules.timestamp_type,
            earliest: now.0.saturating_sub(signed(rules.timestamp_before_max_ms)),
            latest: now.0.saturating_add(signed(rules.timestamp_after_max_ms)),
        }
    }

    fn holds(&self, time: Millis) -> bool {
        self.timestamp_type == TimestampType::LogAppendTime
            || time.0 == NO_TIMESTAMP
            || (self.earliest..=self.latest).contains(&time.0)
    }
}

/// The second walk, in the rare case that something is wrong: which records, and in which way.
fn name_records(
    produced: &Produced,
    partition: &TopicPartition,
    rules: &ProduceRules,
    window: &Window,
) -> Rejected {
    let header = &produced.header;
    let mut code = ErrorCode::InvalidRecord;
    let mut record_errors = Vec::new();
    for (index, record) in (0..).zip(RecordIter::new(produced.records(), header.record_count).flatten()) {
        let time = header.base_timestamp + record.timestamp_delta;
        let text = if let Some(text) = keyless(&record, partition, rules) {
            text
        } else if !window.holds(time) {
            code = ErrorCode::InvalidTimestamp;
            format!(
                "Timestamp {time} of message with offset {index} is out of range. The timestamp should be within [{}, {}]",
                window.earliest, window.latest
            )
        } else {
            continue;
        };
        let error = BatchIndexAndErrorMessage::default()
            .with_batch_index(index)
            .with_batch_index_error_message(Some(StrBytes::from_string(text)));
        record_errors.push(error);
    }
    let message =
        format!("{} records of the batch for {partition} break a rule of the topic", record_errors.len());
    Rejected { refused: Some(Refused::new(code, message)), record_errors }
}

fn keyless(record: &Record<'_>, partition: &TopicPartition, rules: &ProduceRules) -> Option<String> {
    let missing = rules.keys == Keys::Required && record.key.is_none();
    missing
        .then(|| format!("Compacted topic cannot accept message without key in topic partition {partition}."))
}
