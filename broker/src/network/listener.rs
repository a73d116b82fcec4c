//! One open port: it accepts connections and starts a task for each.
//!
//! An error of accept never ends it: where the system is out of something it pauses and tries again, so that a
//! broker short of file descriptors still serves those who are in. Source: Kafka's Acceptor (3.9).

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::connection::Connection;
use super::seats::{Seat, TurnedAway};
use super::{Network, Settings};
use crate::api::context::Context;
use crate::tasks::{TaskError, TaskKind};

/// Before the next accept where the system is out of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A port that could not be opened.
#[derive(Debug, thiserror::Error)]
#[error(
    "listener {listener} cannot be opened on {host}:{port}: {cause}; change listeners, or end who holds the port"
)]
pub struct BindError {
    pub(crate) listener: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) cause: io::Error,
}

/// A port that is open: clients can connect from now on, and are served once it runs.
#[derive(Debug)]
pub(crate) struct Listener {
    /// As in `listeners`.
    pub(crate) name: Arc<str>,
    /// What it is bound to, the port being the system's choice where 0 was asked for.
    pub(crate) address: SocketAddr,
    socket: TcpListener,
}

impl Listener {
    /// Opens `port` on `host`, or on all interfaces where there is none.
    pub(crate) async fn bind(
        name: &str,
        host: Option<&str>,
        port: u16,
        settings: &Settings,
    ) -> Result<Listener, BindError> {
        let failed = |cause| BindError {
            listener: name.to_owned(),
            host: host.unwrap_or_default().to_owned(),
            port,
            cause,
        };
        let addresses = resolve(host, port).await.map_err(failed)?;
        let socket = bind_first(&addresses, settings).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Listener { name: Arc::from(name), address, socket })
    }

    /// Accepts until it is stopped. It has no errors of its own to end with.
    pub(crate) async fn run(
        self,
        network: Arc<Network>,
        stopping: CancellationToken,
    ) -> Result<(), TaskError> {
        while let Some(accepted) = stopping.run_until_cancelled(self.socket.accept()).await {
            match accepted {
                Ok((socket, peer)) => {
                    stopping.run_until_cancelled(self.seat(&network, socket, peer)).await;
                }
                Err(error) => {
                    self.complain(&network, &error);
                    if is_shortage(&error) {
                        stopping.run_until_cancelled(sleep(ACCEPT_PAUSE)).await;
                    }
                }
            }
        }
        Ok(())
    }

    fn complain(&self, network: &Network, error: &io::Error) {
        let who = format_args!("listener {}", self.name);
        network.complaints.warn(&who, &format_args!("cannot accept connections: {error}"));
    }

    /// Lets somebody in, or turns them away; nobody else is accepted meanwhile, as with Kafka.
    async fn seat(&self, network: &Arc<Network>, socket: TcpStream, peer: SocketAddr) {
        match network.seats.take(&self.name, peer.ip().to_canonical()).await {
            Ok(seat) => self.welcome(network, socket, peer, seat),
            Err(reason) => {
                let who = format_args!("client {peer} on {}", self.name);
                network.complaints.warn(&who, &format_args!("connection closed: {reason}"));
                if let TurnedAway::TooFast { delay } = reason {
                    let stopping = network.tasks.stopping(TaskKind::Connection);
                    network.tasks.spawn(TaskKind::Connection, peer, async move {
                        stopping.run_until_cancelled(sleep(delay)).await;
                        drop(socket);
                        Ok(())
                    });
                }
            }
        }
    }

    fn welcome(&self, network: &Arc<Network>, socket: TcpStream, peer: SocketAddr, seat: Seat) {
        if let Err(error) = prepare(&socket, &network.settings) {
            // It happens where the client has gone already.
            debug!(%peer, %error, "connection given up before its first byte");
            return;
        }
        let context = Context::new(Arc::clone(&self.name), peer.ip().to_canonical());
        let connection = Box::new(Connection::new(Arc::clone(network), context, peer, seat));
        network.tasks.spawn(TaskKind::Connection, peer, connection.run(socket));
    }
}

/// The addresses to try, in order. No host means every interface: by IPv6 with IPv4 within it, as Java does, or by
/// IPv4 where the machine has no other.
async fn resolve(host: Option<&str>, port: u16) -> io::Result<Vec<SocketAddr>> {
    let Some(host) = host else {
        return Ok(vec![(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()]);
    };
    Ok(lookup_host((host, port)).await?.collect())
}

/// The first address that can be bound, or why the last could not be.
fn bind_first(addresses: &[SocketAddr], settings: &Settings) -> io::Result<TcpListener> {
    let mut outcome = Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    for address in addresses {
        outcome = bind_one(*address, settings);
        // That somebody else has this port must not be hidden by another address.
        if !matches!(&outcome, Err(error) if error.kind() != io::ErrorKind::AddrInUse) {
            break;
        }
    }
    outcome
}

fn bind_one(address: SocketAddr, settings: &Settings) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // Before listen, since accepted sockets take it over and agree on their window with the first packet.
    if let Some(bytes) = settings.receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes as usize)?;
    }
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(settings.backlog).unwrap_or(i32::MAX))?;
    TcpListener::from_std(socket.into())
}

/// Sets an accepted socket up as Kafka does.
fn prepare(socket: &TcpStream, settings: &Settings) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let socket = SockRef::from(socket);
    socket.set_keepalive(true)?;
    if let Some(bytes) = settings.send_buffer_bytes {
        socket.set_send_buffer_size(bytes as usize)?;
    }
    Ok(())
}

/// Whether accept failed for want of something that others have to give back first. The connection is then still
/// in the backlog, and asking again at once would only burn a processor.
fn is_shortage(error: &io::Error) -> bool {
    let shortages = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| shortages.contains(&errno))
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const SETTINGS: Settings = Settings {
        send_buffer_bytes: Some(50_000),
        receive_buffer_bytes: Some(60_000),
        backlog: 2,
        request_bytes_max: 1,
        idle_max: None,
        slow_request: None,
    };

    #[tokio::test]
    async fn sockets_have_the_buffers_that_are_configured() {
        for (settings, configured) in [
            (SETTINGS, true),
            (Settings { send_buffer_bytes: None, receive_buffer_bytes: None, ..SETTINGS }, false),
        ] {
            let listener = Listener::bind("A", Some("127.0.0.1"), 0, &settings).await.expect("a free port");
            let _client = TcpStream::connect(listener.address).await.expect("it listens");
            let (socket, _) = listener.socket.accept().await.expect("somebody has connected");
            prepare(&socket, &settings).expect("the client is there");
            let socket = SockRef::from(&socket);
            // Linux doubles what it is asked for.
            let sizes = (socket.send_buffer_size().unwrap(), socket.recv_buffer_size().unwrap());
            assert_eq!(sizes == (100_000, 120_000), configured, "{sizes:?}");
            assert!(socket.keepalive().unwrap() && socket.tcp_nodelay().unwrap());
        }
    }

    #[tokio::test]
    async fn no_more_than_the_backlog_wait_to_be_accepted() {
        let listener = Listener::bind("A", Some("127.0.0.1"), 0, &SETTINGS).await.expect("a free port");
        let mut waiting = Vec::new();
        let patience = Duration::from_millis(100);
        while let Ok(Ok(socket)) = timeout(patience, TcpStream::connect(listener.address)).await {
            waiting.push(socket);
            assert!(waiting.len() < 10);
        }
        assert_eq!(waiting.len(), 3, "Linux takes one more than asked for");
    }
}
