//! What a block holds, a stretch at a time: no codec keeps more than one of its own blocks or its window.
//!
//! The largest window is zstd's of 128 MiB, which a frame has to fill before it costs that much.

use std::io::{self, Read};

use super::HeaderChecksum;
use super::gzip::GzipReader;
use super::lz4::Lz4Reader;
use super::snappy::SnappyReader;
use super::zstd::{self, ZstdReader};
use crate::batch::Codec;

pub(crate) enum Decoder<'a> {
    None(&'a [u8]),
    Gzip(Box<GzipReader<'a>>),
    Snappy(SnappyReader<'a>),
    Lz4(Lz4Reader<'a>),
    Zstd(ZstdReader<'a>),
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(codec: Codec, block: &'a [u8], checksum: HeaderChecksum) -> io::Result<Decoder<'a>> {
        Ok(match codec {
            Codec::None => Decoder::None(block),
            Codec::Gzip => Decoder::Gzip(Box::new(GzipReader::new(block))),
            Codec::Snappy => Decoder::Snappy(SnappyReader::new(block)?),
            Codec::Lz4 => Decoder::Lz4(Lz4Reader::new(block, checksum)?),
            // No frame is an end and no damage, as the Java library has it.
            Codec::Zstd if block.is_empty() => Decoder::None(block),
            Codec::Zstd => Decoder::Zstd(zstd::reader(block)),
        })
    }
}

impl Read for Decoder<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Decoder::None(rest) => rest.read(out),
            Decoder::Gzip(decoder) => decoder.read(out),
            Decoder::Snappy(decoder) => decoder.read(out),
            Decoder::Lz4(decoder) => decoder.read(out),
            Decoder::Zstd(decoder) => decoder.read(out),
        }
    }
}
