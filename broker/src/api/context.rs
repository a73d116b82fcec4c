//! What an API knows of a request beside its body, and what it gives back to the connection.
//!
//! A connection makes one `Context` and hands each request its copy. An API never touches a socket: it returns an
//! `Outcome`, now or later, and the connection sends answers in the order of the requests.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::StrBytes;
use protocol::request::RequestHeader;
use protocol::response::{EncodeError, Response};

use crate::authorizer::Principal;

/// Who asks, and from where. Cheap to clone; a clone with a client id keeps the request's frame in memory.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) principal: Principal,
    /// Name of the listener that the client came in by; answers name the addresses of that listener.
    pub(crate) listener: Arc<str>,
    pub(crate) client_host: IpAddr,
    pub(crate) client_id: Option<StrBytes>,
}

/// How a request ends.
#[derive(Debug)]
pub(crate) enum Outcome {
    Answer(Response),
    /// An answer whose API found a quota exceeded, for which the connection is held back for so long.
    Throttled(Response, Duration),
    /// Nothing is sent: a Produce with acks 0 that went well.
    Silent,
    /// The connection is closed, for the reason given, as Kafka does where it cannot tell the client anything.
    Close(String),
}

/// What a request has become once its API has taken it on.
pub(crate) enum Pending {
    Ready(Outcome),
    /// Polled only while it is the oldest unanswered request of its connection, and dropped with the connection.
    Later(Pin<Box<dyn Future<Output = Outcome> + Send>>),
}

impl Context {
    pub(crate) fn new(listener: Arc<str>, client_host: IpAddr) -> Context {
        Context { principal: Principal::anonymous(), listener, client_host, client_id: None }
    }

    /// The context of one request of this connection.
    pub(crate) fn of(&self, header: &RequestHeader) -> Context {
        Context { client_id: header.client_id.clone(), ..self.clone() }
    }
}

impl Outcome {
    /// The same for a client that is held back, if for any time at all.
    pub(super) fn throttled(self, ms: i32) -> Outcome {
        if ms <= 0 {
            return self;
        }
        match self {
            Outcome::Answer(response) | Outcome::Throttled(response, _) => {
                Outcome::Throttled(response, patience(ms))
            }
            Outcome::Silent | Outcome::Close(_) => self,
        }
    }
}

/// How long a client will wait, by a request's milliseconds: no time at all if they are negative.
pub(super) fn patience(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

impl Pending {
    pub(crate) fn later(outcome: impl Future<Output = Outcome> + Send + 'static) -> Pending {
        Pending::Later(Box::pin(outcome))
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Pending::Ready(outcome) => f.debug_tuple("Ready").field(outcome).finish(),
            Pending::Later(_) => f.write_str("Later"),
        }
    }
}

/// An answer that does not fit its own version is our mistake, and nothing that the client could read.
impl From<Result<Response, EncodeError>> for Outcome {
    fn from(response: Result<Response, EncodeError>) -> Outcome {
        match response {
            Ok(response) => Outcome::Answer(response),
            Err(error) => Outcome::Close(format!("the answer cannot be encoded: {error}")),
        }
    }
}

/// For what `protocol::response::encode` returns.
impl From<Result<Bytes, EncodeError>> for Outcome {
    fn from(head: Result<Bytes, EncodeError>) -> Outcome {
        head.map(Response::from).into()
    }
}
