//! Space that a log directory keeps for itself: a file that Kafka ignores, given up when the disk is full.
//!
//! What it gives back serves deletes, retention and checkpoints, never records. Called by the broker's upkeep.
//! Source of the idea: KIP-928.

use std::io::{self, IoSlice};
use std::path::Path;

use rustix::io::Errno;

use super::LogDir;
use crate::disk::{DiskError, DiskFile, During, Mode, remove_if_there};

const FILE: &str = ".ottla-reserve";
/// Bytes of zeros written at once, where the file system cannot take blocks without writing.
const PIECE: usize = 1 << 20;

impl LogDir {
    /// Takes `bytes` of the disk into the reserve, if there is room for `spare` bytes more. A full disk is an error,
    /// and nothing is held then. Blocks for the disk.
    pub fn hold_reserve(&self, bytes: u64, spare: u64) -> Result<(), DiskError> {
        let path = self.path.join(FILE);
        let held = self.take_blocks(&path, bytes, spare);
        if held.is_err() || bytes == 0 {
            remove_if_there(&*self.disk, &path)?;
        }
        held
    }

    /// Gives the reserve back to the disk. Blocks for the disk.
    pub fn release_reserve(&self) -> Result<(), DiskError> {
        remove_if_there(&*self.disk, &self.path.join(FILE))
    }

    fn take_blocks(&self, path: &Path, bytes: u64, spare: u64) -> Result<(), DiskError> {
        let disk = &*self.disk;
        let all = bytes.saturating_add(spare);
        // An attempt that fails may take all there is for a moment, and others would find the disk full.
        if self.space()?.usable_bytes < all {
            return Err(io::Error::from(Errno::NOSPC)).during("reserve space in", path);
        }
        let file = disk.open(path, Mode::Create).during("create", path)?;
        match disk.reserve(&file, 0, all) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => self.fill(&file, all),
            other => other,
        }
        .during("reserve space in", path)?;
        // Only what a file ends before is given back when it is cut.
        disk.set_size(&file, all).and_then(|()| disk.set_size(&file, bytes)).during("size", path)
    }

    fn fill(&self, file: &DiskFile, bytes: u64) -> io::Result<()> {
        let zeros = vec![0; PIECE];
        for at in (0..bytes).step_by(PIECE) {
            let piece = &zeros[..PIECE.min((bytes - at) as usize)];
            self.disk.write_at(file, at, &mut [IoSlice::new(piece)])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::sync::Arc;

    use super::*;
    use crate::disk::OsDisk;
    use crate::disk::crash::{CrashDisk, scratch};

    #[test]
    fn the_reserve_takes_blocks_and_gives_them_back() {
        let scratch = scratch();
        let dir = LogDir::open(scratch.path(), Arc::new(OsDisk)).unwrap();
        dir.hold_reserve(1 << 20, 1 << 20).unwrap();
        let held = scratch.path().join(FILE).metadata().unwrap();
        assert_eq!(held.len(), 1 << 20);
        assert!((1 << 20..3 << 19).contains(&(held.blocks() * 512)), "{} blocks", held.blocks());
        dir.release_reserve().unwrap();
        dir.release_reserve().unwrap();
        assert!(!scratch.path().join(FILE).exists());
        dir.hold_reserve(0, 1 << 20).unwrap();
        assert!(!scratch.path().join(FILE).exists());
    }

    #[test]
    fn a_full_disk_holds_nothing() {
        let scratch = scratch();
        let disk = Arc::new(CrashDisk::new(scratch.path()).unwrap());
        let dir = LogDir::open(scratch.path(), disk.clone()).unwrap();
        disk.set_space(Some(3 << 20));
        assert!(dir.hold_reserve(2 << 20, 2 << 20).unwrap_err().is_full());
        assert!(!scratch.path().join(FILE).exists());
        disk.set_space(Some(4 << 20));
        dir.hold_reserve(2 << 20, 2 << 20).unwrap();
        assert_eq!(scratch.path().join(FILE).metadata().unwrap().len(), 2 << 20);
    }
}
