//! The task that has all moves: takes wishes, gives each move its turn, has its steps carried out and told to its machine.
//! As many moves are under way as `num.replica.alter.log.dirs.threads` says, the others wait in the order of their names, as with Kafka.

use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use coordinator::moves::{Decision, End, Event, Known, LogDirMove, Replica, Step, decide};
use protocol::ids::{TopicId, TopicPartition};
use storage::{CreateOptions, Log, LogDir, OpenOptions};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use super::job::{Copy, Job, trouble};
use super::steps::{Pace, forget, run, whereabouts};
use super::{Ask, Left, MoveRefused};
use crate::broker::Broker;
use crate::shard::Whereabouts;
use crate::tasks::{TaskError, TaskKind};

/// How often moves that wait for something look whether it is there.
const CHECK: Duration = Duration::from_secs(1);

type Running = Pin<Box<dyn Future<Output = (Box<Job>, Event)> + Send>>;

struct Driver {
    broker: Arc<Broker>,
    threads: usize,
    moves: BTreeMap<TopicPartition, Move>,
    /// Those that may go on when it is their turn.
    ready: BTreeSet<TopicPartition>,
    running: Vec<Running>,
    pace: Arc<Pace>,
}

struct Move {
    machine: LogDirMove,
    /// None while a step is carried out.
    job: Option<Box<Job>>,
    hurry: Arc<Notify>,
    /// Wishes that wait for its end.
    waiting: Vec<Ask>,
}

/// Carries out moves until the broker stops, those first that an earlier run has begun.
pub(crate) async fn drive(
    broker: Arc<Broker>,
    mut asks: mpsc::Receiver<Ask>,
    found: Vec<OpenOptions>,
) -> Result<(), TaskError> {
    let stopping = broker.tasks.stopping(TaskKind::Upkeep);
    let threads = broker.config.replication.alter_log_dirs_threads;
    let threads = threads.map_or(broker.config.log.dirs.len(), |threads| threads as usize).max(1);
    let mut driver = Driver {
        broker,
        threads,
        moves: BTreeMap::new(),
        ready: BTreeSet::new(),
        running: Vec::new(),
        pace: Arc::default(),
    };
    driver.take_found(found);
    let mut check = interval(CHECK);
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        driver.start_ready();
        // Cancel-safe: recv takes a wish only when it returns one, steps live in the driver, a tick and a token have nothing to lose.
        tokio::select! {
            () = stopping.cancelled() => break,
            Some(ask) = asks.recv() => driver.take(ask).await,
            (job, event) = first(&mut driver.running), if !driver.running.is_empty() => driver.done(job, event).await,
            _ = check.tick(), if !driver.moves.is_empty() => driver.look(),
        }
    }
    drop(asks);
    driver.stop().await;
    Ok(())
}

/// Waits for the first of the steps that ends, and takes it out.
async fn first(running: &mut Vec<Running>) -> (Box<Job>, Event) {
    poll_fn(|context| {
        for at in 0..running.len() {
            if let Poll::Ready(done) = running[at].as_mut().poll(context) {
                drop(running.swap_remove(at));
                return Poll::Ready(done);
            }
        }
        Poll::Pending
    })
    .await
}

impl Driver {
    fn take_found(&mut self, found: Vec<OpenOptions>) {
        for options in found {
            let to = options.dir.parent().and_then(|parent| self.broker.log_dirs.online(parent));
            // It was listed there a moment ago.
            let Some(to) = to else { continue };
            self.broker.log_dirs.begin_move(&options.partition, &to.path);
            self.add(Job::found(to, options));
        }
    }

    fn add(&mut self, job: Job) {
        let partition = job.partition.clone();
        let begun = Move {
            machine: LogDirMove::default(),
            job: Some(Box::new(job)),
            hurry: Arc::default(),
            waiting: Vec::new(),
        };
        self.ready.insert(partition.clone());
        let before = self.moves.insert(partition, begun);
        debug_assert!(before.is_none(), "a wish waits for the end of the move before");
    }

    async fn take(&mut self, ask: Ask) {
        match ask {
            Ask::Move { partition, to, reply } => self.alter(partition, to, reply).await,
            Ask::Abandon { partition, reply } => {
                if let Some(moving) = self.moves.get_mut(&partition) {
                    moving.waiting.push(Ask::Abandon { partition: partition.clone(), reply });
                    self.give_up(&partition);
                } else {
                    // Who has asked may be gone.
                    let _ = reply.send(());
                }
            }
        }
    }

    fn give_up(&mut self, partition: &TopicPartition) {
        let Some(moving) = self.moves.get_mut(partition) else { return };
        moving.machine.handle(Event::GiveUp);
        moving.hurry.notify_one();
        // It takes nobody's turn.
        self.start(partition);
    }

    async fn alter(
        &mut self,
        partition: TopicPartition,
        to: Arc<LogDir>,
        reply: oneshot::Sender<Result<(), MoveRefused>>,
    ) {
        let dirs = &self.broker.log_dirs;
        let (home, future) = (dirs.home(&partition), dirs.future(&partition));
        // For the replica the move has ended, but not what it leaves behind; or others have wished before.
        if let Some(moving) = self.moves.get_mut(&partition)
            && (future.is_none() || !moving.waiting.is_empty())
        {
            moving.waiting.push(Ask::Move { partition, to, reply });
            return;
        }
        let seen = whereabouts(&self.broker, &partition).await;
        let known = Known {
            replica: match (&seen, &home) {
                (Whereabouts::Online { .. }, Some(home)) => Replica::In(home),
                (Whereabouts::Absent | Whereabouts::Online { .. }, _) => Replica::Absent,
                (Whereabouts::Opening, _) => Replica::Opening,
                (Whereabouts::Offline, _) => Replica::Offline,
            },
            future: future.as_deref(),
            any_failed: dirs.any_failed(),
        };
        let decision = decide(&to.path, known);
        tracing::debug!(%partition, to = %to.path.display(), ?decision, "a replica is to move");
        let result = match decision {
            Decision::Nothing => Ok(()),
            Decision::GiveUpFirst => {
                if let Some(moving) = self.moves.get_mut(&partition) {
                    moving.waiting.push(Ask::Move { partition: partition.clone(), to, reply });
                    return self.give_up(&partition);
                }
                Err(MoveRefused::Offline)
            }
            Decision::Begin => self.begin(&partition, to, seen).await,
            Decision::Remember => {
                dirs.prefer(&partition, &to.path);
                Err(MoveRefused::NotHere)
            }
            Decision::NotHere => Err(MoveRefused::NotHere),
            Decision::Offline => Err(MoveRefused::Offline),
        };
        // A client that went away does not wait for its answer.
        let _ = reply.send(result);
    }

    /// Makes the copy, empty, before the answer: who asks DescribeLogDirs next sees it.
    async fn begin(
        &mut self,
        partition: &TopicPartition,
        to: Arc<LogDir>,
        seen: Whereabouts,
    ) -> Result<(), MoveRefused> {
        let broker = &self.broker;
        let mark: TopicId = Uuid::new_v4();
        let dir = to.future_dir(partition, mark).ok_or(MoveRefused::NameTooLong)?;
        if let Err(error) = broker.room.check(broker.log_dirs.logs() + 1) {
            tracing::error!(%partition, %error, "the replica does not move");
            return Err(MoveRefused::Offline);
        }
        let Whereabouts::Online { reader, topic_id } = seen else { return Err(MoveRefused::NotHere) };
        let settings = broker.settings.known_topic(&partition.topic).log;
        let now = broker.shards.clock().now().wall;
        let options = CreateOptions { dir, partition: partition.clone(), topic_id, settings, now };
        broker.log_dirs.begin_move(partition, &to.path);
        let disk = Arc::clone(&broker.disk);
        match broker.tasks.blocking(move || Log::create(options, disk)).await {
            Ok(log) => {
                tracing::info!(%partition, dir = %to.path.display(), "the replica begins to move");
                broker.moves.show(&log, Some(&reader));
                self.add(Job::new(to, log));
                Ok(())
            }
            Err(error) => {
                tracing::error!(%partition, %error, "the replica does not move: no log could be made for its copy");
                broker.log_dirs.end_move(partition);
                if let storage::RecoveryError::Disk { error, .. } = &error {
                    trouble(&broker.jobs, error);
                }
                Err(MoveRefused::Offline)
            }
        }
    }

    /// Lets those that wait look again. A partition that is gone, and was not stopped before its move began, ends the move.
    fn look(&mut self) {
        let idle = self.moves.iter().filter(|(_, moving)| moving.job.is_some());
        let idle: Vec<TopicPartition> = idle.map(|(name, _)| name.clone()).collect();
        for partition in idle {
            if self.broker.log_dirs.home(&partition).is_none() {
                self.give_up(&partition);
            } else {
                self.ready.insert(partition);
            }
        }
    }

    fn start_ready(&mut self) {
        while self.running.len() < self.threads
            && let Some(partition) = self.ready.pop_first()
        {
            self.start(&partition);
        }
    }

    /// Begins the next step, unless one is being carried out.
    fn start(&mut self, partition: &TopicPartition) {
        self.ready.remove(partition);
        let Some(moving) = self.moves.get_mut(partition) else { return };
        let Some(job) = moving.job.take() else { return };
        let step = moving.machine.step();
        if step == Step::Rest {
            moving.job = Some(job);
            return;
        }
        let with = (Arc::clone(&self.pace), Arc::clone(&moving.hurry));
        self.running.push(Box::pin(run(Arc::clone(&self.broker), step, job, with)));
    }

    async fn done(&mut self, job: Box<Job>, event: Event) {
        let partition = job.partition.clone();
        let Some(moving) = self.moves.get_mut(&partition) else { return };
        moving.machine.handle(event);
        moving.job = Some(job);
        match moving.machine.step() {
            Step::End(end) => self.ended(&partition, end).await,
            // Until it is looked again.
            Step::Look => {}
            Step::Rest => tracing::error!(
                %partition,
                "the replica's move to another log directory rests: it cannot be copied (see above). It stays where it is; give the move up, or \
                 restart the broker to try again"
            ),
            Step::Copy | Step::Sync | Step::Hold | Step::Finish | Step::Switch => self.start(&partition),
            Step::Retire | Step::GoBack | Step::Release | Step::Remove => self.start(&partition),
        }
    }

    async fn ended(&mut self, partition: &TopicPartition, end: End) {
        let Some(Move { job, waiting, .. }) = self.moves.remove(partition) else { return };
        if let (End::Lost, Some(job)) = (end, &job) {
            tracing::error!(%partition, dir = %job.dir.display(), "the replica stays where it was: the copy is lost with its log directory");
            forget(&self.broker, job);
        }
        drop(job);
        for ask in waiting {
            Box::pin(self.take(ask)).await;
        }
    }

    /// Ends what must not be left half done, and leaves the copies to be closed.
    async fn stop(mut self) {
        self.moves.values().for_each(|moving| moving.hurry.notify_one());
        while !self.running.is_empty() {
            let (job, event) = first(&mut self.running).await;
            let partition = job.partition.clone();
            let Some(moving) = self.moves.get_mut(&partition) else { continue };
            moving.machine.handle(event);
            moving.job = Some(job);
            let step = moving.machine.step();
            if matches!(step, Step::End(_)) {
                self.moves.remove(&partition);
            } else if !moving.machine.may_rest() {
                self.start(&partition);
            }
        }
        let mut left = Left::default();
        for job in self.moves.into_values().filter_map(|moving| moving.job) {
            match job.copy {
                Copy::Open(log) => left.logs.push(*log),
                Copy::Found(options) => left.unopened.push(Copy::standing(*options)),
                Copy::Gone => {}
            }
        }
        self.broker.moves.leave(left);
    }
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("ready", &self.ready).finish_non_exhaustive()
    }
}
