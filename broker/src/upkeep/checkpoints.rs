//! The checkpoint files of the log directories, kept up to date from what the shards say has changed.
//! Written, and looked at, only when something changed. Source: LogManager.checkpoint…, ReplicaManager.checkpointHighWatermarks (3.9).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::ids::{Offset, TopicPartition};
use storage::{Checkpoint, CheckpointError, LogDir};
use tokio::sync::oneshot;

use crate::broker::Broker;
use crate::shard::{Command, Standing};
use crate::upkeep::{Amendment, Change, Job};

/// What the files should say, by log directory.
#[derive(Debug, Default)]
pub(crate) struct Checkpoints {
    dirs: BTreeMap<PathBuf, Dir>,
    /// How many partitions had gone when that was looked at last.
    forgotten: u64,
}

#[derive(Debug, Default)]
struct Dir {
    standings: BTreeMap<TopicPartition, Standing>,
    /// Grows with every change of the standings.
    version: u64,
    /// What each file says now, and since which version.
    written: BTreeMap<&'static str, (u64, BTreeMap<TopicPartition, Offset>)>,
}

impl Checkpoints {
    /// Brings one kind of file up to date in every directory.
    pub(crate) async fn write(&mut self, broker: &Broker, which: Checkpoint) {
        self.take_changes(broker).await;
        self.forget_deleted(broker);
        for (path, dir) in &mut self.dirs {
            let Some(offsets) = dir.news(which) else { continue };
            let Some(log_dir) = broker.log_dirs.online(path) else { continue };
            let content = offsets.clone();
            let written = broker.tasks.blocking(move || log_dir.write_offsets(which, &content)).await;
            match written {
                Ok(()) => drop(dir.written.insert(which.file_name(), (dir.version, offsets))),
                Err(error) => {
                    if !error.is_full() {
                        tracing::error!(%error, file = which.file_name(), "checkpoint could not be written");
                    }
                    broker.jobs.push(Job::Blame(error));
                }
            }
        }
    }

    /// Makes a change that somebody waits for.
    pub(crate) async fn amend(&mut self, broker: &Arc<Broker>, amendment: Amendment) {
        let is_made = match amendment.change {
            Change::Deleted => {
                self.write(broker, Checkpoint::RecoveryPoint).await;
                self.write(broker, Checkpoint::LogStart).await;
                forget_cleaned(broker).await
            }
            Change::Lowered { partition, dir, to } => self.lower(broker, (&partition, &dir), to).await,
        };
        // Who has asked may be gone.
        let _ = amendment.done.send(is_made);
    }

    async fn lower(&mut self, broker: &Broker, (name, path): (&TopicPartition, &Path), to: Offset) -> bool {
        // What the shards know of a log that is being opened is what the file says: it must not come later.
        self.take_changes(broker).await;
        if let Some(dir) = self.dirs.get_mut(path) {
            dir.written.remove(Checkpoint::RecoveryPoint.file_name());
            if let Some(standing) = dir.standings.get_mut(name) {
                standing.recovery_point = standing.recovery_point.min(to);
            }
        }
        let (Some(log_dir), name) = (broker.log_dirs.online(path), name.clone()) else { return false };
        let lower = move || log_dir.lower(Checkpoint::RecoveryPoint, &name, to);
        is_made(broker, broker.tasks.blocking(lower).await)
    }

    async fn take_changes(&mut self, broker: &Broker) {
        let mut replies = Vec::new();
        let sent = broker.shards.send_all(|| {
            let (reply, changed) = oneshot::channel();
            replies.push(changed);
            Command::TakeChanged(reply)
        });
        if sent.await.is_err() {
            return;
        }
        // A copy that became a partition's log just now is told by its shard.
        broker.moves.take_changed().into_iter().for_each(|standing| self.note(standing));
        for reply in replies {
            reply.await.unwrap_or_default().into_iter().for_each(|standing| self.note(standing));
        }
    }

    fn note(&mut self, standing: Standing) {
        let Some(parent) = standing.dir.parent() else { return };
        let dir = self.dirs.entry(parent.to_path_buf()).or_default();
        dir.standings.insert(standing.partition.clone(), standing);
        dir.version += 1;
    }

    fn forget_deleted(&mut self, broker: &Broker) {
        let forgotten = broker.log_dirs.forgotten();
        if std::mem::replace(&mut self.forgotten, forgotten) == forgotten {
            return;
        }
        for (path, dir) in &mut self.dirs {
            dir.standings.retain(|partition, _| broker.log_dirs.holds(partition, path));
            dir.version += 1;
        }
    }
}

/// Takes deleted logs out of what Kafka's cleaner left, as Kafka does.
async fn forget_cleaned(broker: &Arc<Broker>) -> bool {
    let held = Arc::clone(broker);
    let forget = move |dir: &Arc<LogDir>| {
        let is_held = |partition: &TopicPartition| held.log_dirs.holds(partition, &dir.path);
        dir.retain_offsets(Checkpoint::Cleaner, is_held)
    };
    let dirs = broker.log_dirs.all_online();
    is_made(broker, broker.tasks.blocking(move || dirs.iter().try_for_each(forget)).await)
}

fn is_made(broker: &Broker, change: Result<(), CheckpointError>) -> bool {
    match change {
        Ok(()) => return true,
        Err(CheckpointError::Disk(error)) => broker.jobs.push(Job::Blame(error)),
        Err(error @ CheckpointError::Malformed { .. }) => {
            tracing::warn!(%error, "a checkpoint cannot be changed, and stays as it is");
        }
    }
    false
}

impl Dir {
    /// What a file should say, if it does not say so already.
    fn news(&mut self, which: Checkpoint) -> Option<BTreeMap<TopicPartition, Offset>> {
        if self.written.get(which.file_name()).is_some_and(|(version, _)| *version == self.version) {
            return None;
        }
        let offsets = self.offsets(which);
        match self.written.get_mut(which.file_name()) {
            Some((version, written)) if *written == offsets => {
                *version = self.version;
                None
            }
            _ => Some(offsets),
        }
    }

    fn offsets(&self, which: Checkpoint) -> BTreeMap<TopicPartition, Offset> {
        let listed = self.standings.iter().filter_map(|(partition, standing)| {
            let offset = match which {
                Checkpoint::RecoveryPoint => standing.recovery_point,
                Checkpoint::HighWatermark => standing.high_watermark,
                Checkpoint::LogStart => standing.log_start?,
                // Kafka's, of whose entries only some are taken away.
                Checkpoint::Cleaner => return None,
            };
            Some((partition.clone(), offset))
        });
        listed.collect()
    }
}
