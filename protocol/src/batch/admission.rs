//! What a leader does with what a client sent, before the log: checks it, and gives the batch that is stored. Pure.
//!
//! A batch stays as it came, its payload only walked, unless its codec is not the topic's or its format is old: then its records
//! are written anew. Uncompressed and of the right codec it costs one walk and no allocation. Offsets, leader epoch and log append
//! time are the log's. Sources: UnifiedLog.analyzeAndValidateRecords and LogValidator of Kafka 3.9.

use super::refused::{Naming, Reading, RefusedRecords};
use super::rules::{Keys, NO_TIMESTAMP, ProduceRules};
use super::writer::BatchWriter;
use super::{Codec, HEADER_SIZE, Produced, ProducedError, Sent, TimestampType, check_produced};
use crate::ids::{Millis, TopicPartition};
use crate::legacy;
use crate::record::{Block, Compression, RecordStream, Scan, scan, scan_block, walk, walk_block};

/// The batch to be stored, if anything was sent. Its max timestamp is that of its records.
pub fn admit(
    sent: Sent,
    rules: &ProduceRules,
    partition: &TopicPartition,
    now: Millis,
) -> Result<Option<Produced>, ProducedError> {
    match sent {
        Sent::Nothing => Ok(None),
        Sent::Batch(produced) => admit_batch(produced, rules, partition, now).map(Some),
        Sent::Messages(set) => legacy::to_batch(&set, rules, now).map(Some),
    }
}

fn admit_batch(
    mut produced: Produced,
    rules: &ProduceRules,
    partition: &TopicPartition,
    now: Millis,
) -> Result<Produced, ProducedError> {
    let source = check_produced(&produced, rules.max_message_bytes)?;
    let found = walked(&produced, source, rules)?;
    let target = rules.stored_as.target(source);
    let header = &produced.header;
    let said = header.attributes.timestamp_type();
    let window = rules.window(now);
    let late = window.fault(found.min_timestamp, said).or(window.fault(found.max_timestamp, said));
    if late.is_some() || (rules.keys == Keys::Required && found.null_key) {
        let (reading, found) = (Reading::of(source, target.codec()), RefusedRecords::none());
        let naming = Naming { header, partition, rules, now, reading, found };
        return Err(ProducedError::Records(name_records(&produced, source, naming)?));
    }
    if target.codec() != source {
        return rebuilt(&produced, source, target, rules);
    }
    if source != Codec::None && !found.consecutive {
        // Kafka sets out to write it anew, but has not kept what it needs.
        return Err(ProducedError::Gaps);
    }
    if rules.timestamp_type == TimestampType::CreateTime {
        correct(&mut produced, found.max_timestamp.max(NO_TIMESTAMP));
    }
    Ok(produced)
}

/// One walk over the records, whose times are those that consumers would see.
fn walked(produced: &Produced, source: Codec, rules: &ProduceRules) -> Result<Scan, ProducedError> {
    let header = &produced.header;
    let mut found = match source {
        Codec::None => scan(produced.records(), header.base_timestamp, header.record_count)?,
        Codec::Gzip | Codec::Snappy | Codec::Lz4 | Codec::Zstd => {
            scan_block(&block(produced, source, rules), header.base_timestamp)?
        }
    };
    if header.attributes.timestamp_type() == TimestampType::LogAppendTime {
        (found.min_timestamp, found.max_timestamp) = (header.max_timestamp, header.max_timestamp);
    }
    Ok(found)
}

fn block<'a>(produced: &'a Produced, codec: Codec, rules: &ProduceRules) -> Block<'a> {
    let (bytes, count) = (produced.records(), produced.header.record_count);
    Block { codec, bytes, count, limit: rules.unpacked_max() }
}

/// The second walk, in the rare case that something is wrong: which records, and in which way.
fn name_records(
    produced: &Produced,
    source: Codec,
    mut naming: Naming<'_>,
) -> Result<RefusedRecords, ProducedError> {
    let rules = naming.rules;
    match source {
        Codec::None => walk(produced.records(), produced.header.record_count, |index, record| {
            naming.see(index, record);
        })?,
        Codec::Gzip | Codec::Snappy | Codec::Lz4 | Codec::Zstd => {
            walk_block(&block(produced, source, rules), |index, record| naming.see(index, record))?;
        }
    }
    Ok(naming.found)
}

/// All records in a new batch, with offsets that have no gaps.
fn rebuilt(
    produced: &Produced,
    source: Codec,
    target: Compression,
    rules: &ProduceRules,
) -> Result<Produced, ProducedError> {
    let header = &produced.header;
    let mut writer = BatchWriter::new(target, rules.max_message_bytes)?.of_producer(header);
    let mut records = RecordStream::new(&block(produced, source, rules), rules.held_max());
    while let Some(record) = records.next()? {
        let time = match header.attributes.timestamp_type() {
            TimestampType::CreateTime => header.base_timestamp + record.timestamp_delta,
            TimestampType::LogAppendTime => header.max_timestamp,
        };
        writer.push(time, &record)?;
    }
    writer.finish()
}

/// With CreateTime the header says the largest time of its records, whatever the client said.
fn correct(produced: &mut Produced, max: Millis) {
    let stamped = produced.header.attributes.timestamp_type() == TimestampType::CreateTime;
    if stamped && produced.header.max_timestamp == max {
        return;
    }
    let records = produced.batch.slice(HEADER_SIZE..);
    produced.header.stamp(TimestampType::CreateTime, max, &records);
}

#[cfg(test)]
mod tests;
