//! The record of a control batch that ends a transaction.
//!
//! Source: ControlRecordType, EndTransactionMarker of Kafka 3.9.

use protocol::Millis;
use protocol::batch::BatchHeader;

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MarkerKind {
    Abort,
    Commit,
}

/// A transaction marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marker {
    pub(crate) kind: MarkerKind,
    pub(crate) coordinator_epoch: i32,
    pub(crate) timestamp: Millis,
}

impl Marker {
    /// Reads the one record of a control batch; none if it is something else than a marker.
    pub(crate) fn parse(header: &BatchHeader, record: &[u8]) -> Option<Marker> {
        let mut rest = record;
        varint(&mut rest)?;
        // Attributes, then deltas of timestamp and offset.
        take(&mut rest, 1)?;
        varint(&mut rest)?;
        varint(&mut rest)?;
        let key = field(&mut rest)?;
        let value = field(&mut rest)?;
        let kind = match i16::from_be_bytes([*key.get(2)?, *key.get(3)?]) {
            0 => MarkerKind::Abort,
            1 => MarkerKind::Commit,
            _ => return None,
        };
        let coordinator_epoch = i32::from_be_bytes(*value.get(2..)?.first_chunk()?);
        Some(Marker { kind, coordinator_epoch, timestamp: header.max_timestamp })
    }
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

fn field<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(varint(rest)?).ok()?;
    take(rest, length)
}

/// A zig-zag number of at most ten bytes.
fn varint(rest: &mut &[u8]) -> Option<i64> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let byte = take(rest, 1)?[0];
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}
