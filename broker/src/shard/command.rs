//! What a shard can be asked to do, and what it answers. A closed list: nothing else reaches a partition's log.

use std::path::PathBuf;
use std::time::Duration;

use coordinator::replica::{Acks, AppendRefused, Assigned, AssignmentRefused, ProduceFault};
use protocol::batch::Produced;
use protocol::ids::{BrokerId, LeaderEpoch, Millis, Offset, TopicId, TopicPartition};
use storage::rot::Damage;
use storage::{ActiveProducer, AppendError, DeleteRecordsError, DiskError, Flushed, Log, LogReader};
use tokio::sync::oneshot;

use crate::topic_settings::TopicSettings;

#[derive(Debug)]
pub(crate) enum Command {
    Append(Append),
    /// What came of opening a log that was found at start.
    Opened {
        partition: TopicPartition,
        opening: Opening,
    },
    /// There may be room now for a log that could not be opened without. It is opened if the answer is yes.
    OpenAgain {
        partition: TopicPartition,
        reply: oneshot::Sender<bool>,
    },
    /// LeaderAndIsr, for one partition.
    Assign(Box<Assign>),
    /// StopReplica, for one partition.
    Stop(Stop),
    /// The settings of a topic changed.
    Configure(Box<Configure>),
    /// DeleteRecords, for one partition.
    DeleteRecords(DeleteRecords),
    /// DescribeProducers, for one partition. Not answered where its log cannot be used.
    DescribeProducers {
        partition: TopicPartition,
        reply: oneshot::Sender<Vec<ActiveProducer>>,
    },
    /// A step of a move between log directories.
    Move {
        partition: TopicPartition,
        step: MoveStep,
    },
    /// What every log that can be used takes up.
    Measure(oneshot::Sender<Vec<Measured>>),
    /// The partitions that changed since the last time this was asked, for the checkpoint files.
    TakeChanged(oneshot::Sender<Vec<Standing>>),
    /// Forget segments and producers that are too old.
    Retain,
    /// Look for logs whose flush is due by time.
    FlushDue,
    /// A flush has ended.
    Flushed {
        partition: TopicPartition,
        result: Result<Flushed, DiskError>,
    },
    /// A log directory cannot be trusted any more: its partitions stop.
    FailDir(PathBuf),
    /// The disk gave back other bytes than were written: the partition stops, its files stay as they are.
    Damaged(Box<Damaged>),
    /// A log directory has no room: its partitions take no records from the answer on.
    Freeze {
        dir: PathBuf,
        reply: oneshot::Sender<()>,
    },
    /// A log directory has room again.
    Thaw(PathBuf),
    /// A partition that is offline has been deleted.
    Forget(TopicPartition),
    /// The last command. Whoever waits is told that the broker leads no more; the logs are the caller's to close.
    Close(oneshot::Sender<Closing>),
}

/// What a move between log directories asks of a partition.
#[derive(Debug)]
pub(crate) enum MoveStep {
    /// Where it is.
    Look(oneshot::Sender<Whereabouts>),
    /// Nothing is to change the log from the answer on: appends wait. Not granted, and not answered, where there is none.
    Hold(oneshot::Sender<()>),
    /// This one, which has the same records, takes the log's place; that is given back, or this one where there is none to replace.
    Switch { log: Box<Log>, reply: oneshot::Sender<Result<Box<Log>, Box<Log>>> },
    /// Appends go on.
    Release,
}

/// Where a partition is on this broker, as its shard knows.
#[derive(Debug)]
pub(crate) enum Whereabouts {
    Absent,
    /// Its log is being opened.
    Opening,
    Offline,
    Online {
        reader: LogReader,
        topic_id: Option<TopicId>,
    },
}

/// What came of opening a log.
#[derive(Debug)]
pub(crate) enum Opening {
    Open(Box<Log>),
    /// The disk is too full for what recovery has to write. It is tried again when there is room.
    NoRoom,
    Failed,
}

/// One Produce request's part in this shard.
#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) batches: Vec<(TopicPartition, Produced)>,
    pub(crate) acks: Acks,
    /// How long acks=all may wait for the replicas in sync.
    pub(crate) timeout: Duration,
    /// One outcome per batch, in their order.
    pub(crate) reply: oneshot::Sender<Vec<AppendOutcome>>,
}

pub(crate) type AppendOutcome = Result<Appended, AppendFailure>;

/// A batch that is in the log, now or from an earlier try of its producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) base_offset: Offset,
    /// The broker's clock where it stamped the batch, the batch's own time for a duplicate.
    pub(crate) log_append_time: Option<Millis>,
    pub(crate) log_start: Offset,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum AppendFailure {
    #[error(transparent)]
    Refused(#[from] AppendRefused),
    #[error(transparent)]
    NotAcknowledged(#[from] ProduceFault),
    #[error(transparent)]
    Log(#[from] AppendError),
    /// What went wrong was logged when it happened.
    #[error("the partition is offline on this broker since an earlier error")]
    Offline,
    #[error("the partition's log directory is full: it takes no records until there is room again")]
    Full,
}

#[derive(Debug)]
pub(crate) struct Assign {
    pub(crate) partition: TopicPartition,
    pub(crate) topic_id: TopicId,
    /// This broker or another; `None` where there is none.
    pub(crate) leader: Option<BrokerId>,
    pub(crate) assigned: Assigned,
    pub(crate) settings: TopicSettings,
    /// Made for this command where the shard has none.
    pub(crate) log: Option<Log>,
    pub(crate) reply: oneshot::Sender<Result<(), AssignFailure>>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum AssignFailure {
    #[error(transparent)]
    Refused(#[from] AssignmentRefused),
    #[error("the topic has id {known} in the log directory, but the controller says {asked}")]
    TopicId { known: TopicId, asked: TopicId },
    #[error("the partition's log is offline")]
    Offline,
}

#[derive(Debug)]
pub(crate) struct Stop {
    pub(crate) partition: TopicPartition,
    /// `None` where the controller knows none, or deletes the topic: then it always applies.
    pub(crate) leader_epoch: Option<LeaderEpoch>,
    pub(crate) fate: Fate,
    pub(crate) reply: oneshot::Sender<Result<Option<Log>, StopFailure>>,
}

/// What becomes of the log of a stopped replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Keep,
    /// The log is handed to the caller, who deletes it.
    Delete,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum StopFailure {
    #[error("leader epoch {asked} is older than {known}, which was applied before")]
    FencedLeaderEpoch { asked: LeaderEpoch, known: LeaderEpoch },
    #[error("the partition's log is offline")]
    Offline,
}

#[derive(Debug)]
pub(crate) struct DeleteRecords {
    pub(crate) partition: TopicPartition,
    /// The first offset that stays; `None` is the high watermark.
    pub(crate) before: Option<Offset>,
    pub(crate) reply: oneshot::Sender<Result<RecordsDeleted, DeleteFailure>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordsDeleted {
    /// What was asked for, as an offset.
    pub(crate) before: Offset,
    /// The leader's log start now: `before`, or more if it was there already.
    pub(crate) log_start: Offset,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum DeleteFailure {
    #[error("the broker does not lead the partition")]
    NotLeader,
    #[error(transparent)]
    Log(#[from] DeleteRecordsError),
    #[error("the partition's log is offline")]
    Offline,
}

/// One log on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Measured {
    pub(crate) partition: TopicPartition,
    /// The partition's own directory.
    pub(crate) dir: PathBuf,
    pub(crate) size: u64,
    /// It is to take the place of the current log, when it has the same records.
    pub(crate) is_future: bool,
    /// Records below the high watermark that the log has not, or records of the current log that a future one has not; `None` before the
    /// controller has named the replica's role, or where there is no current log.
    pub(crate) offset_lag: Option<i64>,
}

#[derive(Debug)]
pub(crate) struct Configure {
    pub(crate) topic: String,
    pub(crate) settings: TopicSettings,
}

/// What a shard leaves behind.
#[derive(Debug)]
pub(crate) struct Closing {
    pub(crate) logs: Vec<Log>,
    /// What the checkpoint files said of logs that were not opened, and have to say on.
    pub(crate) unopened: Vec<Standing>,
}

/// Where a log is damaged.
#[derive(Debug)]
pub(crate) struct Damaged {
    pub(crate) partition: TopicPartition,
    pub(crate) file: PathBuf,
    pub(crate) damage: Damage,
}

/// What the checkpoint files say of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) partition: TopicPartition,
    /// The partition's own directory.
    pub(crate) dir: PathBuf,
    pub(crate) high_watermark: Offset,
    pub(crate) recovery_point: Offset,
    /// Only where the first file's name does not say it.
    pub(crate) log_start: Option<Offset>,
}
