//! The answers, one for each operation.
//!
//! Owns the reply side of the vocabulary; pure data.
//! Source: ZooKeeper 3.8 `Stat.java`, `OpResult.java`.

use bytes::Bytes;

use crate::events::SessionId;

/// What an operation gives: of a read what was read, of a write how it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Node(Node),
    Stat(Option<Stat>),
    Children { names: Vec<String>, stat: Stat },
    Written(WriteAnswer),
    Multi(Vec<WriteAnswer>),
}

/// What a write gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteAnswer {
    Checked,
    Created {
        path: String,
    },
    /// Of a node created in the same multi this stat has the creation zxid, as every write of a multi has the same zxid.
    Set {
        stat: Stat,
    },
    Deleted,
}

/// A node that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Null reads as empty.
    pub data: Bytes,
    pub stat: Stat,
}

/// What ZooKeeper knows of a node beside its data. Times are in ms since 1970 of the server's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// The transaction that created it: of `/brokers/ids/N` the broker epoch.
    pub czxid: i64,
    pub mzxid: i64,
    /// The last transaction that created or deleted a child.
    pub pzxid: i64,
    pub ctime: i64,
    pub mtime: i64,
    /// Counts the changes of data: the partition epoch of a `state` node.
    pub version: i32,
    /// Counts creations and deletions of children.
    pub cversion: i32,
    pub aversion: i32,
    /// `SessionId(0)` for a persistent node.
    pub ephemeral_owner: SessionId,
    pub data_length: i32,
    pub children: i32,
}
