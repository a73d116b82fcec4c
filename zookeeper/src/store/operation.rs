//! The operations, reads and writes apart: only writes can stand in a multi or end with an unknown outcome.
//!
//! Owns the request side of the vocabulary; pure data. Paths are absolute below the chroot.
//! Source: ZooKeeper 3.8 `Op.java`, `CreateMode.java`.

use bytes::Bytes;

/// What can be asked of ZooKeeper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    Get { path: String, watch: Watch },
    Exists { path: String, watch: Watch },
    Children { path: String, watch: Watch },
    Write(Write),
    Multi(Vec<Write>),
}

/// A change of one node, alone or in a multi, which is done as a whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Only in a multi: fails the whole unless the node has this version.
    Check {
        path: String,
        version: i32,
    },
    Create {
        path: String,
        data: Option<Bytes>,
        mode: CreateMode,
    },
    Set {
        path: String,
        data: Bytes,
        expected: Expected,
    },
    Delete {
        path: String,
        expected: Expected,
    },
}

/// Whether a read leaves a one-shot watch, whose firing arrives as `SessionEvent::NodeChanged`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    Leave,
    None,
}

/// How long a node lives, and who names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateMode {
    Persistent,
    /// The server appends a ten-digit counter of the parent to the path.
    PersistentSequential,
    /// Goes when the session ends.
    Ephemeral,
}

/// The data version a write insists on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Any,
    Version(i32),
}

impl Operation {
    /// Whether it can be repeated without harm when its answer was lost.
    pub fn is_read(&self) -> bool {
        match self {
            Operation::Get { .. } | Operation::Exists { .. } | Operation::Children { .. } => true,
            Operation::Write(_) | Operation::Multi(_) => false,
        }
    }

    /// The path to name in messages: of a multi, that of its last write, which is what the checks before it are for.
    pub fn path(&self) -> &str {
        match self {
            Operation::Get { path, .. }
            | Operation::Exists { path, .. }
            | Operation::Children { path, .. } => path,
            Operation::Write(write) => write.path(),
            Operation::Multi(writes) => writes.last().map_or("/", Write::path),
        }
    }

    pub(crate) fn writes(&self) -> &[Write] {
        match self {
            Operation::Get { .. } | Operation::Exists { .. } | Operation::Children { .. } => &[],
            Operation::Write(write) => std::slice::from_ref(write),
            Operation::Multi(writes) => writes,
        }
    }

    /// Whether a node would be left with null data: the create is not followed by a set of the same path.
    pub(crate) fn leaves_null(&self) -> bool {
        let writes = self.writes();
        writes.iter().enumerate().any(|(at, write)| match write {
            Write::Create { path, data: None, .. } => {
                !writes[at..].iter().any(|later| matches!(later, Write::Set { path: set, .. } if set == path))
            }
            Write::Create { .. } | Write::Check { .. } | Write::Set { .. } | Write::Delete { .. } => false,
        })
    }

    /// Whether a node is created that belongs to the session.
    pub(crate) fn creates_ephemeral(&self) -> bool {
        self.writes().iter().any(|write| matches!(write, Write::Create { mode: CreateMode::Ephemeral, .. }))
    }
}

impl Write {
    /// The node that it is about.
    pub fn path(&self) -> &str {
        match self {
            Write::Check { path, .. }
            | Write::Create { path, .. }
            | Write::Set { path, .. }
            | Write::Delete { path, .. } => path,
        }
    }
}

impl Expected {
    /// As on the wire, where -1 is any.
    pub(crate) fn wire(self) -> i32 {
        match self {
            Expected::Any => -1,
            Expected::Version(version) => version,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(path: &str, mode: CreateMode) -> Write {
        Write::Create { path: path.into(), data: None, mode }
    }

    #[test]
    fn a_null_that_is_set_in_the_same_multi_is_never_seen() {
        let set = Write::Set { path: "/a".into(), data: Bytes::new(), expected: Expected::Version(0) };
        assert!(!Operation::Multi(vec![create("/a", CreateMode::Ephemeral), set.clone()]).leaves_null());
        assert!(Operation::Multi(vec![set, create("/a", CreateMode::Persistent)]).leaves_null());
        assert!(Operation::Write(create("/a", CreateMode::Persistent)).leaves_null());
    }

    #[test]
    fn a_multi_is_named_after_its_last_write() {
        let check = Write::Check { path: "/controller_epoch".into(), version: 3 };
        assert_eq!(Operation::Multi(vec![check, create("/x", CreateMode::Persistent)]).path(), "/x");
        assert_eq!(Operation::Multi(vec![]).path(), "/");
    }
}
