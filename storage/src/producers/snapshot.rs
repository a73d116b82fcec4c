//! `<offset>.snapshot`: the producers as of an offset, each with its last batch only.
//!
//! A file that is damaged is no error but no snapshot: an older one or the log takes its place.
//! Source: ProducerStateManager.readSnapshot, writeSnapshot of Kafka 3.9.

use std::collections::BTreeMap;

use protocol::{Millis, Offset, ProducerEpoch, ProducerId, Sequence};

use super::{CachedBatch, Producer, Producers};
use crate::files::{
    PRODUCER_ENTRY_SIZE as ENTRY_SIZE, SNAPSHOT_CHECKED_FROM as CHECKED_FROM,
    SNAPSHOT_HEADER_SIZE as HEADER_SIZE, SNAPSHOT_VERSION as VERSION,
};

impl Producers {
    /// The bytes of a snapshot of this state.
    pub(crate) fn to_snapshot(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_SIZE + self.known.len() * ENTRY_SIZE);
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&(self.known.len() as u32).to_be_bytes());
        for (id, producer) in &self.known {
            put(&mut bytes, *id, producer);
        }
        let crc = crc32c::crc32c(&bytes[CHECKED_FROM..]);
        bytes[2..CHECKED_FROM].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    /// The state in a snapshot of `offset`; none if the bytes are not a whole snapshot.
    pub(crate) fn from_snapshot(bytes: &[u8], offset: Offset) -> Option<Producers> {
        let (version, rest) = bytes.split_first_chunk()?;
        let (crc, rest) = rest.split_first_chunk()?;
        let (count, entries) = rest.split_first_chunk()?;
        let is_whole = i16::from_be_bytes(*version) == VERSION
            && u32::from_be_bytes(*crc) == crc32c::crc32c(&bytes[CHECKED_FROM..])
            && entries.len() as u64 == u64::from(u32::from_be_bytes(*count)) * ENTRY_SIZE as u64;
        if !is_whole {
            return None;
        }
        let mut producers = Producers::none(offset);
        let mut open = BTreeMap::new();
        for entry in entries.as_chunks::<ENTRY_SIZE>().0 {
            let (id, producer) = parse(entry)?;
            if let Some(first) = producer.open_since {
                open.insert(first, id);
            }
            producers.known.insert(id, producer);
        }
        producers.open = open;
        Some(producers)
    }
}

fn put(bytes: &mut Vec<u8>, id: ProducerId, producer: &Producer) {
    let last = producer.last_batch();
    bytes.extend_from_slice(&id.0.to_be_bytes());
    bytes.extend_from_slice(&producer.epoch.0.to_be_bytes());
    bytes.extend_from_slice(&last.map_or(-1, |batch| batch.last_sequence.0).to_be_bytes());
    bytes.extend_from_slice(&last.map_or(-1, |batch| batch.last_offset.0).to_be_bytes());
    bytes.extend_from_slice(&last.map_or(0, |batch| batch.offset_delta).to_be_bytes());
    bytes.extend_from_slice(&producer.last_timestamp.0.to_be_bytes());
    bytes.extend_from_slice(&producer.coordinator_epoch.to_be_bytes());
    bytes.extend_from_slice(&producer.open_since.map_or(-1, |first| first.0).to_be_bytes());
}

fn parse(entry: &[u8; ENTRY_SIZE]) -> Option<(ProducerId, Producer)> {
    let long = |at: usize| entry[at..].first_chunk().map(|bytes| i64::from_be_bytes(*bytes));
    let int = |at: usize| entry[at..].first_chunk().map(|bytes| i32::from_be_bytes(*bytes));
    let epoch = ProducerEpoch(i16::from_be_bytes([entry[8], entry[9]]));
    let timestamp = Millis(long(26)?);
    let last = CachedBatch {
        last_sequence: Sequence(int(10)?),
        last_offset: Offset(long(14)?),
        offset_delta: int(22)?,
        timestamp,
    };
    let mut producer = Producer::restored(epoch, (last.last_offset.0 >= 0).then_some(last));
    producer.last_timestamp = timestamp;
    producer.coordinator_epoch = int(34)?;
    producer.open_since = Some(Offset(long(38)?)).filter(|first| first.0 >= 0);
    Some((ProducerId(long(0)?), producer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn producers() -> Producers {
        let batch = CachedBatch {
            last_sequence: Sequence(4),
            last_offset: Offset(12),
            offset_delta: 2,
            timestamp: Millis(77),
        };
        let mut with_batch = Producer::restored(ProducerEpoch(3), Some(batch));
        with_batch.last_timestamp = Millis(77);
        with_batch.open_since = Some(Offset(10));
        let mut by_marker = Producer::restored(ProducerEpoch(1), None);
        by_marker.coordinator_epoch = 8;
        by_marker.last_timestamp = Millis(5);
        let mut producers = Producers::none(Offset(13));
        producers.known.insert(ProducerId(1), with_batch);
        producers.known.insert(ProducerId(2), by_marker);
        producers.open.insert(Offset(10), ProducerId(1));
        producers
    }

    #[test]
    fn a_state_survives_its_snapshot() {
        let bytes = producers().to_snapshot();
        assert_eq!(bytes.len(), 10 + 2 * 46);
        let read = Producers::from_snapshot(&bytes, Offset(13)).unwrap();
        assert_eq!(read.known, producers().known);
        assert_eq!(read.open, producers().open);
        assert_eq!(read.end, Offset(13));
        assert_eq!(Producers::none(Offset(0)).to_snapshot().len(), 10);
    }

    #[test]
    fn damage_makes_it_none() {
        let bytes = producers().to_snapshot();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(Producers::from_snapshot(&damaged, Offset(13)).is_none(), "byte {at}");
            assert!(Producers::from_snapshot(&bytes[..at], Offset(13)).is_none(), "cut at {at}");
        }
    }
}
