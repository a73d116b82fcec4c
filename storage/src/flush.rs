//! Bringing a log to the medium: plan in the writer's turn, sync on a thread that may block, report to the writer.
//!
//! A failed sync is final: nobody tries again on the same file, the caller takes the log directory offline. The
//! recovery point moves only over what a finished plan covered. Source: UnifiedLog.flush, LocalLog.flush.

use std::path::PathBuf;
use std::sync::Arc;

use protocol::Offset;

use crate::disk::{Disk, DiskError, DiskFile, During, Mode, replace};

/// How much of a log a flush covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FlushScope {
    /// Segments that are no longer written, and the leader epochs.
    Sealed,
    Everything,
}

/// A file to sync: open already, or to be opened by its path.
#[derive(Debug)]
pub(crate) struct Unsynced {
    pub(crate) path: PathBuf,
    pub(crate) open: Option<DiskFile>,
}

/// What has to be synced; independent of the log, which goes on meanwhile.
#[derive(Debug)]
#[must_use = "nothing is synced before run()"]
pub struct FlushPlan {
    pub(crate) disk: Arc<dyn Disk>,
    /// In the order of Kafka: log, indexes, snapshot of each segment, oldest first.
    pub(crate) files: Vec<Unsynced>,
    /// Small files to replace: the leader epochs, and the topic id where it was not known before.
    pub(crate) texts: Vec<(PathBuf, Vec<u8>)>,
    /// Directories that have names which are not on the medium yet.
    pub(crate) dirs: Vec<PathBuf>,
    pub(crate) done: Flushed,
}

/// What a finished flush covered; the log takes it by [`crate::Log::flushed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flushed {
    /// Everything below is on the medium.
    pub up_to: Offset,
    pub(crate) names: Names,
    pub(crate) epochs_version: u64,
    /// Truncations of the log before the plan was made.
    pub(crate) truncations: u64,
}

/// Whether the names of files are on the medium too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Names {
    /// Number of files the log had made when the plan was.
    pub(crate) made: u64,
}

impl FlushPlan {
    /// Syncs; blocks for as long as the disk takes. An error means the directory cannot be trusted any more.
    pub fn run(self) -> Result<Flushed, DiskError> {
        for unsynced in &self.files {
            sync(&*self.disk, unsynced)?;
        }
        for (path, content) in &self.texts {
            unless_missing(replace(&*self.disk, path, content))?;
        }
        for dir in &self.dirs {
            unless_missing(self.disk.sync_dir(dir).during("sync", dir))?;
        }
        Ok(self.done)
    }
}

/// Retention may have taken a segment away since the plan was made, or a deletion the whole directory.
fn unless_missing(outcome: Result<(), DiskError>) -> Result<(), DiskError> {
    outcome.or_else(|error| if error.is_missing() { Ok(()) } else { Err(error) })
}

fn sync(disk: &dyn Disk, unsynced: &Unsynced) -> Result<(), DiskError> {
    let path = &unsynced.path;
    let open = || match &unsynced.open {
        Some(file) => Ok(file.clone()),
        None => disk.open(path, Mode::Read).during("open", path),
    };
    unless_missing(open().and_then(|file| disk.sync(&file).during("sync", path)))
}
