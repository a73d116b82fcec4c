//! What a move has in hand between its steps.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use coordinator::moves::Trouble;
use protocol::ids::{TopicId, TopicPartition};
use storage::{DiskError, Log, LogDir, LogReader, OpenOptions};

use uuid::Uuid;

use crate::broker::Broker;
use crate::shard::Standing;
use crate::upkeep;

#[derive(Debug)]
pub(super) struct Job {
    pub(super) partition: TopicPartition,
    /// Where the replica goes.
    pub(super) to: Arc<LogDir>,
    /// The copy's own directory.
    pub(super) dir: PathBuf,
    pub(super) copy: Copy,
    /// The partition's log, as far as it was there when that was last looked at.
    pub(super) source: Option<LogReader>,
    /// The log whose place was taken.
    pub(super) old: Option<Box<Log>>,
    /// Bytes of the copy that are not on the medium.
    pub(super) unsynced: u64,
    /// Of this move, for what the directories say of it.
    pub(super) id: TopicId,
}

#[derive(Debug)]
pub(super) enum Copy {
    /// An earlier run of the broker has left it.
    Found(Box<OpenOptions>),
    Open(Box<Log>),
    /// It is the partition's log now, or nobody's any more.
    Gone,
}

impl Job {
    pub(super) fn new(to: Arc<LogDir>, log: Log) -> Job {
        let (partition, dir) = (log.partition.clone(), log.dir.to_path_buf());
        let copy = Copy::Open(Box::new(log));
        Job { partition, to, dir, copy, source: None, old: None, unsynced: 0, id: Uuid::new_v4() }
    }

    pub(super) fn found(to: Arc<LogDir>, options: OpenOptions) -> Job {
        let (partition, dir) = (options.partition.clone(), options.dir.clone());
        // What was synced of it is not known exactly.
        let (copy, unsynced) = (Copy::Found(Box::new(options)), u64::MAX);
        Job { partition, to, dir, copy, source: None, old: None, unsynced, id: Uuid::new_v4() }
    }

    /// Runs `work` on the copy, on a thread that may block. A panic in it ends the move's work on this log, and no more.
    pub(super) async fn with_copy<T: Send + 'static>(
        &mut self,
        broker: &Broker,
        work: impl FnOnce(&mut Log) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let Copy::Open(mut log) = std::mem::replace(&mut self.copy, Copy::Gone) else {
            return Err(Trouble::Foreign);
        };
        let run = move || {
            // Nobody looks at the log after a panic.
            let outcome = catch_unwind(AssertUnwindSafe(|| work(&mut log))).ok();
            outcome.map(|outcome| (log, outcome))
        };
        let Some((log, outcome)) = broker.tasks.blocking(run).await else {
            tracing::error!(
                partition = %self.partition, dir = %self.dir.display(),
                "the move to another log directory rests after an internal error (see the panic above); please report it"
            );
            return Err(Trouble::Foreign);
        };
        self.dir = log.dir.to_path_buf();
        broker.moves.show(&log, self.source.as_ref());
        self.copy = Copy::Open(log);
        outcome
    }

    /// Where the partition's log is.
    pub(super) fn home(&self, broker: &Broker) -> Option<Arc<LogDir>> {
        let home = broker.log_dirs.home(&self.partition)?;
        broker.log_dirs.online(&home)
    }

    /// Whether the replica's own log is where the copy was.
    pub(super) fn is_in_place(&self, broker: &Broker) -> bool {
        self.is_named_plainly()
            && broker.log_dirs.home(&self.partition).is_some_and(|home| home == self.to.path)
    }

    pub(super) fn is_named_plainly(&self) -> bool {
        self.dir == self.to.partition_dir(&self.partition)
    }
}

impl Copy {
    /// What the checkpoint files say of one that was not opened.
    pub(super) fn standing(options: OpenOptions) -> Standing {
        let OpenOptions { dir, partition, recovery_point, log_start, high_watermark, .. } = options;
        Standing { partition, dir, high_watermark, recovery_point, log_start }
    }
}

/// What an error in the copy's directory means for the move; the directory's own fate is decided elsewhere.
pub(super) fn trouble(jobs: &upkeep::JobQueue, error: &DiskError) -> Trouble {
    jobs.push(upkeep::Job::Blame(error.clone()));
    if error.is_full() || error.is_shortage {
        Trouble::Room
    } else if error.blames_disk() {
        Trouble::Disk
    } else {
        Trouble::Records
    }
}

/// Whether something stands where a log would get this name.
pub(super) fn is_taken(dir: &Path) -> bool {
    dir.symlink_metadata().is_ok()
}
