//! Sockets: listeners take connections in, each connection reads requests and writes their answers in order.
//!
//! It knows frames and order, never what a request means: requests go to one function, `Serve`, which `broker.rs`
//! makes from `api::handle`. Source: Kafka's SocketServer and Selector (3.9).

mod backlog;
mod complaints;
mod connection;
mod connection_quotas;
mod doors;
mod listener;
mod long_requests;
mod replies;
mod seats;
mod stages;
mod writer;

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use protocol::request::Request;

pub(crate) use self::backlog::Backlog;
pub(crate) use self::complaints::Complaints;
pub(crate) use self::doors::Doors;
pub use self::listener::BindError;
pub(crate) use self::listener::Listener;
pub(crate) use self::long_requests::LongRequests;
pub use self::seats::UnknownHost;
pub(crate) use self::seats::{Limits, Seats, address_of};
pub(crate) use self::stages::{Completed, Origin, Passage, Software, Stages};
use crate::api::context::{Context, Pending};
use crate::quota::Quotas;
use crate::tasks::Tasks;

/// Stage one of a request: it is awaited before the next request of its connection is looked at, so that whoever
/// cannot take more work stops the connection's reading.
pub(crate) type Admission = Pin<Box<dyn Future<Output = Pending> + Send>>;

/// Where a connection's requests go.
pub(crate) type Serve = Arc<dyn Fn(Context, Request) -> Admission + Send + Sync>;

/// A log file that an answer needed and that cannot be sent.
#[derive(Debug)]
pub(crate) enum Unsendable {
    /// The disk gave back other bytes than were written: there is no good batch at this position.
    Damaged {
        file: PathBuf,
        position: u64,
    },
    Unreadable {
        file: PathBuf,
        error: io::Error,
    },
}

/// Who hears of log files that cannot be sent.
pub(crate) type Report = Box<dyn Fn(Unsendable) + Send + Sync>;

/// Who hears of requests that are over. Called on the way of every request, so it has to be quick.
pub(crate) type Observe = Box<dyn Fn(&Context, &Completed<'_>) + Send + Sync>;

/// What every listener and connection of a broker shares.
pub(crate) struct Network {
    pub(crate) settings: Settings,
    pub(crate) serve: Serve,
    pub(crate) report: Report,
    pub(crate) completed: Observe,
    /// How many connections there have been.
    pub(crate) connections: AtomicU32,
    pub(crate) quotas: Arc<Quotas>,
    pub(crate) tasks: Tasks,
    pub(crate) seats: Arc<Seats>,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) long_requests: LongRequests,
    pub(crate) complaints: Complaints,
}

/// The settings of sockets, by the names of their keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    /// socket.send.buffer.bytes; none leaves it to the system.
    pub(crate) send_buffer_bytes: Option<u32>,
    /// socket.receive.buffer.bytes; none leaves it to the system.
    pub(crate) receive_buffer_bytes: Option<u32>,
    /// socket.listen.backlog.size
    pub(crate) backlog: u32,
    /// socket.request.max.bytes
    pub(crate) request_bytes_max: usize,
    /// connections.max.idle.ms; none keeps idle connections.
    pub(crate) idle_max: Option<Duration>,
    /// ottla.slow.request.ms
    pub(crate) slow_request: Option<Duration>,
}

impl Network {
    fn next_number(&self) -> u32 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
