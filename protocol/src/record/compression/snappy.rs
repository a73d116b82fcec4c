//! Snappy in xerial's framing, as Java writes it and expects it, or as one raw block, as librdkafka writes it.
//!
//! One block is held at a time; what it announces is believed only as far as its own bytes can yield it.
//! Source: snappy-java's SnappyInputStream and SnappyOutputStream.

use std::io::{self, Read};

use super::blocks::{BlockFrame, BlockWriter};
use super::invalid;

const MAGIC: &[u8] = b"\x82SNAPPY\0";
/// Magic, version and lowest compatible version.
pub(super) const XERIAL_HEADER: &[u8; 16] = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
/// No run of Snappy's elements yields more bytes than this for each of its own: 64 for three.
const RATIO_MAX: usize = 22;

/// What a framed or raw block holds.
pub(crate) struct SnappyReader<'a> {
    rest: &'a [u8],
    framing: Framing,
    /// The present block, and how much of it has been read.
    block: Vec<u8>,
    at: usize,
}

enum Framing {
    Raw,
    Xerial,
}

impl<'a> SnappyReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> io::Result<SnappyReader<'a>> {
        let (rest, framing) = if bytes.starts_with(MAGIC) {
            let rest = bytes.get(XERIAL_HEADER.len()..).ok_or_else(|| invalid("it is cut short"))?;
            (rest, Framing::Xerial)
        } else {
            (bytes, Framing::Raw)
        };
        if bytes.is_empty() {
            return Err(invalid("it is empty"));
        }
        Ok(SnappyReader { rest, framing, block: Vec::new(), at: 0 })
    }

    fn advance(&mut self) -> io::Result<()> {
        let part = match self.framing {
            Framing::Raw => std::mem::take(&mut self.rest),
            Framing::Xerial => self.xerial_block().ok_or_else(|| invalid("an inner block is cut short"))?,
        };
        let size = snap::raw::decompress_len(part)?;
        if size > part.len().saturating_mul(RATIO_MAX) {
            return Err(invalid(format_args!("{} bytes announce {size}", part.len())));
        }
        self.at = 0;
        self.block.clear();
        self.block.resize(size, 0);
        snap::raw::Decoder::new().decompress(part, &mut self.block)?;
        Ok(())
    }

    /// Takes the next block; streams that follow each other are read as one.
    fn xerial_block(&mut self) -> Option<&'a [u8]> {
        if self.rest.starts_with(MAGIC) {
            self.rest = self.rest.get(XERIAL_HEADER.len()..)?;
        }
        let (length, rest) = self.rest.split_first_chunk::<4>()?;
        let (part, rest) = rest.split_at_checked(usize::try_from(i32::from_be_bytes(*length)).ok()?)?;
        self.rest = rest;
        Some(part)
    }
}

impl Read for SnappyReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.block.len() {
            if self.rest.is_empty() {
                return Ok(0);
            }
            self.advance()?;
        }
        let size = (&self.block[self.at..]).read(out)?;
        self.at += size;
        Ok(size)
    }
}

/// Writes xerial's framing.
pub(crate) type SnappyWriter = BlockWriter<XerialFrame>;

pub(crate) struct XerialFrame {
    pub(crate) out: Vec<u8>,
    encoder: snap::raw::Encoder,
}

impl SnappyWriter {
    pub(crate) fn xerial(mut out: Vec<u8>) -> SnappyWriter {
        out.extend_from_slice(XERIAL_HEADER);
        BlockWriter::new(XerialFrame { out, encoder: snap::raw::Encoder::new() })
    }
}

impl BlockFrame for XerialFrame {
    const BLOCK: usize = 32 << 10;

    fn add(&mut self, block: &[u8]) -> io::Result<()> {
        let start = self.out.len();
        self.out.resize(start + 4 + snap::raw::max_compress_len(block.len()), 0);
        let size = self.encoder.compress(block, &mut self.out[start + 4..])?;
        self.out[start..start + 4].copy_from_slice(&(size as i32).to_be_bytes());
        self.out.truncate(start + 4 + size);
        Ok(())
    }

    fn end(self) -> Vec<u8> {
        self.out
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        SnappyReader::new(bytes)?.read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn raw_blocks_are_read_too() {
        let block = snap::raw::Encoder::new().compress_vec(b"kafka kafka kafka").unwrap();
        assert_eq!(read(&block).unwrap(), b"kafka kafka kafka");
    }

    #[test]
    fn streams_that_follow_each_other_are_one() {
        let mut writer = SnappyWriter::xerial(Vec::new());
        writer.write_all(b"kafka").unwrap();
        let mut writer = SnappyWriter::xerial(writer.finish().unwrap());
        writer.write_all(b"kafka").unwrap();
        assert_eq!(read(&writer.finish().unwrap()).unwrap(), b"kafkakafka");
    }

    #[test]
    fn a_length_that_snappy_cannot_reach_reserves_nothing() {
        let error = read(&[0xff, 0xff, 0xff, 0x7f, 0, b'a']).unwrap_err();
        assert!(error.to_string().contains("announce"), "{error}");
    }
}
