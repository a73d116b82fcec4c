//! Writes one compressed block behind bytes that are there already, such as a batch's header.

use std::io::{self, Write};

use super::lz4::Lz4Writer;
use super::snappy::SnappyWriter;
use super::zstd::{self, ZstdWriter};
use super::{Compression, HeaderChecksum};

/// What level -1 of gzip stands for.
const GZIP_DEFAULT: u32 = 6;

pub(crate) enum Encoder {
    None(Vec<u8>),
    Gzip(Box<flate2::write::GzEncoder<Vec<u8>>>),
    Snappy(Box<SnappyWriter>),
    Lz4(Lz4Writer),
    Zstd(ZstdWriter),
}

impl Encoder {
    /// The block is appended to `out`.
    pub(crate) fn new(
        compression: Compression,
        out: Vec<u8>,
        checksum: HeaderChecksum,
    ) -> io::Result<Encoder> {
        Ok(match compression {
            Compression::None => Encoder::None(out),
            Compression::Gzip(level) => {
                let level = flate2::Compression::new(u32::try_from(level).unwrap_or(GZIP_DEFAULT));
                Encoder::Gzip(Box::new(flate2::write::GzEncoder::new(out, level)))
            }
            Compression::Snappy => Encoder::Snappy(Box::new(SnappyWriter::xerial(out))),
            Compression::Lz4(level) => Encoder::Lz4(Lz4Writer::of_level(out, level, checksum)),
            Compression::Zstd(level) => Encoder::Zstd(zstd::writer(out, level)?),
        })
    }

    /// Bytes of the output so far, what was there before included; some more may still be on their way.
    pub(crate) fn written(&self) -> usize {
        match self {
            Encoder::None(out) => out.len(),
            Encoder::Gzip(encoder) => encoder.get_ref().len(),
            Encoder::Snappy(encoder) => encoder.frame.out.len(),
            Encoder::Lz4(encoder) => encoder.frame.out.len(),
            Encoder::Zstd(encoder) => encoder.writer().len(),
        }
    }

    /// Ends the block.
    pub(crate) fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Encoder::None(out) => Ok(out),
            Encoder::Gzip(encoder) => encoder.finish(),
            Encoder::Snappy(encoder) => encoder.finish(),
            Encoder::Lz4(encoder) => encoder.finish(),
            Encoder::Zstd(mut encoder) => {
                encoder.finish()?;
                Ok(encoder.into_inner().0)
            }
        }
    }
}

impl Write for Encoder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Encoder::None(out) => out.write(bytes),
            Encoder::Gzip(encoder) => encoder.write(bytes),
            Encoder::Snappy(encoder) => encoder.write(bytes),
            Encoder::Lz4(encoder) => encoder.write(bytes),
            Encoder::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
