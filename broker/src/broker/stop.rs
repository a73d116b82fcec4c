//! Stopping a broker in stages, each with a deadline and a log line: requests end first, the logs are closed, ZooKeeper is told last.
//! Past the last deadline the process ends without the marks of a clean stop, and the next start recovers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use protocol::ids::Offset;
use storage::{Checkpoint, Closed, DiskError, Log, LogDir};
use tokio::sync::oneshot;

use super::Broker;
use super::start::Running;
use crate::abreast::abreast;
use crate::shard::{Command, Standing};
use crate::tasks::TaskKind;

/// How long the server may take to confirm that the session is closed.
const SESSION_PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn stop(running: Running) {
    let Running { broker, session } = running;
    tracing::info!(id = %broker.identity.broker, "stopping");
    for kind in [TaskKind::Listener, TaskKind::Connection, TaskKind::Controller, TaskKind::Upkeep] {
        // Who is late has been logged and dropped; the stages after it do not depend on it.
        let _ = broker.tasks.stop(kind).await;
    }
    broker.tasks.settle().await;
    close_logs(&broker).await;
    let _ = broker.tasks.stop(TaskKind::Shard).await;
    let _ = broker.tasks.stop(TaskKind::ZooKeeper).await;
    session.close(SESSION_PATIENCE).await;
    tracing::info!(id = %broker.identity.broker, "stopped");
}

/// Takes the logs from the shards, closes them, and leaves what a clean start needs in each directory.
pub(crate) async fn close_logs(broker: &Arc<Broker>) {
    let mut replies = Vec::new();
    let sent = broker.shards.send_all(|| {
        let (reply, logs) = oneshot::channel();
        replies.push(logs);
        Command::Close(reply)
    });
    if sent.await.is_err() {
        tracing::error!("a shard is gone: its logs are not closed, and the next start checks them");
        return;
    }
    let (mut logs, mut unopened) = (Vec::new(), Vec::new());
    for reply in replies {
        match reply.await {
            Ok(closing) => {
                logs.extend(closing.logs);
                unopened.extend(closing.unopened);
            }
            Err(_) => tracing::error!("a shard did not give its logs back: the next start checks them"),
        }
    }
    let left = broker.moves.take_left();
    logs.extend(left.logs);
    unopened.extend(left.unopened);
    let dirs = broker.log_dirs.all_online();
    let expected = dirs.iter().map(|dir| (dir.path.clone(), broker.log_dirs.count(&dir.path))).collect();
    broker.tasks.blocking(move || close_all(logs, unopened, &dirs, &expected)).await;
}

/// `expected` is the number of logs in each directory: one that is offline, or was not open yet, has given no log back.
fn close_all(
    logs: Vec<Log>,
    unopened: Vec<Standing>,
    dirs: &[Arc<LogDir>],
    expected: &BTreeMap<PathBuf, usize>,
) {
    let mut ends: BTreeMap<PathBuf, Vec<Closed>> = BTreeMap::new();
    for (dir, closed) in abreast(logs, close) {
        ends.entry(dir).or_default().push(closed);
    }
    let clean: Vec<_> = dirs
        .iter()
        .map(|dir| expected.get(&dir.path).copied() == Some(ends.get(&dir.path).map_or(0, Vec::len)))
        .collect();
    for Standing { partition, dir, high_watermark, recovery_point, log_start } in unopened {
        let Some(dir) = dir.parent().map(Path::to_path_buf) else { continue };
        ends.entry(dir).or_default().push(Closed { partition, recovery_point, log_start, high_watermark });
    }
    for (dir, clean) in dirs.iter().zip(clean) {
        let ends = ends.remove(&dir.path).unwrap_or_default();
        if let Err(error) = finish(dir, &ends, clean) {
            tracing::error!(dir = %dir.path.display(), %error, "the log directory is not marked as cleanly stopped");
        }
    }
}

/// Closes the log; returns its log directory and its end.
fn close(log: Log) -> Option<(PathBuf, Closed)> {
    let partition = log.partition.clone();
    let dir = log.dir.parent()?.to_path_buf();
    match log.close() {
        Ok(end) => Some((dir, end)),
        Err(error) => {
            tracing::error!(%partition, %error, "the log could not be closed: the next start checks it");
            None
        }
    }
}

/// Writes the checkpoints, and the mark of a clean stop where everything in the directory was closed.
fn finish(dir: &LogDir, ends: &[Closed], clean: bool) -> Result<(), DiskError> {
    let write = |which, pick: fn(&Closed) -> Option<Offset>| {
        // A log that was not given back stays listed as it is: without its start, deleted records would be back.
        let mut offsets = dir.read_offsets(which).unwrap_or_default();
        for end in ends {
            offsets.remove(&end.partition);
            offsets.extend(pick(end).map(|offset| (end.partition.clone(), offset)));
        }
        dir.write_offsets(which, &offsets)
    };
    write(Checkpoint::HighWatermark, |end| Some(end.high_watermark))?;
    write(Checkpoint::RecoveryPoint, |end| Some(end.recovery_point))?;
    write(Checkpoint::LogStart, |end| end.log_start)?;
    if clean {
        dir.write_clean_mark()?;
    }
    dir.release()
}

#[cfg(test)]
mod tests {
    use protocol::ids::TopicPartition;
    use storage::OsDisk;

    use super::*;

    #[test]
    fn a_log_that_was_not_given_back_stays_listed() {
        let folder = std::env::temp_dir().join(format!("ottla-stop-test-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let dir = LogDir::open(&folder, Arc::new(OsDisk)).unwrap();
        let name = |topic| TopicPartition::new(topic, 0);
        let listed = BTreeMap::from([(name("lost"), Offset(7)), (name("t"), Offset(3))]);
        for which in [Checkpoint::LogStart, Checkpoint::RecoveryPoint] {
            dir.write_offsets(which, &listed).unwrap();
        }
        let end = Closed {
            partition: name("t"),
            recovery_point: Offset(9),
            log_start: None,
            high_watermark: Offset(9),
        };
        finish(&dir, &[end], false).unwrap();
        let dir = LogDir::open(&folder, Arc::new(OsDisk)).unwrap();
        let starts = dir.read_offsets(Checkpoint::LogStart).unwrap();
        assert_eq!(starts, BTreeMap::from([(name("lost"), Offset(7))]));
        let points = dir.read_offsets(Checkpoint::RecoveryPoint).unwrap();
        assert_eq!(points, BTreeMap::from([(name("lost"), Offset(7)), (name("t"), Offset(9))]));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
