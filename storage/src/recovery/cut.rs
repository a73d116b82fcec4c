//! Cutting a log at its first bad batch without losing a byte.
//!
//! The order makes an interruption harmless: the tail is copied first, later segments are put aside, and only when
//! that is on the medium the bad file is cut. Until then the next start finds the same flaw and goes on.

use std::io::IoSlice;
use std::path::{Path, PathBuf};

use protocol::Offset;

use super::{Cut, Flaw};
use crate::disk::{Disk, DiskError, DiskFile, During, Mode, remove_if_there};
use crate::names::{INDEX, LOG, SNAPSHOT, TIME_INDEX, TXN_INDEX, file_path, salvage_name};

/// Bytes copied or looked at in one piece.
const PIECE: usize = 1 << 20;
/// Zeros are kept up to a multiple of this behind the last other byte, for a record may end in zeros.
const ZEROS_KEPT: u64 = 4096;

/// Where a log is to be cut.
pub(super) struct Place<'a> {
    pub(super) dir: &'a Path,
    /// The segment with the flaw.
    pub(super) base: Offset,
    pub(super) file: &'a DiskFile,
    /// Good bytes, and bytes found.
    pub(super) position: u64,
    pub(super) found: u64,
    pub(super) flaw: Flaw,
    /// The log's end afterwards.
    pub(super) offset: Offset,
    /// Segments behind the bad one, oldest first.
    pub(super) later: &'a [Offset],
}

/// Cuts; what is cut is kept under names that Kafka ignores.
pub(super) fn cut(disk: &dyn Disk, place: &Place<'_>) -> Result<Cut, DiskError> {
    let path = file_path(place.dir, place.base, LOG);
    let mut set_aside = Vec::new();
    set_aside.extend(save_tail(disk, place, &path)?);
    let mut bytes = place.found - place.position;
    for base in place.later {
        let (size, kept) = save_segment(disk, place.dir, *base)?;
        bytes += size;
        set_aside.extend(kept);
    }
    disk.sync_dir(place.dir).during("sync", place.dir)?;
    disk.set_size(place.file, place.position).during("cut", &path)?;
    disk.sync(place.file).during("sync", &path)?;
    set_aside.sort();
    Ok(Cut {
        offset: place.offset,
        file: path,
        position: place.position,
        flaw: place.flaw,
        bytes,
        segments: place.later.to_vec(),
        set_aside,
    })
}

/// Copies the bad end of a file; none if it is only zeros.
fn save_tail(disk: &dyn Disk, place: &Place<'_>, path: &Path) -> Result<Option<PathBuf>, DiskError> {
    let end = end_of_content(place, path)?;
    if end <= place.position {
        return Ok(None);
    }
    let to = free_name(place.dir, place.base, place.position);
    let copied = copy_tail(disk, place, (path, end), &to);
    if copied.is_err() {
        // On a full disk every attempt would leave another piece. It may fail to go as it failed to come.
        let _ = remove_if_there(disk, &to);
    }
    copied.map(|()| Some(to))
}

fn copy_tail(
    disk: &dyn Disk,
    place: &Place<'_>,
    (path, end): (&Path, u64),
    to: &Path,
) -> Result<(), DiskError> {
    let copy = disk.open(to, Mode::Replace).during("create", to)?;
    let mut piece = vec![0; PIECE];
    let mut at = place.position;
    while at < end {
        let want = (end - at).min(PIECE as u64) as usize;
        let read = place.file.read_at(&mut piece[..want], at).during("read", path)?;
        if read == 0 {
            break;
        }
        let to_position = at - place.position;
        disk.write_at(&copy, to_position, &mut [IoSlice::new(&piece[..read])])
            .during("set aside what was cut in", to)?;
        at += read as u64;
    }
    disk.sync(&copy).during("sync", to)
}

/// Where a row of zeros begins that reaches to the end of the file; the position if there is nothing else.
fn end_of_content(place: &Place<'_>, path: &Path) -> Result<u64, DiskError> {
    let mut piece = vec![0; PIECE];
    let mut end = place.found;
    while end > place.position {
        let at = end.saturating_sub(PIECE as u64).max(place.position);
        let length = (end - at) as usize;
        let read = place.file.read_at(&mut piece[..length], at).during("read", path)?;
        if let Some(last) = piece[..read].iter().rposition(|byte| *byte != 0) {
            return Ok((at + last as u64 + 1).next_multiple_of(ZEROS_KEPT).min(place.found));
        }
        end = at;
    }
    Ok(place.position)
}

/// Renames a whole log file and removes what only makes sense with it. Returns its bytes and its new name.
fn save_segment(disk: &dyn Disk, dir: &Path, base: Offset) -> Result<(u64, Option<PathBuf>), DiskError> {
    let from = file_path(dir, base, LOG);
    let size = from.metadata().during("read", &from)?.len();
    let kept = if size > 0 {
        let to = free_name(dir, base, 0);
        disk.rename(&from, &to).during("rename", &from)?;
        Some(to)
    } else {
        remove_if_there(disk, &from)?;
        None
    };
    for kind in [INDEX, TIME_INDEX, TXN_INDEX, SNAPSHOT] {
        remove_if_there(disk, &file_path(dir, base, kind))?;
    }
    Ok((size, kept))
}

/// A name for a salvaged piece that no earlier one has.
fn free_name(dir: &Path, base: Offset, position: u64) -> PathBuf {
    let mut count = 0;
    loop {
        let path = dir.join(salvage_name(base, position, count));
        if !path.exists() {
            return path;
        }
        count += 1;
    }
}
