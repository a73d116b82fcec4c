//! The operating system's files, with errors in front of them where a test wants some.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use storage::disk::{DiskFile, Mode};
use storage::{Disk, OsDisk};

pub(super) const EIO: i32 = 5;
pub(super) const ENOSPC: i32 = 28;

#[derive(Debug, Default)]
pub(super) struct BadDisk {
    /// What lies under these paths fails with these numbers.
    faults: Mutex<Vec<(PathBuf, i32)>>,
    /// By the ids of open files.
    paths: Mutex<Vec<PathBuf>>,
}

/// What a full disk refuses, and what it still does: names and empty files mostly fit in the blocks that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Growth,
    Other,
}

impl BadDisk {
    pub(super) fn fail(&self, under: &Path, errno: i32) {
        self.faults.lock().unwrap().push((under.to_path_buf(), errno));
    }

    pub(super) fn mend(&self) {
        self.faults.lock().unwrap().clear();
    }

    fn admit(&self, path: &Path, change: Change) -> io::Result<()> {
        let faults = self.faults.lock().unwrap();
        let fails = |errno: i32| errno != ENOSPC || change == Change::Growth;
        match faults.iter().find(|(under, errno)| path.starts_with(under) && fails(*errno)) {
            Some((_, errno)) => Err(io::Error::from_raw_os_error(*errno)),
            None => Ok(()),
        }
    }

    fn admit_file(&self, file: &DiskFile, change: Change) -> io::Result<()> {
        let path = self.paths.lock().unwrap()[file.id as usize].clone();
        self.admit(&path, change)
    }
}

impl Disk for BadDisk {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<DiskFile> {
        self.admit(path, Change::Other)?;
        let os = OsDisk.open(path, mode)?.os;
        let mut paths = self.paths.lock().unwrap();
        paths.push(path.to_path_buf());
        Ok(DiskFile { os, id: paths.len() as u64 - 1 })
    }

    fn write_at(&self, file: &DiskFile, position: u64, parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        self.admit_file(file, Change::Growth)?;
        OsDisk.write_at(file, position, parts)
    }

    fn set_size(&self, file: &DiskFile, size: u64) -> io::Result<()> {
        self.admit_file(file, Change::Other)?;
        OsDisk.set_size(file, size)
    }

    fn reserve(&self, file: &DiskFile, position: u64, length: u64) -> io::Result<()> {
        self.admit_file(file, Change::Growth)?;
        OsDisk.reserve(file, position, length)
    }

    fn sync(&self, file: &DiskFile) -> io::Result<()> {
        self.admit_file(file, Change::Other)?;
        OsDisk.sync(file)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.admit(path, Change::Other)?;
        OsDisk.sync_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.admit(from, Change::Other)?;
        OsDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.admit(path, Change::Other)?;
        OsDisk.remove(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.admit(path, Change::Other)?;
        OsDisk.create_dir(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.admit(path, Change::Other)?;
        OsDisk.remove_dir(path)
    }
}
