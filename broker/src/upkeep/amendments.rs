//! Changes of the checkpoint files that do not wait for their time, since a start after a power cut would otherwise believe the files of
//! records that are appended next. Asked for here, carried out by the task that keeps the times, which alone writes the files.

use std::path::PathBuf;

use protocol::ids::{Offset, TopicPartition};
use tokio::sync::{mpsc, oneshot};

/// Changes that wait; who asks for one waits for it too, so they are as few as those who open and delete logs.
const QUEUE: usize = 64;

/// What has to be on the medium before somebody goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Logs were deleted, and others may be made under their names. Source: LogManager.asyncDelete (3.9).
    Deleted,
    /// A log ends here, below the recovery point that is listed.
    Lowered { partition: TopicPartition, dir: PathBuf, to: Offset },
}

#[derive(Debug)]
pub(crate) struct Amendment {
    pub(super) change: Change,
    pub(super) done: oneshot::Sender<bool>,
}

/// Where changes are asked for; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Amendments(mpsc::Sender<Amendment>);

impl Amendments {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Amendment>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), receiver)
    }

    /// Waits for the change; false if it could not be made, which has been said, or the broker stops.
    pub(crate) async fn make(&self, change: Change) -> bool {
        let (done, made) = oneshot::channel();
        self.0.send(Amendment { change, done }).await.is_ok() && made.await.unwrap_or(false)
    }
}
