//! Bringing the producers up to an offset: the newest good snapshot, then the batches behind it.
//!
//! Source: ProducerStateManager.truncateAndReload, UnifiedLog.rebuildProducerState of Kafka 3.9.

use std::collections::BTreeSet;
use std::path::Path;

use protocol::Offset;
use protocol::batch::{BatchHeader, HEADER_SIZE};

use crate::disk::{Disk, DiskError, DiskFile, During, Mode, read_if_there, remove_if_there};
use crate::names::{LOG, SNAPSHOT, file_path};
use crate::producers::Producers;
use crate::rot::is_intact;
use crate::scan::{HeaderAt, Headers, Marker, ScanError};

/// No marker is larger.
const MARKER_MAX: usize = 1 << 10;

/// The newest good snapshot that is not beyond `bound`. Damaged ones are removed.
pub(crate) fn newest(
    disk: &dyn Disk,
    dir: &Path,
    snapshots: &mut BTreeSet<Offset>,
    bound: Offset,
) -> Result<Option<Producers>, DiskError> {
    while let Some(offset) = snapshots.range(..=bound).next_back().copied() {
        let path = file_path(dir, offset, SNAPSHOT);
        let bytes = read_if_there(&path)?;
        if let Some(producers) = bytes.and_then(|bytes| Producers::from_snapshot(&bytes, offset)) {
            return Ok(Some(producers));
        }
        remove_if_there(disk, &path)?;
        snapshots.remove(&offset);
    }
    Ok(None)
}

/// Replays the batches from the state's end to `to`. `bases` are those of the log's segments.
pub(crate) fn replay(
    disk: &dyn Disk,
    dir: &Path,
    bases: &[Offset],
    to: Offset,
    producers: &mut Producers,
) -> Result<(), DiskError> {
    if producers.end >= to {
        return Ok(());
    }
    let first = bases.partition_point(|base| *base <= producers.end).saturating_sub(1);
    for base in bases[first..].iter().take_while(|base| **base < to) {
        let path = file_path(dir, *base, LOG);
        let file = disk.open(&path, Mode::Read).during("open", &path)?;
        let size = file.size().during("read", &path)?;
        replay_segment(&file, size, to, producers).during("read", &path)?;
    }
    producers.end = to;
    Ok(())
}

fn replay_segment(file: &DiskFile, size: u64, to: Offset, producers: &mut Producers) -> std::io::Result<()> {
    let mut headers = Headers::new(file, 0, size);
    loop {
        match headers.next() {
            Ok(Some(batch)) if batch.header.base_offset >= to => return Ok(()),
            Ok(Some(batch)) if batch.header.base_offset < producers.end => {}
            Ok(Some(batch)) if is_intact(file, &batch)? => {
                producers.replay(&batch.header, marker(file, &batch)?);
            }
            // Damage below the recovery point is found by whoever reads there; producers are not worth a refusal.
            Ok(_) | Err(ScanError::Flawed { .. }) => return Ok(()),
            Err(ScanError::Io(error)) => return Err(error),
        }
    }
}

/// Every batch up to `size`, where all of them were found to be good.
pub(super) fn each_batch(
    file: &DiskFile,
    size: u64,
    mut take: impl FnMut(&BatchHeader, Option<Marker>),
) -> std::io::Result<()> {
    let mut headers = Headers::new(file, 0, size);
    loop {
        match headers.next() {
            Ok(Some(batch)) => take(&batch.header, marker(file, &batch)?),
            Ok(None) => return Ok(()),
            // It was good a moment ago.
            Err(ScanError::Flawed { .. }) => return Err(std::io::ErrorKind::InvalidData.into()),
            Err(ScanError::Io(error)) => return Err(error),
        }
    }
}

fn marker(file: &DiskFile, batch: &HeaderAt) -> std::io::Result<Option<Marker>> {
    if !batch.header.attributes.is_control() || batch.header.size() > MARKER_MAX {
        return Ok(None);
    }
    let mut record = vec![0; batch.header.size() - HEADER_SIZE];
    let read = file.read_at(&mut record, batch.position + HEADER_SIZE as u64)?;
    Ok(Marker::parse(&batch.header, &record[..read]))
}
