//! What the handles send to the session's thread.
//!
//! Owns the two messages; no behaviour beyond answering.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::store::{Answer, Operation, StoreError};

#[derive(Debug)]
pub(super) struct Request {
    pub(super) operation: Operation,
    /// Of the session under which it was asked.
    pub(super) epoch: u64,
    pub(super) reply: oneshot::Sender<Result<Answer, StoreError>>,
}

#[derive(Debug)]
pub(super) struct Close {
    pub(super) patience: Duration,
    pub(super) done: oneshot::Sender<()>,
}

impl Request {
    /// Nobody waits for the answer any more, so what was not sent yet need not be.
    pub(super) fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    pub(super) fn answer(self, result: Result<Answer, StoreError>) {
        // An error means that the caller no longer waits.
        let _ = self.reply.send(result);
    }
}
