//! The life of the session's thread: attach, serve, and attach again until it is closed.
//!
//! Owns what outlives a connection: the session's identity, the operations that wait, the epoch. Each attachment has a runtime
//! of its own, whose end also ends zookeeper-client's task: it would go on reconnecting by a schedule that doubles its pauses,
//! call the session expired by itself after 7/5 of the timeout, and take the session back from the next attachment.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};
use zookeeper_client::{Client, Error, SessionInfo};

use super::attachment::Attachment;
use super::pauses::Pauses;
use super::raw::RawClient;
use super::request::{Close, Request};
use super::{ConnectError, SessionSettings, State};
use crate::events::{EventSender, SessionEvent, SessionId};
use crate::store::{Answer, CreateMode, Operation, StoreError, Watch, Write};

/// How long a start that has failed looks for the reason.
const REASON_LIMIT: Duration = Duration::from_millis(500);

/// How long the first round over the servers may take; each later one twice as long, up to the session timeout. A server that
/// is just starting takes connections that it never answers, which soon have to be given up; a slow one deserves patience.
const FIRST_ATTEMPT: Duration = Duration::from_millis(250);

/// While ZooKeeper is away, one line in the log says so this often.
const REMINDER: Duration = Duration::from_secs(10);

pub(super) struct Host {
    pub(super) settings: SessionSettings,
    pub(super) inbox: Inbox,
    pub(super) events: EventSender,
    state: Arc<State>,
    /// To be sent before anything new: reads whose connection was lost, and whatever was not yet sent when it was.
    pub(super) waiting: VecDeque<Request>,
    session: Option<SessionInfo>,
    /// What the next attachment has to tell.
    news: News,
}

pub(super) struct Inbox {
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) closing: mpsc::Receiver<Close>,
}

enum News {
    First(oneshot::Sender<Result<(), ConnectError>>),
    Reconnected,
    Expired,
}

/// Why an attachment ended.
pub(super) enum End {
    Lost,
    /// `None`: every handle is gone.
    Closed(Option<Close>),
}

impl Host {
    pub(super) fn new(
        settings: SessionSettings,
        inbox: Inbox,
        events: EventSender,
        state: Arc<State>,
        established: oneshot::Sender<Result<(), ConnectError>>,
    ) -> Host {
        let news = News::First(established);
        Host { settings, inbox, events, state, waiting: VecDeque::new(), session: None, news }
    }

    /// The thread: ends when the session is closed, or when it could not be established at first.
    pub(super) fn run(mut self) {
        loop {
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return self.no_runtime(error),
            };
            match runtime.block_on(self.attach()) {
                Ok(End::Lost) => {}
                Ok(End::Closed(close)) => return self.finish(close),
                Err(error) => return self.fail_first(error),
            }
        }
    }

    async fn attach(&mut self) -> Result<End, ConnectError> {
        let client = match self.connect().await? {
            Connected::Client(client) => client,
            Connected::Closed(close) => return Ok(End::Closed(close)),
        };
        self.session = Some(client.session().clone());
        let attachment = Attachment::new(client, &self.settings);
        // A resumed session may meet a server that lags behind what this broker has seen.
        if !matches!(self.news, News::First(_)) && !attachment.catch_up().await {
            return Ok(End::Lost);
        }
        let session = attachment.session();
        self.announce(session);
        let end = attachment.serve(self).await;
        if matches!(end, End::Lost) {
            warn!(%session, "lost the connection to ZooKeeper; the session is kept, to be resumed");
            self.events.send(SessionEvent::Suspended);
        }
        Ok(end)
    }

    fn announce(&mut self, session: SessionId) {
        self.state.id.store(session.0, Ordering::Release);
        match std::mem::replace(&mut self.news, News::Reconnected) {
            News::First(established) => {
                info!(%session, connect = %self.settings.connect, "ZooKeeper session established");
                // An error means that the caller gave up waiting; its handle goes too, which ends this thread.
                let _ = established.send(Ok(()));
            }
            News::Reconnected => {
                info!(%session, "ZooKeeper session resumed");
                self.events.send(SessionEvent::Reconnected);
            }
            News::Expired => {
                info!(%session, "new ZooKeeper session established");
                self.events.send(SessionEvent::Expired { session });
            }
        }
    }

    /// Tries until there is a session; at first only for the connection timeout.
    async fn connect(&mut self) -> Result<Connected, ConnectError> {
        let started = Instant::now();
        let mut reminder = started + REMINDER;
        let mut limit = FIRST_ATTEMPT;
        let mut pauses = Pauses::default();
        loop {
            let attempt = tokio::select! {
                attempt = connect_within(limit, &self.settings, self.session.clone(), &self.news) => attempt,
                close = self.inbox.closing.recv() => return Ok(Connected::Closed(close)),
            };
            match attempt {
                Ok(client) => return Ok(Connected::Client(client)),
                Err(Attempt::Expired) => {
                    self.expire();
                    continue;
                }
                Err(Attempt::Chroot(error)) => {
                    return Err(ConnectError::Chroot { connect: self.settings.connect.clone(), error });
                }
                Err(Attempt::Failed(reason)) => self.check_patience(started, reason).await?,
            }
            if Instant::now() >= reminder {
                warn!(connect = %self.settings.connect, "ZooKeeper is still away");
                reminder += REMINDER;
            }
            limit = (limit * 2).min(self.settings.session_timeout.max(FIRST_ATTEMPT));
            pauses.rest().await;
        }
    }

    async fn check_patience(&self, started: Instant, reason: String) -> Result<(), ConnectError> {
        let SessionSettings { connect, connection_timeout, .. } = &self.settings;
        if !matches!(self.news, News::First(_)) || started.elapsed() < *connection_timeout {
            return Ok(());
        }
        // The library says only that no host is available; a plain attempt says why.
        let reason = match RawClient::connect(&connect.at_root(), REASON_LIMIT).await {
            Ok(_) => reason,
            Err(error) => error.to_string(),
        };
        Err(ConnectError::Unreachable { connect: connect.clone(), timeout: *connection_timeout, reason })
    }

    /// The server refused the session: nothing that was asked under it may be done under another.
    fn expire(&mut self) {
        warn!("ZooKeeper has given up the session; starting a new one");
        self.session = None;
        self.state.epoch.fetch_add(1, Ordering::AcqRel);
        self.news = News::Expired;
        for request in self.waiting.drain(..) {
            request.answer(Err(StoreError::SessionExpired));
        }
    }

    /// Whether a request was asked under a session that is gone.
    pub(super) fn is_stale(&self, request: &Request) -> bool {
        request.epoch != self.state.epoch.load(Ordering::Acquire)
    }

    fn finish(mut self, close: Option<Close>) {
        self.inbox.requests.close();
        for request in self.waiting.drain(..) {
            request.answer(Err(StoreError::Closed));
        }
        while let Ok(request) = self.inbox.requests.try_recv() {
            request.answer(Err(StoreError::Closed));
        }
        if let Some(close) = close {
            // An error means that the caller no longer waits.
            let _ = close.done.send(());
        }
    }

    fn fail_first(self, error: ConnectError) {
        if let News::First(established) = self.news {
            // An error means that the caller no longer waits.
            let _ = established.send(Err(error));
        }
    }

    fn no_runtime(self, error: std::io::Error) {
        tracing::error!(%error, "the ZooKeeper session ends: its thread has no runtime");
        self.fail_first(error.into());
    }
}

enum Connected {
    Client(Client),
    Closed(Option<Close>),
}

enum Attempt {
    Expired,
    Failed(String),
    Chroot(StoreError),
}

async fn connect_within(
    limit: Duration,
    settings: &SessionSettings,
    session: Option<SessionInfo>,
    news: &News,
) -> Result<Client, Attempt> {
    let late = |_| Attempt::Failed(format!("no answer within {} ms", limit.as_millis()));
    tokio::time::timeout(limit, connect_once(settings, session, news)).await.map_err(late)?
}

/// One round over the servers.
async fn connect_once(
    settings: &SessionSettings,
    session: Option<SessionInfo>,
    news: &News,
) -> Result<Client, Attempt> {
    if matches!(news, News::First(_)) {
        create_chroot(settings).await?;
    }
    let resumed = session.is_some();
    let mut connector =
        Client::connector().with_session_timeout(settings.session_timeout).with_fail_eagerly();
    if let Some(session) = session {
        connector = connector.with_session(session);
    }
    match connector.connect(&settings.connect.to_string()).await {
        Ok(client) => Ok(client),
        Err(Error::SessionExpired) if resumed => Err(Attempt::Expired),
        Err(error) => Err(Attempt::Failed(error.to_string())),
    }
}

/// A short session without the chroot, as Kafka makes it (KafkaZkClient.apply).
async fn create_chroot(settings: &SessionSettings) -> Result<(), Attempt> {
    let Some(chroot) = &settings.connect.chroot else { return Ok(()) };
    let failed = |error: std::io::Error| Attempt::Failed(error.to_string());
    let root = settings.connect.at_root();
    let mut client = RawClient::connect(&root, settings.session_timeout).await.map_err(failed)?;
    create_path(&mut client, chroot).await.map_err(failed)?.map_err(Attempt::Chroot)?;
    client.close().await.map_err(failed)
}

async fn create_path(client: &mut RawClient, path: &str) -> std::io::Result<Result<(), StoreError>> {
    let exists = Operation::Exists { path: path.to_owned(), watch: Watch::None };
    if matches!(client.call(&exists).await?, Ok(Answer::Stat(Some(_)))) {
        return Ok(Ok(()));
    }
    let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
    for end in ends {
        let create = Write::Create { path: path[..end].to_owned(), data: None, mode: CreateMode::Persistent };
        match client.call(&Operation::Write(create)).await? {
            Err(error) if error.refusal() != Some(crate::store::Refusal::NodeExists) => {
                return Ok(Err(error));
            }
            Ok(_) | Err(_) => {}
        }
    }
    Ok(Ok(()))
}
