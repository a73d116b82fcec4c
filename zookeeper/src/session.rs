//! The broker's ZooKeeper session: a thread of its own, a cheap handle to it, and one stream of events.
//!
//! Owns the session's life: it is resumed until ZooKeeper itself refuses it, since only the server's word is an expiry. Never
//! runs on the broker's runtime, so that no load there delays a heartbeat. Called through `store::MetadataStore`.
//! Source: Kafka 3.9 `zookeeper/ZooKeeperClient.scala`; design rule: a lost connection is not a lost session.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use crate::connect_string::ConnectString;
use crate::events::{self, SessionEvents, SessionId};
use crate::store::{Answer, MetadataStore, Operation, Pending, StoreError};

mod attachment;
mod create_all;
mod host;
mod library;
mod null_writes;
mod pauses;
pub mod raw;
mod request;
mod together;
mod watches;

pub use create_all::create_all;
use request::{Close, Request};
pub use together::together;

/// Operations that wait for the session's thread beyond those in flight; a caller waits when it is full. Enough for a burst
/// of every API in progress, small enough that what waits through a lost connection is bounded.
const QUEUE_CAPACITY: usize = 1024;

/// How to reach ZooKeeper; made by the broker from its configuration.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    /// `zookeeper.connect`.
    pub connect: ConnectString,
    /// `zookeeper.session.timeout.ms`; the server may grant another.
    pub session_timeout: Duration,
    /// `zookeeper.connection.timeout.ms`: how long `connect` waits for the first connection.
    pub connection_timeout: Duration,
    /// `zookeeper.max.in.flight.requests`.
    pub in_flight_max: NonZeroUsize,
}

/// The handle. Clones share the session, which is closed by [`close`](Session::close) or with the last clone.
#[derive(Debug, Clone)]
pub struct Session {
    requests: mpsc::Sender<Request>,
    closes: mpsc::Sender<Close>,
    state: Arc<State>,
}

/// What the thread shares with the handles. The epoch counts sessions, so that what was asked under an expired one is refused.
#[derive(Debug, Default)]
struct State {
    id: AtomicI64,
    epoch: AtomicU64,
}

/// Why there is no first session.
#[derive(Debug, Error)]
pub enum ConnectError {
    #[error(
        "no session with ZooKeeper at {connect} within {} ms (zookeeper.connection.timeout.ms): {reason}; \
         is it running, and is zookeeper.connect right?",
        timeout.as_millis()
    )]
    Unreachable { connect: ConnectString, timeout: Duration, reason: String },
    #[error("the chroot of zookeeper.connect={connect} could not be created: {error}")]
    Chroot { connect: ConnectString, error: StoreError },
    #[error("the thread of the ZooKeeper session could not be started: {0}")]
    Thread(#[from] std::io::Error),
}

impl Session {
    /// Starts the thread and waits until the session is established. A chroot that is missing is created first.
    pub async fn connect(settings: SessionSettings) -> Result<(Session, SessionEvents), ConnectError> {
        let (requests, received) = mpsc::channel(QUEUE_CAPACITY);
        let (closes, closing) = mpsc::channel(1);
        let (sender, events) = events::channel();
        let (established, outcome) = oneshot::channel();
        let state = Arc::new(State::default());
        let inbox = host::Inbox { requests: received, closing };
        let host = host::Host::new(settings, inbox, sender, state.clone(), established);
        std::thread::Builder::new().name("zookeeper-session".to_owned()).spawn(move || host.run())?;
        // The thread answers before it does anything that could end it, or it panicked, which is an I/O error to the caller.
        outcome
            .await
            .unwrap_or_else(|_| Err(std::io::Error::other("it ended before it connected").into()))?;
        Ok((Session { requests, closes, state }, events))
    }

    /// Ends the session on the server too, so that its ephemeral nodes go at once; gives up after `patience`, after which they
    /// go with the session timeout.
    pub async fn close(&self, patience: Duration) {
        let (done, closed) = oneshot::channel();
        if self.closes.send(Close { patience, done }).await.is_ok() {
            // An error means that the thread has ended, which is what was asked for.
            let _ = closed.await;
        }
    }
}

impl MetadataStore for Session {
    fn submit(&self, operation: Operation) -> Pending<Answer> {
        let requests = self.requests.clone();
        let epoch = self.state.epoch.load(Ordering::Acquire);
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            let request = Request { operation, epoch, reply };
            requests.send(request).await.map_err(|_| StoreError::Closed)?;
            answer.await.unwrap_or(Err(StoreError::Closed))
        })
    }

    fn session(&self) -> SessionId {
        SessionId(self.state.id.load(Ordering::Acquire))
    }
}
