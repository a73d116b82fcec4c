//! The one-shot watches that are left on the server over one connection.
//!
//! Owns a waiter for each; turns a firing into an event. One watch per path and kind: reading again replaces the former, which
//! the newer read has overtaken. All are void with the connection. Source: ZooKeeper 3.8 `WatchManager.java`.

use std::collections::HashMap;

use tokio::task::{AbortHandle, JoinSet};
use zookeeper_client::{EventType, OneshotWatcher, WatchedEvent};

use crate::events::{Change, SessionEvent};
use crate::store::Operation;

#[derive(Debug, Default)]
pub(super) struct Watches {
    left: HashMap<Watched, AbortHandle>,
    waiters: JoinSet<(Watched, WatchedEvent)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Watched {
    Node(String),
    Children(String),
}

impl Watches {
    pub(super) fn add(&mut self, operation: &Operation, watcher: OneshotWatcher) {
        let path = operation.path().to_owned();
        let watched = match operation {
            Operation::Children { .. } => Watched::Children(path),
            Operation::Get { .. } | Operation::Exists { .. } | Operation::Write(_) | Operation::Multi(_) => {
                Watched::Node(path)
            }
        };
        let key = watched.clone();
        let waiter = self.waiters.spawn(async move { (watched, watcher.changed().await) });
        if let Some(former) = self.left.insert(key, waiter) {
            former.abort();
        }
    }

    /// The next event; `None` while no watch is left. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<SessionEvent> {
        loop {
            // An error is a waiter that was replaced.
            let Ok((watched, event)) = self.waiters.join_next().await? else { continue };
            self.left.remove(&watched);
            let change = match event.event_type {
                EventType::NodeCreated => Change::Created,
                EventType::NodeDeleted => Change::Deleted,
                EventType::NodeDataChanged => Change::Data,
                EventType::NodeChildrenChanged => Change::Children,
                // The end of the session, which is reported as such.
                EventType::Session => continue,
            };
            let (Watched::Node(path) | Watched::Children(path)) = watched;
            return Some(SessionEvent::NodeChanged { path, change });
        }
    }
}
