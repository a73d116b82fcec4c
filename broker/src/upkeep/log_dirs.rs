//! What becomes of a log directory when its disk fails, is full, or has room again, and of a log that is damaged.
//! Called by the task that carries out disk jobs; tells the shards, never touches a log itself.
//! Source: ReplicaManager.handleLogDirFailure (3.9), KIP-928 for full disks.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use storage::rot::{self, partition_of};
use storage::{DiskError, LogDir};
use tokio::sync::oneshot;
use tokio::time::sleep;
use zookeeper::paths;
use zookeeper::store::{CreateMode, StoreError};
use zookeeper::znodes::LogDirEvent;

use crate::broker::Broker;
use crate::shard::{Command, Damaged};
use crate::tasks::{TaskError, TaskKind};

/// The least room beside the reserve with which a directory takes records again.
const SPARE_MIN: u64 = 1 << 20;
/// Between two attempts to tell the controller.
const PAUSE: Duration = Duration::from_secs(1);

/// Finds out what an error means for the directory it happened in.
pub(super) async fn blame(broker: &Broker, error: &DiskError) -> Result<(), TaskError> {
    let Some(dir) = broker.log_dirs.around(&error.path) else { return Ok(()) };
    if error.blames_disk() {
        return fail(broker, &dir, &error.to_string()).await;
    }
    if error.is_full() {
        fill_up(broker, &dir, error).await;
    }
    Ok(())
}

/// Takes a log directory out of service; the broker cannot go on without any.
pub(super) async fn fail(broker: &Broker, dir: &Path, reason: &str) -> Result<(), TaskError> {
    if !broker.log_dirs.fail(dir) {
        return Ok(());
    }
    tracing::error!(
        dir = %dir.display(), reason,
        "log directory is offline: its partitions are served no more. Check the disk and restart the broker"
    );
    let path = dir.to_path_buf();
    let _ = broker.shards.send_all(|| Command::FailDir(path.clone())).await;
    if !broker.log_dirs.any_online() {
        return Err("no log directory is left online".into());
    }
    broker.log_dirs.news.notify_one();
    Ok(())
}

/// Makes a directory's partitions read-only, and gives its reserve to deletes, retention and checkpoints.
async fn fill_up(broker: &Broker, dir: &Path, error: &DiskError) {
    let Some(log_dir) = broker.log_dirs.online(dir) else { return };
    if !broker.log_dirs.fill_up(dir) {
        return;
    }
    tracing::error!(
        dir = %dir.display(), %error,
        "log directory is full: its partitions are read-only until there is room. Delete topics, lower their retention, \
         or give the disk more space"
    );
    // No record may take what the reserve gives back.
    let mut replies = Vec::new();
    let sent = broker.shards.send_all(|| {
        let (reply, frozen) = oneshot::channel();
        replies.push(frozen);
        Command::Freeze { dir: dir.to_path_buf(), reply }
    });
    if sent.await.is_err() {
        return;
    }
    for frozen in replies {
        // A shard that is gone writes no more.
        let _ = frozen.await;
    }
    if let Err(error) = broker.tasks.blocking(move || log_dir.release_reserve()).await {
        tracing::warn!(dir = %dir.display(), %error, "the reserve cannot be given back to the disk");
    }
    let _ = broker.shards.send_all(|| Command::Retain).await;
}

/// Takes the reserve of every directory once all logs are open; a disk without room for it is full.
pub(super) async fn hold_reserves(broker: &Broker) -> Result<(), TaskError> {
    for log_dir in broker.log_dirs.all_online() {
        if let Err(error) = hold(broker, &log_dir, 0).await {
            if !error.is_full() {
                tracing::warn!(dir = %log_dir.path.display(), %error, "no reserve can be kept for a full disk");
            }
            blame(broker, &error).await?;
        }
    }
    Ok(())
}

/// Looks whether full directories have room again: for the reserve and as much again, so that they are not full at once.
pub(super) async fn look_for_room(broker: &Broker) -> Result<(), TaskError> {
    let spare = broker.config.log.reserve_bytes.max(SPARE_MIN);
    for dir in broker.log_dirs.full() {
        let Some(log_dir) = broker.log_dirs.online(&dir) else { continue };
        match hold(broker, &log_dir, spare).await {
            Ok(()) => {
                broker.log_dirs.empty_out(&dir);
                broker.log_dirs.room.notify_one();
                let _ = broker.shards.send_all(|| Command::Thaw(dir.clone())).await;
                tracing::info!(dir = %dir.display(), "log directory has room again: its partitions take records");
            }
            Err(error) if error.is_full() => {}
            Err(error) => blame(broker, &error).await?,
        }
    }
    Ok(())
}

async fn hold(broker: &Broker, log_dir: &Arc<LogDir>, spare: u64) -> Result<(), DiskError> {
    let (log_dir, bytes) = (Arc::clone(log_dir), broker.config.log.reserve_bytes);
    if bytes + spare == 0 {
        return Ok(());
    }
    broker.tasks.blocking(move || log_dir.hold_reserve(bytes, spare)).await
}

/// Looks again at a batch that a reader found bad, and takes its partition offline.
pub(super) async fn examine(broker: &Broker, file: PathBuf, position: u64) -> Result<(), TaskError> {
    let home = broker.log_dirs.around(&file);
    let partition = partition_of(&file).filter(|partition| broker.log_dirs.home(partition) == home);
    // A file of a partition that is being deleted serves nobody.
    let Some(partition) = partition else { return Ok(()) };
    let path = file.clone();
    match broker.tasks.blocking(move || rot::confirm(&path, position)).await {
        Ok(Some(damage)) => {
            let damaged = Damaged { partition: partition.clone(), file, damage };
            let _ = broker.shards.send(&partition, Command::Damaged(Box::new(damaged))).await;
            broker.log_dirs.news.notify_one();
        }
        Ok(None) => tracing::warn!(
            %partition, file = %file.display(), position,
            "a reader got a bad batch and the next one a good one: look at the disk and its cables"
        ),
        Err(error) => blame(broker, &DiskError::reading(&file, &error)).await?,
    }
    Ok(())
}

/// Tells the controller, through ZooKeeper, that replicas of this broker are offline, or back; one notice may stand for several.
/// Source: KafkaZkClient.propagateLogDirEvent (3.9).
pub(super) async fn tell_controller(broker: Arc<Broker>) -> Result<(), TaskError> {
    let stopping = broker.tasks.stopping(TaskKind::Upkeep);
    let telling = async {
        loop {
            broker.log_dirs.news.notified().await;
            while let Err(error) = notify(&broker).await {
                tracing::warn!(%error, "the controller could not be told which replicas are offline: trying again");
                sleep(PAUSE).await;
            }
        }
    };
    let _: Option<()> = stopping.run_until_cancelled(telling).await;
    Ok(())
}

/// A second notice, where the first one's fate is not known, does no harm.
async fn notify(broker: &Broker) -> Result<(), StoreError> {
    let event = LogDirEvent { broker: broker.identity.broker }.encode();
    let path = paths::new_log_dir_event();
    match broker.store.create(&path, Some(event), CreateMode::PersistentSequential).await {
        // With the new session comes a new registration, after which the controller asks about every replica.
        Ok(_) | Err(StoreError::SessionExpired | StoreError::Closed) => Ok(()),
        Err(error) => Err(error),
    }
}
