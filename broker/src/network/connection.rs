//! One client's connection: requests in, answers out in the order of the requests, whichever is done first.
//!
//! It owns the one buffer that frames are slices of, and shares nothing with other connections. It judges a request
//! by its frame and shape only. A client that cannot be understood gets the answers to what it sent before, and is
//! then cut off, as by Kafka. Sources: Selector, KafkaChannel, SocketServer (3.9).

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use protocol::ApiKey;
use protocol::frame::Frames;
use protocol::request::{DecodeError, Request, RequestBody, RequestHeader};
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::TcpStream;
use tokio::net::tcp::ReadHalf;
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tracing::debug;

use super::backlog::Claim;
use super::long_requests::{self, Conduct};
use super::replies::Replies;
use super::seats::Seat;
use super::stages::{Completed, Origin, Passage};
use super::writer::{WriteError, Writer};
use super::{Admission, Network};
use crate::api::api_versions;
use crate::api::context::{Context, Outcome, Pending};
use crate::request_log::Messages;
use crate::tasks::{TaskError, TaskKind};

/// After so long without traffic a connection gives its buffers back, so that ten thousand idle ones are cheap.
const QUIET: Duration = Duration::from_millis(500);
/// How long what a client asked may still take when it has left: enough to take effect, and for half a connection to be
/// answered, but a long poll must not keep the socket.
const LEFT_MAX: Duration = Duration::from_secs(5);
/// Stands in for "never", far enough for any broker.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

#[derive(Debug)]
pub(super) struct Connection {
    network: Arc<Network>,
    /// What the requests of this connection have in common.
    context: Context,
    origin: Origin,
    seat: Seat,
    frames: Frames,
    /// For the frame that arrives; none while its size is not known, or all memory for requests is in use.
    claim: Option<Claim>,
    /// The newest request, while its first stage is not done.
    admitting: Option<Admitting>,
    replies: Replies,
    writer: Writer,
    last_traffic: Instant,
    /// When the newest bytes came.
    last_read: Instant,
    /// When the last answer that left had left.
    last_sent: Instant,
    /// Until then nothing is read and no further request begun, as a quota is exceeded. While nothing is limited, none.
    muted: Option<Pin<Box<Sleep>>>,
    /// Why nothing more is read. What has been taken on is still answered.
    end: Option<End>,
}

struct Admitting {
    stage: Admission,
    passage: Passage,
    claim: Claim,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("the client left")]
    Left,
    #[error("the client left in the middle of a request, after {0} bytes of it")]
    CutShort(usize),
    #[error("the connection broke: {0}")]
    Broken(io::Error),
    #[error("no traffic for connections.max.idle.ms")]
    Idle,
    #[error("the broker stops")]
    Stopped,
    #[error("its place was taken away: there are max.connections, or its listener was closed")]
    Displaced,
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Unsent(#[from] WriteError),
}

impl Connection {
    pub(super) fn new(network: Arc<Network>, context: Context, peer: SocketAddr, seat: Seat) -> Connection {
        let now = Instant::now();
        Connection {
            context,
            origin: Origin { local: None, peer, number: network.next_number(), software: None },
            seat,
            frames: Frames::new(network.settings.request_bytes_max),
            claim: None,
            admitting: None,
            replies: Replies::new(Arc::clone(&network.backlog)),
            writer: Writer::new(network.tasks.clone()),
            last_traffic: now,
            last_read: now,
            last_sent: now,
            muted: None,
            end: None,
            network,
        }
    }

    /// Serves the client until it leaves, breaks the protocol, is idle for too long, or connections are stopped. Boxed,
    /// since the future would have room for it twice.
    pub(super) async fn run(mut self: Box<Self>, mut socket: TcpStream) -> Result<(), TaskError> {
        let displaced = self.seat.lost();
        // Either ends the connection.
        let end = tokio::select! {
            biased;
            end = self.serve_all(&mut socket) => end,
            () = displaced => End::Displaced,
        };
        self.report(&end);
        Ok(())
    }

    async fn serve_all(&mut self, socket: &mut TcpStream) -> End {
        match self.first_byte(socket).await {
            Ok(()) => self.serve(socket).await,
            Err(end) => end,
        }
    }

    /// Waits for the first byte without a buffer for it. Later the wait for the socket to be readable does as much,
    /// but a new socket is taken for readable until that has been tried.
    async fn first_byte(&mut self, socket: &TcpStream) -> Result<(), End> {
        let stopping = self.network.tasks.stopping(TaskKind::Connection);
        let mut byte = [0];
        let arrival = timeout(self.idle_max(), socket.peek(&mut byte));
        let arrived = stopping.run_until_cancelled(arrival).await.ok_or(End::Stopped)?;
        match arrived.map_err(|_| End::Idle)?.map_err(End::Broken)? {
            0 => Err(End::Left),
            _ => {
                self.last_traffic = Instant::now();
                Ok(())
            }
        }
    }

    async fn serve(&mut self, socket: &mut TcpStream) -> End {
        self.origin.local = socket.local_addr().ok();
        let stopping = self.network.tasks.stopping(TaskKind::Connection);
        let mut stopped = pin!(stopping.cancelled());
        let mut timer = pin!(sleep_until(self.next_look()));
        let (mut reading, writing) = socket.split();
        loop {
            self.take_frames();
            let unclaimed = self.unclaimed();
            if self.has_answered_all()
                && let Some(end) = self.end.take()
            {
                return end;
            }
            // Answers come before reading: they leave together, and who does not read them is not read from.
            tokio::select! {
                biased;
                // Lives outside the loop; once done it is not polled again, since `end` stays.
                () = &mut stopped, if self.end.is_none() => self.end = Some(End::Stopped),
                // Lives outside the loop.
                () = &mut timer => match self.look_at_clock() {
                    Ok(next) => timer.as_mut().reset(next),
                    Err(end) => return end,
                },
                // What is polled stays in `admitting` until it is done.
                (pending, passage, claim) = admitted(&mut self.admitting), if self.admitting.is_some() =>
                    self.replies.push(pending, passage, claim),
                // What is polled stays in `replies` until it is done.
                (outcome, passage) = self.replies.next(), if self.may_conclude() =>
                    self.conclude(outcome, passage),
                // Notes what the socket took in the poll in which it took it.
                sent = self.writer.advance(writing.as_ref()), if !self.writer.is_empty() => match sent {
                    Ok(()) => {
                        self.note_traffic(timer.as_mut());
                        self.note_sent();
                    }
                    Err(error) => {
                        error.unsendable().into_iter().for_each(&self.network.report);
                        return End::Unsent(error);
                    }
                },
                // Nothing is lost: the time is in `muted`, and that the client has left in the socket.
                () = unmuted(&mut self.muted, writing.as_ref()), if self.is_muted() => self.muted = None,
                // Claims in its last poll only.
                claim = self.network.backlog.claim(unclaimed.unwrap_or_default()),
                    if unclaimed.is_some() && self.wants_input() => self.claim = Some(claim),
                // Reads in its last poll only; what is read is in `frames` then.
                read = fill(&mut reading, &mut self.frames), if unclaimed.is_none() && self.wants_input() => match read {
                    Ok(0) => {
                        self.end = Some(self.client_left());
                        self.note_traffic(timer.as_mut());
                    }
                    Ok(_) => {
                        self.note_traffic(timer.as_mut());
                        self.last_read = self.last_traffic;
                    }
                    Err(error) => return End::Broken(error),
                },
            }
        }
    }

    /// Whether another request may be taken on: the one before has passed its first stage, and not too much waits.
    fn wants_input(&self) -> bool {
        self.end.is_none() && !self.is_muted() && self.admitting.is_none() && self.replies.has_room()
    }

    /// Whether the oldest request may be worked on.
    fn may_conclude(&self) -> bool {
        !self.replies.is_empty() && self.writer.has_room() && !self.is_muted()
    }

    /// Whoever is on the way out is not held back any more.
    fn is_muted(&self) -> bool {
        self.muted.is_some() && self.end.is_none()
    }

    fn has_answered_all(&self) -> bool {
        self.admitting.is_none() && self.replies.is_empty() && self.writer.is_empty()
    }

    /// Takes requests out of the buffer until one has to be waited for. So whenever the socket is read, the buffer
    /// holds less than one frame.
    fn take_frames(&mut self) {
        while self.wants_input() && self.claim_memory() {
            match self.frames.split() {
                Ok(Some(frame)) => self.take_on(frame),
                Ok(None) => return,
                Err(error) => self.end = Some(End::Refused(error.to_string())),
            }
        }
    }

    /// Whether there is memory for the frame that arrives, as far as its size is known.
    fn claim_memory(&mut self) -> bool {
        if let Some(size) = self.unclaimed() {
            self.claim = self.network.backlog.try_claim(size);
        }
        self.unclaimed().is_none()
    }

    /// The size of the frame that arrives, where no memory was claimed for it.
    fn unclaimed(&self) -> Option<usize> {
        if self.claim.is_some() { None } else { self.frames.next_size() }
    }

    fn take_on(&mut self, frame: Bytes) {
        // It was made before the frame was taken out of the buffer.
        let Some(claim) = self.claim.take() else { return };
        let messages = Messages::kept(&frame);
        let conduct = long_requests::conduct(&frame);
        if conduct != Conduct::AtOnce
            && let Ok(header) = Request::header(&frame)
        {
            let passage = self.passage(&header, &claim, messages);
            return self.take_on_long(&header, frame, conduct, (passage, claim));
        }
        match Request::decode(frame) {
            Ok(request) => {
                let passage = self.passage(&request.header, &claim, messages);
                if let RequestBody::ApiVersions(versions) = &request.body {
                    self.origin.software = api_versions::software(request.header.version, versions);
                }
                let context = self.context.of(&request.header);
                let stage = (self.network.serve)(context, request);
                self.admitting = Some(Admitting { stage, passage, claim });
            }
            Err(DecodeError::UnsupportedVersion { api: ApiKey::ApiVersions, correlation_id, .. }) => {
                // It is answered as version 0 would be.
                let header =
                    RequestHeader { api: ApiKey::ApiVersions, version: 0, correlation_id, client_id: None };
                let passage = Passage::new(&header, claim.bytes, self.last_read);
                let unsupported = Pending::Ready(api_versions::unsupported(correlation_id));
                self.replies.push(unsupported, passage, claim);
            }
            Err(error) => self.end = Some(End::Refused(error.to_string())),
        }
    }

    fn passage(&self, header: &RequestHeader, claim: &Claim, messages: Option<Box<Messages>>) -> Passage {
        let mut passage = Passage::new(header, claim.bytes, self.last_read);
        if self.network.quotas.in_force() || self.network.settings.slow_request.is_some() {
            passage.remember_client(header);
        }
        passage.messages = messages;
        passage
    }

    fn take_on_long(
        &mut self,
        header: &RequestHeader,
        frame: Bytes,
        conduct: Conduct,
        (passage, claim): (Passage, Claim),
    ) {
        let context = self.context.of(header);
        if conduct == Conduct::Aside {
            self.replies.push(long_requests::carry_out(&self.network, context, frame), passage, claim);
        } else {
            let stage = long_requests::decode(&self.network, context, frame);
            self.admitting = Some(Admitting { stage, passage, claim });
        }
    }

    fn conclude(&mut self, outcome: Outcome, mut passage: Passage) {
        let (outcome, throttle) = self.network.quotas.settle(&self.context, &passage, outcome);
        if !throttle.is_zero() {
            passage.throttle = throttle;
            self.muted = Some(Box::pin(sleep_until(passage.completed_at() + throttle)));
        }
        match outcome {
            Outcome::Answer(response) | Outcome::Throttled(response, _) => {
                passage.answered(&response);
                self.writer.push(response, passage);
            }
            Outcome::Silent => self.complete(&passage, 0, passage.completed_at()),
            Outcome::Close(reason) => {
                self.replies.clear();
                self.admitting = None;
                self.end = Some(End::Refused(reason));
            }
        }
    }

    /// To be called when something has been sent, as of the traffic last noted.
    fn note_sent(&mut self) {
        while let Some((passage, size)) = self.writer.next_sent() {
            self.complete(&passage, size, self.last_traffic);
            self.last_sent = self.last_traffic;
        }
    }

    fn complete(&self, passage: &Passage, response_bytes: usize, at: Instant) {
        let stages = passage.stages(self.last_sent, at);
        let completed = Completed { origin: &self.origin, passage, stages, response_bytes };
        (self.network.completed)(&self.context, &completed);
    }

    fn client_left(&self) -> End {
        match self.frames.pending() {
            0 => End::Left,
            bytes => End::CutShort(bytes),
        }
    }

    fn note_traffic(&mut self, timer: Pin<&mut Sleep>) {
        self.last_traffic = Instant::now();
        self.seat.note_traffic(self.last_traffic);
        // Otherwise the timer fires soon enough, and is set anew then: a busy connection hardly ever touches it.
        if timer.deadline() > self.last_traffic + QUIET {
            timer.reset(self.next_look());
        }
    }

    /// Closes what is idle, and takes the buffers from what is quiet; says when to look again.
    fn look_at_clock(&mut self) -> Result<Instant, End> {
        let quiet_for = self.last_traffic.elapsed();
        if quiet_for >= self.idle_max() {
            return Err(self.end.take().unwrap_or(End::Idle));
        }
        if quiet_for < QUIET {
            return Ok(self.next_look());
        }
        self.give_back();
        Ok(self.last_traffic + self.idle_max())
    }

    fn next_look(&self) -> Instant {
        self.last_traffic + self.idle_max().min(QUIET)
    }

    fn idle_max(&self) -> Duration {
        let idle_max = self.network.settings.idle_max.unwrap_or(NEVER);
        let has_left = matches!(self.end, Some(End::Left | End::CutShort(_)));
        if has_left { idle_max.min(LEFT_MAX) } else { idle_max }
    }

    fn give_back(&mut self) {
        if self.frames.pending() == 0 {
            self.frames = Frames::new(self.network.settings.request_bytes_max);
        }
        self.replies.shrink();
        self.writer.shrink();
    }

    /// Says why the connection ended: loudly, but not too often, where the client or a log is at fault.
    fn report(&self, end: &End) {
        let who = format_args!("client {} on {}", self.origin.peer, self.context.listener);
        match end {
            End::Refused(_)
            | End::Unsent(
                WriteError::File { .. } | WriteError::Damaged { .. } | WriteError::Truncated { .. },
            ) => {
                self.network.complaints.warn(&who, &format_args!("connection closed: {end}"));
            }
            End::Left | End::CutShort(_) | End::Broken(_) | End::Idle | End::Stopped | End::Displaced => {
                debug!("{who}: connection closed: {end}");
            }
            End::Unsent(WriteError::Socket(_)) => debug!("{who}: connection closed: {end}"),
        }
    }
}

/// Waits until the first stage of the newest request is done, and takes it off.
async fn admitted(admitting: &mut Option<Admitting>) -> (Pending, Passage, Claim) {
    poll_fn(|context| {
        let Some(mut newest) = admitting.take() else { return Poll::Pending };
        let polled = match newest.passage.begins_early() {
            true => newest.passage.time(|| newest.stage.as_mut().poll(context)),
            false => newest.stage.as_mut().poll(context),
        };
        match polled {
            Poll::Ready(pending) => Poll::Ready((pending, newest.passage, newest.claim)),
            Poll::Pending => {
                *admitting = Some(newest);
                Poll::Pending
            }
        }
    })
    .await
}

/// Waits until the time of a muted connection is over, or its client has left: then there is nobody to hold back, and what was sent before
/// is served. That something has arrived does not end it.
async fn unmuted(muted: &mut Option<Pin<Box<Sleep>>>, socket: &TcpStream) {
    let Some(over) = muted else { return };
    // Either may be dropped.
    tokio::select! {
        () = over => {}
        _ = socket.ready(Interest::PRIORITY) => {}
    }
}

/// Reads what has arrived, or nothing at the end of the stream. While nothing arrives no room is reserved.
async fn fill(reading: &mut ReadHalf<'_>, frames: &mut Frames) -> io::Result<usize> {
    reading.readable().await?;
    reading.read_buf(&mut frames.spare()).await
}

impl fmt::Debug for Admitting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admitting").field("passage", &self.passage).finish_non_exhaustive()
    }
}
