//! Writes records into one new batch as they come: what the leader stores where it cannot store what was sent.
//!
//! Nothing is held but the output, and that is given up once it exceeds the topic's largest batch. Source:
//! MemoryRecordsBuilder of Kafka 3.9.

use std::io::{self, Write};

use bytes::Bytes;

use super::rules::NO_TIMESTAMP;
use super::{BatchHeader, HEADER_SIZE, LENGTH_MIN, Produced, ProducedError};
use crate::ids::Millis;
use crate::record::{Compression, Encoder, HeaderChecksum, Record, damaged, put_record};

pub(crate) struct BatchWriter {
    header: BatchHeader,
    compression: Compression,
    encoder: Encoder,
    record: Vec<u8>,
    size_max: usize,
}

impl BatchWriter {
    /// A batch of no producer, in the leader's care: base offset 0, no leader epoch.
    pub(crate) fn new(compression: Compression, size_max: usize) -> Result<BatchWriter, ProducedError> {
        let encoder = Encoder::new(compression, vec![0; HEADER_SIZE], HeaderChecksum::Right);
        let encoder = encoder.map_err(|error| failed(compression, &error))?;
        let header = BatchHeader::empty(compression.codec());
        Ok(BatchWriter { header, compression, encoder, record: Vec::new(), size_max })
    }

    /// As the producer of `sent` numbered it, and in its transaction.
    pub(crate) fn of_producer(mut self, sent: &BatchHeader) -> BatchWriter {
        self.header.producer_id = sent.producer_id;
        self.header.producer_epoch = sent.producer_epoch;
        self.header.base_sequence = sent.base_sequence;
        if sent.attributes.is_transactional() {
            self.header.attributes = self.header.attributes.transactional();
        }
        self
    }

    /// Adds a record at the next offset, its own deltas aside. The first one's time is the base of all.
    pub(crate) fn push(&mut self, time: Millis, record: &Record<'_>) -> Result<(), ProducedError> {
        if time < NO_TIMESTAMP {
            return Err(ProducedError::NegativeTimestamp(time));
        }
        let header = &mut self.header;
        if header.record_count == 0 {
            header.base_timestamp = time;
        }
        header.max_timestamp = header.max_timestamp.max(time);
        header.last_offset_delta += 1;
        header.record_count += 1;
        let (timestamp_delta, offset_delta) = (time - header.base_timestamp, header.last_offset_delta);
        self.record.clear();
        put_record(&mut self.record, &Record { attributes: 0, timestamp_delta, offset_delta, ..*record });
        self.encoder.write_all(&self.record).map_err(|error| failed(self.compression, &error))?;
        self.check_size(self.encoder.written())
    }

    pub(crate) fn finish(self) -> Result<Produced, ProducedError> {
        let BatchWriter { mut header, compression, encoder, size_max, .. } = self;
        let mut batch = encoder.finish().map_err(|error| failed(compression, &error))?;
        if batch.len() > size_max {
            return Err(ProducedError::TooLarge { size: batch.len(), max: size_max });
        }
        header.length = (batch.len() - HEADER_SIZE + LENGTH_MIN) as u32;
        header.seal(&batch[HEADER_SIZE..]);
        batch[..HEADER_SIZE].copy_from_slice(&header.to_bytes());
        Ok(Produced { header, batch: Bytes::from(batch) })
    }

    fn check_size(&self, size: usize) -> Result<(), ProducedError> {
        let max = self.size_max;
        if size <= max { Ok(()) } else { Err(ProducedError::TooLarge { size, max }) }
    }
}

fn failed(compression: Compression, error: &io::Error) -> ProducedError {
    damaged(compression.codec(), error).into()
}
