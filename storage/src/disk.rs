//! What the log does to the file system, behind a trait so that a test can break it or cut the power.
//!
//! Only changes go through [`Disk`]; reading is plain `pread` on the file that it opened. Nothing here retries.
//! Called by the whole crate; [`OsDisk`] is the real one, [`crash::CrashDisk`] the one of crash tests.

use std::fmt;
use std::fs;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use crate::handles::Handles;

pub mod crash;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Read,
    /// For reading and writing; must exist.
    Write,
    /// For reading and writing; made if missing.
    Create,
    /// For reading and writing; made if missing, emptied if not.
    Replace,
}

/// An open file. `id` tells a disk that keeps a journal which file is meant after renames.
#[derive(Debug, Clone)]
pub struct DiskFile {
    pub os: Arc<fs::File>,
    pub id: u64,
}

impl DiskFile {
    /// Reads until `buffer` is full or the file ends; returns the bytes read.
    pub fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        read_at(&self.os, buffer, position)
    }

    /// Bytes in the file.
    pub fn size(&self) -> io::Result<u64> {
        Ok(self.os.metadata()?.len())
    }
}

/// Every change the log makes to a file system.
pub trait Disk: fmt::Debug + Send + Sync {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<DiskFile>;
    /// Writes all of `parts` one after the other from `position` on; on an error any part of it may be there.
    fn write_at(&self, file: &DiskFile, position: u64, parts: &mut [IoSlice<'_>]) -> io::Result<()>;
    fn set_size(&self, file: &DiskFile, size: u64) -> io::Result<()>;
    /// Takes blocks for `length` bytes from `position` on without changing the file's size.
    fn reserve(&self, file: &DiskFile, position: u64, length: u64) -> io::Result<()>;
    /// The file's bytes and size are on the medium when this returns; its name need not be.
    fn sync(&self, file: &DiskFile) -> io::Result<()>;
    /// The names in a directory are on the medium when this returns.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes a directory; its parent must exist, and it may exist already.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory and the files in it.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
}

/// Reads until `buffer` is full or the file ends; returns the bytes read.
pub(crate) fn read_at(file: &fs::File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], position + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The operating system's files.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsDisk;

impl Disk for OsDisk {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<DiskFile> {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(mode != Mode::Read);
        options.create(matches!(mode, Mode::Create | Mode::Replace)).truncate(mode == Mode::Replace);
        Ok(DiskFile { os: Arc::new(open(&options, path)?), id: 0 })
    }

    fn write_at(&self, file: &DiskFile, mut position: u64, mut parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        // Empty slices at the front would make a write of zero bytes, which means "full" below.
        IoSlice::advance_slices(&mut parts, 0);
        while !parts.is_empty() {
            // rustix passes at most IOV_MAX parts on, the rest comes in the next turn.
            let written = match rustix::io::pwritev(&*file.os, parts, position) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            position += written as u64;
            IoSlice::advance_slices(&mut parts, written);
        }
        Ok(())
    }

    fn set_size(&self, file: &DiskFile, size: u64) -> io::Result<()> {
        file.os.set_len(size)
    }

    fn reserve(&self, file: &DiskFile, position: u64, length: u64) -> io::Result<()> {
        Ok(rustix::fs::fallocate(&*file.os, FallocateFlags::KEEP_SIZE, position, length)?)
    }

    fn sync(&self, file: &DiskFile) -> io::Result<()> {
        file.os.sync_data()
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        open(fs::OpenOptions::new().read(true), path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        match fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            other => other,
        }
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }
}

/// Where handles have run out, the files that are only open in case they are read again make room.
fn open(options: &fs::OpenOptions, path: &Path) -> io::Result<fs::File> {
    match options.open(path) {
        Err(error) if is_shortage(&error) && Handles::give_back() => options.open(path),
        other => other,
    }
}

/// A file system operation that failed, and on what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskError {
    /// A verb: "write", "sync".
    pub doing: &'static str,
    pub path: PathBuf,
    pub kind: io::ErrorKind,
    /// The operating system's words.
    pub reason: String,
    /// Descriptors or memory ran out, of the process or of the machine.
    pub is_shortage: bool,
}

impl DiskError {
    pub(crate) fn new(doing: &'static str, path: &Path, error: &io::Error) -> DiskError {
        let (kind, is_shortage) = (error.kind(), is_shortage(error));
        DiskError { doing, path: path.to_owned(), kind, reason: error.to_string(), is_shortage }
    }

    /// A file could not be read.
    pub fn reading(path: &Path, error: &io::Error) -> DiskError {
        DiskError::new("read", path, error)
    }

    /// No space or no quota is left: what was being written is not there, what was there still is.
    pub fn is_full(&self) -> bool {
        matches!(self.kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }

    pub fn is_missing(&self) -> bool {
        self.kind == io::ErrorKind::NotFound
    }

    /// Whether the directory cannot be trusted any more: neither is it just full, nor is something else to blame. A file
    /// that is not there to be read was deleted meanwhile.
    pub fn blames_disk(&self) -> bool {
        let is_only_full = self.is_full() && self.doing != "sync";
        let was_deleted = self.is_missing() && self.doing == "read";
        !(self.is_shortage || is_only_full || was_deleted)
    }
}

/// Whether an operation failed for want of descriptors or memory, which says nothing about the disk.
fn is_shortage(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    [Errno::MFILE, Errno::NFILE, Errno::NOMEM].iter().any(|errno| code == Some(errno.raw_os_error()))
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.doing, self.path.display(), self.reason)
    }
}

impl std::error::Error for DiskError {}

/// Says what an `io::Error` was about.
pub(crate) trait During<T> {
    fn during(self, doing: &'static str, path: &Path) -> Result<T, DiskError>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, doing: &'static str, path: &Path) -> Result<T, DiskError> {
        self.map_err(|error| DiskError::new(doing, path, &error))
    }
}

/// Removes a file that may be gone already.
pub(crate) fn remove_if_there(disk: &dyn Disk, path: &Path) -> Result<(), DiskError> {
    match disk.remove(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.during("remove", path),
    }
}

/// Replaces a small file as a whole: temporary file, sync, rename, sync of the directory. After a power loss the
/// old content or the new one is there (Kafka's CheckpointFile and Utils.atomicMoveWithFallback).
pub(crate) fn replace(disk: &dyn Disk, path: &Path, content: &[u8]) -> Result<(), DiskError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let file = disk.open(&temporary, Mode::Replace).during("create", &temporary)?;
    disk.write_at(&file, 0, &mut [IoSlice::new(content)]).during("write", &temporary)?;
    disk.sync(&file).during("sync", &temporary)?;
    disk.rename(&temporary, path).during("replace", path)?;
    let dir = path.parent().unwrap_or(Path::new("."));
    disk.sync_dir(dir).during("sync", dir)
}

/// The whole of a small file; none if it is not there.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, DiskError> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some).during("read", path),
    }
}
