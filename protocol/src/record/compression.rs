//! The records of a batch as one compressed block. What comes out is bounded, whatever a block's header announces.
//!
//! Snappy is written in xerial's framing, as Java clients expect it, and read in that or as one raw block, as
//! librdkafka writes it. Sources: the Compression classes of Kafka 3.9; KIP-110 for zstd.

use std::borrow::Cow;
use std::io::{self, Read, Write};

use crate::batch::Codec;

const XERIAL_MAGIC: &[u8; 8] = b"\x82SNAPPY\0";
/// Magic, version and lowest compatible version.
const XERIAL_HEADER: &[u8; 16] = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
/// Input bytes of one block in what we write.
const XERIAL_BLOCK: usize = 32 << 10;
/// No run of Snappy's elements yields more bytes than this for each of its own: 64 for three.
const SNAPPY_RATIO_MAX: usize = 22;
/// zlib's default, as `compression.gzip.level` -1 has it.
const GZIP_LEVEL: u32 = 6;
/// Default of `compression.zstd.level`.
const ZSTD_LEVEL: i32 = 3;

/// Why a block cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompressionError {
    #[error("{codec} block is damaged: {reason}")]
    Damaged { codec: Codec, reason: String },
    #[error("{codec} block holds more than {limit} bytes")]
    TooLarge { codec: Codec, limit: usize },
}

/// The bytes inside a block, at most `limit` of them. Uncompressed records are returned as they are, whatever
/// their size.
pub fn decompress(codec: Codec, block: &[u8], limit: usize) -> Result<Cow<'_, [u8]>, CompressionError> {
    match codec {
        Codec::None => return Ok(Cow::Borrowed(block)),
        Codec::Gzip => bounded(codec, flate2::bufread::MultiGzDecoder::new(block), block.len(), limit),
        Codec::Snappy => snappy(block, limit),
        Codec::Lz4 => lz4(block, limit),
        Codec::Zstd => {
            let decoder =
                zstd::stream::read::Decoder::with_buffer(block).map_err(|error| damaged(codec, error))?;
            bounded(codec, decoder, block.len(), limit)
        }
    }
    .map(Cow::Owned)
}

/// One block of `records`, with the codec's default level.
pub fn compress(codec: Codec, records: &[u8]) -> Result<Cow<'_, [u8]>, CompressionError> {
    match codec {
        Codec::None => return Ok(Cow::Borrowed(records)),
        Codec::Gzip => gzip(records),
        Codec::Snappy => xerial(records),
        Codec::Lz4 => lz4_frame(records),
        Codec::Zstd => zstd::stream::encode_all(records, ZSTD_LEVEL),
    }
    .map(Cow::Owned)
    .map_err(|error| damaged(codec, error))
}

fn damaged(codec: Codec, reason: impl ToString) -> CompressionError {
    CompressionError::Damaged { codec, reason: reason.to_string() }
}

/// Everything `reader` yields. The buffer grows as bytes come out, from a size that the block itself justifies.
fn bounded(codec: Codec, reader: impl Read, block: usize, limit: usize) -> Result<Vec<u8>, CompressionError> {
    let mut out = Vec::with_capacity(block.saturating_mul(2).min(limit));
    reader.take(limit as u64 + 1).read_to_end(&mut out).map_err(|error| damaged(codec, error))?;
    if out.len() > limit {
        return Err(CompressionError::TooLarge { codec, limit });
    }
    Ok(out)
}

fn lz4(block: &[u8], limit: usize) -> Result<Vec<u8>, CompressionError> {
    let mut decoder = lz4::Decoder::new(block).map_err(|error| damaged(Codec::Lz4, error))?;
    let out = bounded(Codec::Lz4, &mut decoder, block.len(), limit)?;
    // The decoder ends in silence where its input does.
    decoder.finish().1.map_err(|_| damaged(Codec::Lz4, "it is cut short"))?;
    Ok(out)
}

fn snappy(block: &[u8], limit: usize) -> Result<Vec<u8>, CompressionError> {
    let mut out = Vec::new();
    if !block.starts_with(XERIAL_MAGIC) {
        raw_snappy(block, limit, &mut out)?;
        return Ok(out);
    }
    let mut rest =
        block.get(XERIAL_HEADER.len()..).ok_or_else(|| damaged(Codec::Snappy, "it is cut short"))?;
    while !rest.is_empty() {
        let part = xerial_block(rest).ok_or_else(|| damaged(Codec::Snappy, "an inner block is cut short"))?;
        raw_snappy(part, limit, &mut out)?;
        rest = &rest[4 + part.len()..];
    }
    Ok(out)
}

fn xerial_block(rest: &[u8]) -> Option<&[u8]> {
    let (length, rest) = rest.split_first_chunk::<4>()?;
    rest.get(..usize::try_from(i32::from_be_bytes(*length)).ok()?)
}

/// Appends what a raw block holds to `out`, which may grow to `limit`.
fn raw_snappy(block: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), CompressionError> {
    let size = snap::raw::decompress_len(block).map_err(|error| damaged(Codec::Snappy, error))?;
    if size > block.len().saturating_mul(SNAPPY_RATIO_MAX) {
        return Err(damaged(Codec::Snappy, format_args!("{} bytes announce {size}", block.len())));
    }
    let (start, end) = (out.len(), out.len().saturating_add(size));
    if end > limit {
        return Err(CompressionError::TooLarge { codec: Codec::Snappy, limit });
    }
    out.resize(end, 0);
    let written = snap::raw::Decoder::new().decompress(block, &mut out[start..]);
    written.map(|_| ()).map_err(|error| damaged(Codec::Snappy, error))
}

fn gzip(records: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(GZIP_LEVEL));
    encoder.write_all(records)?;
    encoder.finish()
}

fn xerial(records: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = XERIAL_HEADER.to_vec();
    let mut encoder = snap::raw::Encoder::new();
    for part in records.chunks(XERIAL_BLOCK) {
        let block = encoder.compress_vec(part)?;
        out.extend((block.len() as i32).to_be_bytes());
        out.extend(block);
    }
    Ok(out)
}

/// A frame as Java writes it: independent blocks of 64 KiB, no checksum of the content, no content size.
fn lz4_frame(records: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = lz4::EncoderBuilder::new()
        .block_size(lz4::BlockSize::Max64KB)
        .block_mode(lz4::BlockMode::Independent)
        .checksum(lz4::ContentChecksum::NoChecksum)
        .build(Vec::new())?;
    encoder.write_all(records)?;
    let (out, result) = encoder.finish();
    result.map(|()| out)
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
                    Codec::Snappy => cut == XERIAL_HEADER.len(),
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

    #[test]
    fn raw_snappy_is_read_too() {
        let block = snap::raw::Encoder::new().compress_vec(b"kafka kafka kafka").unwrap();
        assert_eq!(*decompress(Codec::Snappy, &block, 100).unwrap(), *b"kafka kafka kafka");
    }

    #[test]
    fn a_length_that_snappy_cannot_reach_reserves_nothing() {
        let block = [0xff, 0xff, 0xff, 0x7f, 0, b'a'];
        let error = decompress(Codec::Snappy, &block, usize::MAX).unwrap_err();
        assert!(matches!(error, CompressionError::Damaged { .. }), "{error}");
    }
}
