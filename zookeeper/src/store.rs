//! What can be asked of ZooKeeper, and what it answers: closed enums, and the trait that both the real session and the model serve.
//!
//! Owns the vocabulary (operation, answer, stat, refusal); never talks to a server. Called by everything that reads or writes
//! metadata. A `None` in a create is ZooKeeper's null, which Kafka tells from empty; reads show null as empty data.
//! Source: ZooKeeper 3.8 `ZooKeeper.java`, `KeeperException.java`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

mod answer;
mod error;
mod operation;

pub use answer::{Answer, Node, Stat, WriteAnswer};
pub use error::{Refusal, StoreError};
pub use operation::{CreateMode, Expected, Operation, Watch, Write};

use crate::events::SessionId;

/// An operation under way. It is handed over at the first poll, so operations take effect in the order of their first polls;
/// but creations of null data go by a connection of their own: await them before anything that builds on them.
pub type Pending<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// Cluster metadata as ZooKeeper keeps it.
///
/// Reads wait through lost connections. A write whose connection was lost after it was sent ends as
/// [`StoreError::OutcomeUnknown`]: it may or may not have happened, and the caller reads to find out.
/// Everything ends as [`StoreError::SessionExpired`] when the session it was asked under is gone.
pub trait MetadataStore: fmt::Debug + Send + Sync {
    fn submit(&self, operation: Operation) -> Pending<Answer>;

    /// The session that holds now: the owner of the ephemeral nodes that are created from here on.
    fn session(&self) -> SessionId;

    /// Data and stat. A watch is left only if the node exists: to watch an absent node use [`exists`](Self::exists).
    fn get(&self, path: &str, watch: Watch) -> Pending<Node> {
        let operation = Operation::Get { path: path.to_owned(), watch };
        expecting(self.submit(operation), path, |answer| match answer {
            Answer::Node(node) => Some(node),
            Answer::Stat(_) | Answer::Children { .. } | Answer::Written(_) | Answer::Multi(_) => None,
        })
    }

    /// The stat, or `None` where there is no node; the watch is left in both cases.
    fn exists(&self, path: &str, watch: Watch) -> Pending<Option<Stat>> {
        let operation = Operation::Exists { path: path.to_owned(), watch };
        expecting(self.submit(operation), path, |answer| match answer {
            Answer::Stat(stat) => Some(stat),
            Answer::Node(_) | Answer::Children { .. } | Answer::Written(_) | Answer::Multi(_) => None,
        })
    }

    /// The names of the children, in no order, and the stat of the node.
    fn children(&self, path: &str, watch: Watch) -> Pending<(Vec<String>, Stat)> {
        let operation = Operation::Children { path: path.to_owned(), watch };
        expecting(self.submit(operation), path, |answer| match answer {
            Answer::Children { names, stat } => Some((names, stat)),
            Answer::Node(_) | Answer::Stat(_) | Answer::Written(_) | Answer::Multi(_) => None,
        })
    }

    /// Creates a node whose parent exists; answers its path, which a sequential node gets from the server.
    fn create(&self, path: &str, data: Option<Bytes>, mode: CreateMode) -> Pending<String> {
        let write = Write::Create { path: path.to_owned(), data, mode };
        expecting(self.submit(Operation::Write(write)), path, |answer| match written(answer)? {
            WriteAnswer::Created { path } => Some(path),
            WriteAnswer::Checked | WriteAnswer::Set { .. } | WriteAnswer::Deleted => None,
        })
    }

    fn set(&self, path: &str, data: Bytes, expected: Expected) -> Pending<Stat> {
        let write = Write::Set { path: path.to_owned(), data, expected };
        expecting(self.submit(Operation::Write(write)), path, |answer| match written(answer)? {
            WriteAnswer::Set { stat } => Some(stat),
            WriteAnswer::Checked | WriteAnswer::Created { .. } | WriteAnswer::Deleted => None,
        })
    }

    fn delete(&self, path: &str, expected: Expected) -> Pending<()> {
        let write = Write::Delete { path: path.to_owned(), expected };
        expecting(self.submit(Operation::Write(write)), path, |answer| match written(answer)? {
            WriteAnswer::Deleted => Some(()),
            WriteAnswer::Checked | WriteAnswer::Created { .. } | WriteAnswer::Set { .. } => None,
        })
    }

    /// All of the writes or none. The answers stand in the order of the writes, one for each; a refusal names the first write
    /// that failed.
    fn multi(&self, writes: Vec<Write>) -> Pending<Vec<WriteAnswer>> {
        let operation = Operation::Multi(writes);
        let path = operation.path().to_owned();
        expecting(self.submit(operation), &path, |answer| match answer {
            Answer::Multi(answers) => Some(answers),
            Answer::Node(_) | Answer::Stat(_) | Answer::Children { .. } | Answer::Written(_) => None,
        })
    }
}

fn written(answer: Answer) -> Option<WriteAnswer> {
    match answer {
        Answer::Written(answer) => Some(answer),
        Answer::Node(_) | Answer::Stat(_) | Answer::Children { .. } | Answer::Multi(_) => None,
    }
}

fn expecting<T: 'static>(pending: Pending<Answer>, path: &str, pick: fn(Answer) -> Option<T>) -> Pending<T> {
    Box::pin(Expecting { pending, path: path.to_owned(), pick })
}

/// An operation under way whose answer can only be of one kind.
struct Expecting<T> {
    pending: Pending<Answer>,
    path: String,
    pick: fn(Answer) -> Option<T>,
}

impl<T> Future for Expecting<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(self.pending.as_mut().poll(context))?;
        let unexpected = || StoreError::Unexpected {
            path: self.path.clone(),
            what: "the answer is to another question".to_owned(),
        };
        Poll::Ready((self.pick)(answer).ok_or_else(unexpected))
    }
}
