//! The steps of a move, carried out: each takes what the move has in hand and says what came of it.
//! Decides nothing but what an error means. Whatever waits for a disk runs on a thread that may block.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use coordinator::moves::{Event, Step, Throttle, Trouble};
use protocol::ids::{Millis, Offset, TopicPartition};
use storage::claim::{self, Claim};
use storage::{Copied, CopyError, DiskError, FlushScope, FollowError, Log, LogReader, Removal, Truncated};
use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

use super::job::{Copy, Job, is_taken, trouble};
use crate::broker::Broker;
use crate::shard::{Command, MoveStep, Whereabouts};
use crate::upkeep::{self, Change};

/// The longest sleep of a move that is too fast: a change of the rate is noticed after it.
const NAP: Duration = Duration::from_secs(1);
/// Read at once while appends wait.
const REST_PIECE: u32 = 1 << 20;

/// What the moves of a broker share.
#[derive(Debug, Default)]
pub(super) struct Pace {
    throttle: Mutex<Throttle>,
}

impl Pace {
    /// How long to wait now.
    fn pause(&self, broker: &Broker) -> (u64, Duration) {
        let rate = broker.settings.throttles().alter_log_dirs.unwrap_or(u64::MAX);
        let now = broker.shards.clock().now().monotonic;
        (rate, self.throttle().pause(rate, now))
    }

    fn spent(&self, bytes: u64) {
        self.throttle().spent(bytes);
    }

    fn throttle(&self) -> std::sync::MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does a step; `hurry` ends a nap.
pub(super) async fn run(
    broker: Arc<Broker>,
    step: Step,
    mut job: Box<Job>,
    (pace, hurry): (Arc<Pace>, Arc<Notify>),
) -> (Box<Job>, Event) {
    let outcome = match step {
        Step::Look => look(&broker, &mut job).await,
        Step::Copy => copy(&broker, &mut job, &pace, &hurry).await,
        Step::Sync => sync(&broker, &mut job).await,
        Step::Hold => hold(&broker, &job).await,
        Step::Finish => finish(&broker, &mut job, &pace).await,
        Step::Switch => switch(&broker, &mut job).await,
        Step::Retire => retire(&broker, &mut job).await,
        Step::GoBack => go_back(&broker, &mut job).await,
        Step::Release => release(&broker, &job).await,
        Step::Remove => remove(&broker, &mut job).await,
        Step::Rest | Step::End(_) => Ok(Event::Done),
    };
    (job, outcome.unwrap_or_else(Event::Failed))
}

type Outcome = Result<Event, Trouble>;

/// Whether the copy's directory takes anything.
fn check_room(broker: &Broker, job: &Job) -> Result<(), Trouble> {
    if broker.log_dirs.online(&job.to.path).is_none() {
        return Err(Trouble::Disk);
    }
    if broker.log_dirs.full().contains(&job.to.path) { Err(Trouble::Room) } else { Ok(()) }
}

async fn look(broker: &Arc<Broker>, job: &mut Job) -> Outcome {
    check_room(broker, job)?;
    let Whereabouts::Online { reader, topic_id } = whereabouts(broker, &job.partition).await else {
        job.source = None;
        broker.moves.lose_source(&job.partition);
        return Err(Trouble::Source);
    };
    job.source = Some(reader);
    if let Copy::Found(options) = &job.copy {
        open(broker, job, (**options).clone()).await?;
    }
    let settings = broker.settings.known_topic(&job.partition.topic).log;
    job.with_copy(broker, move |log| {
        log.set_settings(settings);
        match (log.topic_id, topic_id) {
            (Some(ours), Some(theirs)) if ours != theirs => {
                tracing::error!(
                    partition = %log.partition, dir = %log.dir.display(),
                    "the copy is of an earlier topic of this name: it is left as it is and takes up space. Remove it"
                );
                Err(Trouble::Foreign)
            }
            _ => Ok(Event::Found),
        }
    })
    .await
}

pub(super) async fn whereabouts(broker: &Broker, partition: &TopicPartition) -> Whereabouts {
    let (reply, answer) = oneshot::channel();
    let command = Command::Move { partition: partition.clone(), step: MoveStep::Look(reply) };
    // While the broker stops nothing is there any more.
    let _ = broker.shards.send(partition, command).await;
    answer.await.unwrap_or(Whereabouts::Absent)
}

/// Opens what an earlier run has left.
async fn open(broker: &Arc<Broker>, job: &mut Job, options: storage::OpenOptions) -> Result<(), Trouble> {
    let disk = Arc::clone(&broker.disk);
    match broker.tasks.blocking(move || Log::open_copy(options, disk)).await {
        Ok((log, truncated)) => {
            if log.missing_up_to.is_some() || truncated.is_some() {
                lower(broker, job, log.recovery_point()).await?;
            }
            if let Some(truncated) = truncated {
                broker.jobs.send(upkeep::Job::Remove(truncated.removal)).await;
            }
            tracing::info!(partition = %job.partition, dir = %job.dir.display(), end = %log.end_offset(), "the move goes on");
            job.copy = Copy::Open(Box::new(log));
            Ok(())
        }
        Err(error) => {
            if let Some(error) = error.of_copy().filter(|error| error.is_full() || error.is_shortage) {
                return Err(trouble(&broker.jobs, error));
            }
            tracing::error!(
                partition = %job.partition, dir = %job.dir.display(), %error,
                "the copy that a move has left cannot be opened: the move rests. Give it up, or remove the copy"
            );
            Err(Trouble::Foreign)
        }
    }
}

/// What is appended next must not be taken for synced.
async fn lower(broker: &Broker, job: &Job, to: Offset) -> Result<(), Trouble> {
    let (partition, dir) = (job.partition.clone(), job.to.path.clone());
    if broker.amendments.make(Change::Lowered { partition, dir, to }).await {
        Ok(())
    } else {
        Err(Trouble::Room)
    }
}

async fn copy(broker: &Arc<Broker>, job: &mut Job, pace: &Pace, hurry: &Notify) -> Outcome {
    check_room(broker, job)?;
    let source = job.source.clone().filter(|_| job.home(broker).is_some()).ok_or(Trouble::Source)?;
    let (rate, pause) = pace.pause(broker);
    if !pause.is_zero() {
        let _ = tokio::time::timeout(pause.min(NAP), hurry.notified()).await;
        if !pace.pause(broker).1.is_zero() {
            return Ok(far(job));
        }
    }
    let (now, worker) = (broker.shards.clock().now().wall, Arc::clone(broker));
    let piece = Throttle::piece(rate);
    let copied = job.with_copy(broker, move |log| {
        let copied = log.copy_from(&source, piece, now).map_err(|error| uncopied(&worker, log, &error))?;
        let removal = tidy(log, now).map_err(|error| trouble(&worker.jobs, &error))?;
        Ok((copied, removal))
    });
    let (copied, removal) = copied.await?;
    if let Some(removal) = removal {
        broker.jobs.send(upkeep::Job::Remove(removal)).await;
    }
    match copied {
        Copied::Records { bytes, left } => {
            pace.spent(bytes);
            job.unsynced = job.unsynced.saturating_add(bytes);
            Ok(Event::Copied { left, rest_max: Throttle::rest(rate), unsynced: job.unsynced })
        }
        Copied::Cut(truncated) => cut(broker, job, truncated).await,
    }
}

/// Much is left, for all that is known.
fn far(job: &Job) -> Event {
    Event::Copied { left: u64::MAX, rest_max: 0, unsynced: job.unsynced }
}

async fn cut(broker: &Broker, job: &Job, truncated: Truncated) -> Outcome {
    let Truncated { recovery_point: to, removal, .. } = truncated;
    broker.jobs.send(upkeep::Job::Remove(removal)).await;
    lower(broker, job, to).await?;
    Ok(far(job))
}

/// What a failed copy means. The source's errors are looked into as those of any reader.
fn uncopied(broker: &Broker, log: &Log, error: &CopyError) -> Trouble {
    if let Some(error) = error.of_copy() {
        return trouble(&broker.jobs, error);
    }
    tracing::warn!(partition = %log.partition, %error, "a move to another log directory is held up");
    match error {
        CopyError::Source(error) => {
            upkeep::look_into(broker, error);
            Trouble::Records
        }
        CopyError::Append(FollowError::Offline { .. }) => Trouble::Disk,
        CopyError::Append(_) | CopyError::Truncate(_) | CopyError::Open(_) => Trouble::Records,
    }
}

/// Flushes what a log's settings want flushed, and forgets what lies below its start.
fn tidy(log: &mut Log, now: Millis) -> Result<Option<Removal>, DiskError> {
    if let Some(scope) = log.flush_due(now) {
        flush(log, scope, now)?;
    }
    let Some(plan) = log.plan_below_start() else { return Ok(None) };
    match log.retire(&plan, now) {
        Ok(retirement) => retirement.run().map(Some),
        Err(storage::AppendError::Disk { error, .. }) => Err(error),
        Err(_) => Ok(None),
    }
}

fn flush(log: &mut Log, scope: FlushScope, now: Millis) -> Result<(), DiskError> {
    let Some(plan) = log.flush_plan(scope, now) else { return Ok(()) };
    match plan.run() {
        Ok(flushed) => log.flushed(flushed),
        Err(error) if error.blames_disk() => {
            log.sync_failed();
            return Err(error);
        }
        Err(error) => {
            log.not_flushed();
            return Err(error);
        }
    }
    Ok(())
}

async fn sync(broker: &Arc<Broker>, job: &mut Job) -> Outcome {
    let (now, jobs) = (broker.shards.clock().now().wall, broker.jobs.clone());
    let flush =
        move |log: &mut Log| flush(log, FlushScope::Everything, now).map_err(|error| trouble(&jobs, &error));
    job.with_copy(broker, flush).await?;
    job.unsynced = 0;
    Ok(Event::Done)
}

async fn hold(broker: &Broker, job: &Job) -> Outcome {
    let (reply, granted) = oneshot::channel();
    let command = Command::Move { partition: job.partition.clone(), step: MoveStep::Hold(reply) };
    // A partition that is gone, or goes, answers nothing.
    let _ = broker.shards.send(&job.partition, command).await;
    granted.await.map(|()| Event::Done).map_err(|_| Trouble::Source)
}

async fn finish(broker: &Arc<Broker>, job: &mut Job, pace: &Arc<Pace>) -> Outcome {
    check_room(broker, job)?;
    let source = job.source.clone().filter(|_| job.home(broker).is_some()).ok_or(Trouble::Source)?;
    let new = job.to.partition_dir(&job.partition);
    if is_taken(&new) {
        tracing::error!(
            partition = %job.partition, dir = %new.display(),
            "the move rests: something stands where the log is to be. Move it away, give the move up and ask for it again"
        );
        return Err(Trouble::Foreign);
    }
    let (now, worker, pace) = (broker.shards.clock().now().wall, Arc::clone(broker), Arc::clone(pace));
    let claim = Claim::Took(job.id);
    job.with_copy(broker, move |log| {
        copy_the_rest(log, &source, now, |bytes| pace.spent(bytes))
            .map_err(|error| error.map_or(Trouble::Records, |error| uncopied(&worker, log, &error)))?;
        let name = |log: &mut Log| {
            flush(log, FlushScope::Everything, now)?;
            claim::write(&*worker.disk, &log.dir, claim)?;
            log.rename_dir(new)
        };
        name(log).map_err(|error| trouble(&worker.jobs, &error))
    })
    .await?;
    Ok(Event::Done)
}

/// Nothing may have to go from the copy now: that would change a checkpoint first.
fn copy_the_rest(
    log: &mut Log,
    source: &LogReader,
    now: Millis,
    spent: impl Fn(u64),
) -> Result<(), Option<CopyError>> {
    loop {
        match log.copy_from(source, REST_PIECE, now).map_err(Some)? {
            Copied::Records { bytes, .. } => spent(bytes),
            Copied::Cut(_) => return Err(None),
        }
        if log.behind(source) == 0 {
            return Ok(());
        }
    }
}

async fn switch(broker: &Broker, job: &mut Job) -> Outcome {
    let Copy::Open(log) = std::mem::replace(&mut job.copy, Copy::Gone) else { return Err(Trouble::Foreign) };
    let (reply, answer) = oneshot::channel();
    let step = MoveStep::Switch { log, reply };
    let command = Command::Move { partition: job.partition.clone(), step };
    let _ = broker.shards.send(&job.partition, command).await;
    match answer.await {
        Ok(Ok(old)) => {
            job.old = Some(old);
            broker.log_dirs.end_move_there(&job.partition);
            broker.moves.hide(&job.partition);
            tracing::info!(partition = %job.partition, dir = %job.dir.display(), "the replica has moved");
            Ok(Event::Done)
        }
        Ok(Err(log)) => {
            job.copy = Copy::Open(log);
            Ok(Event::Refused)
        }
        // An internal error, which took the partition offline.
        Err(_) => Err(Trouble::Disk),
    }
}

async fn retire(broker: &Broker, job: &mut Job) -> Outcome {
    let Some(old) = job.old.take() else { return Ok(Event::Done) };
    let (now, dir, disk) = (broker.shards.clock().now().wall, job.dir.clone(), Arc::clone(&broker.disk));
    let retired = broker.tasks.blocking(move || {
        let removal = old.delete(Uuid::new_v4(), now)?;
        claim::remove(&*disk, &dir).map(|()| removal)
    });
    match retired.await {
        Ok(removal) => {
            broker.jobs.send(upkeep::Job::Remove(removal)).await;
            Ok(Event::Done)
        }
        Err(error) => {
            tracing::error!(partition = %job.partition, %error, "the log that the replica has left could not be marked for deletion");
            Err(trouble(&broker.jobs, &error))
        }
    }
}

async fn go_back(broker: &Arc<Broker>, job: &mut Job) -> Outcome {
    let name = job.to.future_dir(&job.partition, Uuid::new_v4()).filter(|_| job.is_named_plainly());
    let (worker, home) = (Arc::clone(broker), job.home(broker));
    let back = job.with_copy(broker, move |log| {
        let back = |log: &mut Log| {
            name.map_or(Ok(()), |name| log.rename_dir(name))?;
            claim::remove(&*worker.disk, &log.dir)
        };
        back(log).map_err(|error| trouble(&worker.jobs, &error))
    });
    if back.await.is_ok() {
        return Ok(Event::Done);
    }
    // Both logs have the plain name now. The one that goes on is to be known, or the next start would take the other.
    if let Some(home) = home.filter(|_| job.is_named_plainly()) {
        let (dir, claim, disk) =
            (home.partition_dir(&job.partition), Claim::Kept(job.id), Arc::clone(&broker.disk));
        let claimed = broker.tasks.blocking(move || claim::write(&*disk, &dir, claim)).await;
        claimed.map_err(|error| trouble(&broker.jobs, &error))?;
    }
    Err(Trouble::Disk)
}

async fn release(broker: &Broker, job: &Job) -> Outcome {
    let command = Command::Move { partition: job.partition.clone(), step: MoveStep::Release };
    let _ = broker.shards.send(&job.partition, command).await;
    if job.old.is_none() && matches!(job.copy, Copy::Gone) {
        // The replica left a directory, whose files are not to tell of it any more.
        broker.amendments.make(Change::Deleted).await;
    }
    Ok(Event::Done)
}

async fn remove(broker: &Broker, job: &mut Job) -> Outcome {
    if matches!(job.copy, Copy::Gone) && job.is_in_place(broker) {
        tracing::error!(
            partition = %job.partition, dir = %job.dir.display(),
            "what a move has left is not removed, since the replica lives there; please report it"
        );
        return Err(Trouble::Foreign);
    }
    let copy = std::mem::replace(&mut job.copy, Copy::Gone);
    let now = broker.shards.clock().now().wall;
    let due = now + broker.settings.known_topic(&job.partition.topic).log.file_delete_delay_ms;
    let (to, dir, partition) = (Arc::clone(&job.to), job.dir.clone(), job.partition.clone());
    let marked = broker.tasks.blocking(move || match copy {
        Copy::Open(log) => log.delete(Uuid::new_v4(), now),
        Copy::Found(_) | Copy::Gone => to.delete_at(&dir, &partition, (Uuid::new_v4(), due)),
    });
    let marked = marked.await.map_err(|error| trouble(&broker.jobs, &error));
    forget(broker, job);
    broker.jobs.send(upkeep::Job::Remove(marked?)).await;
    // Before another copy is made there.
    broker.amendments.make(Change::Deleted).await;
    tracing::info!(partition = %job.partition, dir = %job.to.path.display(), "the move is given up");
    Ok(Event::Done)
}

/// Nobody has to do with the copy any more.
pub(super) fn forget(broker: &Broker, job: &Job) {
    broker.log_dirs.end_move(&job.partition);
    broker.moves.hide(&job.partition);
}
