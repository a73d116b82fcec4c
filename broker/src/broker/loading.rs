//! Opening the logs that a start has found, several at once, while the broker serves: each goes to its shard when it is open.
//! A log that cannot be opened stays offline and hinders no other. Decides nothing about roles: a shard keeps what the controller
//! wants until the log is there. Source: LogManager.loadLogs (3.9), which serves nothing before all logs are open.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use protocol::ids::TopicPartition;
use storage::salvage;
use storage::{Crew, Disk, DiskError, Handles, Log, OpenOptions, RecoveryError, RecoveryReport, Shutdown};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Broker;
use super::logs::Unopened;
use crate::shard::{Command, Opening};
use crate::tasks::{TaskError, TaskKind};
use crate::upkeep::{Change, Job};

/// How often a long recovery says how far it is.
const PROGRESS: Duration = Duration::from_secs(5);
/// Between two attempts at logs for which a disk had no room.
const PAUSE: Duration = Duration::from_secs(30);
/// Logs that are open and not yet with their shard: a few for each thread, so that none waits for a busy shard.
const OPENED: usize = 64;
/// Threads for each core in all directories together: they wait for the disk about as long as they compute.
const THREADS_PER_CORE: usize = 2;
/// Between two looks whether there are file handles again.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(200);

/// How many logs are still to be opened.
#[derive(Debug)]
pub(crate) struct Loading(AtomicUsize);

impl Loading {
    pub(crate) fn of(unopened: &[VecDeque<Unopened>]) -> Loading {
        Loading(AtomicUsize::new(unopened.iter().map(VecDeque::len).sum()))
    }

    pub(crate) fn left(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }
}

/// What came of a log.
struct Attempt {
    partition: TopicPartition,
    opening: Opening,
    again: Option<Again>,
}

/// A log that is to be tried again when there is room, and what there was no room for.
struct Again {
    log: Unopened,
    error: DiskError,
}

/// Opens the logs of every directory, those that a full disk has no room for when it has, and ends when the broker stops.
pub(crate) async fn load(broker: Arc<Broker>, unopened: Vec<VecDeque<Unopened>>) -> Result<(), TaskError> {
    let stopping = broker.tasks.stopping(TaskKind::Upkeep);
    let mut behind = Vec::new();
    if broker.loading.left() > 0 {
        behind = open_and_hand_over(&broker, unopened, &stopping).await;
    }
    let until_all_are_open = async {
        while !behind.is_empty() {
            broker.log_dirs.room.notified().await;
            let (ready, waiting) = sort(&broker, std::mem::take(&mut behind)).await;
            behind = waiting;
            if !ready.is_empty() {
                broker.loading.0.fetch_add(ready.iter().map(VecDeque::len).sum(), Ordering::AcqRel);
                behind.extend(open_and_hand_over(&broker, ready, &stopping).await);
                broker.log_dirs.news.notify_one();
                // Else a disk that has some room, but not enough, would be full again and again.
                sleep(PAUSE).await;
            }
        }
    };
    let _: Option<()> = stopping.run_until_cancelled(until_all_are_open).await;
    stopping.cancelled().await;
    Ok(())
}

/// Finds out which logs may be opened again, in queues by directory, and which still have to wait. What the shards do not want any
/// more is dropped.
async fn sort(broker: &Broker, behind: Vec<Unopened>) -> (Vec<VecDeque<Unopened>>, Vec<Unopened>) {
    let full = broker.log_dirs.full();
    let is_full = |log: &Unopened| full.iter().any(|dir| log.options.dir.starts_with(dir));
    let (waiting, ready): (Vec<_>, Vec<_>) = behind.into_iter().partition(is_full);
    let mut queues: BTreeMap<PathBuf, VecDeque<Unopened>> = BTreeMap::new();
    for mut log in ready {
        let partition = log.options.partition.clone();
        let (reply, answer) = oneshot::channel();
        let asked = Command::OpenAgain { partition: partition.clone(), reply };
        if broker.shards.send(&partition, asked).await.is_err() || !answer.await.unwrap_or(false) {
            continue;
        }
        // What the first attempt has begun is not to be relied on.
        log.options.shutdown = Shutdown::Unclean;
        log.options.now = broker.shards.clock().now().wall;
        let dir = log.options.dir.parent().unwrap_or(Path::new("/")).to_path_buf();
        queues.entry(dir).or_default().push_back(log);
    }
    (queues.into_values().collect(), waiting)
}

/// Returns the logs for which there was no room.
async fn open_and_hand_over(
    broker: &Broker,
    unopened: Vec<VecDeque<Unopened>>,
    stopping: &CancellationToken,
) -> Vec<Unopened> {
    let (begun, total) = (Instant::now(), broker.loading.left());
    let threads = threads(broker.config.log.recovery_threads_per_dir, unopened.len());
    tracing::info!(partitions = total, threads, "opening logs");
    let (sender, mut attempts) = mpsc::channel(OPENED);
    let (until, disk) = (stopping.clone(), Arc::clone(&broker.disk));
    let opening = broker.tasks.blocking(move || open_all(unopened, (threads, &disk), &until, &sender));
    let (bytes, (failed, behind)) = tokio::join!(opening, hand_over(broker, &mut attempts, total));
    let left = broker.loading.left();
    if left > 0 {
        tracing::warn!(left, "stopped before all logs were open: the next start checks them again");
    } else {
        let (ms, opened) = (begun.elapsed().as_millis(), total - failed);
        tracing::info!(opened, failed, checked_bytes = bytes, ms, "logs are open");
    }
    if failed > 0 {
        broker.log_dirs.news.notify_one();
    }
    behind
}

/// Gives each log to its shard; returns how many could not be opened, and those of them that only lack room.
async fn hand_over(
    broker: &Broker,
    attempts: &mut mpsc::Receiver<Attempt>,
    total: usize,
) -> (usize, Vec<Unopened>) {
    let (mut failed, mut behind, mut said) = (0, Vec::new(), Instant::now());
    while let Some(Attempt { partition, opening, again }) = attempts.recv().await {
        let opening = match opening {
            Opening::Open(log) => if_lowered(broker, log).await,
            other @ (Opening::NoRoom | Opening::Failed) => other,
        };
        failed += usize::from(!matches!(opening, Opening::Open(_)));
        if let Some(Again { log, error }) = again {
            broker.jobs.push(Job::Blame(error));
            behind.push(log);
        }
        let command = Command::Opened { partition: partition.clone(), opening };
        // While the broker stops, what is not handed over is as if it had not been opened.
        if broker.shards.send(&partition, command).await.is_err() {
            attempts.close();
            continue;
        }
        let left = broker.loading.0.fetch_sub(1, Ordering::AcqRel) - 1;
        if said.elapsed() >= PROGRESS {
            said = Instant::now();
            tracing::info!(left, total, "opening logs");
        }
    }
    (failed, behind)
}

/// Has the listed recovery point lowered of a log that ends below it. What is appended next would be taken for synced otherwise.
async fn if_lowered(broker: &Broker, log: Box<Log>) -> Opening {
    let Some((_, dir)) = log.missing_up_to.zip(log.dir.parent()) else { return Opening::Open(log) };
    let (partition, to) = (log.partition.clone(), log.recovery_point());
    if broker.amendments.make(Change::Lowered { partition, dir: dir.to_path_buf(), to }).await {
        return Opening::Open(log);
    }
    tracing::error!(
        partition = %log.partition,
        "the partition stays offline: its log ends before its recovery point, and the checkpoint that lists it cannot be written"
    );
    Opening::Failed
}

/// Threads for each directory; `num.recovery.threads.per.data.dir` is the least.
fn threads(configured: u32, dirs: usize) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let share = (cores * THREADS_PER_CORE).div_ceil(dirs.max(1));
    share.max(configured as usize).max(1)
}

/// Opens the logs of every directory with `threads` threads each; returns the bytes that had to be checked. A thread that finds no
/// more logs helps with the segments of those that others are at.
fn open_all(
    queues: Vec<VecDeque<Unopened>>,
    (threads, disk): (usize, &Arc<dyn Disk>),
    stopping: &CancellationToken,
    attempts: &mpsc::Sender<Attempt>,
) -> u64 {
    let bytes = AtomicU64::new(0);
    let queues: Vec<_> = queues.into_iter().map(Mutex::new).collect();
    let crew = Crew::default();
    std::thread::scope(|scope| {
        for queue in &queues {
            for _ in 0..threads {
                let (crew, bytes) = (&crew, &bytes);
                scope.spawn(move || {
                    while let Some(unopened) = pop(queue).filter(|_| !stopping.is_cancelled()) {
                        // Nobody takes it while the broker stops.
                        let _ = attempts.blocking_send(attempt(unopened, (disk, crew), bytes, stopping));
                    }
                    crew.join();
                });
            }
        }
    });
    bytes.into_inner()
}

fn pop(queue: &Mutex<VecDeque<Unopened>>) -> Option<Unopened> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

fn attempt(
    unopened: Unopened,
    (disk, crew): (&Arc<dyn Disk>, &Crew),
    bytes: &AtomicU64,
    stopping: &CancellationToken,
) -> Attempt {
    let (partition, options) = (unopened.options.partition.clone(), &unopened.options);
    let outcome = catch_unwind(AssertUnwindSafe(|| open(options, disk, crew, stopping)));
    let (opening, again) = match outcome {
        Ok(Ok((log, report))) => {
            tell(&partition, &report);
            bytes.fetch_add(report.bytes_scanned, Ordering::Relaxed);
            (Opening::Open(Box::new(log)), None)
        }
        Ok(Err(RecoveryError::Disk { error, .. })) if error.is_full() => {
            tracing::error!(%partition, %error, "the partition is offline until there is room on the disk to open its log");
            (Opening::NoRoom, Some(Again { log: unopened, error }))
        }
        Ok(Err(error)) if error.is_shortage() => (Opening::Failed, None),
        Ok(Err(error)) => {
            offline(&partition, &unopened.options.dir, &error);
            (Opening::Failed, None)
        }
        // A log that makes its opening panic stays offline, and nobody looks at it again.
        Err(_) => (Opening::Failed, None),
    };
    Attempt { partition, opening, again }
}

/// A log that there are no handles for is waited with, until the broker stops: clients may hold them, and there is nothing wrong with it.
fn open(
    options: &OpenOptions,
    disk: &Arc<dyn Disk>,
    crew: &Crew,
    stopping: &CancellationToken,
) -> Result<(Log, RecoveryReport), RecoveryError> {
    let mut said = false;
    loop {
        match Log::open_with(options.clone(), Arc::clone(disk), crew) {
            Err(error) if error.is_shortage() && !stopping.is_cancelled() => {
                if !std::mem::replace(&mut said, true) {
                    tracing::warn!(partition = %options.partition, %error, "the opening of logs waits for file handles: raise `ulimit -n`");
                }
                Handles::give_back();
                std::thread::sleep(SHORTAGE_PAUSE);
            }
            other => return other,
        }
    }
}

fn offline(partition: &TopicPartition, dir: &Path, error: &RecoveryError) {
    tracing::error!(
        %partition, dir = %dir.display(), %error,
        "the partition stays offline: its log cannot be opened. Its files are untouched; repair or move them away and restart"
    );
}

fn tell(partition: &TopicPartition, report: &RecoveryReport) {
    if let Some(synced) = report.missing_up_to {
        tracing::error!(
            %partition,
            "the log ends before offset {synced}, up to which it was on the disk once: files were lost or taken away. What is there is served, and \
             new records take their offsets: if you have the files, stop the broker and bring them back now"
        );
    }
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
        tracing::debug!(%partition, segments, bytes, "log was checked after an unclean stop");
    }
}
