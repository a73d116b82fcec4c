//! One entry of `log.dirs`: its lock, identity, checkpoints, clean mark, and the partitions in it.
//!
//! Opened before any of its logs and closed after all of them. Two processes never have one open at the same time.
//! Source: LogManager, FileLock, CleanShutdownFileHandler of Kafka 3.9.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::{BrokerEpoch, Millis, Offset, TopicId, TopicPartition};

use crate::checkpoint::{self, CheckpointError};
use crate::disk::{Disk, DiskError, DiskFile, During, remove_if_there, replace};
use crate::names::{DirKind, delete_dir_name, future_dir_name, parse_dir};
use crate::retention::Removal;

mod lock;
mod meta_properties;
mod reserve;

pub use meta_properties::MetaProperties;

const CLEAN_MARK: &str = ".kafka_cleanshutdown";

/// Why a log directory cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogDirError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("{} is in use by another broker; stop it, or give this one a log.dirs of its own", path.display())]
    InUse { path: PathBuf },
    #[error("{} is not a partition's directory; move it out of log.dirs", path.display())]
    ForeignDirectory { path: PathBuf },
    #[error("{}: {reason}", path.display())]
    Meta { path: PathBuf, reason: String },
}

/// How the last run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// All logs were synced and closed.
    Clean,
    Unclean,
}

/// The files that hold an offset per partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checkpoint {
    RecoveryPoint,
    LogStart,
    HighWatermark,
    /// How far Kafka's log cleaner has come.
    Cleaner,
}

impl Checkpoint {
    pub const ALL: [Checkpoint; 4] =
        [Checkpoint::RecoveryPoint, Checkpoint::LogStart, Checkpoint::HighWatermark, Checkpoint::Cleaner];

    pub const fn file_name(self) -> &'static str {
        match self {
            Checkpoint::RecoveryPoint => "recovery-point-offset-checkpoint",
            Checkpoint::LogStart => "log-start-offset-checkpoint",
            Checkpoint::HighWatermark => "replication-offset-checkpoint",
            Checkpoint::Cleaner => "cleaner-offset-checkpoint",
        }
    }
}

/// The partitions' directories in a log directory.
#[derive(Debug, Default)]
pub struct Listing {
    pub replicas: BTreeMap<TopicPartition, PathBuf>,
    /// Marked for deletion by an earlier run.
    pub deleted: Vec<PathBuf>,
    /// Copies of a move between log directories that was not finished.
    pub future: BTreeMap<TopicPartition, PathBuf>,
    /// Kept aside; nobody serves or deletes them.
    pub stray: Vec<PathBuf>,
}

/// The volume that a log directory is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    pub total_bytes: u64,
    /// What a process without privileges may still fill.
    pub usable_bytes: u64,
}

/// A locked log directory.
#[derive(Debug)]
pub struct LogDir {
    pub path: PathBuf,
    disk: Arc<dyn Disk>,
    /// Held for as long as this lives.
    lock: DiskFile,
}

impl LogDir {
    /// Makes the directory and its parents if missing, and takes its lock.
    pub fn open(path: &Path, disk: Arc<dyn Disk>) -> Result<LogDir, LogDirError> {
        fs::create_dir_all(path).during("create", path)?;
        let lock = lock::take(&*disk, path)?;
        Ok(LogDir { path: path.to_owned(), disk, lock })
    }

    /// Whether the last run ended cleanly. The mark is removed, so ask once, before the first log is opened.
    pub fn take_clean_mark(&self) -> Result<Shutdown, DiskError> {
        let mark = self.path.join(CLEAN_MARK);
        match self.disk.remove(&mark) {
            Ok(()) => self.disk.sync_dir(&self.path).during("sync", &self.path).map(|()| Shutdown::Clean),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Shutdown::Unclean),
            Err(error) => Err(error).during("remove", &mark),
        }
    }

    /// Says that every log of this directory is synced and closed; write it last.
    pub fn write_clean_mark(&self) -> Result<(), DiskError> {
        // A ZooKeeper broker has no epoch of its own to remember.
        let text = format!("{{\"version\":0,\"brokerEpoch\":{}}}", BrokerEpoch::NONE);
        replace(&*self.disk, &self.path.join(CLEAN_MARK), text.as_bytes())
    }

    /// The partitions' directories. A directory that is none is an error, as it is to Kafka.
    pub fn list(&self) -> Result<Listing, LogDirError> {
        let mut listing = Listing::default();
        for entry in fs::read_dir(&self.path).during("list", &self.path)? {
            let path = entry.during("list", &self.path)?.path();
            if !path.is_dir() {
                continue;
            }
            let kind = path.file_name().and_then(|name| name.to_str()).and_then(parse_dir);
            match kind {
                Some(DirKind::Replica(partition)) => drop(listing.replicas.insert(partition, path)),
                Some(DirKind::Delete) => listing.deleted.push(path),
                Some(DirKind::Future(partition)) => drop(listing.future.insert(partition, path)),
                Some(DirKind::Stray(_)) => listing.stray.push(path),
                Some(DirKind::Skipped) => {}
                None => return Err(LogDirError::ForeignDirectory { path }),
            }
        }
        Ok(listing)
    }

    /// Where a partition's log lies or would be made.
    pub fn partition_dir(&self, partition: &TopicPartition) -> PathBuf {
        self.path.join(partition.to_string())
    }

    /// Where a copy of a partition would be made that is moved here; none where the name would be too long. `mark` is a random id.
    pub fn future_dir(&self, partition: &TopicPartition, mark: TopicId) -> Option<PathBuf> {
        future_dir_name(partition, mark).map(|name| self.path.join(name))
    }

    /// Removes what was made of a partition whose log could not be made.
    pub fn abandon(&self, partition: &TopicPartition) -> Result<(), DiskError> {
        let path = self.partition_dir(partition);
        match self.disk.remove_dir(&path).during("remove", &path) {
            Err(error) if !error.is_missing() => Err(error),
            _ => Ok(()),
        }
    }

    /// Marks the directory of a partition for deletion whose log is not open; `mark` is a random id. Blocks for the disk.
    pub fn delete(
        &self,
        partition: &TopicPartition,
        mark: TopicId,
        due: Millis,
    ) -> Result<Removal, DiskError> {
        self.delete_at(&self.partition_dir(partition), partition, (mark, due))
    }

    /// The same for a copy that is not open.
    pub fn delete_at(
        &self,
        from: &Path,
        partition: &TopicPartition,
        (mark, due): (TopicId, Millis),
    ) -> Result<Removal, DiskError> {
        let to = self.path.join(delete_dir_name(partition, mark));
        self.disk.rename(from, &to).during("rename", from)?;
        self.disk.sync_dir(&self.path).during("sync", &self.path)?;
        Ok(self.removal(to, due))
    }

    /// The removal of a directory that [`Self::list`] found marked.
    pub fn removal(&self, deleted: PathBuf, due: Millis) -> Removal {
        Removal::of_dir(self.disk.clone(), deleted, due)
    }

    /// A checkpoint's offsets; a missing file has none.
    pub fn read_offsets(
        &self,
        which: Checkpoint,
    ) -> Result<BTreeMap<TopicPartition, Offset>, CheckpointError> {
        checkpoint::read_offsets(&self.path.join(which.file_name()))
    }

    /// Replaces a checkpoint. Blocks for the disk.
    pub fn write_offsets(
        &self,
        which: Checkpoint,
        offsets: &BTreeMap<TopicPartition, Offset>,
    ) -> Result<(), DiskError> {
        checkpoint::write_offsets(&*self.disk, &self.path.join(which.file_name()), offsets)
    }

    /// Takes the other partitions out of a checkpoint: what it says is of logs that are gone, and would be believed
    /// of the next ones of their names. Nobody else may write it meanwhile. Blocks for the disk.
    pub fn retain_offsets(
        &self,
        which: Checkpoint,
        keep: impl Fn(&TopicPartition) -> bool,
    ) -> Result<(), CheckpointError> {
        let mut offsets = self.read_offsets(which)?;
        let listed = offsets.len();
        offsets.retain(|partition, _| keep(partition));
        if offsets.len() < listed {
            self.write_offsets(which, &offsets)?;
        }
        Ok(())
    }

    /// Lowers what a checkpoint says of a partition to `to`, if it says more. Nobody else may write it meanwhile.
    /// Blocks for the disk. Source: LogCleanerManager.maybeTruncateCheckpoint of Kafka 3.9.
    pub fn lower(
        &self,
        which: Checkpoint,
        partition: &TopicPartition,
        to: Offset,
    ) -> Result<(), CheckpointError> {
        let mut offsets = self.read_offsets(which)?;
        match offsets.get_mut(partition).filter(|offset| **offset > to) {
            Some(offset) => *offset = to,
            None => return Ok(()),
        }
        Ok(self.write_offsets(which, &offsets)?)
    }

    /// The identity of broker and cluster that the directory belongs to; none if it is new.
    pub fn read_meta(&self) -> Result<Option<MetaProperties>, LogDirError> {
        meta_properties::read(&self.path)
    }

    /// Replaces `meta.properties`. Blocks for the disk.
    pub fn write_meta(&self, meta: &MetaProperties) -> Result<(), DiskError> {
        meta_properties::write(&*self.disk, &self.path, meta)
    }

    /// How large the volume is, and how much of it is free. Blocks for the disk.
    pub fn space(&self) -> Result<Space, DiskError> {
        let volume =
            rustix::fs::statvfs(&self.path).map_err(io::Error::from).during("measure", &self.path)?;
        let bytes = |blocks: u64| blocks.saturating_mul(volume.f_frsize);
        Ok(Space { total_bytes: bytes(volume.f_blocks), usable_bytes: bytes(volume.f_bavail) })
    }

    /// Gives the lock back and removes its file, as a clean stop does.
    pub fn close(self) -> Result<(), DiskError> {
        self.release()?;
        drop(self.lock);
        Ok(())
    }

    /// Removes the lock's file, as a clean stop does. The lock itself goes with the last owner of this.
    pub fn release(&self) -> Result<(), DiskError> {
        // Removed while still locked: whoever comes next makes a file of its own.
        remove_if_there(&*self.disk, &self.path.join(lock::FILE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::OsDisk;
    use crate::disk::crash::scratch;

    fn open(path: &Path) -> Result<LogDir, LogDirError> {
        LogDir::open(path, Arc::new(OsDisk))
    }

    #[test]
    fn a_directory_has_one_user() {
        let scratch = scratch();
        let path = scratch.path().join("deep/logs");
        let first = open(&path).unwrap();
        assert_eq!(open(&path).unwrap_err(), LogDirError::InUse { path: path.clone() });
        first.close().unwrap();
        assert!(!path.join(".lock").exists());
        drop(open(&path).unwrap());
        open(&path).unwrap();
    }

    #[test]
    fn the_clean_mark_counts_once() {
        let scratch = scratch();
        let dir = open(scratch.path()).unwrap();
        assert_eq!(dir.take_clean_mark(), Ok(Shutdown::Unclean));
        dir.write_clean_mark().unwrap();
        let text = fs::read_to_string(scratch.path().join(CLEAN_MARK)).unwrap();
        assert_eq!(text, r#"{"version":0,"brokerEpoch":-1}"#);
        assert_eq!(dir.take_clean_mark(), Ok(Shutdown::Clean));
        assert_eq!(dir.take_clean_mark(), Ok(Shutdown::Unclean));
    }

    #[test]
    fn what_a_checkpoint_says_of_one_partition_can_be_changed() {
        let scratch = scratch();
        let dir = open(scratch.path()).unwrap();
        let [one, other] = [TopicPartition::new("one", 0), TopicPartition::new("other", 0)];
        let both = |offset| BTreeMap::from([(one.clone(), Offset(offset)), (other.clone(), Offset(9))]);
        for which in Checkpoint::ALL {
            dir.write_offsets(which, &both(7)).unwrap();
            dir.lower(which, &one, Offset(8)).unwrap();
            assert_eq!(dir.read_offsets(which), Ok(both(7)));
            dir.lower(which, &one, Offset(5)).unwrap();
            assert_eq!(dir.read_offsets(which), Ok(both(5)));
        }
        for which in Checkpoint::ALL {
            dir.retain_offsets(which, |partition| *partition == other).unwrap();
            assert_eq!(dir.read_offsets(which), Ok(BTreeMap::from([(other.clone(), Offset(9))])));
        }
    }

    #[test]
    fn partitions_are_listed_by_kind() {
        let scratch = scratch();
        let dir = open(scratch.path()).unwrap();
        let mark = "0123456789abcdef0123456789abcdef";
        let kinds = [format!("d-0.{mark}-delete"), format!("f-1.{mark}-future"), format!("s-2.{mark}-stray")];
        for name in
            ["t-0", "t-1", "remote-log-index-cache"].into_iter().chain(kinds.iter().map(String::as_str))
        {
            fs::create_dir(scratch.path().join(name)).unwrap();
        }
        fs::write(scratch.path().join("a file"), "").unwrap();
        let listing = dir.list().unwrap();
        assert_eq!(listing.replicas.len(), 2);
        assert_eq!(listing.deleted, [scratch.path().join(&kinds[0])]);
        assert_eq!(listing.future.keys().collect::<Vec<_>>(), [&TopicPartition::new("f", 1)]);
        assert_eq!(listing.stray.len(), 1);
        fs::create_dir(scratch.path().join("lost+found")).unwrap();
        let foreign = LogDirError::ForeignDirectory { path: scratch.path().join("lost+found") };
        assert_eq!(dir.list().unwrap_err(), foreign);
    }
}
