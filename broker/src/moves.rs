//! Replicas that move from one log directory to another: asked for here, carried out by one task. What comes next in a move is
//! `coordinator::moves`' to say. A copy belongs to its move until the partition's shard takes it as its log.
//! Source: ReplicaManager.alterReplicaLogDirs, ReplicaAlterLogDirsManager (3.9).

mod driver;
mod job;
mod steps;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::ids::TopicPartition;
use storage::{Log, LogDir, LogReader};
use tokio::sync::{mpsc, oneshot};

use crate::shard::{Measured, Standing};

pub(crate) use driver::drive;

/// Wishes that wait; who has one waits for its answer, so they are as few as requests.
const QUEUE: usize = 64;

/// Where moves are asked for, and what others may know of the copies.
#[derive(Debug)]
pub(crate) struct Moves {
    asks: mpsc::Sender<Ask>,
    copies: Mutex<BTreeMap<TopicPartition, Copy>>,
    left: Mutex<Left>,
}

/// What the moves have when they stop with the broker, to be closed as other logs are.
#[derive(Debug, Default)]
pub(crate) struct Left {
    pub(crate) logs: Vec<Log>,
    pub(crate) unopened: Vec<Standing>,
}

/// The log that a move fills, as others see it.
#[derive(Debug)]
struct Copy {
    dir: PathBuf,
    log: LogReader,
    /// While the partition is there.
    source: Option<LogReader>,
    standing: Standing,
    /// The checkpoint files do not say so yet.
    is_news: bool,
}

/// Why a replica is not moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MoveRefused {
    #[error("the topic's name is too long for the directory of a copy")]
    NameTooLong,
    #[error("the partition is not on this broker")]
    NotHere,
    #[error("the partition, or a log directory that may have a part in the move, is offline")]
    Offline,
}

#[derive(Debug)]
pub(crate) enum Ask {
    Move { partition: TopicPartition, to: Arc<LogDir>, reply: oneshot::Sender<Result<(), MoveRefused>> },
    Abandon { partition: TopicPartition, reply: oneshot::Sender<()> },
}

impl Moves {
    pub(crate) fn new() -> (Moves, mpsc::Receiver<Ask>) {
        let (asks, receiver) = mpsc::channel(QUEUE);
        (Moves { asks, copies: Mutex::default(), left: Mutex::default() }, receiver)
    }

    /// Begins to move a replica, or gives up a move elsewhere; answered when that is done, not when the replica is there.
    pub(crate) async fn alter(&self, partition: TopicPartition, to: Arc<LogDir>) -> Result<(), MoveRefused> {
        let (reply, answer) = oneshot::channel();
        let asked = self.asks.send(Ask::Move { partition, to, reply }).await;
        // While the broker stops nothing is begun any more.
        asked.map_err(|_| MoveRefused::Offline)?;
        answer.await.unwrap_or(Err(MoveRefused::Offline))
    }

    /// Gives up the move of a partition that is deleted; answered when the copy is marked for deletion too.
    pub(crate) async fn abandon(&self, partition: TopicPartition) {
        let (reply, answer) = oneshot::channel();
        if self.asks.send(Ask::Abandon { partition, reply }).await.is_ok() {
            // While the broker stops the next start takes care of it.
            let _ = answer.await;
        }
    }

    /// The copies as DescribeLogDirs tells of them.
    pub(crate) fn measured(&self) -> Vec<Measured> {
        let measured = |(partition, copy): (&TopicPartition, &Copy)| Measured {
            partition: partition.clone(),
            dir: copy.dir.clone(),
            size: copy.log.size(),
            is_future: true,
            offset_lag: copy.source.as_ref().map(|source| source.view().end - copy.log.view().end),
        };
        self.copies().iter().map(measured).collect()
    }

    /// What changed since this was asked the last time, for the checkpoint files.
    pub(crate) fn take_changed(&self) -> Vec<Standing> {
        let mut copies = self.copies();
        let news = copies
            .values_mut()
            .filter_map(|copy| std::mem::take(&mut copy.is_news).then(|| copy.standing.clone()));
        news.collect()
    }

    /// What is left to be closed.
    pub(crate) fn take_left(&self) -> Left {
        std::mem::take(&mut *self.left.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn leave(&self, left: Left) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = left;
    }

    /// Shows what a copy is now.
    fn show(&self, log: &Log, source: Option<&LogReader>) {
        let standing = Standing {
            partition: log.partition.clone(),
            dir: log.dir.to_path_buf(),
            high_watermark: log.high_watermark(),
            recovery_point: log.recovery_point(),
            log_start: log.start_to_checkpoint(),
        };
        let (dir, source) = (standing.dir.clone(), source.cloned());
        let copy = Copy { dir, log: log.reader(), source, standing, is_news: true };
        self.copies().insert(log.partition.clone(), copy);
    }

    /// The partition is not there now.
    fn lose_source(&self, partition: &TopicPartition) {
        if let Some(copy) = self.copies().get_mut(partition) {
            copy.source = None;
        }
    }

    fn hide(&self, partition: &TopicPartition) {
        self.copies().remove(partition);
    }

    fn copies(&self) -> MutexGuard<'_, BTreeMap<TopicPartition, Copy>> {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
