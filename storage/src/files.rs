//! The small files of a segment, entry by entry as they stand there, for tools that show them.
//!
//! Nothing is judged, searched or put in order here; that is the business of recovery and of whoever looks. Bytes
//! behind the last whole entry are left out. Source: OffsetIndex, TimeIndex, AbortedTxn, ProducerStateManager.

use protocol::{Millis, Offset, ProducerEpoch, ProducerId, Sequence};

use crate::index::{Entry, OffsetEntry, TimeEntry};

/// Bytes of an entry of `.index`.
pub const OFFSET_ENTRY_SIZE: usize = <OffsetEntry as Entry>::SIZE;
/// Bytes of an entry of `.timeindex`.
pub const TIME_ENTRY_SIZE: usize = <TimeEntry as Entry>::SIZE;
/// Bytes of an entry of `.txnindex`.
pub const ABORTED_ENTRY_SIZE: usize = crate::aborted::ENTRY_SIZE;
/// Bytes before the first entry of `.snapshot`.
pub const SNAPSHOT_HEADER_SIZE: usize = 10;
/// Bytes of an entry of `.snapshot`.
pub const PRODUCER_ENTRY_SIZE: usize = 46;

pub(crate) const SNAPSHOT_VERSION: i16 = 1;
/// The checksum of a snapshot covers everything from here on.
pub(crate) const SNAPSHOT_CHECKED_FROM: usize = 6;

/// An entry of `.index`: where the batch begins that ends with this offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetIndexEntry {
    pub offset: Offset,
    /// Negative only in a damaged file.
    pub position: i32,
}

/// The entries of an offset index whose segment begins at `base`.
pub fn offset_index(bytes: &[u8], base: Offset) -> Vec<OffsetIndexEntry> {
    let entries = bytes.as_chunks::<OFFSET_ENTRY_SIZE>().0;
    let entry = |entry| {
        let mut fields = Fields { rest: entry };
        OffsetIndexEntry { offset: after(base, fields.int()), position: fields.int() }
    };
    entries.iter().map(|bytes| entry(bytes.as_slice())).collect()
}

/// An entry of `.timeindex`: the largest timestamp up to this offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeIndexEntry {
    pub timestamp: Millis,
    pub offset: Offset,
}

/// The entries of a time index whose segment begins at `base`.
pub fn time_index(bytes: &[u8], base: Offset) -> Vec<TimeIndexEntry> {
    let entries = bytes.as_chunks::<TIME_ENTRY_SIZE>().0;
    let entry = |entry| {
        let mut fields = Fields { rest: entry };
        TimeIndexEntry { timestamp: Millis(fields.long()), offset: after(base, fields.int()) }
    };
    entries.iter().map(|bytes| entry(bytes.as_slice())).collect()
}

/// A file may have any name, and so any base.
fn after(base: Offset, distance: i32) -> Offset {
    Offset(base.0.wrapping_add(i64::from(distance)))
}

/// An entry of `.txnindex`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedEntry {
    /// The high byte of the version field, which is all that Kafka looks at.
    pub version: i8,
    pub producer_id: ProducerId,
    pub first_offset: Offset,
    pub last_offset: Offset,
    pub last_stable_offset: Offset,
}

/// The entries of a transaction index.
pub fn aborted(bytes: &[u8]) -> Vec<AbortedEntry> {
    let entry = |entry: &[u8; ABORTED_ENTRY_SIZE]| {
        let mut fields = Fields { rest: entry };
        AbortedEntry {
            version: fields.short().to_be_bytes()[0] as i8,
            producer_id: ProducerId(fields.long()),
            first_offset: Offset(fields.long()),
            last_offset: Offset(fields.long()),
            last_stable_offset: Offset(fields.long()),
        }
    };
    bytes.as_chunks().0.iter().map(entry).collect()
}

/// An entry of `.snapshot`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerEntry {
    pub producer_id: ProducerId,
    pub epoch: ProducerEpoch,
    pub last_sequence: Sequence,
    /// Negative for a producer that is known by its markers alone.
    pub last_offset: Offset,
    pub offset_delta: i32,
    pub timestamp: Millis,
    pub coordinator_epoch: i32,
    /// Negative without an open transaction.
    pub current_txn_first_offset: Offset,
}

/// Why a file is no producer snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotFault {
    #[error("the snapshot's header is cut short: {0} bytes")]
    HeaderCutShort(usize),
    #[error("the snapshot says it has {0} entries")]
    NegativeCount(i32),
    #[error("the snapshot says it has {announced} entries, and {left} bytes follow")]
    EntriesCutShort { announced: i32, left: usize },
    #[error("the snapshot has version {0} where 1 is expected")]
    Version(i16),
    #[error("the snapshot has checksum {computed:08x} but says {stored:08x}")]
    Checksum { stored: u32, computed: u32 },
}

/// The entries of a producer snapshot, in their order.
pub fn producers(bytes: &[u8]) -> Result<Vec<ProducerEntry>, SnapshotFault> {
    let Some((head, rest)) = bytes.split_first_chunk::<SNAPSHOT_HEADER_SIZE>() else {
        return Err(SnapshotFault::HeaderCutShort(bytes.len()));
    };
    let mut fields = Fields { rest: head };
    let (version, stored, announced) = (fields.short(), fields.int() as u32, fields.int());
    let Ok(count) = usize::try_from(announced) else { return Err(SnapshotFault::NegativeCount(announced)) };
    let entries = rest.as_chunks::<PRODUCER_ENTRY_SIZE>().0.get(..count);
    let entries = entries.ok_or(SnapshotFault::EntriesCutShort { announced, left: rest.len() })?;
    if version != SNAPSHOT_VERSION {
        return Err(SnapshotFault::Version(version));
    }
    let computed = crc32c::crc32c(&bytes[SNAPSHOT_CHECKED_FROM..]);
    if stored != computed {
        return Err(SnapshotFault::Checksum { stored, computed });
    }
    Ok(entries.iter().map(producer).collect())
}

fn producer(entry: &[u8; PRODUCER_ENTRY_SIZE]) -> ProducerEntry {
    let mut fields = Fields { rest: entry };
    ProducerEntry {
        producer_id: ProducerId(fields.long()),
        epoch: ProducerEpoch(fields.short()),
        last_sequence: Sequence(fields.int()),
        last_offset: Offset(fields.long()),
        offset_delta: fields.int(),
        timestamp: Millis(fields.long()),
        coordinator_epoch: fields.int(),
        current_txn_first_offset: Offset(fields.long()),
    }
}

/// The fields of an entry, one after the other. An entry has a fixed size, so that no field is missing.
struct Fields<'a> {
    rest: &'a [u8],
}

impl Fields<'_> {
    fn next<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self.rest.split_first_chunk().unwrap_or((&[0; N], &[]));
        self.rest = rest;
        *field
    }

    fn short(&mut self) -> i16 {
        i16::from_be_bytes(self.next())
    }

    fn int(&mut self) -> i32 {
        i32::from_be_bytes(self.next())
    }

    fn long(&mut self) -> i64 {
        i64::from_be_bytes(self.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_up_to_the_last_whole_one() {
        let bytes = [0, 0, 0, 5, 0, 0, 1, 0, 9, 9];
        let entry = OffsetIndexEntry { offset: Offset(105), position: 256 };
        assert_eq!(offset_index(&bytes, Offset(100)), [entry]);
        let bytes = [0, 0, 0, 0, 0, 0, 1, 1, 0xff, 0xff, 0xff, 0xff, 1];
        let entry = TimeIndexEntry { timestamp: Millis(257), offset: Offset(99) };
        assert_eq!(time_index(&bytes, Offset(100)), [entry]);
        assert_eq!(aborted(&[0; 33]), []);
        assert_eq!(aborted(&[1; 40])[0].version, 1);
    }

    fn snapshot(entries: i32) -> Vec<u8> {
        let mut bytes = vec![0, 1, 0, 0, 0, 0];
        bytes.extend(entries.to_be_bytes());
        bytes.extend((0..entries.max(0) * 46).map(|at| at as u8));
        let crc = crc32c::crc32c(&bytes[6..]);
        bytes[2..6].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    #[test]
    fn snapshots_are_read_in_the_files_order() {
        let found = producers(&snapshot(2)).unwrap();
        assert_eq!(found[0].producer_id, ProducerId(0x0001_0203_0405_0607));
        assert_eq!(found[0].epoch, ProducerEpoch(0x0809));
        assert_eq!(found[1].current_txn_first_offset, Offset(0x5455_5657_5859_5a5b));
        assert_eq!(producers(&snapshot(0)), Ok(vec![]));
    }

    #[test]
    fn faults_of_snapshots_are_told_apart() {
        let good = snapshot(2);
        assert_eq!(producers(&good[..9]), Err(SnapshotFault::HeaderCutShort(9)));
        assert_eq!(producers(&good[..80]), Err(SnapshotFault::EntriesCutShort { announced: 2, left: 70 }));
        assert_eq!(producers(&snapshot(-1)), Err(SnapshotFault::NegativeCount(-1)));
        let mut bytes = good.clone();
        bytes[1] = 2;
        assert_eq!(producers(&bytes), Err(SnapshotFault::Version(2)));
        let mut bytes = good;
        bytes[20] ^= 1;
        assert!(matches!(producers(&bytes), Err(SnapshotFault::Checksum { .. })));
    }
}
