//! A ZooKeeper in memory: the tree behind the same trait as the real session, for tests and simulation without a server.
//!
//! Owns the tree, its clock and its clients; time stands still unless it is set. Trouble is made by name: a lost connection, a
//! lost answer, an expiry. Invariant: a client sees what a real session would show it, event for event.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use super::{Fired, Tree};
use crate::events::{self, EventSender, SessionEvent, SessionEvents, SessionId};
use crate::store::{Answer, MetadataStore, Operation, Pending, StoreError};
use protocol::Millis;

/// The server.
#[derive(Debug, Clone, Default)]
pub struct ModelZooKeeper(Arc<Mutex<World>>);

/// A client of it, with a session.
#[derive(Debug, Clone)]
pub struct ModelStore {
    world: Arc<Mutex<World>>,
    client: usize,
}

#[derive(Debug, Default)]
struct World {
    tree: Tree,
    now: Option<Millis>,
    clients: Vec<Client>,
}

#[derive(Debug)]
struct Client {
    session: SessionId,
    events: Option<EventSender>,
    connected: bool,
    answers_to_lose: usize,
    /// Operations that wait for the connection.
    wakers: Vec<Waker>,
}

impl ModelZooKeeper {
    /// A new client with a new session.
    pub fn connect(&self) -> (ModelStore, SessionEvents) {
        let (sender, events) = events::channel();
        let mut world = lock(&self.0);
        let session = world.tree.open_session();
        world.clients.push(Client::new(session, sender));
        let client = world.clients.len() - 1;
        (ModelStore { world: self.0.clone(), client }, events)
    }

    /// What the server's clock shows from here on.
    pub fn set_time(&self, now: Millis) {
        lock(&self.0).now = Some(now);
    }

    /// Ends a session that is no client's, such as one left behind by a process that died.
    pub fn end_session(&self, session: SessionId) {
        lock(&self.0).end_session(session);
    }
}

impl ModelStore {
    /// The connection is lost: operations wait, watches are gone.
    pub fn disconnect(&self) {
        let mut world = lock(&self.world);
        let client = &mut world.clients[self.client];
        client.connected = false;
        client.tell(SessionEvent::Suspended);
        let session = client.session;
        world.tree.forget_watches(session);
    }

    /// The same session has a connection again.
    pub fn reconnect(&self) {
        let mut world = lock(&self.world);
        let client = &mut world.clients[self.client];
        client.tell(SessionEvent::Reconnected);
        client.resume();
    }

    /// The server gives the session up, and a new one is established.
    pub fn expire(&self) {
        let mut world = lock(&self.world);
        let former = world.clients[self.client].session;
        world.end_session(former);
        let session = world.tree.open_session();
        let client = &mut world.clients[self.client];
        client.session = session;
        client.tell(SessionEvent::Expired { session });
        client.resume();
    }

    /// The next writes that succeed are done, but their answers are lost.
    pub fn lose_answers(&self, count: usize) {
        lock(&self.world).clients[self.client].answers_to_lose = count;
    }

    /// Ends the session and the stream of events.
    pub fn close(&self) {
        let mut world = lock(&self.world);
        let session = world.clients[self.client].session;
        world.end_session(session);
        world.clients[self.client].events = None;
    }
}

impl MetadataStore for ModelStore {
    fn submit(&self, operation: Operation) -> Pending<Answer> {
        let (world, client, session) = (self.world.clone(), self.client, self.session());
        Box::pin(poll_fn(move |context| {
            let mut world = lock(&world);
            if world.clients[client].connected {
                return Poll::Ready(world.perform(client, session, &operation));
            }
            world.clients[client].wakers.push(context.waker().clone());
            Poll::Pending
        }))
    }

    fn session(&self) -> SessionId {
        lock(&self.world).clients[self.client].session
    }
}

impl World {
    fn perform(
        &mut self,
        client: usize,
        session: SessionId,
        operation: &Operation,
    ) -> Result<Answer, StoreError> {
        let now = self.now();
        let (result, fired) = self.tree.apply(session, operation, now);
        self.tell(fired);
        let to_lose = &mut self.clients[client].answers_to_lose;
        if result.is_ok() && !operation.is_read() && *to_lose > 0 {
            *to_lose -= 1;
            return Err(StoreError::OutcomeUnknown { path: operation.path().to_owned() });
        }
        result
    }

    fn end_session(&mut self, session: SessionId) {
        let now = self.now();
        let fired = self.tree.end_session(session, now);
        self.tell(fired);
    }

    fn tell(&self, fired: Vec<Fired>) {
        for Fired { session, path, change } in fired {
            for client in self.clients.iter().filter(|client| client.session == session) {
                client.tell(SessionEvent::NodeChanged { path: path.clone(), change });
            }
        }
    }

    fn now(&self) -> Millis {
        self.now.unwrap_or(Millis(0))
    }
}

impl Client {
    fn new(session: SessionId, events: EventSender) -> Client {
        Client { session, events: Some(events), connected: true, answers_to_lose: 0, wakers: Vec::new() }
    }

    fn resume(&mut self) {
        self.connected = true;
        self.wakers.drain(..).for_each(Waker::wake);
    }

    fn tell(&self, event: SessionEvent) {
        if let Some(events) = &self.events {
            events.send(event);
        }
    }
}

/// A panic of a test that holds the lock is reported by that test.
fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::events::Change;
    use crate::session::create_all;
    use crate::store::{CreateMode, Expected, Refusal, Watch};

    #[tokio::test]
    async fn one_client_sees_what_another_writes() {
        let zookeeper = ModelZooKeeper::default();
        let (writer, _events) = zookeeper.connect();
        let (reader, mut events) = zookeeper.connect();
        zookeeper.set_time(Millis(5));
        create_all(&writer, "/config/topics").await.unwrap();
        let (names, _) = reader.children("/config/topics", Watch::Leave).await.unwrap();
        assert!(names.is_empty());
        let data = Bytes::from_static(b"{}");
        writer.create("/config/topics/t", Some(data.clone()), CreateMode::Persistent).await.unwrap();
        let path = "/config/topics".to_owned();
        assert_eq!(events.recv().await, Some(SessionEvent::NodeChanged { path, change: Change::Children }));
        let node = reader.get("/config/topics/t", Watch::None).await.unwrap();
        assert_eq!((node.data, node.stat.mtime), (data, 5));
        create_all(&reader, "/config/topics").await.unwrap();
    }

    #[tokio::test]
    async fn an_expired_session_answers_no_more() {
        let zookeeper = ModelZooKeeper::default();
        let (store, mut events) = zookeeper.connect();
        let asked_before = store.create("/a", None, CreateMode::Persistent);
        store.create("/e", None, CreateMode::Ephemeral).await.unwrap();
        store.disconnect();
        store.expire();
        assert_eq!(asked_before.await, Err(StoreError::SessionExpired));
        assert_eq!(events.recv().await, Some(SessionEvent::Expired { session: store.session() }));
        assert_eq!(store.exists("/e", Watch::None).await, Ok(None));
    }

    #[tokio::test]
    async fn operations_wait_for_the_connection_and_watches_do_not_survive_it() {
        let (store, mut events) = ModelZooKeeper::default().connect();
        store.children("/", Watch::Leave).await.unwrap();
        store.disconnect();
        let mut pending = store.create("/a", None, CreateMode::Persistent);
        assert!(futures_poll(&mut pending).is_none());
        store.reconnect();
        assert_eq!(pending.await, Ok("/a".to_owned()));
        assert_eq!(events.try_recv(), Some(SessionEvent::Reconnected));
        assert_eq!(events.try_recv(), None);
        store.close();
        assert_eq!(events.recv().await, None);
    }

    #[tokio::test]
    async fn a_lost_answer_is_an_unknown_outcome() {
        let (store, _events) = ModelZooKeeper::default().connect();
        store.lose_answers(1);
        let created = store.create("/a", None, CreateMode::Persistent).await;
        assert_eq!(created, Err(StoreError::OutcomeUnknown { path: "/a".into() }));
        let refused = store.create("/a", None, CreateMode::Persistent).await.unwrap_err();
        assert_eq!(refused.refusal(), Some(Refusal::NodeExists));
        store.delete("/a", Expected::Version(0)).await.unwrap();
    }

    fn futures_poll<T>(pending: &mut Pending<T>) -> Option<Result<T, StoreError>> {
        match pending.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
            std::task::Poll::Ready(result) => Some(result),
            std::task::Poll::Pending => None,
        }
    }
}
