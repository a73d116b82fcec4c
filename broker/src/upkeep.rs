//! The work on logs that must not happen in a shard's turn: flushes, removals, retention, checkpoint files.
//! Plans come from the shards, run on threads that may block, and are reported back. Decides nothing itself.

mod amendments;
mod checkpoints;
mod log_dirs;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use protocol::ids::TopicPartition;
use storage::rot::log_file;
use storage::{DiskError, FlushPlan, ReadError, Removal, Retirement};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::broker::Broker;
use crate::network::Unsendable;
use crate::shard::Command;
use crate::tasks::{TaskError, TaskKind};

pub(crate) use amendments::{Amendment, Amendments, Change};
pub(crate) use checkpoints::Checkpoints;

/// Jobs that wait for the disk. A shard that finds the queue full tries again after the next flush, so the number only bounds memory.
const QUEUE: usize = 1024;
/// Places that flushes and removals leave free, so that the failure of a directory always finds one.
const RESERVED: usize = 64;
/// How often removals that are due are looked for, and room in full directories.
const CHECK: Duration = Duration::from_secs(1);

/// Work that a shard wants done.
#[derive(Debug)]
pub(crate) enum Job {
    Flush {
        partition: TopicPartition,
        plan: FlushPlan,
    },
    Retire(Retirement),
    Remove(Removal),
    /// Something went wrong in a log directory.
    Blame(DiskError),
    /// A partition went offline by itself: the controller has to know.
    TellController,
    /// A reader found no good batch at this position of a log file.
    Examine {
        file: PathBuf,
        position: u64,
    },
}

impl From<Unsendable> for Job {
    fn from(unsendable: Unsendable) -> Job {
        match unsendable {
            Unsendable::Damaged { file, position } => Job::Examine { file, position },
            Unsendable::Unreadable { file, error } => Job::Blame(DiskError::reading(&file, &error)),
        }
    }
}

/// Has it looked into why a read failed.
pub(crate) fn look_into(broker: &Broker, error: &ReadError) {
    match error {
        ReadError::OutOfRange { .. } => {}
        ReadError::Corrupt { partition, segment, position, .. } => {
            let Some(home) = broker.log_dirs.home(partition) else { return };
            let file = log_file(&home.join(partition.to_string()), *segment);
            broker.jobs.push(Job::Examine { file, position: *position });
        }
        ReadError::Disk { error, .. } => broker.jobs.push(Job::Blame(error.clone())),
    }
}

/// The shards' end of the queue; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct JobQueue(mpsc::Sender<Job>);

impl JobQueue {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Job>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), receiver)
    }

    pub(crate) fn has_room(&self) -> bool {
        self.0.capacity() > RESERVED
    }

    /// Adds a job without waiting; flushes and removals only after `has_room`.
    pub(crate) fn push(&self, job: Job) {
        // While the broker stops nobody takes jobs any more: closing the logs does what they would have done.
        if let Err(TrySendError::Full(job)) = self.0.try_send(job) {
            tracing::warn!(?job, "the queue of disk jobs is full: this one is left for the next start");
        }
    }

    /// Adds a job, waiting for a place.
    pub(crate) async fn send(&self, job: Job) {
        // While the broker stops nobody takes jobs any more; what is marked for deletion is removed by the next start.
        let _ = self.0.send(job).await;
    }
}

/// Starts the tasks: one that carries out jobs, one that keeps the times, one that tells the controller of disks. `removals` were
/// found at start.
pub(crate) fn start(
    broker: &Arc<Broker>,
    (jobs, amendments): (mpsc::Receiver<Job>, mpsc::Receiver<Amendment>),
    removals: Vec<Removal>,
) {
    let tasks = broker.tasks.clone();
    tasks.spawn(TaskKind::Upkeep, "disk jobs", carry_out(Arc::clone(broker), jobs, removals));
    tasks.spawn(TaskKind::Upkeep, "schedule", keep_times(Arc::clone(broker), amendments));
    tasks.spawn(TaskKind::Upkeep, "notices of disks", log_dirs::tell_controller(Arc::clone(broker)));
}

async fn carry_out(
    broker: Arc<Broker>,
    mut jobs: mpsc::Receiver<Job>,
    mut removals: Vec<Removal>,
) -> Result<(), TaskError> {
    let stopping = broker.tasks.stopping(TaskKind::Upkeep);
    let mut check = interval_at(Instant::now() + CHECK, CHECK);
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // What an earlier run kept back is for the logs that are being opened, if the disk is full.
    let mut holds_reserves = false;
    loop {
        // All branches are cancel-safe: recv takes a job only when it returns one, a tick and a token have no state to lose.
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            _ = check.tick() => {
                remove_due(&broker, &mut removals).await?;
                if !holds_reserves && broker.loading.left() == 0 {
                    holds_reserves = true;
                    log_dirs::hold_reserves(&broker).await?;
                }
                log_dirs::look_for_room(&broker).await?;
            }
            job = jobs.recv() => match job {
                None => return Ok(()),
                Some(Job::Flush { partition, plan }) => flush(&broker, partition, plan).await,
                Some(Job::Retire(retirement)) => match broker.tasks.blocking(|| retirement.run()).await {
                    Ok(removal) => removals.push(removal),
                    Err(error) => {
                        tracing::error!(%error, "old segments could not be marked for deletion; the next start loads them again");
                        log_dirs::blame(&broker, &error).await?;
                    }
                },
                Some(Job::Remove(removal)) => removals.push(removal),
                Some(Job::TellController) => broker.log_dirs.news.notify_one(),
                Some(Job::Blame(error)) => log_dirs::blame(&broker, &error).await?,
                Some(Job::Examine { file, position }) => log_dirs::examine(&broker, file, position).await?,
            },
        }
    }
}

async fn flush(broker: &Broker, partition: TopicPartition, plan: FlushPlan) {
    let result = broker.tasks.blocking(|| plan.run()).await;
    let report = Command::Flushed { partition: partition.clone(), result };
    // While the broker stops, the logs are flushed by closing them.
    let _ = broker.shards.send(&partition, report).await;
}

/// Removes what is due. On a full disk everything is: who still reads a file keeps it open.
async fn remove_due(broker: &Broker, removals: &mut Vec<Removal>) -> Result<(), TaskError> {
    if removals.is_empty() {
        return Ok(());
    }
    let (now, full) = (broker.shards.clock().now().wall, broker.log_dirs.full());
    let is_due = |removal: &Removal| removal.due <= now || full.iter().any(|dir| removal.is_in(dir));
    let (due, later) = std::mem::take(removals).into_iter().partition(is_due);
    *removals = later;
    let due: Vec<Removal> = due;
    for removal in due {
        if let Err(error) = broker.tasks.blocking(|| removal.run()).await {
            tracing::error!(%error, "deleted files could not be removed; the next start removes them");
            log_dirs::blame(broker, &error).await?;
        }
    }
    Ok(())
}

async fn keep_times(broker: Arc<Broker>, mut amendments: mpsc::Receiver<Amendment>) -> Result<(), TaskError> {
    let stopping = broker.tasks.stopping(TaskKind::Upkeep);
    let log = &broker.config.log;
    let watermark_interval_ms = broker.config.replication.high_watermark_checkpoint_interval_ms;
    let mut watermarks = every(watermark_interval_ms, watermark_interval_ms);
    let mut recovery_points = every(log.flush_offset_checkpoint_interval_ms, log.initial_task_delay_ms);
    let mut log_starts = every(log.flush_start_offset_checkpoint_interval_ms, log.initial_task_delay_ms);
    let mut retention = every(log.retention_check_interval_ms, log.initial_task_delay_ms);
    let mut flushes = every(log.flush_scheduler_interval_ms, log.initial_task_delay_ms);
    let mut checkpoints = Checkpoints::default();
    loop {
        // Ticks and the token have no state to lose; recv takes an amendment only when it returns one.
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            Some(amendment) = amendments.recv() => checkpoints.amend(&broker, amendment).await,
            _ = watermarks.tick() => checkpoints.write(&broker, storage::Checkpoint::HighWatermark).await,
            _ = recovery_points.tick() => checkpoints.write(&broker, storage::Checkpoint::RecoveryPoint).await,
            _ = log_starts.tick() => checkpoints.write(&broker, storage::Checkpoint::LogStart).await,
            _ = retention.tick() => drop(broker.shards.send_all(|| Command::Retain).await),
            _ = flushes.tick() => drop(broker.shards.send_all(|| Command::FlushDue).await),
        }
    }
}

/// Ticks every `period_ms`, for the first time after `delay_ms`: a broker that is restarted more often than that has its
/// retention all the same. Kafka's "never" is further away than a timer reaches.
fn every(period_ms: u64, delay_ms: u64) -> tokio::time::Interval {
    const LONGEST_MS: u64 = 365 * 24 * 3_600_000;
    let period = Duration::from_millis(period_ms.clamp(1, LONGEST_MS));
    let first = Instant::now() + Duration::from_millis(delay_ms.min(LONGEST_MS));
    let mut interval = interval_at(first, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_schedule_begins_after_its_delay_and_not_a_period_later() {
        let begun = Instant::now();
        let mut retention = every(300_000, 30_000);
        for seconds in [30, 330, 630] {
            retention.tick().await;
            assert_eq!(begun.elapsed().as_secs(), seconds);
        }
    }
}
