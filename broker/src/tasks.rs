//! The supervisor of every task: the only place that spawns, so that each task has a kind with a known consequence.
//! It never decides when to stop: `broker.rs` ends the kinds one after the other and aborts the process past the
//! last deadline. A panic is caught, logged and given its kind's consequence; none is swallowed.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, error, info, warn};

/// Between the failure of a task that is restarted and its next start.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// How long work on disks that nobody waits for any more holds up a stop.
const SETTLING_MAX: Duration = Duration::from_secs(30);

/// What a task is for, in the order in which the kinds are stopped. An end that nobody asked for is an error.
///
/// | kind | on error | on panic | on stop | deadline |
/// |---|---|---|---|---|
/// | listener | stops the broker | stops the broker | stops accepting | 1 s |
/// | connection | closes its socket | closes its socket | finishes queued replies | 5 s |
/// | controller | resigns: dropped, made anew | the same | resigns | 5 s |
/// | upkeep | stops the broker; what can be retried it retries itself | stops the broker | ends its step | 30 s |
/// | shard | stops the broker: a broken invariant must not serve | stops the broker | fails waiters, flushes | 60 s |
/// | ZooKeeper events | stops the broker; the session reconnects by itself | stops the broker | closes the session | 5 s |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TaskKind {
    Listener,
    Connection,
    Controller,
    Upkeep,
    Shard,
    ZooKeeper,
}

/// What becomes of the broker when a task fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Consequence {
    /// Nothing beyond the task: what it owned is closed with it.
    Closed,
    Restarted,
    BrokerStops,
}

/// Whatever a task may fail with; it is only ever logged.
pub(crate) type TaskError = Box<dyn Error + Send + Sync>;

/// A task that ended though the broker cannot be without it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} task {name} {cause}")]
pub(crate) struct TaskFailed {
    pub(crate) kind: TaskKind,
    pub(crate) name: String,
    pub(crate) cause: String,
}

/// Tasks of one kind that had not ended by their deadline. They have been dropped, unless they sit in a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{count} {kind} tasks did not stop within {} s", .patience.as_secs())]
pub(crate) struct Late {
    pub(crate) kind: TaskKind,
    pub(crate) count: usize,
    pub(crate) patience: Duration,
}

/// All tasks of a broker. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Tasks(Arc<Supervisor>);

#[derive(Debug)]
struct Supervisor {
    /// By kind, in the order of the enum.
    groups: [Group; TaskKind::COUNT],
    blocking: TaskTracker,
    /// The first failure that has to stop the broker.
    failed: watch::Sender<Option<TaskFailed>>,
}

/// The tasks of one kind.
#[derive(Debug, Default)]
struct Group {
    /// Tells the tasks to end in their own way.
    stopping: CancellationToken,
    /// Drops those that did not.
    abandoned: CancellationToken,
    running: TaskTracker,
}

impl Tasks {
    pub(crate) fn new() -> Tasks {
        Tasks(Arc::new(Supervisor {
            groups: Default::default(),
            blocking: TaskTracker::new(),
            failed: watch::Sender::new(None),
        }))
    }

    /// Starts a task whose failure has the consequence of its kind. `name` says which of its kind it is.
    pub(crate) fn spawn<F>(&self, kind: TaskKind, name: impl fmt::Display + Send + 'static, work: F)
    where
        F: Future<Output = Result<(), TaskError>> + Send + 'static,
    {
        assert_ne!(kind.consequence(), Consequence::Restarted, "what is restarted has to be made anew");
        // Boxed here, since an async block would hold the future twice: as given and as pinned.
        let mut work = Box::pin(work);
        let supervisor = Arc::clone(&self.0);
        self.group(kind).running.spawn(async move {
            let group = supervisor.group(kind);
            let end = group.abandoned.run_until_cancelled(caught(work.as_mut())).await;
            drop(work);
            if let Some(end) = end {
                supervisor.ended(kind, &name, end);
            }
        });
    }

    /// Starts a task that is made anew, after a pause, whenever it fails or panics, until its kind is stopped.
    pub(crate) fn spawn_restarting<M, F>(
        &self,
        kind: TaskKind,
        name: impl fmt::Display + Send + 'static,
        mut make: M,
    ) where
        M: FnMut() -> F + Send + 'static,
        F: Future<Output = Result<(), TaskError>> + Send + 'static,
    {
        assert_eq!(kind.consequence(), Consequence::Restarted, "{kind} tasks are not restarted");
        let supervisor = Arc::clone(&self.0);
        self.group(kind).running.spawn(async move {
            let group = supervisor.group(kind);
            loop {
                let mut work = Box::pin(make());
                let Some(end) = group.abandoned.run_until_cancelled(caught(work.as_mut())).await else {
                    return;
                };
                drop(work);
                if supervisor.report(kind, &name, end).is_none() {
                    return;
                }
                let pause = tokio::time::sleep(RESTART_PAUSE);
                if group.stopping.run_until_cancelled(pause).await.is_none() {
                    return;
                }
            }
        });
    }

    /// Runs `work`, which may block on a disk, on a thread for that. A panic in it goes on in the caller.
    /// Dropping the future does not stop `work`.
    pub(crate) async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        match self.0.blocking.spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            // The runtime is being torn down, and this future with it.
            Err(_) => pending().await,
        }
    }

    /// Runs `work` on a thread of its own, where it may take long between two awaits. Dropping the future drops `work` at its next
    /// await.
    pub(crate) async fn aside<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let dropped = CancellationToken::new();
        let _guard = dropped.clone().drop_guard();
        let runtime = Handle::current();
        match self.blocking(move || runtime.block_on(dropped.run_until_cancelled(work))).await {
            Some(result) => result,
            // Only a future that is dropped cancels it.
            None => pending().await,
        }
    }

    /// Cancelled when tasks of `kind` are to end.
    pub(crate) fn stopping(&self, kind: TaskKind) -> CancellationToken {
        self.group(kind).stopping.clone()
    }

    /// Tells the tasks of `kind` to end, and waits for them until the deadline of their kind; then drops the rest.
    pub(crate) async fn stop(&self, kind: TaskKind) -> Result<(), Late> {
        let (group, begun) = (self.group(kind), Instant::now());
        let (asked, patience) = (group.running.len(), kind.patience());
        group.stopping.cancel();
        group.running.close();
        if timeout(patience, group.running.wait()).await.is_ok() {
            info!(kind = %kind, tasks = asked, ms = begun.elapsed().as_millis(), "tasks stopped");
            return Ok(());
        }
        let late = Late { kind, count: group.running.len(), patience };
        warn!(kind = %kind, "{late}: dropping them");
        group.abandoned.cancel();
        Err(late)
    }

    /// Waits for what `blocking` has begun, also where the task that began it was dropped.
    pub(crate) async fn settle(&self) {
        let blocking = &self.0.blocking;
        blocking.close();
        if timeout(SETTLING_MAX, blocking.wait()).await.is_err() {
            let (left, waited_s) = (blocking.len(), SETTLING_MAX.as_secs());
            warn!(left, waited_s, "work on disks does not end: stopping without it");
        }
    }

    /// Waits for a failure that has to stop the broker.
    pub(crate) async fn failed(&self) -> TaskFailed {
        let mut failed = self.0.failed.subscribe();
        match failed.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(failure)) => failure.clone(),
            // The sender lives as long as `self`, and `None` is not waited for.
            Ok(None) | Err(_) => pending().await,
        }
    }

    fn group(&self, kind: TaskKind) -> &Group {
        self.0.group(kind)
    }
}

impl Supervisor {
    fn group(&self, kind: TaskKind) -> &Group {
        &self.groups[kind as usize]
    }

    fn ended(&self, kind: TaskKind, name: &dyn fmt::Display, end: End) {
        let Some(cause) = self.report(kind, name, end) else { return };
        if kind.consequence() == Consequence::BrokerStops {
            let failure = TaskFailed { kind, name: name.to_string(), cause };
            self.failed.send_if_modified(|first| {
                let is_first = first.is_none();
                first.get_or_insert(failure);
                is_first
            });
        }
    }

    /// Logs how a task ended, and returns the cause where it was a failure.
    fn report(&self, kind: TaskKind, name: &dyn fmt::Display, end: End) -> Option<String> {
        let consequence = kind.consequence();
        let asked = self.group(kind).stopping.is_cancelled();
        let cause = match end {
            End::Returned(Ok(())) if asked || consequence == Consequence::Closed => return None,
            End::Returned(Ok(())) => "ended though nobody had stopped it".to_owned(),
            // A client that breaks its connection is no fault of ours.
            End::Returned(Err(error)) if consequence == Consequence::Closed => {
                debug!(kind = %kind, %name, %error, "task failed");
                return None;
            }
            End::Returned(Err(error)) => format!("failed: {error}"),
            End::Panicked(message) => format!("panicked: {message}"),
        };
        error!(kind = %kind, %name, consequence = %consequence, "task {cause}");
        Some(cause)
    }
}

impl TaskKind {
    const COUNT: usize = 6;

    /// How long a task of this kind may take to end once told to.
    pub(crate) fn patience(self) -> Duration {
        Duration::from_secs(match self {
            TaskKind::Listener => 1,
            TaskKind::Connection | TaskKind::Controller | TaskKind::ZooKeeper => 5,
            TaskKind::Upkeep => 30,
            TaskKind::Shard => 60,
        })
    }

    fn consequence(self) -> Consequence {
        match self {
            TaskKind::Connection => Consequence::Closed,
            TaskKind::Controller => Consequence::Restarted,
            TaskKind::Listener | TaskKind::Upkeep | TaskKind::Shard | TaskKind::ZooKeeper => {
                Consequence::BrokerStops
            }
        }
    }
}

impl fmt::Display for TaskKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TaskKind::Listener => "listener",
            TaskKind::Connection => "connection",
            TaskKind::Controller => "controller",
            TaskKind::Upkeep => "upkeep",
            TaskKind::Shard => "shard",
            TaskKind::ZooKeeper => "ZooKeeper",
        })
    }
}

impl fmt::Display for Consequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Consequence::Closed => "what it owned is closed",
            Consequence::Restarted => "it is made anew",
            Consequence::BrokerStops => "the broker stops",
        })
    }
}

/// How a task ended by itself.
enum End {
    Returned(Result<(), TaskError>),
    Panicked(String),
}

/// Runs a task's future to its end, a panic included. What the future owns may be left in a broken state, which is
/// why it is always dropped afterwards.
async fn caught<F>(mut work: Pin<&mut F>) -> End
where
    F: Future<Output = Result<(), TaskError>>,
{
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(result)) => Poll::Ready(End::Returned(result)),
        Err(payload) => Poll::Ready(End::Panicked(message(&*payload))),
    })
    .await
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::mpsc;

    use super::*;

    async fn failing() -> Result<(), TaskError> {
        Err("disk on fire".into())
    }

    async fn has_failed(tasks: &Tasks) -> bool {
        timeout(Duration::from_millis(1), tasks.failed()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_shard_stops_the_broker_and_the_first_failure_counts() {
        let tasks = Tasks::new();
        tasks.spawn(TaskKind::Shard, 3, failing());
        let failure = tasks.failed().await;
        assert_eq!(failure.to_string(), "shard task 3 failed: disk on fire");
        tasks.spawn(TaskKind::Listener, "late", failing());
        assert_eq!(tasks.stop(TaskKind::Listener).await, Ok(()));
        assert_eq!(tasks.failed().await, failure);
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_that_nobody_asked_for_is_a_failure() {
        let tasks = Tasks::new();
        tasks.spawn(TaskKind::Listener, "PLAINTEXT", async { Ok(()) });
        let failure = tasks.failed().await;
        assert_eq!(failure.cause, "ended though nobody had stopped it");
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_in_a_connection_ends_only_that_connection() {
        let tasks = Tasks::new();
        let (survivor, mut heard) = mpsc::channel(1);
        tasks.spawn(TaskKind::Connection, "hostile", async { panic!("poison") });
        tasks.spawn(TaskKind::Connection, "peaceful", async move { Ok(survivor.send(()).await?) });
        assert_eq!(heard.recv().await, Some(()));
        assert_eq!(tasks.stop(TaskKind::Connection).await, Ok(()));
        assert!(!has_failed(&tasks).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_on_a_blocking_thread_is_the_waiting_tasks_own() {
        let tasks = Tasks::new();
        let inner = tasks.clone();
        tasks.spawn(TaskKind::Upkeep, "flush", async move {
            let () = inner.blocking(|| panic!("no disk")).await;
            Ok(())
        });
        assert_eq!(tasks.failed().await.cause, "panicked: no disk");
        assert_eq!(tasks.blocking(|| 7).await, 7);
    }

    #[tokio::test]
    async fn work_aside_ends_with_whoever_waits_for_it() {
        let tasks = Tasks::new();
        assert_eq!(tasks.aside(async { 7 }).await, 7);
        let (kept, mut dropped) = mpsc::channel::<()>(1);
        let (started, mut has_started) = mpsc::channel(1);
        let work = async move {
            started.send(()).await.expect("the test listens");
            pending::<()>().await;
            drop(kept);
        };
        tokio::select! {
            () = tasks.aside(work) => panic!("it never ends"),
            heard = has_started.recv() => assert_eq!(heard, Some(())),
        }
        assert_eq!(dropped.recv().await, None, "its future is dropped");
    }

    #[tokio::test(start_paused = true)]
    async fn the_controller_is_made_anew_until_it_is_stopped() {
        let tasks = Tasks::new();
        let (starts, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counter, stopping) = (Arc::clone(&starts), tasks.stopping(TaskKind::Controller));
        tasks.spawn_restarting(TaskKind::Controller, "driver", move || {
            let (start, stopping) = (counter.fetch_add(1, Ordering::Relaxed), stopping.clone());
            let seen = Arc::clone(&seen);
            async move {
                match start {
                    0 => return Err("lost ZooKeeper".into()),
                    1 => panic!("bug"),
                    _ => stopping.cancelled().await,
                }
                seen.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
        });
        tokio::time::sleep(3 * RESTART_PAUSE).await;
        assert_eq!(tasks.stop(TaskKind::Controller).await, Ok(()));
        assert_eq!(starts.load(Ordering::Relaxed), 3);
        assert!(!has_failed(&tasks).await);
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_waits_for_those_who_end_and_drops_those_who_do_not() {
        let tasks = Tasks::new();
        let (kept, mut dropped) = mpsc::channel::<()>(1);
        let stopping = tasks.stopping(TaskKind::Shard);
        tasks.spawn(TaskKind::Shard, "orderly", async move {
            stopping.cancelled().await;
            tokio::time::sleep(Duration::from_secs(59)).await;
            Ok(())
        });
        tasks.spawn(TaskKind::Connection, "deaf", async move {
            pending::<()>().await;
            drop(kept);
            Ok(())
        });
        let late = tasks.stop(TaskKind::Connection).await.expect_err("it never ends");
        assert_eq!(late.to_string(), "1 connection tasks did not stop within 5 s");
        assert_eq!(dropped.recv().await, None, "its future is dropped");
        assert_eq!(tasks.stop(TaskKind::Shard).await, Ok(()));
    }

    #[tokio::test]
    async fn settling_waits_for_work_on_disks_whose_task_was_dropped() {
        let tasks = Tasks::new();
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let (begun, mut has_begun) = mpsc::channel(1);
        let done = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&done);
        let work = tasks.blocking(move || {
            begun.blocking_send(()).expect("the test listens");
            gone.recv().expect("the test says so");
            counter.fetch_add(1, Ordering::Relaxed);
        });
        tokio::select! {
            () = work => panic!("it waits"),
            heard = has_begun.recv() => assert_eq!(heard, Some(())),
        }
        go.send(()).expect("it waits for it");
        tasks.settle().await;
        assert_eq!(done.load(Ordering::Relaxed), 1);
        tasks.settle().await;
    }
}
