//! The side connection that writes null data, opened with the first such write and closed when none has come for a while.
//!
//! Owns a raw client with a session of its own, which is never kept alive: it is closed long before it could time out. Writes
//! are sent ahead of earlier answers. Lives and dies with an attachment; called by it alone.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use super::attachment::Failure;
use super::pauses::Pauses;
use super::raw::RawClient;
use crate::connect_string::ConnectString;
use crate::store::{Answer, Operation};

#[derive(Debug)]
pub(super) struct NullWrite {
    pub(super) operation: Operation,
    pub(super) reply: oneshot::Sender<Result<Answer, Failure>>,
}

/// Runs until the attachment drops the sender, or is dropped itself.
pub(super) async fn run(connect: ConnectString, timeout: Duration, mut writes: mpsc::Receiver<NullWrite>) {
    while let Some(first) = writes.recv().await {
        let mut client = open(&connect, timeout).await;
        let mut sent = VecDeque::new();
        if serve(&mut client, first, &mut writes, &mut sent, timeout).await.is_ok() {
            // The server drops the session by itself where this fails.
            let _ = client.close().await;
        }
        for (_, write) in sent {
            answer(write, Err(Failure::Lost));
        }
    }
}

async fn open(connect: &ConnectString, timeout: Duration) -> RawClient {
    let mut pauses = Pauses::default();
    loop {
        match RawClient::connect(connect, timeout).await {
            Ok(client) => return client,
            Err(error) => {
                warn!(%error, "a second connection to ZooKeeper, for null data, is not to be had yet")
            }
        }
        pauses.rest().await;
    }
}

/// Until nothing has come for a third of the timeout, or the connection breaks: then what is in `sent` has no known outcome.
async fn serve(
    client: &mut RawClient,
    first: NullWrite,
    writes: &mut mpsc::Receiver<NullWrite>,
    sent: &mut VecDeque<(i32, NullWrite)>,
    timeout: Duration,
) -> std::io::Result<()> {
    let mut next = Some(first);
    let mut active = Instant::now();
    loop {
        if let Some(write) = next.take() {
            active = Instant::now();
            // Noted before it is sent: where sending fails it may have arrived all the same.
            sent.push_back((0, write));
            if let Some((xid, write)) = sent.back_mut() {
                *xid = client.send(&write.operation).await?;
            }
        }
        // Both branches lose nothing when the other is taken: a partial reply stays buffered, a message stays queued.
        tokio::select! {
            reply = client.receive(), if !sent.is_empty() => {
                let reply = reply?;
                active = Instant::now();
                if let Some((xid, write)) = sent.front() {
                    let result = client.decode(*xid, &write.operation, &reply)?;
                    if let Some((_, write)) = sent.pop_front() {
                        answer(write, result.map_err(Failure::Final));
                    }
                }
            }
            write = writes.recv() => match write {
                Some(write) => next = Some(write),
                None => return Ok(()),
            },
            () = sleep_until(active + timeout / 3) => {
                return if sent.is_empty() { Ok(()) } else { Err(std::io::ErrorKind::TimedOut.into()) };
            }
        }
    }
}

fn answer(write: NullWrite, result: Result<Answer, Failure>) {
    // An error means that the attachment no longer waits.
    let _ = write.reply.send(result);
}
