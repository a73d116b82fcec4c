//! A small ZooKeeper client of our own, for what zookeeper-client cannot write: null data.
//!
//! Owns one connection with a session of its own, without heartbeats or watches: who keeps it longer than its session timeout
//! loses it. Never holds ephemeral nodes. Used by `session` for null writes and the chroot, and by tests to tell null from
//! empty. Source: ZooKeeper 3.8 `zookeeper.jute`; Kafka tells a null `/latest_producer_id_block` from an empty one.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::connect_string::{ConnectString, Server};
use crate::store::{Answer, Operation, StoreError};

mod wire;

/// No reply may be longer: Kafka's jute.maxbuffer.
const FRAME_BYTES_MAX: usize = 4 << 20;

#[derive(Debug)]
pub struct RawClient {
    stream: TcpStream,
    received: BytesMut,
    chroot: String,
    next_xid: i32,
}

/// A reply that has arrived but is not yet decoded, as what it means depends on the operation.
#[derive(Debug)]
pub struct Reply {
    xid: i32,
    error: i32,
    body: Bytes,
}

impl RawClient {
    /// A new session on the first server that grants one; `timeout` is the session's, and bounds the attempt at each server.
    pub async fn connect(connect: &ConnectString, timeout: Duration) -> io::Result<RawClient> {
        let mut failure = io::Error::other("no server is named");
        for server in &connect.servers {
            let attempt = RawClient::open(server, connect.chroot.as_deref().unwrap_or(""), timeout);
            match tokio::time::timeout(timeout, attempt).await {
                Ok(Ok(client)) => return Ok(client),
                Ok(Err(error)) => failure = io::Error::new(error.kind(), format!("{server}: {error}")),
                Err(_) => failure = io::Error::new(io::ErrorKind::TimedOut, format!("{server}: no answer")),
            }
        }
        Err(failure)
    }

    async fn open(server: &Server, chroot: &str, timeout: Duration) -> io::Result<RawClient> {
        let mut stream = TcpStream::connect((server.host.as_str(), server.port)).await?;
        stream.set_nodelay(true)?;
        stream.write_all(&wire::connect_request(timeout)).await?;
        let mut client =
            RawClient { stream, received: BytesMut::new(), chroot: chroot.to_owned(), next_xid: 1 };
        let granted = client.frame().await?;
        wire::check_connect_response(granted)?;
        Ok(client)
    }

    /// Sends one operation and waits for its answer. The outer error is the connection's: what became of a write is unknown.
    pub async fn call(&mut self, operation: &Operation) -> io::Result<Result<Answer, StoreError>> {
        let xid = self.send(operation).await?;
        let reply = self.receive().await?;
        self.decode(xid, operation, &reply)
    }

    /// The data of a node, null and empty kept apart.
    pub async fn data(&mut self, path: &str) -> io::Result<Result<Option<Bytes>, StoreError>> {
        let operation = Operation::Get { path: path.to_owned(), watch: crate::store::Watch::None };
        let xid = self.send(&operation).await?;
        let reply = self.receive().await?;
        self.expect(xid, &reply)?;
        Ok(wire::refused(&operation, reply.error).and_then(|()| wire::decode_data(path, reply.body)))
    }

    /// Sends an operation ahead of earlier answers; the answers come in the order of sending. Not cancel-safe.
    pub(crate) async fn send(&mut self, operation: &Operation) -> io::Result<i32> {
        let xid = self.next_xid;
        self.next_xid = self.next_xid.wrapping_add(1).max(1);
        self.stream.write_all(&wire::request(xid, operation, &self.chroot)).await?;
        Ok(xid)
    }

    /// The next reply. Cancel-safe: a part that has arrived stays in the buffer.
    pub(crate) async fn receive(&mut self) -> io::Result<Reply> {
        let mut body = self.frame().await?;
        if body.len() < 16 {
            return Err(malformed("a reply is too short"));
        }
        let (xid, _zxid, error) = (body.get_i32(), body.get_i64(), body.get_i32());
        Ok(Reply { xid, error, body })
    }

    pub(crate) fn decode(
        &self,
        xid: i32,
        operation: &Operation,
        reply: &Reply,
    ) -> io::Result<Result<Answer, StoreError>> {
        self.expect(xid, reply)?;
        Ok(wire::answer(operation, &self.chroot, reply.error, reply.body.clone()))
    }

    /// Ends the session on the server, which is kinder than letting it time out.
    pub async fn close(mut self) -> io::Result<()> {
        self.stream.write_all(&wire::close_request(self.next_xid)).await?;
        self.receive().await.map(|_| ())
    }

    fn expect(&self, xid: i32, reply: &Reply) -> io::Result<()> {
        match reply.xid == xid {
            true => Ok(()),
            false => Err(malformed("a reply is out of order")),
        }
    }

    async fn frame(&mut self) -> io::Result<Bytes> {
        loop {
            if let Some(length) = self.received.first_chunk::<4>() {
                let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(usize::MAX);
                if length > FRAME_BYTES_MAX {
                    return Err(malformed("a reply has an impossible length"));
                }
                if self.received.len() >= 4 + length {
                    self.received.advance(4);
                    return Ok(self.received.split_to(length).freeze());
                }
            }
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
