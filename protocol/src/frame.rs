//! Length-prefixed frames out of what a connection has read, each frame a slice of the buffer it arrived in.
//!
//! The buffer grows with what has arrived, never by what a length prefix announces alone: an announced size is
//! reserved at once only when this connection has completed frames of that size. The connection fills
//! [`Frames::spare`] and takes frames from [`Frames::split`] until there is none. Source: NetworkReceive.

use bytes::buf::Limit;
use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Bytes of the length prefix.
const PREFIX: usize = 4;
/// Room below this is not worth a read.
const READ_MIN: usize = 4 << 10;
/// What is reserved for a connection of which nothing is known.
const CHUNK_MIN: usize = 16 << 10;
/// The most that is reserved for frames whose length is not known yet. Larger frames get a buffer of their own.
const CHUNK_MAX: usize = 128 << 10;
/// The most that is reserved for an announced length because earlier frames were as large; beyond it the buffer
/// doubles with what has arrived.
const EARNED_MAX: usize = 2 << 20;

/// Why no further frame can be read from a connection; it has to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("frame of {size} bytes exceeds socket.request.max.bytes {max}")]
    TooLarge { size: usize, max: usize },
    #[error("frame has negative length {0}")]
    Negative(i32),
}

/// The reading side of one connection.
#[derive(Debug)]
pub struct Frames {
    buffer: BytesMut,
    /// Largest frame that is accepted, in bytes without the prefix.
    max: usize,
    /// What the recent frames of this connection were worth reserving; follows their size up at once, down slowly.
    earned: usize,
}

impl Frames {
    pub fn new(max: usize) -> Frames {
        Frames { buffer: BytesMut::new(), max, earned: 0 }
    }

    /// Bytes that have arrived and are in no frame yet. At the end of a connection, none means a clean end.
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// The room to read into next; never empty. A large frame's room ends with the frame, so that what follows it
    /// need not be copied out of its buffer.
    pub fn spare(&mut self) -> Limit<&mut BytesMut> {
        let chunk = (2 * self.earned).clamp(CHUNK_MIN, CHUNK_MAX);
        let limit = match self.missing() {
            None => self.grow(READ_MIN, chunk),
            Some(missing) if missing <= chunk => self.grow(missing, chunk),
            Some(missing) => {
                let trusted = missing.min(self.trusted());
                self.grow(trusted, trusted).min(missing)
            }
        };
        (&mut self.buffer).limit(limit)
    }

    /// The next complete frame, without its prefix; none if more has to be read first.
    pub fn split(&mut self) -> Result<Option<Bytes>, FrameError> {
        let Some(size) = self.announced() else {
            return Ok(None);
        };
        let size = usize::try_from(size).map_err(|_| FrameError::Negative(size))?;
        if size > self.max {
            return Err(FrameError::TooLarge { size, max: self.max });
        }
        if self.buffer.len() < PREFIX + size {
            return Ok(None);
        }
        self.buffer.advance(PREFIX);
        self.earned = size.max(self.earned - self.earned / 8);
        Ok(Some(self.buffer.split_to(size).freeze()))
    }

    fn announced(&self) -> Option<i32> {
        self.buffer.first_chunk().map(|prefix| i32::from_be_bytes(*prefix))
    }

    /// What the frame at the front still lacks, if its length is known.
    fn missing(&self) -> Option<usize> {
        let size = usize::try_from(self.announced()?).unwrap_or(0);
        Some((PREFIX + size).saturating_sub(self.buffer.len()).max(1))
    }

    /// What may be reserved for a frame larger than a chunk, whatever length it announces.
    fn trusted(&self) -> usize {
        self.buffer.len().max(self.earned.min(EARNED_MAX)).max(CHUNK_MIN)
    }

    /// Makes room for `reserve` bytes where there is none for `least`, and returns the room there is.
    fn grow(&mut self, least: usize, reserve: usize) -> usize {
        if self.buffer.capacity() - self.buffer.len() < least {
            self.buffer.reserve(reserve);
        }
        self.buffer.capacity() - self.buffer.len()
    }
}
