//! Opening the logs that a start has found, several at once, while the broker serves: each goes to its shard when it is open.
//! A log that cannot be opened stays offline and hinders no other. Decides nothing about roles: a shard keeps what the controller
//! wants until the log is there. Source: LogManager.loadLogs (3.9), which serves nothing before all logs are open.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use protocol::ids::TopicPartition;
use storage::salvage;
use storage::{Crew, Cut, Handles, Log, OsDisk, RecoveryReport};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Broker;
use super::logs::Unopened;
use crate::shard::Command;
use crate::tasks::{TaskError, TaskKind};
use crate::upkeep::Change;

/// How often a long recovery says how far it is.
const PROGRESS: Duration = Duration::from_secs(5);
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

/// A partition and its log, if that could be opened.
type Opened = (TopicPartition, Option<Box<Log>>);

/// Opens the logs of every directory, and ends when the broker stops.
pub(crate) async fn load(broker: Arc<Broker>, unopened: Vec<VecDeque<Unopened>>) -> Result<(), TaskError> {
    let stopping = broker.tasks.stopping(TaskKind::Upkeep);
    if broker.loading.left() > 0 {
        open_and_hand_over(&broker, unopened, &stopping).await;
    }
    stopping.cancelled().await;
    Ok(())
}

async fn open_and_hand_over(
    broker: &Broker,
    unopened: Vec<VecDeque<Unopened>>,
    stopping: &CancellationToken,
) {
    let (begun, total) = (Instant::now(), broker.loading.left());
    let threads = threads(broker.config.log.recovery_threads_per_dir, unopened.len());
    tracing::info!(partitions = total, threads, "opening logs");
    let (sender, mut opened) = mpsc::channel(OPENED);
    let until = stopping.clone();
    let opening = broker.tasks.blocking(move || open_all(unopened, threads, &until, &sender));
    let (bytes, failed) = tokio::join!(opening, hand_over(broker, &mut opened, total));
    let left = broker.loading.left();
    if left > 0 {
        tracing::warn!(left, "stopped before all logs were open: the next start checks them again");
    } else {
        let ms = begun.elapsed().as_millis();
        tracing::info!(opened = total - failed, failed, checked_bytes = bytes, ms, "logs are open");
    }
}

/// Gives each log to its shard; returns how many could not be opened.
async fn hand_over(broker: &Broker, opened: &mut mpsc::Receiver<Opened>, total: usize) -> usize {
    let (mut failed, mut said) = (0, Instant::now());
    while let Some((partition, log)) = opened.recv().await {
        let log = match log {
            Some(log) if lowered(broker, &log).await => Some(log),
            Some(_) | None => None,
        };
        failed += usize::from(log.is_none());
        let command = Command::Opened { partition: partition.clone(), log };
        // While the broker stops, what is not handed over is as if it had not been opened.
        if broker.shards.send(&partition, command).await.is_err() {
            opened.close();
            continue;
        }
        let left = broker.loading.0.fetch_sub(1, Ordering::AcqRel) - 1;
        if said.elapsed() >= PROGRESS {
            said = Instant::now();
            tracing::info!(left, total, "opening logs");
        }
    }
    failed
}

/// Has the listed recovery point lowered of a log that ends below it. What is appended next would be taken for synced otherwise.
async fn lowered(broker: &Broker, log: &Log) -> bool {
    let Some((_, dir)) = log.missing_up_to.zip(log.dir.parent()) else { return true };
    let (partition, to) = (log.partition.clone(), log.recovery_point());
    let is_lowered = broker.amendments.make(Change::Lowered { partition, dir: dir.to_path_buf(), to }).await;
    if !is_lowered {
        tracing::error!(
            partition = %log.partition,
            "the partition stays offline: its log ends before its recovery point, and the checkpoint that lists it cannot be written"
        );
    }
    is_lowered
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
    threads: usize,
    stopping: &CancellationToken,
    opened: &mpsc::Sender<Opened>,
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
                        let partition = unopened.options.partition.clone();
                        // A log that makes its opening panic stays offline, and nobody looks at it again.
                        let outcome = catch_unwind(AssertUnwindSafe(|| open(unopened, crew, stopping)));
                        let log = outcome.unwrap_or(None).map(|(log, checked)| {
                            bytes.fetch_add(checked, Ordering::Relaxed);
                            Box::new(log)
                        });
                        // Nobody takes it while the broker stops.
                        let _ = opened.blocking_send((partition, log));
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

fn open(unopened: Unopened, crew: &Crew, stopping: &CancellationToken) -> Option<(Log, u64)> {
    let options = unopened.options;
    let (partition, dir) = (options.partition.clone(), options.dir.clone());
    let mut said = false;
    loop {
        match Log::open_with(options.clone(), Arc::new(OsDisk), crew) {
            Ok((log, report)) => {
                tell(&partition, &report);
                return Some((log, report.bytes_scanned));
            }
            // Clients may hold them: there is nothing wrong with the log.
            Err(error) if error.is_shortage() => {
                if stopping.is_cancelled() {
                    return None;
                }
                if !std::mem::replace(&mut said, true) {
                    tracing::warn!(%partition, %error, "the opening of logs waits for file handles: raise `ulimit -n`");
                }
                Handles::give_back();
                std::thread::sleep(SHORTAGE_PAUSE);
            }
            Err(error) => {
                offline(&partition, &dir, &error);
                return None;
            }
        }
    }
}

fn offline(partition: &TopicPartition, dir: &Path, error: &storage::RecoveryError) {
    tracing::error!(
        %partition, dir = %dir.display(), %error,
        "the partition stays offline: its log cannot be opened. Its files are untouched; repair or move them away and restart"
    );
}

/// Where an operator finds what was cut.
fn how_to_see(partition: &TopicPartition, cut: &Cut) -> String {
    if cut.set_aside.is_empty() {
        return "Nothing but zeros was cut".to_owned();
    }
    let dir = cut.file.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    format!("To see what was cut: ottla log salvage --dir {} --partition {partition}", dir.display())
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
        let offsets = salvage::offsets_in(&cut.set_aside)
            .map_or_else(|| "none".to_owned(), |(first, last)| format!("{first} to {last}"));
        tracing::warn!(
            %partition, file = %cut.file.display(), position = cut.position, bytes = cut.bytes, offsets, kept = cut.set_aside.len(),
            "the log was cut at offset {}: {}. {}", cut.offset, cut.flaw, how_to_see(partition, cut)
        );
    }
    if report.segments_scanned > 0 {
        let (segments, bytes) = (report.segments_scanned, report.bytes_scanned);
        tracing::debug!(%partition, segments, bytes, "log was checked after an unclean stop");
    }
}

#[cfg(test)]
mod tests {
    use protocol::ids::Offset;
    use storage::Flaw;

    use super::*;

    #[test]
    fn nobody_is_sent_to_look_for_zeros() {
        let partition = TopicPartition::new("t", 0);
        let file = Path::new("/logs/t-0/00000000000000000000.log").to_path_buf();
        let mut cut = Cut {
            file,
            position: 7,
            bytes: 100,
            offset: Offset(3),
            flaw: Flaw::Zeros,
            segments: Vec::new(),
            set_aside: Vec::new(),
        };
        assert_eq!(how_to_see(&partition, &cut), "Nothing but zeros was cut");
        cut.set_aside
            .push(Path::new("/logs/t-0/salvaged-00000000000000000000-at-0000000007-0.bytes").to_path_buf());
        let told = how_to_see(&partition, &cut);
        assert_eq!(told, "To see what was cut: ottla log salvage --dir /logs --partition t-0");
    }
}
