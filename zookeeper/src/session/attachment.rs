//! One connection's worth of the session: operations in flight, watches left, until it is lost or closed.
//!
//! Owns zookeeper-client's `Client` and everything that is void when its connection is; decides what may be asked again.
//! Runs inside `host`'s thread. Invariant: a write is asked again only if it certainly was not sent.
//! Source: Kafka 3.9 `KafkaZkClient.retryRequestsUntilConnected`, which also repeats writes; ours report an unknown outcome.

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Interval, interval};
use tracing::warn;
use zookeeper_client::{Client, SessionState, StateWatcher};

use super::SessionSettings;
use super::host::{End, Host};
use super::library::{self, Done};
use super::null_writes::{self, NullWrite};
use super::request::{Close, Request};
use super::watches::Watches;
use crate::events::SessionId;
use crate::store::{Operation, StoreError};

pub(super) struct Attachment {
    client: Arc<Client>,
    state: StateWatcher,
    in_flight: Vec<InFlight>,
    in_flight_max: usize,
    watches: Watches,
    null_writes: mpsc::Sender<NullWrite>,
    /// The task of the side connection; it ends with this set.
    side: JoinSet<()>,
    session_timeout: Duration,
    /// Known to be over; nothing more is started.
    lost: bool,
    pulse: Interval,
    /// Under way from one pulse on: asks for a sign of life from the server, through the library.
    probe: Option<Pin<Box<dyn Future<Output = bool> + Send>>>,
}

/// How an operation ended that has no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// To be told to the caller.
    Final(StoreError),
    /// The connection went while it was under way.
    Lost,
}

struct InFlight {
    request: Request,
    route: Route,
    done: Pin<Box<dyn Future<Output = Done> + Send>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Library,
    NullWrites,
}

impl Attachment {
    pub(super) fn new(client: Client, settings: &SessionSettings) -> Attachment {
        let in_flight_max = settings.in_flight_max.get();
        // As many as can be in flight, so that sending never waits.
        let (null_writes, received) = mpsc::channel(in_flight_max);
        let mut side = JoinSet::new();
        side.spawn(null_writes::run(settings.connect.clone(), client.session_timeout(), received));
        Attachment {
            state: client.state_watcher(),
            client: Arc::new(client),
            in_flight: Vec::new(),
            in_flight_max,
            watches: Watches::default(),
            null_writes,
            side,
            session_timeout: settings.session_timeout,
            pulse: interval(settings.session_timeout / 3),
            probe: None,
            lost: false,
        }
    }

    pub(super) fn session(&self) -> SessionId {
        SessionId(self.client.session_id().0)
    }

    /// Waits until the server knows all that was committed before; `false` where the connection is lost meanwhile.
    pub(super) async fn catch_up(&self) -> bool {
        self.client.sync("/").await.is_ok()
    }

    pub(super) async fn serve(mut self, host: &mut Host) -> End {
        loop {
            while self.has_room()
                && let Some(request) = host.waiting.pop_front()
            {
                self.start(host, request);
            }
            if self.lost {
                self.abandon(host);
                return End::Lost;
            }
            let room = self.has_room();
            // Answers come before the loss of the connection, which decides what becomes of those that have none. Every branch
            // only takes what is ready, so nothing is lost when another is chosen.
            tokio::select! {
                biased;
                (entry, done) = next_done(&mut self.in_flight) => self.finish(host, entry, done),
                state = self.state.changed() => self.lost = state != SessionState::SyncConnected,
                // Where it fails, the loss is about to be reported or the library has died: both mean to attach again.
                alive = next_probe(&mut self.probe) => self.lost = !alive,
                _ = self.pulse.tick(), if self.probe.is_none() => {
                    self.probe = Some(Box::pin(library::probe(self.client.clone())));
                }
                Some(event) = self.watches.next() => host.events.send(event),
                close = host.inbox.closing.recv() => return self.close(host, close).await,
                Some(request) = host.inbox.requests.recv(), if room => self.start(host, request),
            }
        }
    }

    fn has_room(&self) -> bool {
        self.in_flight.len() < self.in_flight_max && !self.lost
    }

    fn start(&mut self, host: &mut Host, request: Request) {
        if request.is_abandoned() {
            return;
        }
        if host.is_stale(&request) {
            return request.answer(Err(StoreError::SessionExpired));
        }
        let operation = request.operation.clone();
        let route = if operation.leaves_null() { Route::NullWrites } else { Route::Library };
        let mut done: Pin<Box<dyn Future<Output = Done> + Send>> = match route {
            Route::Library => Box::pin(library::perform(self.client.clone(), operation)),
            Route::NullWrites if operation.creates_ephemeral() => {
                let what = "an ephemeral znode cannot be left with null data".to_owned();
                return request
                    .answer(Err(StoreError::Unexpected { path: operation.path().to_owned(), what }));
            }
            Route::NullWrites => {
                Box::pin(write_null(self.client.clone(), self.null_writes.clone(), operation))
            }
        };
        // The first poll hands it over, so that operations go out in the order in which they came.
        match done.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => self.finish(host, (request, route), done),
            Poll::Pending => self.in_flight.push(InFlight { request, route, done }),
        }
    }

    fn finish(&mut self, host: &mut Host, (request, route): (Request, Route), done: Done) {
        match done.result {
            Ok(answer) => {
                if let Some(watcher) = done.watcher {
                    self.watches.add(&request.operation, watcher);
                }
                request.answer(Ok(answer));
            }
            Err(Failure::Final(error)) => request.answer(Err(error)),
            Err(Failure::Lost) => {
                // The side connection may go alone.
                self.lost |= route == Route::Library;
                lost(host, request);
            }
        }
    }

    /// What was sent has its answer or its error by now, as the library gives them before it reports the loss; what has
    /// neither was not sent.
    fn abandon(&mut self, host: &mut Host) {
        let mut unsent = Vec::new();
        for mut entry in std::mem::take(&mut self.in_flight) {
            let mut context = Context::from_waker(Waker::noop());
            match (entry.done.as_mut().poll(&mut context), entry.route) {
                (Poll::Ready(done), route) => self.finish(host, (entry.request, route), done),
                (Poll::Pending, Route::Library) => unsent.push(entry.request),
                (Poll::Pending, Route::NullWrites) => lost(host, entry.request),
            }
        }
        host.waiting.extend(unsent);
    }

    /// Lets what is in flight end, then ends the session on the server, all within the patience of the caller. Past that the
    /// session ends with its timeout, and there is nobody left to tell.
    async fn close(mut self, host: &mut Host, close: Option<Close>) -> End {
        let patience = close.as_ref().map_or(self.session_timeout, |close| close.patience);
        let orderly = async {
            while !self.in_flight.is_empty() {
                let (entry, done) = next_done(&mut self.in_flight).await;
                self.finish(host, entry, done);
            }
            self.end_session().await;
        };
        if tokio::time::timeout(patience, orderly).await.is_err() {
            warn!("ZooKeeper did not confirm the end of the session; it will end with its timeout");
        }
        End::Closed(close)
    }

    /// The library sends the end of the session when the last clone of its client is gone.
    async fn end_session(self) {
        let Attachment { client, mut state, null_writes, mut side, watches, probe, .. } = self;
        drop((client, null_writes, probe));
        while !state.changed().await.is_terminated() {}
        // Only now, as each watch that is dropped before it would be taken back on the server.
        drop(watches);
        while side.join_next().await.is_some() {}
    }
}

fn lost(host: &mut Host, request: Request) {
    match request.operation.is_read() {
        true => host.waiting.push_back(request),
        false => {
            let path = request.operation.path().to_owned();
            request.answer(Err(StoreError::OutcomeUnknown { path }));
        }
    }
}

/// The outcome of the probe, which is over with it; waits for ever while there is none.
async fn next_probe(probe: &mut Option<Pin<Box<dyn Future<Output = bool> + Send>>>) -> bool {
    let alive = match probe {
        Some(probe) => probe.await,
        None => pending().await,
    };
    *probe = None;
    alive
}

/// The first operation that ends; waits for ever while there is none. All are polled, since they are few.
async fn next_done(in_flight: &mut Vec<InFlight>) -> ((Request, Route), Done) {
    poll_fn(|context| {
        for at in 0..in_flight.len() {
            if let Poll::Ready(done) = in_flight[at].done.as_mut().poll(context) {
                let InFlight { request, route, .. } = in_flight.remove(at);
                return Poll::Ready(((request, route), done));
            }
        }
        Poll::Pending
    })
    .await
}

/// Writes through the side connection, then lets the session's own server catch up, so that its reads see the write.
async fn write_null(client: Arc<Client>, null_writes: mpsc::Sender<NullWrite>, operation: Operation) -> Done {
    let (reply, answer) = oneshot::channel();
    let result = match null_writes.send(NullWrite { operation, reply }).await {
        Ok(()) => answer.await.unwrap_or(Err(Failure::Lost)),
        Err(_) => Err(Failure::Lost),
    };
    if result.is_ok() {
        // Where this fails the connection is lost, and the next one begins by catching up.
        let _ = client.sync("/").await;
    }
    Done { result, watcher: None }
}
