//! Answers on their way into one socket: memory by sendmsg, files by sendfile, so that no byte of a log passes
//! through memory of ours. The only file that knows sendfile.
//!
//! It never reads a disk on a thread that serves others: what is not in the page cache is brought there by the
//! blocking pool first (KAFKA-7504). The connection calls it, and may drop a call at any time.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use bytes::Buf;
use protocol::response::{FileSlice, Part, Response};
use rustix::io::{Errno, ReadWriteFlags};
use rustix::net::{SendAncillaryBuffer, SendFlags};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::yield_now;

use crate::tasks::Tasks;

/// Bytes of one sendfile, after which others have their turn.
const TURN: usize = 1 << 20;
/// Pieces of memory in one sendmsg; the system's bound is 1024.
const PIECES_MAX: usize = 32;
/// With this much to send, further answers wait where they are. Below it they leave in one system call.
const QUEUED_BYTES_MAX: usize = 64 << 10;
/// Between two probes for what is in the page cache: Linux reads ahead in units of this size by default. A probe cost
/// 1 % of sending as much, so every file is probed; nothing else here knows what is hot.
const PROBE_STRIDE: u64 = 128 << 10;
/// What the blocking pool reads at once; small enough to stay in a processor's cache.
const WARM_STEP: usize = 64 << 10;

/// Why a response cannot be sent to its end. The connection has to be closed, as the client waits for the rest.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error("cannot send: {0}")]
    Socket(io::Error),
    #[error("cannot read the log for an answer: {0}")]
    File(io::Error),
    #[error("the log was truncated while it was being sent: {missing} bytes are missing")]
    Truncated { missing: u32 },
}

/// The answers of one connection that are being sent.
#[derive(Debug)]
pub(super) struct Writer {
    tasks: Tasks,
    parts: VecDeque<Part>,
    /// Of all parts.
    bytes: usize,
    /// Up to where in its file the first part is known to be in the page cache.
    warm_until: u64,
}

impl Writer {
    pub(super) fn new(tasks: Tasks) -> Writer {
        Writer { tasks, parts: VecDeque::new(), bytes: 0, warm_until: 0 }
    }

    pub(super) fn push(&mut self, response: Response) {
        self.bytes += response.size();
        self.parts.push_back(Part::Bytes(response.head));
        self.parts.extend(response.body.into_iter().filter(|part| part.size() > 0));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    pub(super) fn has_room(&self) -> bool {
        self.bytes < QUEUED_BYTES_MAX
    }

    /// Gives back the memory that an earlier burst needed.
    pub(super) fn shrink(&mut self) {
        self.parts.shrink_to_fit();
    }

    /// Sends something of the first parts, waiting until the socket takes it. Dropping the future loses nothing:
    /// what a system call took is noted in the same poll.
    pub(super) async fn advance(&mut self, socket: &TcpStream) -> Result<(), WriteError> {
        match self.parts.front() {
            None => Ok(()),
            Some(Part::Bytes(_)) => self.send_memory(socket).await,
            Some(Part::File(slice)) => {
                let slice = slice.clone();
                self.send_file(socket, slice).await
            }
        }
    }

    async fn send_memory(&mut self, socket: &TcpStream) -> Result<(), WriteError> {
        let parts = &self.parts;
        let sent = socket.async_io(Interest::WRITABLE, || send_leading_memory(socket, parts)).await;
        self.sent(sent.map_err(WriteError::Socket)?);
        Ok(())
    }

    async fn send_file(&mut self, socket: &TcpStream, slice: FileSlice) -> Result<(), WriteError> {
        let count = TURN.min(slice.length as usize);
        self.warm(&slice, count as u64).await?;
        let send = || {
            let mut position = slice.position;
            rustix::fs::sendfile(socket, &*slice.file, Some(&mut position), count).map_err(io::Error::from)
        };
        let sent = socket.async_io(Interest::WRITABLE, send).await.map_err(WriteError::Socket)?;
        if sent == 0 {
            return Err(WriteError::Truncated { missing: slice.length });
        }
        self.sent(sent);
        if sent == TURN {
            yield_now().await;
        }
        Ok(())
    }

    /// Sees to it that the first `count` bytes of `slice`, which is the first part, are in the page cache.
    async fn warm(&mut self, slice: &FileSlice, count: u64) -> Result<(), WriteError> {
        if self.warm_until > slice.position {
            return Ok(());
        }
        let (from, to) = (slice.position, slice.position + count);
        if !is_warm(&slice.file, from, to).map_err(WriteError::File)? {
            let file = slice.file.clone();
            self.tasks.blocking(move || read_through(&file, from, to)).await.map_err(WriteError::File)?;
        }
        self.warm_until = to;
        Ok(())
    }

    /// Takes `count` bytes off the front.
    fn sent(&mut self, mut count: usize) {
        self.bytes -= count;
        while let Some(part) = self.parts.front_mut() {
            let size = part.size();
            if count < size {
                skip(part, count);
                return;
            }
            count -= size;
            self.parts.pop_front();
            self.warm_until = 0;
        }
    }
}

/// Drops the first `count` bytes of `part`, which has more.
fn skip(part: &mut Part, count: usize) {
    match part {
        Part::Bytes(bytes) => bytes.advance(count),
        Part::File(slice) => {
            slice.position += count as u64;
            slice.length -= count as u32;
        }
    }
}

/// One sendmsg of all memory up to the first file. With a file to follow, the kernel holds a packet that is not
/// full back for the first bytes of the file.
fn send_leading_memory(socket: &TcpStream, parts: &VecDeque<Part>) -> io::Result<usize> {
    let mut pieces = [IoSlice::new(&[]); PIECES_MAX];
    let mut count = 0;
    let mut flags = SendFlags::NOSIGNAL;
    for part in parts.iter().take(PIECES_MAX) {
        match part {
            Part::Bytes(bytes) => pieces[count] = IoSlice::new(bytes),
            Part::File(_) => {
                flags |= SendFlags::MORE;
                break;
            }
        }
        count += 1;
    }
    let mut nothing = SendAncillaryBuffer::new(&mut []);
    Ok(rustix::net::sendmsg(socket, &pieces[..count], &mut nothing, flags)?)
}

/// Whether the file's bytes between two positions can be sent without waiting for a disk, as far as probes of
/// single bytes tell. Where the file system cannot say (overlayfs), they count as cold.
fn is_warm(file: &File, from: u64, to: u64) -> io::Result<bool> {
    let last = (to - from > PROBE_STRIDE).then_some(to - 1);
    for position in (from..to).step_by(PROBE_STRIDE as usize).chain(last) {
        if !is_byte_warm(file, position)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_byte_warm(file: &File, position: u64) -> io::Result<bool> {
    let mut byte = [0];
    let mut buffers = [IoSliceMut::new(&mut byte)];
    match rustix::io::preadv2(file.as_fd(), &mut buffers, position, ReadWriteFlags::NOWAIT) {
        // Past the end of a truncated file there is nothing to wait for; sendfile will tell.
        Ok(_) => Ok(true),
        Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Reads a stretch of a file for the sake of the page cache. Blocks.
fn read_through(file: &File, from: u64, to: u64) -> io::Result<()> {
    let mut scratch = vec![0; WARM_STEP];
    let mut position = from;
    while position < to {
        let step = WARM_STEP.min((to - position) as usize);
        match file.read_at(&mut scratch[..step], position) {
            Ok(0) => return Ok(()),
            Ok(count) => position += count as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
