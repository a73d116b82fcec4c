//! The record of a control batch that ends a transaction.
//!
//! Source: ControlRecordType, EndTransactionMarker of Kafka 3.9.

use protocol::Millis;
use protocol::batch::BatchHeader;
use protocol::record::RecordIter;

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
    pub(crate) fn parse(header: &BatchHeader, records: &[u8]) -> Option<Marker> {
        let record = RecordIter::new(records, header.record_count).next()?.ok()?;
        // A version and a type; a version and the epoch.
        let kind = match i16::from_be_bytes(*record.key?.get(2..)?.first_chunk()?) {
            0 => MarkerKind::Abort,
            1 => MarkerKind::Commit,
            _ => return None,
        };
        let coordinator_epoch = i32::from_be_bytes(*record.value?.get(2..)?.first_chunk()?);
        Some(Marker { kind, coordinator_epoch, timestamp: header.max_timestamp })
    }
}
