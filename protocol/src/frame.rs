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
    /// `max` is socket.request.max.bytes, without the prefix. Nothing is reserved yet.
    pub fn new(max: usize) -> Frames {
        Frames { buffer: BytesMut::new(), max, earned: 0 }
    }

    /// Bytes that have arrived and are in no frame yet. At the end of a connection, none means a clean end.
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// The size of the frame whose bytes come next, where it is known and may be taken.
    pub fn next_size(&self) -> Option<usize> {
        usize::try_from(self.announced()?).ok().filter(|size| *size <= self.max)
    }

    /// The room to read into next; never empty. A large frame's room ends with the frame, so that what follows it
    /// need not be copied out of its buffer.
    pub fn spare(&mut self) -> Limit<&mut BytesMut> {
        let chunk = (2 * self.earned).clamp(CHUNK_MIN, CHUNK_MAX);
        let limit = match self.front() {
            None => self.grow(READ_MIN, chunk),
            Some(front) if front.size <= chunk => self.grow(front.missing, chunk),
            Some(front) => {
                let trusted = front.missing.min(self.trusted());
                self.grow(trusted, trusted).min(front.missing)
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

    /// The frame at the front, if its length is known.
    fn front(&self) -> Option<Front> {
        let size = PREFIX + usize::try_from(self.announced()?).unwrap_or(0);
        Some(Front { size, missing: size.saturating_sub(self.buffer.len()).max(1) })
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

/// An incomplete frame: its size with the prefix, and how much of that has not arrived.
struct Front {
    size: usize,
    missing: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Puts `bytes` into the buffer in reads of at most `step`, and returns the frames that came out.
    fn feed(frames: &mut Frames, mut bytes: &[u8], step: usize) -> Vec<Bytes> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let mut spare = frames.spare();
            let size = spare.remaining_mut().min(step).min(bytes.len());
            assert!(size > 0);
            spare.put_slice(&bytes[..size]);
            bytes = &bytes[size..];
            while let Some(frame) = frames.split().unwrap() {
                found.push(frame);
            }
        }
        found
    }

    fn framed(content: &[u8]) -> Vec<u8> {
        [&(content.len() as u32).to_be_bytes()[..], content].concat()
    }

    #[test]
    fn frames_come_out_as_they_went_in() {
        for seed in 0..30 {
            let mut random = Random::new(seed);
            let sent: Vec<_> = (0..40)
                .map(|_| {
                    let most = [1, 50, 20_000, 300_000][random.below(4)];
                    let size = random.below(most);
                    random.bytes(size)
                })
                .collect();
            let stream = sent.iter().flat_map(|content| framed(content)).collect::<Vec<_>>();
            let step = [1 + random.below(100), 4096, 1 << 20][random.below(3)];
            let mut frames = Frames::new(1 << 20);
            assert!(feed(&mut frames, &stream, step) == sent, "seed {seed}");
            assert_eq!(frames.pending(), 0);
        }
    }

    #[test]
    fn what_is_announced_is_not_reserved() {
        let mut frames = Frames::new(i32::MAX as usize);
        feed(&mut frames, &i32::MAX.to_be_bytes(), 4);
        for _ in 0..1000 {
            feed(&mut frames, &[0; 100], 100);
            let arrived = frames.pending();
            frames.spare();
            assert!(frames.buffer.capacity() <= 4 * arrived.max(CHUNK_MIN));
        }
    }

    #[test]
    fn what_was_completed_is_reserved_at_once() {
        let large = framed(&vec![7; 1 << 20]);
        let mut frames = Frames::new(1 << 21);
        feed(&mut frames, &large, 64 << 10);
        feed(&mut frames, &large[..CHUNK_MIN], CHUNK_MIN);
        assert_eq!(frames.spare().remaining_mut(), large.len() - CHUNK_MIN);
        let before = frames.buffer.as_ptr();
        let frame = feed(&mut frames, &large[CHUNK_MIN..], 64 << 10).remove(0);
        assert_eq!(frame.as_ptr(), before.wrapping_add(PREFIX), "the frame was not moved");
    }

    #[test]
    fn a_large_frames_room_ends_with_it() {
        let large = framed(&vec![7; 200 << 10]);
        let mut frames = Frames::new(1 << 20);
        feed(&mut frames, &large, 1 << 20);
        feed(&mut frames, &large[..large.len() - 10], 1 << 20);
        assert_eq!(frames.spare().remaining_mut(), 10);
    }

    #[test]
    fn sizes_out_of_range_are_refused() {
        for (size, error) in [
            (-1, FrameError::Negative(-1)),
            (i32::MIN, FrameError::Negative(i32::MIN)),
            (101, FrameError::TooLarge { size: 101, max: 100 }),
            (i32::MAX, FrameError::TooLarge { size: i32::MAX as usize, max: 100 }),
        ] {
            let mut frames = Frames::new(100);
            frames.spare().put_i32(size);
            assert_eq!(frames.split(), Err(error));
            assert!(frames.spare().remaining_mut() > 0);
        }
    }

    #[test]
    fn an_empty_frame_is_a_frame() {
        let mut frames = Frames::new(100);
        assert_eq!(feed(&mut frames, &[0; 8], 3), [Bytes::new(), Bytes::new()]);
    }
}
