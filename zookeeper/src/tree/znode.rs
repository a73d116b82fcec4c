//! One node of the tree, with what its `Stat` is made of.

use std::collections::BTreeSet;

use bytes::Bytes;
use protocol::Millis;

use crate::events::SessionId;
use crate::store::Stat;

#[derive(Debug, Clone)]
pub(super) struct Znode {
    pub(super) data: Option<Bytes>,
    pub(super) children: BTreeSet<String>,
    /// How many children were ever created: numbers the sequential ones.
    pub(super) created: i32,
    pub(super) czxid: i64,
    pub(super) mzxid: i64,
    pub(super) pzxid: i64,
    pub(super) ctime: Millis,
    pub(super) mtime: Millis,
    pub(super) version: i32,
    pub(super) owner: SessionId,
}

impl Znode {
    pub(super) fn new(data: Option<Bytes>, owner: SessionId, zxid: i64, now: Millis) -> Znode {
        Znode {
            data,
            children: BTreeSet::new(),
            created: 0,
            czxid: zxid,
            mzxid: zxid,
            pzxid: zxid,
            ctime: now,
            mtime: now,
            version: 0,
            owner,
        }
    }

    pub(super) fn stat(&self) -> Stat {
        let children = self.children.len() as i32;
        Stat {
            czxid: self.czxid,
            mzxid: self.mzxid,
            pzxid: self.pzxid,
            ctime: self.ctime.0,
            mtime: self.mtime.0,
            version: self.version,
            // Creations plus deletions.
            cversion: self.created * 2 - children,
            aversion: 0,
            ephemeral_owner: self.owner,
            data_length: self.data.as_ref().map_or(0, |data| data.len() as i32),
            children,
        }
    }
}
