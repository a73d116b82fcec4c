//! How an operation fails.
//!
//! Owns the conditions; never retries. A refusal is ZooKeeper's word that nothing happened; an unknown outcome is not.
//! Source: ZooKeeper 3.8 `KeeperException.java`.

use std::fmt;

use thiserror::Error;

/// Why an operation has no answer, and what is known of its effect.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// ZooKeeper said no, and nothing was changed. `at` counts the writes of a multi; otherwise it is 0.
    #[error("{path}: {refusal}")]
    Refused { path: String, refusal: Refusal, at: usize },

    /// The connection was lost after a write was sent. Read to find out whether it was one's own.
    #[error("{path}: the connection to ZooKeeper was lost before it said whether this write was done")]
    OutcomeUnknown { path: String },

    /// The session under which this was asked is gone, and its ephemeral nodes with it. Nothing was written.
    #[error("the ZooKeeper session has expired")]
    SessionExpired,

    /// The session was closed on this side.
    #[error("the ZooKeeper session is closed")]
    Closed,

    /// Something that a ZooKeeper in order doesn't answer.
    #[error("{path}: {what}")]
    Unexpected { path: String, what: String },
}

/// What ZooKeeper objects to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    NoNode,
    NodeExists,
    BadVersion,
    NotEmpty,
    EphemeralParent,
    NotAllowed,
    InvalidPath,
}

impl StoreError {
    /// What ZooKeeper objected to, if it did.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            StoreError::Refused { refusal, .. } => Some(*refusal),
            StoreError::OutcomeUnknown { .. }
            | StoreError::SessionExpired
            | StoreError::Closed
            | StoreError::Unexpected { .. } => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::NoNode => "there is no such znode",
            Refusal::NodeExists => "the znode exists already",
            Refusal::BadVersion => "the znode has another version",
            Refusal::NotEmpty => "the znode has children",
            Refusal::EphemeralParent => "an ephemeral znode cannot have children",
            Refusal::NotAllowed => "its access control list does not allow this",
            Refusal::InvalidPath => "this is not a valid path",
        })
    }
}
