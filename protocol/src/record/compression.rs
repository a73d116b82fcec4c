//! The records of a batch as one compressed block. What comes out is bounded, whatever a block's header announces.
//!
//! Blocks are read a stretch at a time by [`Decoder`] and written by [`Encoder`] with the bytes that Kafka writes, at a
//! level. Sources: the Compression classes of Kafka 3.9; KIP-110 for zstd, KIP-390 for levels.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read, Write};

use crate::batch::Codec;

mod blocks;
mod decoder;
mod encoder;
mod gzip;
mod lz4;
mod snappy;
mod xxh32;
mod zstd;

pub(crate) use decoder::Decoder;
pub(crate) use encoder::Encoder;

/// Why a block cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompressionError {
    #[error("{codec} block is damaged: {reason}")]
    Damaged { codec: Codec, reason: String },
    #[error("{codec} block holds more than {limit} bytes")]
    TooLarge { codec: Codec, limit: usize },
}

/// A codec, and the level at which it writes. Levels are within the ranges of Kafka's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    /// 1 to 9, or -1 for zlib's default.
    Gzip(i32),
    Snappy,
    /// 1 to 17; 9 is the fast compressor, every other one a thorough one.
    Lz4(i32),
    /// -131072 to 22.
    Zstd(i32),
}

impl Compression {
    /// The codec without its level.
    pub const fn codec(self) -> Codec {
        match self {
            Compression::None => Codec::None,
            Compression::Gzip(_) => Codec::Gzip,
            Compression::Snappy => Codec::Snappy,
            Compression::Lz4(_) => Codec::Lz4,
            Compression::Zstd(_) => Codec::Zstd,
        }
    }
}

/// At the level that Kafka has by default.
impl From<Codec> for Compression {
    fn from(codec: Codec) -> Compression {
        match codec {
            Codec::None => Compression::None,
            Codec::Gzip => Compression::Gzip(-1),
            Codec::Snappy => Compression::Snappy,
            Codec::Lz4 => Compression::Lz4(9),
            Codec::Zstd => Compression::Zstd(3),
        }
    }
}

/// What the checksum in the header of an LZ4 frame covers: clients of format v0 computed it over the wrong bytes
/// (KAFKA-3160).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderChecksum {
    Right,
    OfFormat0,
}

/// The bytes inside a block, at most `limit` of them. Uncompressed records are returned as they are, whatever
/// their size.
pub fn decompress(codec: Codec, block: &[u8], limit: usize) -> Result<Cow<'_, [u8]>, CompressionError> {
    decompress_with(HeaderChecksum::Right, codec, block, limit)
}

pub(crate) fn decompress_with(
    checksum: HeaderChecksum,
    codec: Codec,
    block: &[u8],
    limit: usize,
) -> Result<Cow<'_, [u8]>, CompressionError> {
    if codec == Codec::None {
        return Ok(Cow::Borrowed(block));
    }
    let failed = |error: io::Error| damaged(codec, error);
    let decoder = Decoder::new(codec, block, checksum).map_err(failed)?;
    // The buffer grows as bytes come out, from a size that the block itself justifies.
    let mut out = Vec::with_capacity(block.len().saturating_mul(2).min(limit));
    decoder.take(limit as u64 + 1).read_to_end(&mut out).map_err(failed)?;
    if out.len() > limit {
        return Err(CompressionError::TooLarge { codec, limit });
    }
    Ok(Cow::Owned(out))
}

/// One block of `records`.
pub fn compress(
    compression: impl Into<Compression>,
    records: &[u8],
) -> Result<Cow<'_, [u8]>, CompressionError> {
    let compression = compression.into();
    if compression == Compression::None {
        return Ok(Cow::Borrowed(records));
    }
    let write = || {
        let mut encoder = Encoder::new(compression, Vec::new(), HeaderChecksum::Right)?;
        encoder.write_all(records)?;
        encoder.finish()
    };
    write().map(Cow::Owned).map_err(|error| damaged(compression.codec(), error))
}

pub(crate) fn damaged(codec: Codec, reason: impl ToString) -> CompressionError {
    CompressionError::Damaged { codec, reason: reason.to_string() }
}

fn invalid(reason: impl fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    const COMPRESSED: [Codec; 4] = [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    fn samples() -> Vec<Vec<u8>> {
        let mut random = Random::new(3);
        vec![Vec::new(), b"a".to_vec(), vec![b'x'; 300_000], random.bytes(100_000), b"kafka ".repeat(20_000)]
    }

    #[test]
    fn what_is_compressed_comes_back() {
        for codec in Codec::ALL {
            for sample in samples() {
                let block = compress(codec, &sample).unwrap();
                assert!(
                    decompress(codec, &block, sample.len()).unwrap() == sample,
                    "{codec} {}",
                    sample.len()
                );
            }
        }
    }

    #[test]
    fn a_limit_is_kept() {
        for codec in COMPRESSED {
            let block = compress(codec, &[7; 300_000]).unwrap();
            for limit in [0, 1, 1000, 299_999] {
                let error = CompressionError::TooLarge { codec, limit };
                assert_eq!(decompress(codec, &block, limit).unwrap_err(), error);
            }
        }
    }

    #[test]
    fn a_block_cut_short_is_damaged() {
        for codec in COMPRESSED {
            let block = compress(codec, &b"kafka ".repeat(40)).unwrap().into_owned();
            for cut in 0..block.len() {
                let Ok(plain) = decompress(codec, &block[..cut], 1000) else { continue };
                // Xerial's framing has no end mark, and nothing is no frame of zstd rather than a damaged one.
                let empty = match codec {
                    Codec::Snappy => cut == snappy::XERIAL_HEADER.len(),
                    Codec::Zstd | Codec::Gzip => cut == 0,
                    Codec::None | Codec::Lz4 => false,
                };
                assert!(empty && plain.is_empty(), "{codec} cut at {cut} gives {} bytes", plain.len());
            }
        }
    }

    #[test]
    fn damage_is_an_error_or_other_bytes_but_never_more_of_them() {
        for seed in 0..400 {
            let mut random = Random::new(seed);
            for codec in COMPRESSED {
                let mut block = compress(codec, &b"kafka ".repeat(40)).unwrap().into_owned();
                let at = random.below(block.len());
                block[at] = random.next() as u8;
                if let Ok(plain) = decompress(codec, &block, 1000) {
                    assert!(plain.len() <= 1000);
                }
                let _ = decompress(codec, &random.bytes(60), 1000);
            }
        }
    }
}
