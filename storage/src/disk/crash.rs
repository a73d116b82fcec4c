//! A disk for tests that keeps a journal of every change, fails on command, and shows what a power cut would leave.
//!
//! The files are real ones under a scratch directory, so that whatever reads files by itself works as ever. An
//! *image* is a second directory made from the first `n` operations under one of several losses. Nothing outside
//! tests uses it.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Disk, DiskFile, Mode, OsDisk};

mod image;

pub use image::Loss;

/// A directory that is removed with its content when this is dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A leftover scratch directory harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A new empty directory, in memory where the system offers that.
pub fn scratch() -> Scratch {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let name = format!("ottla-storage-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let path = parent.join(name);
    // A test that has nowhere to write can only stop.
    #[allow(clippy::expect_used)]
    std::fs::create_dir_all(&path).expect("scratch directory");
    Scratch(path)
}

/// One change, as the file system saw it.
#[derive(Debug, Clone)]
enum Operation {
    Create { path: PathBuf, id: u64 },
    CreateDir { path: PathBuf },
    Write { id: u64, position: u64, bytes: Vec<u8> },
    SetSize { id: u64, size: u64 },
    Sync { id: u64 },
    SyncDir { path: PathBuf },
    Rename { from: PathBuf, to: PathBuf },
    Remove { path: PathBuf },
    RemoveDir { path: PathBuf },
}

/// How an operation is made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// This one operation; a write leaves half of its bytes behind.
    Once(io::ErrorKind),
    /// This operation and all later ones.
    Always(io::ErrorKind),
}

#[derive(Debug, Default)]
struct Journal {
    initial: Vec<(PathBuf, Option<Vec<u8>>)>,
    operations: Vec<Operation>,
    names: Vec<(PathBuf, u64)>,
    next_id: u64,
    attempts: usize,
    fault: Option<(usize, Fault)>,
    /// Bytes by which files may still grow.
    space: Option<u64>,
}

/// The journaling disk.
#[derive(Debug)]
pub struct CrashDisk {
    root: PathBuf,
    journal: Mutex<Journal>,
}

impl CrashDisk {
    /// Everything already under `root` counts as being on the medium.
    pub fn new(root: &Path) -> io::Result<CrashDisk> {
        let mut journal = Journal::default();
        image::read_tree(root, &mut journal.initial)?;
        for (path, content) in &journal.initial {
            if content.is_some() {
                journal.names.push((path.clone(), journal.next_id));
                journal.next_id += 1;
            }
        }
        Ok(CrashDisk { root: root.to_owned(), journal: Mutex::new(journal) })
    }

    /// Changes made so far.
    pub fn operations(&self) -> usize {
        self.lock().operations.len()
    }

    /// Changes asked for so far, those that failed included.
    pub fn attempts(&self) -> usize {
        self.lock().attempts
    }

    /// Lets the change with this number, counted by [`Self::attempts`], fail.
    pub fn fail_at(&self, attempt: usize, fault: Fault) {
        self.lock().fault = Some((attempt, fault));
    }

    /// Lets files grow by this many bytes more before the disk is full; none for no limit.
    pub fn set_space(&self, bytes: Option<u64>) {
        self.lock().space = bytes;
    }

    /// Writes under `into` what the medium may hold if the power goes after the first `operations` changes.
    pub fn image(&self, operations: usize, loss: Loss, into: &Path) -> io::Result<()> {
        let journal = self.lock();
        image::Medium::after(&journal.initial, &journal.operations[..operations])
            .write(loss, &self.root, into)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Journal> {
        // A panic in another test thread leaves the journal as it was.
        self.journal.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Runs a change unless it is to fail, and notes it.
    fn change(&self, operation: Operation, run: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        self.lock().admit()?;
        run()?;
        self.lock().operations.push(operation);
        Ok(())
    }
}

impl Journal {
    fn admit(&mut self) -> io::Result<()> {
        let attempt = self.attempts;
        self.attempts += 1;
        match self.fault {
            Some((at, Fault::Once(kind))) if attempt == at => Err(kind.into()),
            Some((at, Fault::Always(kind))) if attempt >= at => Err(kind.into()),
            _ => Ok(()),
        }
    }

    fn id_of(&mut self, path: &Path) -> Option<u64> {
        self.names.iter().find(|(name, _)| name == path).map(|(_, id)| *id)
    }

    fn forget(&mut self, path: &Path) {
        self.names.retain(|(name, _)| !name.starts_with(path));
    }
}

impl Disk for CrashDisk {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<DiskFile> {
        let known = self.lock().id_of(path);
        let makes = mode != Mode::Read && mode != Mode::Write;
        if let (None, true) = (known, makes) {
            self.lock().admit()?;
        }
        let os = OsDisk.open(path, mode)?.os;
        let mut journal = self.lock();
        let id = match known {
            Some(id) => id,
            None => {
                let id = journal.next_id;
                journal.next_id += 1;
                journal.names.push((path.to_owned(), id));
                journal.operations.push(Operation::Create { path: path.to_owned(), id });
                id
            }
        };
        if known.is_some() && mode == Mode::Replace {
            journal.operations.push(Operation::SetSize { id, size: 0 });
        }
        Ok(DiskFile { os, id })
    }

    fn write_at(&self, file: &DiskFile, position: u64, parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        let size = file.size()?;
        let (length, outcome) = {
            let mut journal = self.lock();
            let admitted = journal.admit();
            let growth = (position + bytes.len() as u64).saturating_sub(size);
            match (admitted, &mut journal.space) {
                (Err(error), _) => (bytes.len() / 2, Err(error)),
                (Ok(()), Some(space)) if *space < growth => {
                    let length = bytes.len() - (growth - *space) as usize;
                    *space = 0;
                    (length, Err(io::ErrorKind::StorageFull.into()))
                }
                (Ok(()), Some(space)) => {
                    *space -= growth;
                    (bytes.len(), Ok(()))
                }
                (Ok(()), None) => (bytes.len(), Ok(())),
            }
        };
        let bytes = bytes[..length].to_vec();
        OsDisk.write_at(file, position, &mut [IoSlice::new(&bytes)])?;
        self.lock().operations.push(Operation::Write { id: file.id, position, bytes });
        outcome
    }

    fn set_size(&self, file: &DiskFile, size: u64) -> io::Result<()> {
        let before = file.size()?;
        self.change(Operation::SetSize { id: file.id, size }, || OsDisk.set_size(file, size))?;
        if let Some(space) = &mut self.lock().space {
            *space += before.saturating_sub(size);
        }
        Ok(())
    }

    /// Of this a power cut leaves nothing to see. A disk whose room is counted cannot do it.
    fn reserve(&self, _: &DiskFile, _: u64, _: u64) -> io::Result<()> {
        let mut journal = self.lock();
        if journal.space.is_some() { Err(io::ErrorKind::Unsupported.into()) } else { journal.admit() }
    }

    fn sync(&self, file: &DiskFile) -> io::Result<()> {
        self.change(Operation::Sync { id: file.id }, || Ok(()))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.change(Operation::SyncDir { path: path.to_owned() }, || std::fs::metadata(path).map(drop))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let operation = Operation::Rename { from: from.to_owned(), to: to.to_owned() };
        self.change(operation, || OsDisk.rename(from, to))?;
        let mut journal = self.lock();
        journal.forget(to);
        for (name, _) in &mut journal.names {
            image::moved(name, from, to);
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change(Operation::Remove { path: path.to_owned() }, || OsDisk.remove(path))?;
        self.lock().forget(path);
        Ok(())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.change(Operation::CreateDir { path: path.to_owned() }, || OsDisk.create_dir(path))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.change(Operation::RemoveDir { path: path.to_owned() }, || OsDisk.remove_dir(path))?;
        self.lock().forget(path);
        Ok(())
    }
}
