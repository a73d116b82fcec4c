//! Messages of format 0 and 1 in a log: a batch to look-ups and recovery, of the one record that the message is.
//!
//! A compressed message has the offset and the largest time of the records in it; what else is inside only who serves
//! or searches it looks at. Source: LegacyRecord, AbstractLegacyRecordBatch, FileLogInputStream of Kafka 3.9.

use std::io;

use protocol::batch::{Attributes, BatchHeader, LOG_OVERHEAD, MAGIC_AT};
use protocol::legacy::Checksum;
use protocol::{LeaderEpoch, Millis, Offset, ProducerEpoch, ProducerId, Sequence};

use crate::disk::DiskFile;
use crate::recovery::Flaw;

/// The checksum covers a message from its magic on.
pub(super) const CHECKED_FROM: usize = MAGIC_AT;
const TIMESTAMP_AT: usize = 18;
/// The least that can stand behind the size: checksum, magic, attributes, two lengths, and in format 1 a time.
const SIZE_MIN: [i32; 2] = [14, 22];
/// Bytes read at once for a checksum.
const PIECE: usize = 64 << 10;
/// Attribute bits that a format knows: the codec, and in format 1 the type of the time.
const ATTRIBUTES: [u8; 2] = [0x07, 0x0f];

/// Reads the message in front of `left` bytes of file, of which `front` are at hand: up to the magic at least.
pub(super) fn parse(front: &[u8], left: u64) -> Result<BatchHeader, Flaw> {
    let torn = |needed: usize| Flaw::Torn { needed: needed as u64, present: left };
    let format = usize::from(front[MAGIC_AT]).min(1);
    let offset = Offset(i64::from_be_bytes(bytes(front, 0)));
    let size = i32::from_be_bytes(bytes(front, 8));
    if size < SIZE_MIN[format] {
        return Err(Flaw::Length(size));
    }
    let needed = LOG_OVERHEAD + size as usize;
    if needed as u64 > left || front.len() < LOG_OVERHEAD + SIZE_MIN[format] as usize {
        return Err(torn(needed));
    }
    if offset < Offset::ZERO {
        return Err(Flaw::Offsets { first: offset, last: offset, expected: Offset::ZERO });
    }
    let timestamp = match format {
        0 => Millis::NONE,
        _ => Millis(i64::from_be_bytes(bytes(front, TIMESTAMP_AT))),
    };
    Ok(BatchHeader {
        base_offset: offset,
        length: size as u32,
        leader_epoch: LeaderEpoch::NONE,
        crc: u32::from_be_bytes(bytes(front, LOG_OVERHEAD)),
        attributes: Attributes(i16::from(front[MAGIC_AT + 1] & ATTRIBUTES[format])),
        last_offset_delta: 0,
        base_timestamp: timestamp,
        max_timestamp: timestamp,
        producer_id: ProducerId::NONE,
        producer_epoch: ProducerEpoch::NONE,
        base_sequence: Sequence::NONE,
        record_count: 1,
    })
}

/// Whether the lengths inside a message fill it, as far as they are at hand. A batch whose magic was damaged is not taken
/// for an old message by this, which would hide records: its offset is that of the batch's first record.
pub(super) fn is_filled(front: &[u8], header: &BatchHeader) -> bool {
    let key_at = TIMESTAMP_AT + if front[MAGIC_AT] == 0 { 0 } else { 8 };
    let length = |at: usize| Some(i64::from(i32::from_be_bytes(*front.get(at..)?.first_chunk()?)).max(0));
    let Some(key) = length(key_at) else { return true };
    let behind_key = key_at as i64 + 4 + key;
    let end =
        usize::try_from(behind_key).ok().and_then(length).map_or(behind_key, |value| behind_key + value) + 4;
    let size = header.size() as i64;
    if front.len() as i64 >= behind_key + 4 { end == size } else { end <= size }
}

/// Whether the message at `position` has the checksum that it carries.
pub(crate) fn is_intact(file: &DiskFile, position: u64, header: &BatchHeader) -> io::Result<bool> {
    let (mut at, end) = (position + CHECKED_FROM as u64, position + header.size() as u64);
    let (mut checksum, mut piece) = (Checksum::default(), vec![0; PIECE]);
    while at < end {
        let want = (end - at).min(PIECE as u64) as usize;
        let read = file.read_at(&mut piece[..want], at)?;
        if read == 0 {
            return Ok(false);
        }
        checksum.add(&piece[..read]);
        at += read as u64;
    }
    Ok(checksum.value() == header.crc)
}

/// The bytes of a field; `parse` has seen to it that they are there.
fn bytes<const N: usize>(front: &[u8], at: usize) -> [u8; N] {
    let mut value = [0; N];
    value.copy_from_slice(&front[at..at + N]);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message of 26 or 34 bytes without key and value.
    fn message(magic: u8, attributes: u8) -> Vec<u8> {
        let time = if magic == 0 { vec![] } else { 77_i64.to_be_bytes().to_vec() };
        let head =
            [&9_i64.to_be_bytes()[..], &(14 + time.len() as i32).to_be_bytes(), &[1, 2, 3, 4]].concat();
        [&head[..], &[magic, attributes], &time, &[0xff; 8]].concat()
    }

    #[test]
    fn a_message_is_a_batch_of_one() {
        for (magic, attributes, time) in [(0, 0x0b, -1), (1, 0xfb, 77)] {
            let bytes = message(magic, attributes);
            let header = parse(&bytes, bytes.len() as u64).unwrap();
            assert_eq!(header.size(), bytes.len());
            assert_eq!((header.base_offset, header.last_offset()), (Offset(9), Offset(9)));
            assert_eq!((header.max_timestamp, header.crc), (Millis(time), 0x0102_0304));
            assert_eq!(header.attributes.0, if magic == 0 { 3 } else { 0x0b });
            assert!(!header.has_producer() && !header.attributes.is_control());
        }
    }

    #[test]
    fn lengths_that_do_not_fill_a_message_are_noticed() {
        for magic in [0, 1] {
            let mut bytes = message(magic, 0);
            let header = parse(&bytes, bytes.len() as u64).unwrap();
            assert!(is_filled(&bytes, &header));
            let last = bytes.len() - 1;
            bytes[last - 7..].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0]);
            assert!(!is_filled(&bytes, &header), "a key where none has room");
            bytes[last - 7..].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 1]);
            assert!(!is_filled(&bytes, &header), "a value where none has room");
            let longer = BatchHeader { length: header.length + 1, ..header };
            assert!(is_filled(&bytes, &longer));
            // The value's length is not at hand.
            let keyed = BatchHeader { length: header.length + 100, ..header };
            bytes[last - 7..last - 3].copy_from_slice(&[0, 0, 0, 100]);
            assert!(is_filled(&bytes, &keyed));
            bytes[last - 7..last - 3].copy_from_slice(&[0, 0, 0, 101]);
            assert!(!is_filled(&bytes, &keyed));
        }
    }

    #[test]
    fn what_is_no_whole_message_is_a_flaw() {
        let bytes = message(1, 0);
        let torn = Flaw::Torn { needed: 34, present: 33 };
        assert_eq!(parse(&bytes[..33], 33), Err(torn));
        for size in [i32::MIN, -1, 0, 21] {
            let mut short = bytes.clone();
            short[8..12].copy_from_slice(&size.to_be_bytes());
            assert_eq!(parse(&short, 34), Err(Flaw::Length(size)));
        }
        let mut negative = bytes;
        negative[0] = 0xff;
        assert!(matches!(parse(&negative, 34), Err(Flaw::Offsets { .. })));
    }
}
