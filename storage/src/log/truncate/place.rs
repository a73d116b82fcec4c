//! Where a segment is cut: found from its index and its headers, and from as little of what goes as possible.

use protocol::Offset;

use crate::disk::DiskFile;
use crate::index::{Entry, OffsetEntry, is_named};
use crate::scan::{Headers, ScanError};

/// The whole entries of an index file.
pub(super) fn entries<E: Entry>(bytes: &[u8]) -> Vec<E> {
    bytes.chunks_exact(E::SIZE).filter_map(E::from_bytes).collect()
}

/// Where the first batch begins that ends at `to` or behind; the file's end if there is none. `below` are index
/// entries of batches before it, and are believed only if the batch they name stands there.
pub(super) fn cut_position(
    file: &DiskFile,
    size: u64,
    base: Offset,
    below: &[OffsetEntry],
    to: Offset,
) -> Result<u64, ScanError> {
    if let Some(entry) = below.last() {
        let (position, named) = (u64::from(entry.position), base + i64::from(entry.last));
        let found = Headers::new(file, position, size).next();
        if let Ok(Some(batch)) = found
            && is_named(file, &batch, named)?
        {
            return first_ending_at(&mut Headers::new(file, position, size), size, to);
        }
    }
    if to == base { Ok(0) } else { first_ending_at(&mut Headers::new(file, 0, size), size, to) }
}

/// What stands behind the batch that ends right before `to` is not looked at: it may be damaged.
fn first_ending_at(headers: &mut Headers<'_>, size: u64, to: Offset) -> Result<u64, ScanError> {
    while let Some(batch) = headers.next()? {
        if batch.header.last_offset() >= to {
            return Ok(batch.position);
        }
        if batch.header.next_offset() == to {
            return Ok(batch.position + batch.header.size() as u64);
        }
    }
    Ok(size)
}
