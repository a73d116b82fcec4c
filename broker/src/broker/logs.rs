//! Finding the logs when a broker starts: directories locked, partitions and their checkpoints listed. Opens no log: `loading.rs`
//! does, while the broker serves. Source: LogManager.loadLogs (3.9).

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use config::broker::BrokerConfig;
use protocol::ids::{Millis, Offset, TopicPartition};
use storage::salvage;
use storage::{Checkpoint, Disk, Listing, LogDir, LogDirError, OpenOptions, Removal, Shutdown};

use super::start::StartError;
use super::unfinished;
use crate::settings::Settings;
use crate::shard::Standing;
use crate::topic_settings::TopicSettings;

/// The directories of `log.dirs` after the attempt to lock them.
#[derive(Debug, Default)]
pub(crate) struct OpenDirs {
    pub(crate) online: Vec<LogDir>,
    pub(crate) failed: Vec<(PathBuf, LogDirError)>,
}

/// What was found on disk.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The logs of each directory.
    pub(crate) unopened: Vec<VecDeque<Unopened>>,
    pub(crate) homes: BTreeMap<TopicPartition, PathBuf>,
    pub(crate) removals: Vec<Removal>,
    /// Copies of moves between the directories that are not finished.
    pub(crate) unfinished: Vec<OpenOptions>,
}

/// A log, and what it is to be opened with.
#[derive(Debug)]
pub(crate) struct Unopened {
    pub(crate) options: OpenOptions,
    pub(crate) settings: TopicSettings,
}

impl Unopened {
    /// What the checkpoint files say of it.
    pub(crate) fn standing(&self) -> Standing {
        let OpenOptions { dir, partition, recovery_point, log_start, high_watermark, .. } = &self.options;
        Standing {
            partition: partition.clone(),
            dir: dir.clone(),
            high_watermark: *high_watermark,
            recovery_point: *recovery_point,
            log_start: *log_start,
        }
    }
}

/// Locks every directory of `log.dirs`. One that cannot be written, or has a checkpoint that makes no sense, is left out, as long as
/// there is another; one that another broker holds ends the start. Source: LogManager.lockLogDirs, and loadLogs, after which Kafka takes
/// the directory of a malformed checkpoint offline (3.9).
pub(crate) fn open_dirs(config: &BrokerConfig, disk: &Arc<dyn Disk>) -> Result<OpenDirs, StartError> {
    let mut opened = OpenDirs::default();
    for path in &config.log.dirs {
        match LogDir::open(path, Arc::clone(disk)).and_then(checked) {
            Ok(dir) => {
                bound_salvage(&dir, config.log.salvage_bytes_max, &**disk);
                opened.online.push(dir);
            }
            Err(error @ (LogDirError::Disk(_) | LogDirError::Checkpoint(_))) => {
                opened.failed.push((path.clone(), error));
            }
            Err(error) => return Err(error.into()),
        }
    }
    opened.checked(0)
}

impl OpenDirs {
    /// Tells of the directories that failed since the first `known`; the broker cannot start without any.
    fn checked(mut self, known: usize) -> Result<OpenDirs, StartError> {
        if self.online.is_empty()
            && let Some((_, error)) = self.failed.pop()
        {
            return Err(StartError::NoLogDir(error));
        }
        for (dir, error) in &self.failed[known..] {
            tracing::error!(dir = %dir.display(), %error, "log directory is offline: its partitions are not served. Repair it and restart");
        }
        Ok(self)
    }
}

/// The directory, if its small files can be read. What its last run kept back for a full disk is the logs' while they are opened.
fn checked(dir: LogDir) -> Result<LogDir, LogDirError> {
    dir.read_meta()?;
    for which in [Checkpoint::RecoveryPoint, Checkpoint::LogStart, Checkpoint::HighWatermark] {
        dir.read_offsets(which)?;
    }
    dir.release_reserve()?;
    Ok(dir)
}

/// Removes the oldest of what earlier starts cut off logs, as far as there is too much of it.
fn bound_salvage(dir: &LogDir, bytes_max: Option<u64>, disk: &dyn Disk) {
    let Some(bytes_max) = bytes_max else { return };
    match salvage::bound(&dir.path, bytes_max, disk) {
        Ok(removed) => {
            for piece in removed {
                tracing::warn!(
                    partition = %piece.partition, file = %piece.path.display(), bytes = piece.bytes,
                    "what an earlier start cut off the log is removed: there is more of it than ottla.salvage.max.bytes"
                );
            }
        }
        Err(error) => tracing::warn!(%error, "what earlier starts cut off logs is not bounded"),
    }
}

/// Lists the logs of `dirs`, with the settings of their topics that were read from ZooKeeper before; opens none. A directory whose
/// disk fails meanwhile is left out.
pub(crate) fn list(
    dirs: OpenDirs,
    settings: &Settings,
    now: Millis,
    disk: &Arc<dyn Disk>,
) -> Result<(OpenDirs, Found), StartError> {
    let (mut found, known) = (Found::default(), dirs.failed.len());
    let mut left = OpenDirs { online: Vec::new(), failed: dirs.failed };
    let mut listed = Vec::new();
    for dir in dirs.online {
        match dir.list() {
            Ok(listing) => listed.push((dir, listing)),
            Err(error @ LogDirError::Disk(_)) => left.failed.push((dir.path, error)),
            Err(error) => return Err(error.into()),
        }
    }
    let due = now + settings.config().topic_defaults.config.file_delete_delay_ms as i64;
    found.removals = unfinished::settle(&mut listed, (left.failed.is_empty(), due), &**disk)?;
    for (dir, listing) in listed {
        match list_dir((&dir, listing), settings, now, &mut found) {
            Ok(queue) => {
                found.unopened.push(queue);
                left.online.push(dir);
            }
            Err(StartError::LogDir(error @ LogDirError::Disk(_))) => left.failed.push((dir.path, error)),
            Err(error) => return Err(error),
        }
    }
    Ok((left.checked(known)?, found))
}

/// The logs of one directory, each with what it is to be opened with.
fn list_dir(
    (dir, listing): (&LogDir, Listing),
    settings: &Settings,
    now: Millis,
    found: &mut Found,
) -> Result<VecDeque<Unopened>, StartError> {
    let shutdown = dir.take_clean_mark().map_err(LogDirError::from)?;
    for which in Checkpoint::ALL {
        // What a crash has left behind of deleted logs would be believed of new ones.
        let is_there = |name: &_| listing.replicas.contains_key(name) || listing.future.contains_key(name);
        if let Err(error) = dir.retain_offsets(which, is_there) {
            tracing::warn!(%error, "a checkpoint goes on listing logs that are not there");
        }
    }
    let recovery_points = dir.read_offsets(Checkpoint::RecoveryPoint)?;
    let log_starts = dir.read_offsets(Checkpoint::LogStart)?;
    let watermarks = dir.read_offsets(Checkpoint::HighWatermark)?;
    if shutdown == Shutdown::Unclean && !listing.replicas.is_empty() {
        tracing::warn!(dir = %dir.path.display(), "the last stop was not clean: logs are checked from their recovery points on");
    }
    warn_about_strays(&listing.stray);
    let due = now + settings.config().topic_defaults.config.file_delete_delay_ms as i64;
    found.removals.extend(listing.deleted.into_iter().map(|path| dir.removal(path, due)));
    let options = |partition: TopicPartition, path, settings| OpenOptions {
        dir: path,
        settings,
        recovery_point: recovery_points.get(&partition).copied().unwrap_or(Offset::ZERO),
        log_start: log_starts.get(&partition).copied(),
        high_watermark: watermarks.get(&partition).copied().unwrap_or(Offset::ZERO),
        partition,
        shutdown,
        now,
    };
    let mut queue = VecDeque::with_capacity(listing.replicas.len());
    let mut topic: Option<(Arc<str>, TopicSettings)> = None;
    for (partition, path) in listing.replicas {
        found.homes.insert(partition.clone(), dir.path.clone());
        // Partitions of one topic stand beside each other.
        let known = topic.take().filter(|(name, _)| *name == partition.topic);
        let (name, settings) = match known {
            Some(known) => known,
            None => (Arc::clone(&partition.topic), settings.known_topic(&partition.topic)),
        };
        topic = Some((name, settings.clone()));
        queue.push_back(Unopened { options: options(partition, path, settings.log.clone()), settings });
    }
    let unfinished = listing.future.into_iter().map(|(partition, path)| {
        let settings = settings.known_topic(&partition.topic).log;
        options(partition, path, settings)
    });
    found.unfinished.extend(unfinished);
    Ok(queue)
}

fn warn_about_strays(stray: &[PathBuf]) {
    for path in stray {
        tracing::warn!(
            dir = %path.display(),
            "Kafka set this replica aside as a stray: it is left as it is, serves nobody and takes up space. Remove it if nobody needs its records"
        );
    }
}
