//! The operating system's files, with errors in front of them where a test wants some.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use storage::disk::{DiskFile, Mode};
use storage::{Disk, OsDisk};

pub(super) const EIO: i32 = 5;
pub(super) const EMFILE: i32 = 24;
pub(super) const ENOSPC: i32 = 28;

#[derive(Debug, Default)]
pub(super) struct BadDisk {
    faults: Mutex<Vec<Fault>>,
    /// By the ids of open files.
    paths: Mutex<Vec<PathBuf>>,
}

/// What lies under this path fails with this number, so many times more.
#[derive(Debug)]
struct Fault {
    under: PathBuf,
    errno: i32,
    times: usize,
    /// How often it goes well before.
    after: usize,
}

/// What a full disk refuses, and what it still does: names and empty files mostly fit in the blocks that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Growth,
    Other,
}

impl BadDisk {
    pub(super) fn fail(&self, under: &Path, errno: i32) {
        self.fail_first(usize::MAX, under, errno);
    }

    pub(super) fn fail_first(&self, times: usize, under: &Path, errno: i32) {
        self.faults.lock().unwrap().push(Fault { under: under.to_path_buf(), errno, times, after: 0 });
    }

    /// Lets so many operations succeed, and then none.
    pub(super) fn fail_after(&self, after: usize, under: &Path, errno: i32) {
        let fault = Fault { under: under.to_path_buf(), errno, times: usize::MAX, after };
        self.faults.lock().unwrap().push(fault);
    }

    /// How many errors are still to come.
    pub(super) fn left(&self) -> usize {
        self.faults.lock().unwrap().iter().map(|fault| fault.times).sum()
    }

    pub(super) fn mend(&self) {
        self.faults.lock().unwrap().clear();
    }

    fn admit(&self, path: &Path, change: Change) -> io::Result<()> {
        let mut faults = self.faults.lock().unwrap();
        let fails = |errno: i32| errno != ENOSPC || change == Change::Growth;
        let applies =
            |fault: &&mut Fault| fault.times > 0 && path.starts_with(&fault.under) && fails(fault.errno);
        let Some(fault) = faults.iter_mut().find(applies) else { return Ok(()) };
        if fault.after > 0 {
            fault.after -= 1;
            return Ok(());
        }
        fault.times -= 1;
        Err(io::Error::from_raw_os_error(fault.errno))
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
