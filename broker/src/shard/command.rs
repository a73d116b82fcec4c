//! What a shard can be asked to do, and what it answers. A closed list: nothing else reaches a partition's log.

use std::time::Duration;

use coordinator::replica::{Acks, AppendRefused, Assigned, AssignmentRefused, ProduceFault};
use protocol::batch::Produced;
use protocol::ids::{BrokerId, LeaderEpoch, Offset, Millis, TopicId, TopicPartition};
use storage::{AppendError, FlushReport, LogSettings};
use tokio::sync::oneshot;

use super::partition::Standing;

#[derive(Debug)]
pub(crate) enum Command {
    Append(Append),
    /// LeaderAndIsr for one partition.
    Assign(Box<Assign>),
    Stop(StopReplica),
    /// A topic's settings changed.
    Configure { topic: String, settings: Box<LogSettings>, min_insync_replicas: usize },
    /// Asks for the partitions that changed since the last call, for the checkpoint files.
    TakeChanged(oneshot::Sender<Vec<Standing>>),
    /// Time to look for segments and producers that are too old.
    Retain,
    /// Time to look for logs whose flush is due by time.
    FlushDue,
    Flushed { partition: TopicPartition, report: FlushReport },
    /// The last command: flush and close every log; the answer says which directories closed cleanly.
    Close(oneshot::Sender<Vec<Closed>>),
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

/// A batch that is in the log, or was already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) base_offset: Offset,
    /// `Millis(-1)` unless the broker's clock stamped the batch.
    pub(crate) log_append_time: Millis,
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
    /// The partition is offline after an error; the log said why when it happened.
    #[error("the partition is offline on this broker since an earlier error")]
    Offline,
}

#[derive(Debug)]
pub(crate) struct Assign {
    pub(crate) partition: TopicPartition,
    pub(crate) topic_id: TopicId,
    pub(crate) leader: Option<BrokerId>,
    pub(crate) assigned: Assigned,
    /// Where the log is made if there is none yet.
    pub(crate) home: Home,
    pub(crate) reply: oneshot::Sender<Result<(), AssignFailure>>,
}
