//! Where the time of a request goes: each one carries its own clock through its connection, read twice per step of its work.
//!
//! Measures only; nothing is kept of a request that is over, and nothing is done per record. What it measures goes to `Network::completed`,
//! to quotas and to the request log. Source of the stages: Kafka's RequestChannel.Request (3.9).

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use protocol::request::RequestHeader;
use protocol::response::Response;
use protocol::{ApiKey, StrBytes};
use tokio::time::Instant;

use crate::request_log::Messages;

/// One request on its way through a connection.
#[derive(Debug)]
pub(crate) struct Passage {
    pub(crate) api: ApiKey,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    /// Its frame, header included, without the length prefix.
    pub(crate) request_bytes: usize,
    /// Kept where it may be charged for, or is logged; it keeps the frame in memory.
    pub(crate) client_id: Option<StrBytes>,
    /// How long the connection is muted after it.
    pub(crate) throttle: Duration,
    /// What the request log will say of it, where that is on.
    pub(crate) messages: Option<Box<Messages>>,
    /// When the last of its bytes that were missing were read.
    arrived: Instant,
    /// When work on it began.
    begun: Option<Instant>,
    /// Time spent in its work.
    busy: Duration,
    /// When it was last worked on: when its outcome was there, in the end.
    worked: Instant,
}

/// Who is at the other end of a connection, as logs tell it.
#[derive(Debug)]
pub(crate) struct Origin {
    /// None while it is not known.
    pub(crate) local: Option<SocketAddr>,
    pub(crate) peer: SocketAddr,
    /// Tells connections between the same two addresses apart.
    pub(crate) number: u32,
    /// What the client calls itself (KIP-511).
    pub(crate) software: Option<Box<Software>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Software {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// A request that is over.
#[derive(Debug)]
pub(crate) struct Completed<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) passage: &'a Passage,
    pub(crate) stages: Stages,
    /// On the wire, length prefix included; none where nothing was sent.
    pub(crate) response_bytes: usize,
}

/// Kafka's stages of a request, which together last from its arrival until its answer is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Stages {
    /// Until its turn: most requests of a connection wait for those before them.
    pub(crate) request_queue: Duration,
    /// In its API's own code. A shard's work for it is remote.
    pub(crate) local: Duration,
    /// Waiting for shards, replicas, ZooKeeper, records to come.
    pub(crate) remote: Duration,
    /// Behind the answers before it.
    pub(crate) response_queue: Duration,
    /// Until the socket had taken all of the answer.
    pub(crate) send: Duration,
}

/// Kafka's id of a connection.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(local) = self.local {
            write!(f, "{}:{}-", local.ip().to_canonical(), local.port())?;
        }
        write!(f, "{}:{}-{}", self.peer.ip().to_canonical(), self.peer.port(), self.number)
    }
}

impl Stages {
    pub(crate) fn total(&self) -> Duration {
        self.request_queue + self.local + self.remote + self.response_queue + self.send
    }
}

impl Passage {
    pub(crate) fn new(header: &RequestHeader, request_bytes: usize, arrived: Instant) -> Passage {
        Passage {
            api: header.api,
            version: header.version,
            correlation_id: header.correlation_id,
            request_bytes,
            client_id: None,
            throttle: Duration::ZERO,
            messages: None,
            arrived,
            begun: None,
            busy: Duration::ZERO,
            worked: arrived,
        }
    }

    /// Notes whom it is charged to, and who is named where it is slow.
    pub(crate) fn remember_client(&mut self, header: &RequestHeader) {
        self.client_id = Some(header.client_id.clone().unwrap_or_default());
    }

    /// How much of a thread's time it has had.
    pub(crate) fn busy(&self) -> Duration {
        self.busy
    }

    /// Notes what is answered, for the log.
    pub(super) fn answered(&mut self, response: &Response) {
        if let Some(messages) = &mut self.messages {
            messages.answered((self.api, self.version), response);
        }
    }

    /// Whether its first stage is work. That of all but Produce only boxes what is done when its turn comes.
    pub(super) fn begins_early(&self) -> bool {
        self.api == ApiKey::Produce
    }

    /// Takes the time of one step of its work.
    pub(super) fn time<T>(&mut self, step: impl FnOnce() -> T) -> T {
        let from = Instant::now();
        self.begun.get_or_insert(from);
        let outcome = step();
        self.worked = Instant::now();
        self.busy += self.worked - from;
        outcome
    }

    /// When its outcome was there.
    pub(super) fn completed_at(&self) -> Instant {
        self.worked
    }

    /// Its stages, where its answer was sent at `sent` by a writer that had nothing else to send from `free` on.
    pub(super) fn stages(&self, free: Instant, sent: Instant) -> Stages {
        let begun = self.begun.unwrap_or(self.worked);
        let first_byte = self.worked.max(free);
        Stages {
            request_queue: begun - self.arrived,
            local: self.busy,
            remote: (self.worked - begun).saturating_sub(self.busy),
            response_queue: first_byte - self.worked,
            send: sent.saturating_duration_since(first_byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use tokio::time::advance;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Time stands still but where the test steps it.
    #[tokio::test(start_paused = true)]
    async fn every_moment_belongs_to_one_stage() {
        let header = RequestHeader { api: ApiKey::Fetch, version: 4, correlation_id: 7, client_id: None };
        let mut passage = Passage::new(&header, 100, Instant::now());
        advance(2 * MS).await;
        assert!(passage.time(|| Poll::<()>::Pending).is_pending());
        advance(30 * MS).await;
        assert!(passage.time(|| Poll::Ready(())).is_ready());
        let completed = Instant::now();
        passage.busy = 10 * MS;
        let stages = passage.stages(completed + 5 * MS, completed + 9 * MS);
        let expected = Stages {
            request_queue: 2 * MS,
            local: 10 * MS,
            remote: 20 * MS,
            response_queue: 5 * MS,
            send: 4 * MS,
        };
        assert_eq!(stages, expected);
        assert_eq!(stages.total(), 41 * MS);
        let idle_writer = passage.stages(completed - 5 * MS, completed + MS);
        assert_eq!((idle_writer.response_queue, idle_writer.send), (Duration::ZERO, MS));
    }
}
