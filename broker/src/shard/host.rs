//! What drives a shard: its mailbox, the clock, and a task on the broker's runtime. Which partitions live in which shard is decided here.
//! Requests hold a `Shards`; nobody else sends to a mailbox.

use std::future::pending;
use std::pin::pin;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use coordinator::deadlines::{Monotonic, Now};
use protocol::ids::{Millis, TopicPartition};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Shard;
use super::command::Command;
use crate::tasks::{TaskError, TaskKind, Tasks};

/// Commands that wait in one mailbox. A full one holds back the connections that would add to it: 1,024 requests of pipelining
/// clients are a few milliseconds of work.
const MAILBOX: usize = 1024;
/// Commands of one turn: enough that appends to one partition come together, few enough that a turn stays short.
const TURN: usize = 128;

/// The mailboxes of all shards; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Shards {
    mailboxes: Vec<mpsc::Sender<Command>>,
    clock: Clock,
}

/// The broker stops: its shards take no commands any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the broker is stopping")]
pub(crate) struct Stopping;

/// The one clock of all shards.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now() }
    }

    pub(crate) fn now(&self) -> Now {
        // A clock before 1970 reads as 1970.
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Now {
            monotonic: Monotonic(self.started.elapsed()),
            wall: Millis(i64::try_from(wall).unwrap_or(i64::MAX)),
        }
    }
}

impl Shards {
    /// Opens `count` mailboxes; the receivers are for `run`.
    pub(crate) fn open(count: usize, clock: Clock) -> (Self, Vec<mpsc::Receiver<Command>>) {
        let (mailboxes, receivers) = (0..count.max(1)).map(|_| mpsc::channel(MAILBOX)).unzip();
        (Self { mailboxes, clock }, receivers)
    }

    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    /// The number of the shard that owns a partition; the same for as long as the broker runs.
    pub(crate) fn index_of(&self, partition: &TopicPartition) -> usize {
        // FNV-1a: a good spread over few buckets, without a seed, so that a simulation repeats.
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for byte in partition.topic.bytes().chain(partition.partition.to_be_bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        (hash % self.mailboxes.len() as u64) as usize
    }

    /// Sends to the shard of `partition`; waits while its mailbox is full.
    pub(crate) async fn send(&self, partition: &TopicPartition, command: Command) -> Result<(), Stopping> {
        self.send_to(self.index_of(partition), command).await
    }

    pub(crate) async fn send_to(&self, index: usize, command: Command) -> Result<(), Stopping> {
        self.mailboxes[index].send(command).await.map_err(|_| Stopping)
    }

    /// Sends one command to every shard.
    pub(crate) async fn send_all(&self, mut command: impl FnMut() -> Command) -> Result<(), Stopping> {
        for mailbox in &self.mailboxes {
            mailbox.send(command()).await.map_err(|_| Stopping)?;
        }
        Ok(())
    }

    /// Starts the shards as tasks of the broker's runtime.
    pub(crate) fn run(&self, shards: Vec<(Shard, mpsc::Receiver<Command>)>, tasks: &Tasks) {
        for (index, (shard, mailbox)) in shards.into_iter().enumerate() {
            tasks.spawn(
                TaskKind::Shard,
                format!("shard {index}"),
                drive(shard, mailbox, self.clock, tasks.stopping(TaskKind::Shard)),
            );
        }
    }
}

/// Turns the shard until it is stopped or its mailbox is closed.
async fn drive(
    mut shard: Shard,
    mut mailbox: mpsc::Receiver<Command>,
    clock: Clock,
    stopping: CancellationToken,
) -> Result<(), TaskError> {
    let mut commands = Vec::with_capacity(TURN);
    let mut stopped = pin!(stopping.cancelled());
    loop {
        // Cancel-safe: what recv_many has taken is in `commands` when it returns, `stopped` lives outside the loop, and a sleep
        // that is dropped is begun anew.
        tokio::select! {
            () = &mut stopped => return Ok(()),
            received = mailbox.recv_many(&mut commands, TURN) => {
                if received == 0 {
                    return Ok(());
                }
            }
            () = until(shard.next_deadline(), clock), if shard.next_deadline().is_some() => {}
        }
        shard.turn(clock.now(), &mut commands);
    }
}

async fn until(deadline: Option<Monotonic>, clock: Clock) {
    match deadline {
        Some(at) => tokio::time::sleep(at.since(clock.now().monotonic)).await,
        None => pending().await,
    }
}
