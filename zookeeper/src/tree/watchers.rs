//! Who watches what, until it fires.
//!
//! Owns the one-shot watches of a tree: of a node's existence and data, and of its children. Called by `tree` alone.
//! Source: ZooKeeper 3.8 `WatchManager.java`; a deletion fires both kinds, once for each session.

use std::collections::{BTreeMap, BTreeSet};

use crate::events::{Change, SessionId};

#[derive(Debug, Default)]
pub(super) struct Watchers {
    nodes: BTreeMap<String, BTreeSet<SessionId>>,
    children: BTreeMap<String, BTreeSet<SessionId>>,
}

impl Watchers {
    pub(super) fn watch_node(&mut self, session: SessionId, path: &str) {
        self.nodes.entry(path.to_owned()).or_default().insert(session);
    }

    pub(super) fn watch_children(&mut self, session: SessionId, path: &str) {
        self.children.entry(path.to_owned()).or_default().insert(session);
    }

    /// The sessions whose watch this change fires; they watch no longer.
    pub(super) fn take(&mut self, path: &str, change: Change) -> BTreeSet<SessionId> {
        let mut sessions = BTreeSet::new();
        if change != Change::Children {
            sessions.extend(self.nodes.remove(path).unwrap_or_default());
        }
        if matches!(change, Change::Children | Change::Deleted) {
            sessions.extend(self.children.remove(path).unwrap_or_default());
        }
        sessions
    }

    pub(super) fn forget(&mut self, session: SessionId) {
        for watched in [&mut self.nodes, &mut self.children] {
            watched.retain(|_, sessions| {
                sessions.remove(&session);
                !sessions.is_empty()
            });
        }
    }
}
