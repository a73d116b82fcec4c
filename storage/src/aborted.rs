//! The transaction index of a segment: aborted transactions whose marker lies in it, 34 bytes each.
//!
//! Read whole when a log is loaded; rebuilt when the segment is recovered. Source: TransactionIndex, AbortedTxn.

use std::path::Path;

use protocol::{Offset, ProducerId};

use crate::disk::{Disk, DiskError, During, read_if_there, remove_if_there, replace};

pub(crate) const ENTRY_SIZE: usize = 34;
const VERSION: i16 = 0;

/// One aborted transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    pub producer_id: ProducerId,
    /// Of its first record, which may stand in an older segment.
    pub first_offset: Offset,
    /// Of its marker.
    pub last_offset: Offset,
    /// The last stable offset right after the marker.
    pub last_stable_offset: Offset,
}

impl AbortedTransaction {
    pub(crate) fn to_bytes(self) -> [u8; ENTRY_SIZE] {
        let mut bytes = [0; ENTRY_SIZE];
        bytes[..2].copy_from_slice(&VERSION.to_be_bytes());
        let numbers =
            [self.producer_id.0, self.first_offset.0, self.last_offset.0, self.last_stable_offset.0];
        for (field, number) in bytes[2..].chunks_exact_mut(8).zip(numbers) {
            field.copy_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8; ENTRY_SIZE]) -> Option<AbortedTransaction> {
        let number = |at: usize| bytes[at..].first_chunk().map(|field| i64::from_be_bytes(*field));
        if bytes[..2] != VERSION.to_be_bytes() {
            return None;
        }
        Some(AbortedTransaction {
            producer_id: ProducerId(number(2)?),
            first_offset: Offset(number(10)?),
            last_offset: Offset(number(18)?),
            last_stable_offset: Offset(number(26)?),
        })
    }
}

/// What a transaction index file holds: its entries, or nothing usable, so that the segment has to be recovered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TxnIndexFile {
    Good(Vec<AbortedTransaction>),
    Damaged,
}

/// Makes the transaction index at `path` say this, on the medium too: what it says of records below the recovery point no flush looks at again, and a start
/// can only believe it.
pub(crate) fn settle(disk: &dyn Disk, path: &Path, aborted: &[AbortedTransaction]) -> Result<(), DiskError> {
    let bytes: Vec<u8> = aborted.iter().flat_map(|entry| entry.to_bytes()).collect();
    match read_if_there(path)? {
        Some(present) if present == bytes => Ok(()),
        None if bytes.is_empty() => Ok(()),
        Some(_) if bytes.is_empty() => {
            remove_if_there(disk, path)?;
            let dir = path.parent().unwrap_or(Path::new("."));
            disk.sync_dir(dir).during("sync", dir)
        }
        _ => replace(disk, path, &bytes),
    }
}

/// Reads a segment's transaction index; a missing one is empty.
pub(crate) fn read(path: &Path, base: Offset) -> Result<TxnIndexFile, DiskError> {
    let Some(bytes) = read_if_there(path)? else {
        return Ok(TxnIndexFile::Good(Vec::new()));
    };
    Ok(parse(&bytes, base).map_or(TxnIndexFile::Damaged, TxnIndexFile::Good))
}

fn parse(bytes: &[u8], base: Offset) -> Option<Vec<AbortedTransaction>> {
    let (entries, rest) = bytes.as_chunks::<ENTRY_SIZE>();
    if !rest.is_empty() {
        return None;
    }
    let entries: Vec<_> = entries.iter().map(AbortedTransaction::from_bytes).collect::<Option<_>>()?;
    let ordered = entries.is_sorted_by(|one, next| one.last_offset < next.last_offset);
    let inside = entries.iter().all(|entry| entry.last_offset >= base && entry.first_offset.0 >= 0);
    (ordered && inside).then_some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(last: i64) -> AbortedTransaction {
        AbortedTransaction {
            producer_id: ProducerId(4),
            first_offset: Offset(1),
            last_offset: Offset(last),
            last_stable_offset: Offset(last + 1),
        }
    }

    #[test]
    fn entries_survive_their_bytes() {
        let bytes = [entry(7).to_bytes(), entry(9).to_bytes()].concat();
        assert_eq!(parse(&bytes, Offset(5)), Some(vec![entry(7), entry(9)]));
    }

    #[test]
    fn damage_is_noticed() {
        let bytes = [entry(7).to_bytes(), entry(9).to_bytes()].concat();
        assert_eq!(parse(&bytes[..40], Offset(5)), None);
        assert_eq!(parse(&bytes, Offset(8)), None);
        let swapped = [entry(9).to_bytes(), entry(7).to_bytes()].concat();
        assert_eq!(parse(&swapped, Offset(5)), None);
        let mut version = bytes;
        version[1] = 1;
        assert_eq!(parse(&version, Offset(5)), None);
    }
}
