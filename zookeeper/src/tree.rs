//! ZooKeeper's data tree as a pure state machine: versions, zxids, sessions, ephemeral and sequential nodes, watches, multi.
//!
//! Owns the semantics that Kafka relies on; no clock and no I/O: time is passed in, and whose watch fires is returned. Driven by
//! the model store in tests and simulation. Invariant: a refused operation changes nothing but the zxid.
//! Source: ZooKeeper 3.8 `DataTree.java`, `PrepRequestProcessor.java`, `WatchManager.java`.

use std::collections::{BTreeMap, BTreeSet};

use protocol::Millis;

use crate::events::{Change, SessionId};
use crate::store::{Answer, Node, Operation, Refusal, StoreError, Watch, Write, WriteAnswer};

mod model;
mod transaction;
mod watchers;
mod znode;

pub use model::{ModelStore, ModelZooKeeper};
use transaction::Transaction;
use watchers::Watchers;
use znode::Znode;

/// All nodes, sessions and watches of one ensemble.
#[derive(Debug)]
pub struct Tree {
    nodes: BTreeMap<String, Znode>,
    sessions: BTreeSet<SessionId>,
    watchers: Watchers,
    zxid: i64,
}

/// A watch that fired, and is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fired {
    pub session: SessionId,
    pub path: String,
    pub change: Change,
}

impl Default for Tree {
    fn default() -> Tree {
        Tree {
            nodes: BTreeMap::from([("/".to_owned(), Znode::new(None, SessionId(0), 0, Millis(0)))]),
            sessions: BTreeSet::new(),
            watchers: Watchers::default(),
            zxid: 0,
        }
    }
}

impl Tree {
    /// A session with a number of its own.
    pub fn open_session(&mut self) -> SessionId {
        self.zxid += 1;
        // Any number that was not given before will do.
        let session = SessionId(0x1000_0000_0000_0000 + self.zxid);
        self.sessions.insert(session);
        session
    }

    /// Closed or expired: its ephemeral nodes go in one transaction, its watches with them.
    pub fn end_session(&mut self, session: SessionId, now: Millis) -> Vec<Fired> {
        if !self.sessions.remove(&session) {
            return Vec::new();
        }
        self.watchers.forget(session);
        self.zxid += 1;
        let owned = |(path, node): (&String, &Znode)| (node.owner == session).then(|| path.clone());
        let ephemerals: Vec<_> = self.nodes.iter().filter_map(owned).collect();
        let mut transaction = Transaction::new(session, now);
        for path in ephemerals {
            self.remove(&mut transaction, &path);
        }
        self.fire(transaction)
    }

    /// Takes back every watch of a session, as the loss of its connection does.
    pub fn forget_watches(&mut self, session: SessionId) {
        self.watchers.forget(session);
    }

    /// Carries an operation out, all or nothing, and says whose watches fired by it.
    pub fn apply(
        &mut self,
        session: SessionId,
        operation: &Operation,
        now: Millis,
    ) -> (Result<Answer, StoreError>, Vec<Fired>) {
        if !self.sessions.contains(&session) {
            return (Err(StoreError::SessionExpired), Vec::new());
        }
        match operation {
            Operation::Get { path, watch } => (self.get(session, path, *watch), Vec::new()),
            Operation::Exists { path, watch } => (Ok(self.exists(session, path, *watch)), Vec::new()),
            Operation::Children { path, watch } => (self.list(session, path, *watch), Vec::new()),
            Operation::Write(write) => {
                let (result, fired) = self.transact(session, std::slice::from_ref(write), now);
                let answer = result.map(|mut answers| answers.pop().unwrap_or(WriteAnswer::Checked));
                (answer.map(Answer::Written), fired)
            }
            Operation::Multi(writes) => {
                let (result, fired) = self.transact(session, writes, now);
                (result.map(Answer::Multi), fired)
            }
        }
    }

    fn get(&mut self, session: SessionId, path: &str, watch: Watch) -> Result<Answer, StoreError> {
        let node = self.nodes.get(path).ok_or_else(|| refused(path, Refusal::NoNode))?;
        if watch == Watch::Leave {
            self.watchers.watch_node(session, path);
        }
        Ok(Answer::Node(Node { data: node.data.clone().unwrap_or_default(), stat: node.stat() }))
    }

    fn exists(&mut self, session: SessionId, path: &str, watch: Watch) -> Answer {
        if watch == Watch::Leave {
            self.watchers.watch_node(session, path);
        }
        Answer::Stat(self.nodes.get(path).map(Znode::stat))
    }

    fn list(&mut self, session: SessionId, path: &str, watch: Watch) -> Result<Answer, StoreError> {
        let node = self.nodes.get(path).ok_or_else(|| refused(path, Refusal::NoNode))?;
        if watch == Watch::Leave {
            self.watchers.watch_children(session, path);
        }
        Ok(Answer::Children { names: node.children.iter().cloned().collect(), stat: node.stat() })
    }

    /// All or nothing.
    fn transact(
        &mut self,
        session: SessionId,
        writes: &[Write],
        now: Millis,
    ) -> (Result<Vec<WriteAnswer>, StoreError>, Vec<Fired>) {
        self.zxid += 1;
        let mut transaction = Transaction::new(session, now);
        let mut answers = Vec::new();
        for (at, write) in writes.iter().enumerate() {
            match self.write(&mut transaction, write) {
                Ok(answer) => answers.push(answer),
                Err(refusal) => {
                    self.take_back(transaction);
                    let path = write.path().to_owned();
                    return (Err(StoreError::Refused { path, refusal, at }), Vec::new());
                }
            }
        }
        (Ok(answers), self.fire(transaction))
    }

    fn fire(&mut self, transaction: Transaction) -> Vec<Fired> {
        let mut fired = Vec::new();
        for (path, change) in transaction.changed {
            let sessions = self.watchers.take(&path, change);
            fired.extend(sessions.into_iter().map(|session| Fired { session, path: path.clone(), change }));
        }
        fired
    }
}

fn refused(path: &str, refusal: Refusal) -> StoreError {
    StoreError::Refused { path: path.to_owned(), refusal, at: 0 }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::store::{CreateMode, Expected, Stat};

    struct Fixture {
        tree: Tree,
        session: SessionId,
    }

    impl Fixture {
        fn new() -> Fixture {
            let mut tree = Tree::default();
            let session = tree.open_session();
            Fixture { tree, session }
        }

        fn ask(&mut self, operation: Operation) -> (Result<Answer, StoreError>, Vec<Fired>) {
            self.tree.apply(self.session, &operation, Millis(7))
        }

        fn write(&mut self, write: Write) -> Result<Answer, StoreError> {
            self.ask(Operation::Write(write)).0
        }

        fn stat(&mut self, path: &str) -> Option<Stat> {
            match self.ask(Operation::Exists { path: path.into(), watch: Watch::None }).0 {
                Ok(Answer::Stat(stat)) => stat,
                other => panic!("{other:?}"),
            }
        }

        fn refusal(&mut self, write: Write) -> Option<Refusal> {
            self.write(write).unwrap_err().refusal()
        }
    }

    fn create(path: &str, mode: CreateMode) -> Write {
        Write::Create { path: path.into(), data: None, mode }
    }

    fn persistent(path: &str) -> Write {
        create(path, CreateMode::Persistent)
    }

    fn set(path: &str, expected: Expected) -> Write {
        Write::Set { path: path.into(), data: Bytes::from_static(b"x"), expected }
    }

    fn delete(path: &str, expected: Expected) -> Write {
        Write::Delete { path: path.into(), expected }
    }

    #[test]
    fn versions_and_zxids_follow_the_writes() {
        let mut at = Fixture::new();
        at.write(persistent("/a")).unwrap();
        let born = at.stat("/a").unwrap();
        assert_eq!((born.version, born.czxid, born.mzxid, born.ctime), (0, born.mzxid, born.czxid, 7));
        at.write(set("/a", Expected::Version(0))).unwrap();
        at.write(persistent("/a/b")).unwrap();
        at.write(delete("/a/b", Expected::Any)).unwrap();
        let stat = at.stat("/a").unwrap();
        assert_eq!((stat.version, stat.cversion, stat.children, stat.data_length), (1, 2, 0, 1));
        assert_eq!((stat.czxid, stat.mzxid, stat.pzxid), (born.czxid, born.czxid + 1, born.czxid + 3));
    }

    #[test]
    fn refusals_are_zookeepers() {
        let mut at = Fixture::new();
        at.write(persistent("/a")).unwrap();
        at.write(create("/e", CreateMode::Ephemeral)).unwrap();
        assert_eq!(at.refusal(persistent("/a")), Some(Refusal::NodeExists));
        assert_eq!(at.refusal(persistent("/x/y")), Some(Refusal::NoNode));
        assert_eq!(at.refusal(persistent("/e/y")), Some(Refusal::EphemeralParent));
        assert_eq!(at.refusal(set("/a", Expected::Version(1))), Some(Refusal::BadVersion));
        assert_eq!(at.refusal(set("/x", Expected::Any)), Some(Refusal::NoNode));
        at.write(persistent("/a/b")).unwrap();
        assert_eq!(at.refusal(delete("/a", Expected::Any)), Some(Refusal::NotEmpty));
        for path in ["", "a", "/", "//a", "/a/"] {
            assert_eq!(at.refusal(persistent(path)), Some(Refusal::InvalidPath), "{path}");
        }
    }

    #[test]
    fn sequential_nodes_count_all_that_were_ever_created() {
        let mut at = Fixture::new();
        at.write(persistent("/q")).unwrap();
        at.write(persistent("/q/other")).unwrap();
        at.write(delete("/q/other", Expected::Any)).unwrap();
        let created = at.write(create("/q/n_", CreateMode::PersistentSequential));
        let path = "/q/n_0000000001".to_owned();
        assert_eq!(created, Ok(Answer::Written(WriteAnswer::Created { path })));
    }

    #[test]
    fn a_multi_is_all_or_nothing() {
        let mut at = Fixture::new();
        at.write(persistent("/epoch")).unwrap();
        let writes = vec![
            persistent("/a"),
            set("/a", Expected::Version(0)),
            Write::Check { path: "/epoch".into(), version: 5 },
            persistent("/b"),
        ];
        let (result, fired) = at.ask(Operation::Multi(writes.clone()));
        let refused = StoreError::Refused { path: "/epoch".into(), refusal: Refusal::BadVersion, at: 2 };
        assert_eq!((result, fired), (Err(refused), vec![]));
        assert_eq!((at.stat("/a"), at.stat("/").unwrap().children), (None, 1));

        let (result, _) = at.ask(Operation::Multi(writes[..2].to_vec()));
        let Ok(Answer::Multi(answers)) = result else { panic!("{result:?}") };
        let WriteAnswer::Set { stat } = answers[1] else { panic!("{answers:?}") };
        assert_eq!((stat.version, stat.czxid), (1, stat.mzxid));
    }

    #[test]
    fn ephemeral_nodes_go_with_their_session() {
        let mut at = Fixture::new();
        at.write(create("/e", CreateMode::Ephemeral)).unwrap();
        assert_eq!(at.stat("/e").unwrap().ephemeral_owner, at.session);
        let other = at.tree.open_session();
        at.tree
            .apply(other, &Operation::Children { path: "/".into(), watch: Watch::Leave }, Millis(8))
            .0
            .unwrap();
        let fired = at.tree.end_session(at.session, Millis(9));
        assert_eq!(fired, [Fired { session: other, path: "/".into(), change: Change::Children }]);
        assert_eq!(at.write(persistent("/a")), Err(StoreError::SessionExpired));
        at.session = other;
        assert_eq!(at.stat("/e"), None);
    }

    #[test]
    fn watches_fire_once() {
        let mut at = Fixture::new();
        let fired = |path: &str, change| Fired {
            session: SessionId(0x1000_0000_0000_0001),
            path: path.into(),
            change,
        };
        at.ask(Operation::Exists { path: "/a".into(), watch: Watch::Leave }).0.unwrap();
        at.ask(Operation::Children { path: "/".into(), watch: Watch::Leave }).0.unwrap();
        let (_, first) = at.ask(Operation::Write(persistent("/a")));
        assert_eq!(first, [fired("/a", Change::Created), fired("/", Change::Children)]);
        assert_eq!(at.ask(Operation::Write(set("/a", Expected::Any))).1, []);

        at.ask(Operation::Get { path: "/a".into(), watch: Watch::Leave }).0.unwrap();
        assert_eq!(at.ask(Operation::Write(set("/a", Expected::Any))).1, [fired("/a", Change::Data)]);
        at.ask(Operation::Children { path: "/a".into(), watch: Watch::Leave }).0.unwrap();
        let (_, last) = at.ask(Operation::Write(delete("/a", Expected::Any)));
        assert_eq!(last, [fired("/a", Change::Deleted)]);
    }

    #[test]
    fn a_get_of_nothing_leaves_no_watch() {
        let mut at = Fixture::new();
        at.ask(Operation::Get { path: "/a".into(), watch: Watch::Leave }).0.unwrap_err();
        assert_eq!(at.ask(Operation::Write(persistent("/a"))).1, []);
    }
}
