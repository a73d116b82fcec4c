//! What can be asked of ZooKeeper, and what it answers: closed enums, and the trait that both the real session and the model serve.
//!
//! Owns the vocabulary (operation, answer, stat, refusal); never talks to a server. Called by everything that reads or writes
//! metadata. A `None` in a create is ZooKeeper's null, which Kafka tells from empty; reads show null as empty data.
//! Source: ZooKeeper 3.8 `ZooKeeper.java`, `KeeperException.java`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

mod answer;
mod error;
mod operation;

pub use answer::{Answer, Node, Stat, WriteAnswer};
pub use error::{Refusal, StoreError};
pub use operation::{CreateMode, Expected, Operation, Watch, Write};

use crate::events::SessionId;

/// An operation under way. It is handed over at the first poll, so operations take effect in the order of their first polls.
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
        let pending = self.submit(Operation::Get { path: path.to_owned(), watch });
        Box::pin(async move {
            match pending.await? {
                Answer::Node(node) => Ok(node),
                other => Err(other.unexpected("get")),
            }
        })
    }

    /// The stat, or `None` where there is no node; the watch is left in both cases.
    fn exists(&self, path: &str, watch: Watch) -> Pending<Option<Stat>> {
        let pending = self.submit(Operation::Exists { path: path.to_owned(), watch });
        Box::pin(async move {
            match pending.await? {
                Answer::Stat(stat) => Ok(stat),
                other => Err(other.unexpected("exists")),
            }
        })
    }

    /// The names of the children, in no order, and the stat of the node.
    fn children(&self, path: &str, watch: Watch) -> Pending<(Vec<String>, Stat)> {
        let pending = self.submit(Operation::Children { path: path.to_owned(), watch });
        Box::pin(async move {
            match pending.await? {
                Answer::Children { names, stat } => Ok((names, stat)),
                other => Err(other.unexpected("children")),
            }
        })
    }

    /// Creates a node whose parent exists; answers its path, which a sequential node gets from the server.
    fn create(&self, path: &str, data: Option<Bytes>, mode: CreateMode) -> Pending<String> {
        let pending = self.submit(Operation::Write(Write::Create { path: path.to_owned(), data, mode }));
        Box::pin(async move {
            match pending.await? {
                Answer::Written(WriteAnswer::Created { path }) => Ok(path),
                other => Err(other.unexpected("create")),
            }
        })
    }

    fn set(&self, path: &str, data: Bytes, expected: Expected) -> Pending<Stat> {
        let pending = self.submit(Operation::Write(Write::Set { path: path.to_owned(), data, expected }));
        Box::pin(async move {
            match pending.await? {
                Answer::Written(WriteAnswer::Set { stat }) => Ok(stat),
                other => Err(other.unexpected("set")),
            }
        })
    }

    fn delete(&self, path: &str, expected: Expected) -> Pending<()> {
        let pending = self.submit(Operation::Write(Write::Delete { path: path.to_owned(), expected }));
        Box::pin(async move {
            match pending.await? {
                Answer::Written(WriteAnswer::Deleted) => Ok(()),
                other => Err(other.unexpected("delete")),
            }
        })
    }

    /// All of the writes or none. The answers stand in the order of the writes; a refusal names the first write that failed.
    fn multi(&self, writes: Vec<Write>) -> Pending<Vec<WriteAnswer>> {
        let count = writes.len();
        let pending = self.submit(Operation::Multi(writes));
        Box::pin(async move {
            match pending.await? {
                Answer::Multi(answers) if answers.len() == count => Ok(answers),
                other => Err(other.unexpected("multi")),
            }
        })
    }
}

/// Creates `path` as a persistent node with null data, and whatever is missing above it; existing nodes are fine.
///
/// Asks for the leaf first, as Kafka does, so that the usual case is one request (KafkaZkClient.makeSurePersistentPathExists).
pub async fn create_all(store: &dyn MetadataStore, path: &str) -> Result<(), StoreError> {
    let mut missing = vec![path];
    while let Some(&next) = missing.last() {
        match store.create(next, None, CreateMode::Persistent).await {
            Ok(_) | Err(StoreError::Refused { refusal: Refusal::NodeExists, .. }) => {
                missing.pop();
            }
            // Whether it happened or not, asking again gives the same tree.
            Err(StoreError::OutcomeUnknown { .. }) => {}
            Err(StoreError::Refused { path, refusal: Refusal::NoNode, at }) => match parent(next) {
                Some(parent) => missing.push(parent),
                None => return Err(StoreError::Refused { path, refusal: Refusal::NoNode, at }),
            },
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The path above, or `None` for a child of the root.
pub(crate) fn parent(path: &str) -> Option<&str> {
    match path.rsplit_once('/') {
        Some(("", _)) | None => None,
        Some((parent, _)) => Some(parent),
    }
}
