//! Writes within a transaction: each changes the tree at once, and notes how to take that back.
//! Source: ZooKeeper 3.8 `PrepRequestProcessor.java`, `DataTree.java`.

use bytes::Bytes;
use protocol::Millis;

use super::{Tree, Znode};
use crate::events::{Change, SessionId};
use crate::store::{CreateMode, Expected, Refusal, Write, WriteAnswer};

/// One transaction under way: what it has changed, to be taken back or to be told.
pub(super) struct Transaction {
    pub(super) session: SessionId,
    pub(super) now: Millis,
    pub(super) before: Vec<(String, Option<Znode>)>,
    pub(super) changed: Vec<(String, Change)>,
}

impl Transaction {
    pub(super) fn new(session: SessionId, now: Millis) -> Transaction {
        Transaction { session, now, before: Vec::new(), changed: Vec::new() }
    }
}

impl Tree {
    pub(super) fn write(
        &mut self,
        transaction: &mut Transaction,
        write: &Write,
    ) -> Result<WriteAnswer, Refusal> {
        match write {
            Write::Check { path, version } => {
                self.expect(path, Expected::Version(*version)).map(|_| WriteAnswer::Checked)
            }
            Write::Create { path, data, mode } => self.create(transaction, path, data.clone(), *mode),
            Write::Set { path, data, expected } => {
                self.expect(path, *expected)?;
                transaction.changed.push((path.clone(), Change::Data));
                let (zxid, now) = (self.zxid, transaction.now);
                let node = self.touch(transaction, path).ok_or(Refusal::NoNode)?;
                node.data = Some(data.clone());
                node.version += 1;
                (node.mzxid, node.mtime) = (zxid, now);
                Ok(WriteAnswer::Set { stat: node.stat() })
            }
            Write::Delete { path, expected } => {
                let node = self.expect(path, *expected)?;
                if !node.children.is_empty() {
                    return Err(Refusal::NotEmpty);
                }
                if path == "/" {
                    return Err(Refusal::InvalidPath);
                }
                self.remove(transaction, path);
                Ok(WriteAnswer::Deleted)
            }
        }
    }

    fn create(
        &mut self,
        transaction: &mut Transaction,
        path: &str,
        data: Option<Bytes>,
        mode: CreateMode,
    ) -> Result<WriteAnswer, Refusal> {
        let (parent, name) = split(path)?;
        let above = self.nodes.get(parent).ok_or(Refusal::NoNode)?;
        let name = match mode {
            CreateMode::PersistentSequential => format!("{name}{:010}", above.created),
            CreateMode::Persistent | CreateMode::Ephemeral if name.is_empty() => {
                return Err(Refusal::InvalidPath);
            }
            CreateMode::Persistent | CreateMode::Ephemeral => name.to_owned(),
        };
        if above.children.contains(&name) {
            return Err(Refusal::NodeExists);
        }
        if above.owner != SessionId(0) {
            return Err(Refusal::EphemeralParent);
        }
        let owner = if mode == CreateMode::Ephemeral { transaction.session } else { SessionId(0) };
        let created = format!("{}/{name}", parent.trim_end_matches('/'));
        let zxid = self.zxid;
        let above = self.touch(transaction, parent).ok_or(Refusal::NoNode)?;
        above.children.insert(name);
        above.created += 1;
        above.pzxid = zxid;
        transaction.before.push((created.clone(), None));
        transaction.changed.push((created.clone(), Change::Created));
        transaction.changed.push((parent.to_owned(), Change::Children));
        self.nodes.insert(created.clone(), Znode::new(data, owner, zxid, transaction.now));
        Ok(WriteAnswer::Created { path: created })
    }

    pub(super) fn remove(&mut self, transaction: &mut Transaction, path: &str) {
        let Ok((parent, name)) = split(path) else { return };
        let zxid = self.zxid;
        if let Some(above) = self.touch(transaction, parent) {
            above.children.remove(name);
            above.pzxid = zxid;
        }
        transaction.before.push((path.to_owned(), self.nodes.remove(path)));
        transaction.changed.push((path.to_owned(), Change::Deleted));
        transaction.changed.push((parent.to_owned(), Change::Children));
    }

    fn expect(&self, path: &str, expected: Expected) -> Result<&Znode, Refusal> {
        let node = self.nodes.get(path).ok_or(Refusal::NoNode)?;
        match expected {
            Expected::Version(version) if version != node.version => Err(Refusal::BadVersion),
            Expected::Version(_) | Expected::Any => Ok(node),
        }
    }

    /// The node to change, its former self noted.
    fn touch(&mut self, transaction: &mut Transaction, path: &str) -> Option<&mut Znode> {
        let node = self.nodes.get_mut(path)?;
        transaction.before.push((path.to_owned(), Some(node.clone())));
        Some(node)
    }

    pub(super) fn take_back(&mut self, transaction: Transaction) {
        for (path, before) in transaction.before.into_iter().rev() {
            match before {
                Some(node) => self.nodes.insert(path, node),
                None => self.nodes.remove(&path),
            };
        }
    }
}

/// Parent and name; the name may be empty, which only a sequential node can do with.
fn split(path: &str) -> Result<(&str, &str), Refusal> {
    let (parent, name) = path.rsplit_once('/').ok_or(Refusal::InvalidPath)?;
    if !path.starts_with('/') || path.contains("//") || path == "/" {
        return Err(Refusal::InvalidPath);
    }
    Ok((if parent.is_empty() { "/" } else { parent }, name))
}
