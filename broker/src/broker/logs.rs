//! Finding and opening the logs when a broker starts: directories locked, partitions listed, several recovered at once.
//! A partition that cannot be opened stays offline and hinders no other. Source: LogManager.loadLogs (3.9).

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use config::broker::BrokerConfig;
use protocol::ids::{Millis, Offset, TopicPartition};
use storage::salvage;
use storage::{Checkpoint, Log, LogDir, LogDirError, OpenOptions, OsDisk, RecoveryReport, Removal, Shutdown};

use super::start::StartError;
use crate::settings::Settings;
use crate::tasks::Tasks;

/// How often a long recovery says how far it is.
const PROGRESS: Duration = Duration::from_secs(5);

/// The directories of `log.dirs` after the attempt to lock them.
#[derive(Debug, Default)]
pub(crate) struct OpenDirs {
    pub(crate) online: Vec<LogDir>,
    pub(crate) failed: Vec<(PathBuf, LogDirError)>,
}

/// What was found on disk.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) logs: Vec<Log>,
    pub(crate) homes: BTreeMap<TopicPartition, PathBuf>,
    pub(crate) removals: Vec<Removal>,
}

/// Locks every directory of `log.dirs`. One that cannot be written, or has a checkpoint that makes no sense, is left out, as long as
/// there is another; one that another broker holds ends the start. Source: LogManager.lockLogDirs, and loadLogs, after which Kafka takes
/// the directory of a malformed checkpoint offline (3.9).
pub(crate) fn open_dirs(config: &BrokerConfig) -> Result<OpenDirs, StartError> {
    let mut opened = OpenDirs::default();
    for path in &config.log.dirs {
        match LogDir::open(path, Arc::new(OsDisk)).and_then(checked) {
            Ok(dir) => {
                bound_salvage(&dir, config.log.salvage_bytes_max);
                opened.online.push(dir);
            }
            Err(error @ (LogDirError::Disk(_) | LogDirError::Checkpoint(_))) => {
                opened.failed.push((path.clone(), error));
            }
            Err(error) => return Err(error.into()),
        }
    }
    if opened.online.is_empty()
        && let Some((_, error)) = opened.failed.pop()
    {
        return Err(StartError::NoLogDir(error));
    }
    for (dir, error) in &opened.failed {
        tracing::error!(dir = %dir.display(), %error, "log directory is offline: its partitions are not served. Repair it and restart");
    }
    Ok(opened)
}

/// The directory, if its checkpoints can be read. What its last run kept back for a full disk is the logs' while they are opened.
fn checked(dir: LogDir) -> Result<LogDir, LogDirError> {
    for which in [Checkpoint::RecoveryPoint, Checkpoint::LogStart, Checkpoint::HighWatermark] {
        dir.read_offsets(which)?;
    }
    dir.release_reserve()?;
    Ok(dir)
}

/// Removes the oldest of what earlier starts cut off logs, as far as there is too much of it.
fn bound_salvage(dir: &LogDir, bytes_max: Option<u64>) {
    let Some(bytes_max) = bytes_max else { return };
    match salvage::bound(&dir.path, bytes_max, &OsDisk) {
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

/// Opens every log of `dirs`, with the settings that its topic has in ZooKeeper.
pub(crate) async fn load(
    dirs: &[LogDir],
    settings: &Settings,
    tasks: &Tasks,
    now: Millis,
) -> Result<Found, StartError> {
    let mut found = Found::default();
    let mut queues = Vec::with_capacity(dirs.len());
    for dir in dirs {
        queues.push(list(dir, settings, now, &mut found).await?);
    }
    let threads = settings.config().log.recovery_threads_per_dir.max(1) as usize;
    let total: usize = queues.iter().map(VecDeque::len).sum();
    if total > 0 {
        tracing::info!(partitions = total, threads, "opening logs");
        found.logs = tasks.blocking(move || open_all(queues, threads)).await;
        let failed = total - found.logs.len();
        tracing::info!(opened = found.logs.len(), failed, "logs are open");
    }
    Ok(found)
}

/// The logs of one directory, each with what it is to be opened with.
async fn list(
    dir: &LogDir,
    settings: &Settings,
    now: Millis,
    found: &mut Found,
) -> Result<VecDeque<OpenOptions>, StartError> {
    let listing = dir.list()?;
    let shutdown = dir.take_clean_mark().map_err(LogDirError::from)?;
    let recovery_points = dir.read_offsets(Checkpoint::RecoveryPoint)?;
    let log_starts = dir.read_offsets(Checkpoint::LogStart)?;
    let watermarks = dir.read_offsets(Checkpoint::HighWatermark)?;
    if shutdown == Shutdown::Unclean && !listing.replicas.is_empty() {
        tracing::warn!(dir = %dir.path.display(), "the last stop was not clean: logs are checked from their recovery points on");
    }
    warn_about_the_rest(&listing.future, &listing.stray);
    let due = now + settings.config().topic_defaults.config.file_delete_delay_ms as i64;
    found.removals.extend(listing.deleted.into_iter().map(|path| dir.removal(path, due)));
    let mut queue = VecDeque::with_capacity(listing.replicas.len());
    for (partition, path) in listing.replicas {
        if let Some(other) = found.homes.insert(partition.clone(), dir.path.clone()) {
            return Err(StartError::SamePartition { partition, one: other, other: dir.path.clone() });
        }
        queue.push_back(OpenOptions {
            dir: path,
            settings: settings.topic(&partition.topic).await.log,
            recovery_point: recovery_points.get(&partition).copied().unwrap_or(Offset::ZERO),
            log_start: log_starts.get(&partition).copied(),
            high_watermark: watermarks.get(&partition).copied().unwrap_or(Offset::ZERO),
            partition,
            shutdown,
            now,
        });
    }
    Ok(queue)
}

fn warn_about_the_rest(future: &BTreeMap<TopicPartition, PathBuf>, stray: &[PathBuf]) {
    for (partition, path) in future {
        tracing::warn!(%partition, dir = %path.display(), "a move between log directories was not finished; the copy is left as it is");
    }
    for path in stray {
        tracing::warn!(dir = %path.display(), "a stray replica is left as it is");
    }
}

/// Opens the logs of every directory with `threads` threads each.
fn open_all(queues: Vec<VecDeque<OpenOptions>>, threads: usize) -> Vec<Log> {
    let opened = Mutex::new(Vec::new());
    let progress = Progress::new(queues.iter().map(VecDeque::len).sum());
    let queues: Vec<_> = queues.into_iter().map(Mutex::new).collect();
    std::thread::scope(|scope| {
        for queue in &queues {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some(options) = pop(queue) {
                        if let Some(log) = open(options) {
                            opened.lock().unwrap_or_else(PoisonError::into_inner).push(log);
                        }
                        progress.one_done();
                    }
                });
            }
        }
    });
    opened.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn pop(queue: &Mutex<VecDeque<OpenOptions>>) -> Option<OpenOptions> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

fn open(options: OpenOptions) -> Option<Log> {
    let (partition, dir) = (options.partition.clone(), options.dir.clone());
    match Log::open(options, Arc::new(OsDisk)) {
        Ok((log, report)) => {
            tell(&partition, &report);
            Some(log)
        }
        Err(error) => {
            offline(&partition, &dir, &error);
            None
        }
    }
}

fn offline(partition: &TopicPartition, dir: &Path, error: &storage::RecoveryError) {
    tracing::error!(
        %partition, dir = %dir.display(), %error,
        "the partition stays offline: its log cannot be opened. Its files are untouched; repair or move them away and restart"
    );
}

fn tell(partition: &TopicPartition, report: &RecoveryReport) {
    if let Some(cut) = &report.cut {
        let dir = cut.file.parent().and_then(Path::parent).unwrap_or(Path::new("."));
        let offsets = salvage::offsets_in(&cut.set_aside)
            .map_or_else(|| "none".to_owned(), |(first, last)| format!("{first} to {last}"));
        tracing::warn!(
            %partition, file = %cut.file.display(), position = cut.position, bytes = cut.bytes, offsets, kept = cut.set_aside.len(),
            "the log was cut at offset {}: {}. To see what was cut: ottla log salvage --dir {} --partition {partition}",
            cut.offset, cut.flaw, dir.display()
        );
    }
    if report.segments_scanned > 0 {
        let (segments, bytes) = (report.segments_scanned, report.bytes_scanned);
        tracing::info!(%partition, segments, bytes, "log was checked after an unclean stop");
    }
}

/// Says now and then how far the loading is.
struct Progress {
    total: usize,
    done: AtomicUsize,
    said: Mutex<Instant>,
}

impl Progress {
    fn new(total: usize) -> Self {
        Self { total, done: AtomicUsize::new(0), said: Mutex::new(Instant::now()) }
    }

    fn one_done(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.elapsed() >= PROGRESS {
            *said = Instant::now();
            tracing::info!(done, total = self.total, "opening logs");
        }
    }
}
