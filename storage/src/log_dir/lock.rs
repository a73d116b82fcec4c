//! `.lock`: one process per log directory.
//!
//! A POSIX record lock keeps a Java broker out and is kept out by it (FileChannel.tryLock); it says nothing within
//! one process, so a BSD lock is held as well. The system gives both back when the process ends, however it ends.

use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, fcntl_lock, flock};
use rustix::io::Errno;

use super::LogDirError;
use crate::disk::{Disk, DiskError, DiskFile, During, Mode};

pub(super) const FILE: &str = ".lock";

pub(super) fn take(disk: &dyn Disk, dir: &Path) -> Result<DiskFile, LogDirError> {
    let path = dir.join(FILE);
    let file = disk.open(&path, Mode::Create).during("create", &path)?;
    let exclusive = FlockOperation::NonBlockingLockExclusive;
    match flock(&*file.os, exclusive).and_then(|()| fcntl_lock(&*file.os, exclusive)) {
        Ok(()) => Ok(file),
        Err(Errno::AGAIN | Errno::ACCESS) => Err(LogDirError::InUse { path: dir.to_owned() }),
        Err(error) => Err(DiskError::new("lock", &path, &io::Error::from(error)).into()),
    }
}
