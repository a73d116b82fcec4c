//! The checkpoint files of the log directories, kept up to date from what the shards say has changed.
//! Written only when something changed. Source: LogManager.checkpoint…, ReplicaManager.checkpointHighWatermarks (3.9).

use std::collections::BTreeMap;
use std::path::PathBuf;

use protocol::ids::{Offset, TopicPartition};
use storage::Checkpoint;
use tokio::sync::oneshot;

use crate::broker::Broker;
use crate::shard::{Command, Standing};
use crate::upkeep::Job;

/// What the files should say, by log directory.
#[derive(Debug, Default)]
pub(crate) struct Checkpoints {
    dirs: BTreeMap<PathBuf, Dir>,
}

#[derive(Debug, Default)]
struct Dir {
    standings: BTreeMap<TopicPartition, Standing>,
    /// What each file says now.
    written: BTreeMap<&'static str, BTreeMap<TopicPartition, Offset>>,
}

impl Checkpoints {
    /// Brings one kind of file up to date in every directory.
    pub(crate) async fn write(&mut self, broker: &Broker, which: Checkpoint) {
        self.take_changes(broker).await;
        self.forget_deleted(broker);
        for (path, dir) in &mut self.dirs {
            let offsets = dir.offsets(which);
            if dir.written.get(which.file_name()) == Some(&offsets) {
                continue;
            }
            let Some(log_dir) = broker.log_dirs.online(path) else { continue };
            let content = offsets.clone();
            let written = broker.tasks.blocking(move || log_dir.write_offsets(which, &content)).await;
            match written {
                Ok(()) => drop(dir.written.insert(which.file_name(), offsets)),
                Err(error) => {
                    if !error.is_full() {
                        tracing::error!(%error, file = which.file_name(), "checkpoint could not be written");
                    }
                    broker.jobs.push(Job::Blame(error));
                }
            }
        }
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
        for reply in replies {
            for standing in reply.await.unwrap_or_default() {
                let Some(parent) = standing.dir.parent() else { continue };
                let dir = self.dirs.entry(parent.to_path_buf()).or_default();
                dir.standings.insert(standing.partition.clone(), standing);
            }
        }
    }

    fn forget_deleted(&mut self, broker: &Broker) {
        for (path, dir) in &mut self.dirs {
            dir.standings.retain(|partition, _| broker.log_dirs.holds(partition, path));
        }
    }
}

impl Dir {
    fn offsets(&self, which: Checkpoint) -> BTreeMap<TopicPartition, Offset> {
        let listed = self.standings.iter().filter_map(|(partition, standing)| {
            let offset = match which {
                Checkpoint::RecoveryPoint => standing.recovery_point,
                Checkpoint::HighWatermark => standing.high_watermark,
                Checkpoint::LogStart => standing.log_start?,
            };
            Some((partition.clone(), offset))
        });
        listed.collect()
    }
}
