//! Answers on their way into one socket: memory by sendmsg, files by sendfile. The only file that knows sendfile.
//!
//! It never reads a disk on a thread that serves others: what is not in the page cache is brought there by the
//! blocking pool first (KAFKA-7504), which checks every batch that the disk gave back. The connection calls it, and
//! may drop a call at any time.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::Buf;
use protocol::response::{FileSlice, Part, Response};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags};
use storage::rot::{RotError, Stretch, path_of, unchecked};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::yield_now;

use super::Unsendable;
use super::stages::Passage;
use crate::tasks::Tasks;

/// Bytes of one sendfile, after which others have their turn.
const TURN: usize = 1 << 20;
/// Pieces of memory in one sendmsg; the system's bound is 1024.
const PIECES_MAX: usize = 32;
/// With this much to send, further answers wait where they are. Below it they leave in one system call.
const QUEUED_BYTES_MAX: usize = 64 << 10;

/// Why a response cannot be sent to its end. The connection has to be closed, as the client waits for the rest.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error("cannot send: {0}")]
    Socket(io::Error),
    #[error("cannot read the log for an answer: {error}")]
    File { file: Arc<File>, error: io::Error },
    #[error("the log is damaged at position {position}: {reason}")]
    Damaged { file: Arc<File>, position: u64, reason: String },
    #[error("the log was truncated while it was being sent: {missing} bytes are missing")]
    Truncated { missing: u32 },
}

impl WriteError {
    /// What is wrong with a log, if that is it. A file whose path is not known is on its way out.
    pub(super) fn unsendable(&self) -> Option<Unsendable> {
        match self {
            WriteError::Damaged { file, position, .. } => {
                Some(Unsendable::Damaged { file: path_of(file)?, position: *position })
            }
            WriteError::File { file, error } => {
                let error = io::Error::new(error.kind(), error.to_string());
                Some(Unsendable::Unreadable { file: path_of(file)?, error })
            }
            WriteError::Socket(_) | WriteError::Truncated { .. } => None,
        }
    }
}

/// The answers of one connection that are being sent.
#[derive(Debug)]
pub(super) struct Writer {
    tasks: Tasks,
    parts: VecDeque<Part>,
    /// Of all parts.
    bytes: usize,
    /// The answers that the parts are of, in order.
    answers: VecDeque<Answer>,
    /// Up to where in its file the first part is known to be in the page cache.
    warm_until: u64,
    /// Where in it a batch begins, at or before the first byte that is not known to be good.
    boundary: Option<u64>,
}

/// An answer that is not sent to its end.
#[derive(Debug)]
struct Answer {
    passage: Passage,
    /// In all.
    size: usize,
    /// Of it, still to be sent.
    left: usize,
}

impl Writer {
    pub(super) fn new(tasks: Tasks) -> Writer {
        Writer {
            tasks,
            parts: VecDeque::new(),
            bytes: 0,
            answers: VecDeque::new(),
            warm_until: 0,
            boundary: None,
        }
    }

    pub(super) fn push(&mut self, response: Response, passage: Passage) {
        let size = response.size();
        self.bytes += size;
        self.answers.push_back(Answer { passage, size, left: size });
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
        self.answers.shrink_to_fit();
    }

    /// Takes off an answer that has been sent to its end, with its size.
    pub(super) fn next_sent(&mut self) -> Option<(Passage, usize)> {
        self.answers.front().filter(|answer| answer.left == 0)?;
        self.answers.pop_front().map(|sent| (sent.passage, sent.size))
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
        self.warm(&slice).await?;
        let left = self.warm_until.saturating_sub(slice.position);
        let count = TURN.min(slice.length as usize).min(usize::try_from(left).unwrap_or(TURN));
        let send = || {
            let mut position = slice.position;
            rustix::fs::sendfile(socket, &*slice.file, Some(&mut position), count).map_err(io::Error::from)
        };
        let sent = match socket.async_io(Interest::WRITABLE, send).await {
            Ok(sent) => sent,
            Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => {
                return Err(WriteError::File { file: slice.file, error });
            }
            Err(error) => return Err(WriteError::Socket(error)),
        };
        if sent == 0 {
            return Err(WriteError::Truncated { missing: slice.length });
        }
        self.sent(sent);
        if sent == TURN {
            yield_now().await;
        }
        Ok(())
    }

    /// Sees to it that the next bytes of `slice`, which is the first part, are in the page cache, and that those which
    /// the disk had to give are good.
    async fn warm(&mut self, slice: &FileSlice) -> Result<(), WriteError> {
        // A slice begins with a batch, and nothing of it has been sent when it comes here first.
        let boundary = *self.boundary.get_or_insert(slice.position);
        if self.warm_until > slice.position {
            return Ok(());
        }
        let (from, end) = (slice.position, slice.position + u64::from(slice.length));
        let to = end.min(from + TURN as u64);
        let unreadable = |error| WriteError::File { file: slice.file.clone(), error };
        let Some(unchecked) = unchecked(&slice.file, from, to).map_err(unreadable)? else {
            self.warm_until = to;
            return Ok(());
        };
        let (file, stretch) = (slice.file.clone(), Stretch { boundary, from, to, end });
        let checked = self.tasks.blocking(move || unchecked.check(&file, stretch)).await;
        let boundary = checked.map_err(|error| match error {
            RotError::Io(error) => unreadable(error),
            RotError::Bad { position, flaw } => {
                WriteError::Damaged { file: slice.file.clone(), position, reason: flaw.to_string() }
            }
        })?;
        self.boundary = Some(boundary);
        self.warm_until = boundary.clamp(to, end);
        Ok(())
    }

    /// Takes `count` bytes off the front.
    fn sent(&mut self, mut count: usize) {
        self.bytes -= count;
        let mut of_answers = count;
        for answer in &mut self.answers {
            let taken = answer.left.min(of_answers);
            answer.left -= taken;
            of_answers -= taken;
            if of_answers == 0 {
                break;
            }
        }
        while let Some(part) = self.parts.front_mut() {
            let size = part.size();
            if count < size {
                skip(part, count);
                return;
            }
            count -= size;
            self.parts.pop_front();
            self.warm_until = 0;
            self.boundary = None;
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
