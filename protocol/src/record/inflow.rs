//! What a compressed block holds, seen through a window that moves over it: a batch is walked without being held.
//!
//! A fault of the codec counts when its place is reached, not before, so that of two faults the first one is told.

use std::io::Read;

use super::compression::{CompressionError, Decoder, HeaderChecksum, damaged};
use crate::batch::Codec;

/// Bytes of the window, unless one record needs more.
pub(super) const WINDOW: usize = 64 << 10;

pub(super) struct Inflow<'a> {
    codec: Codec,
    /// None once it has ended or failed.
    decoder: Option<Decoder<'a>>,
    failure: Option<CompressionError>,
    window: Vec<u8>,
    /// What of the window has come out and was not yet consumed.
    start: usize,
    end: usize,
    /// Bytes that may come out in all, and those that may still come.
    limit: usize,
    left: usize,
}

impl<'a> Inflow<'a> {
    pub(super) fn new(codec: Codec, block: &'a [u8], limit: usize) -> Inflow<'a> {
        let (decoder, failure) = match Decoder::new(codec, block, HeaderChecksum::Right) {
            Ok(decoder) => (Some(decoder), None),
            Err(error) => (None, Some(damaged(codec, error))),
        };
        let window = vec![0; WINDOW];
        Inflow { codec, decoder, failure, window, start: 0, end: 0, limit, left: limit }
    }

    /// What is in the window.
    #[inline(always)]
    pub(super) fn ahead(&self) -> &[u8] {
        &self.window[self.start..self.end]
    }

    /// Takes bytes out of the window; no more than are in it.
    #[inline(always)]
    pub(super) fn consume(&mut self, size: usize) {
        self.start += size;
    }

    /// Brings `wanted` bytes into the window, or all that there are if those are fewer. It grows as they come.
    pub(super) fn fill(&mut self, wanted: usize) {
        if self.ahead().len() >= wanted || self.decoder.is_none() {
            return;
        }
        self.window.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        while self.end < wanted && self.decoder.is_some() {
            if self.end == self.window.len() {
                self.window.resize(wanted.min(2 * self.end), 0);
            }
            self.read();
        }
    }

    fn read(&mut self) {
        let Some(decoder) = &mut self.decoder else { return };
        match decoder.read(&mut self.window[self.end..]) {
            Ok(0) => self.decoder = None,
            Ok(size) if size > self.left => {
                self.fail(CompressionError::TooLarge { codec: self.codec, limit: self.limit });
            }
            Ok(size) => {
                self.end += size;
                self.left -= size;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => self.fail(damaged(self.codec, error)),
        }
    }

    fn fail(&mut self, failure: CompressionError) {
        self.decoder = None;
        self.failure = Some(failure);
    }

    /// Drops the next `size` bytes, in the window and beyond; false if there are fewer.
    pub(super) fn skip(&mut self, mut size: usize) -> bool {
        loop {
            let now = size.min(self.ahead().len());
            self.consume(now);
            size -= now;
            if size == 0 {
                return true;
            }
            self.fill(1);
            if self.ahead().is_empty() {
                return false;
            }
        }
    }

    /// Why nothing comes any more, if that is not the end.
    pub(super) fn failure(&mut self) -> Option<CompressionError> {
        self.failure.take()
    }
}
