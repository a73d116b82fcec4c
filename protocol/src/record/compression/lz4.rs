//! LZ4 frames as Kafka reads and writes them: blocks that stand alone, no checksum of the content.
//!
//! One block is held at a time, of at most 4 MiB. What follows the end mark is not looked at. In format v0 the frame
//! header carries a checksum over the wrong bytes, so there it is not compared. Source: Lz4BlockInputStream and
//! Lz4BlockOutputStream of Kafka 3.9; the LZ4 frame format 1.6.

use std::io::{self, Read};

use lz4::block::{CompressionMode, compress_to_buffer, decompress_to_buffer};

use super::blocks::{BlockFrame, BlockWriter};
use super::xxh32::xxh32;
use super::{HeaderChecksum, invalid};

/// Magic number, flags (version 1, independent blocks), largest block 64 KiB, checksum of the two.
const HEADER: &[u8; 7] = b"\x04\x22\x4d\x18\x60\x40\x82";
/// The same with the checksum that v0 expects.
const HEADER_V0: &[u8; 7] = b"\x04\x22\x4d\x18\x60\x40\x1a";
const MAGIC: &[u8] = b"\x04\x22\x4d\x18";
const END_MARK: [u8; 4] = [0; 4];
/// Set in a block's length if the block is not compressed.
const STORED: u32 = 1 << 31;
/// No run of LZ4's sequences yields more bytes than this for each of its own.
const RATIO_MAX: usize = 255;
/// The level at which Kafka uses the fast compressor.
const FAST: i32 = 9;

/// What a frame holds.
pub(crate) struct Lz4Reader<'a> {
    rest: &'a [u8],
    block_max: usize,
    checksum: BlockChecksum,
    /// The present block, and how much of it has been read.
    block: Vec<u8>,
    at: usize,
    state: State,
}

#[derive(PartialEq)]
enum BlockChecksum {
    Absent,
    Present,
}

#[derive(PartialEq)]
enum State {
    Blocks,
    Finished,
}

impl<'a> Lz4Reader<'a> {
    pub(crate) fn new(frame: &'a [u8], checksum: HeaderChecksum) -> io::Result<Lz4Reader<'a>> {
        let short = || invalid("frame header is cut short");
        let rest = frame.strip_prefix(MAGIC).ok_or_else(|| invalid("no LZ4 frame"))?;
        let [flags, sizes, ..] = *rest else { return Err(short()) };
        let known = flags & 0b1110_0011 == 0b0110_0000 && sizes & 0b1000_1111 == 0;
        if !known || sizes >> 4 < 4 {
            return Err(invalid(format_args!("frame of unknown kind {flags:02x} {sizes:02x}")));
        }
        let descriptor = if flags & 8 == 0 { 2 } else { 10 };
        let (descriptor, rest) = rest.split_at_checked(descriptor).ok_or_else(short)?;
        let (stored, rest) = rest.split_first().ok_or_else(short)?;
        if checksum == HeaderChecksum::Right && *stored != (xxh32(descriptor) >> 8) as u8 {
            return Err(invalid("frame header has a wrong checksum"));
        }
        let block_max = 64 << 10 << (2 * (u32::from(sizes >> 4) - 4));
        let checksum = if flags & 16 == 0 { BlockChecksum::Absent } else { BlockChecksum::Present };
        Ok(Lz4Reader { rest, block_max, checksum, block: Vec::new(), at: 0, state: State::Blocks })
    }

    /// Makes the next block the present one.
    fn advance(&mut self) -> io::Result<()> {
        let length = self.number()?;
        if length == 0 {
            self.state = State::Finished;
            return Ok(());
        }
        let size = (length & !STORED) as usize;
        if size > self.block_max {
            return Err(invalid(format_args!("block of {size} bytes where {} is the most", self.block_max)));
        }
        let (stored, rest) = self.rest.split_at_checked(size).ok_or_else(|| invalid("block is cut short"))?;
        self.rest = rest;
        if self.checksum == BlockChecksum::Present && self.number()? != xxh32(stored) {
            return Err(invalid("block has a wrong checksum"));
        }
        self.at = 0;
        self.block.clear();
        if length & STORED != 0 {
            self.block.extend_from_slice(stored);
            return Ok(());
        }
        let most = self.block_max.min(size.saturating_mul(RATIO_MAX));
        self.block.resize(most, 0);
        let size = decompress_to_buffer(stored, Some(most as i32), &mut self.block)?;
        self.block.truncate(size);
        Ok(())
    }

    fn number(&mut self) -> io::Result<u32> {
        let (number, rest) = self.rest.split_first_chunk().ok_or_else(|| invalid("frame is cut short"))?;
        self.rest = rest;
        Ok(u32::from_le_bytes(*number))
    }
}

impl Read for Lz4Reader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.block.len() && self.state == State::Blocks {
            self.advance()?;
        }
        if self.state == State::Finished {
            return Ok(0);
        }
        let size = (&self.block[self.at..]).read(out)?;
        self.at += size;
        Ok(size)
    }
}

/// Writes a frame.
pub(crate) type Lz4Writer = BlockWriter<Lz4Frame>;

pub(crate) struct Lz4Frame {
    pub(crate) out: Vec<u8>,
    compressed: Vec<u8>,
    mode: CompressionMode,
}

impl Lz4Writer {
    /// Level 9 is the fast compressor, every other one the thorough compressor at that level.
    pub(crate) fn of_level(mut out: Vec<u8>, level: i32, checksum: HeaderChecksum) -> Lz4Writer {
        out.extend_from_slice(match checksum {
            HeaderChecksum::Right => HEADER,
            HeaderChecksum::OfFormat0 => HEADER_V0,
        });
        let mode =
            if level == FAST { CompressionMode::DEFAULT } else { CompressionMode::HIGHCOMPRESSION(level) };
        BlockWriter::new(Lz4Frame { out, compressed: Vec::new(), mode })
    }
}

impl BlockFrame for Lz4Frame {
    const BLOCK: usize = 64 << 10;

    fn add(&mut self, block: &[u8]) -> io::Result<()> {
        self.compressed.resize(lz4::block::compress_bound(block.len())?, 0);
        let size = compress_to_buffer(block, Some(self.mode), false, &mut self.compressed)?;
        let (length, bytes) = if size < block.len() {
            (size as u32, &self.compressed[..size])
        } else {
            (block.len() as u32 | STORED, block)
        };
        self.out.extend_from_slice(&length.to_le_bytes());
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn end(mut self) -> Vec<u8> {
        self.out.extend_from_slice(&END_MARK);
        self.out
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(frame: &[u8], checksum: HeaderChecksum) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Lz4Reader::new(frame, checksum)?.read_to_end(&mut out)?;
        Ok(out)
    }

    fn written(bytes: &[u8], level: i32, checksum: HeaderChecksum) -> Vec<u8> {
        let mut writer = Lz4Writer::of_level(Vec::new(), level, checksum);
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn another_reader_takes_our_frames() {
        let bytes = b"kafka ".repeat(50_000);
        for level in [1, 9, 12, 17] {
            let frame = written(&bytes, level, HeaderChecksum::Right);
            let mut found = Vec::new();
            lz4::Decoder::new(&frame[..]).unwrap().read_to_end(&mut found).unwrap();
            assert!(found == bytes && read(&frame, HeaderChecksum::Right).unwrap() == bytes, "level {level}");
        }
    }

    #[test]
    fn frames_of_other_writers_are_read() {
        let bytes = b"kafka ".repeat(50_000);
        for size in [lz4::BlockSize::Max64KB, lz4::BlockSize::Max1MB, lz4::BlockSize::Max4MB] {
            for checksum in [
                lz4::liblz4::BlockChecksum::NoBlockChecksum,
                lz4::liblz4::BlockChecksum::BlockChecksumEnabled,
            ] {
                let mut encoder = lz4::EncoderBuilder::new()
                    .block_size(size.clone())
                    .block_mode(lz4::BlockMode::Independent)
                    .block_checksum(checksum.clone())
                    .content_size(bytes.len() as u64)
                    .build(Vec::new())
                    .unwrap();
                encoder.write_all(&bytes).unwrap();
                let (frame, result) = encoder.finish();
                result.unwrap();
                assert!(read(&frame, HeaderChecksum::Right).unwrap() == bytes);
            }
        }
    }

    #[test]
    fn linked_blocks_are_refused_as_kafka_refuses_them() {
        let mut encoder =
            lz4::EncoderBuilder::new().block_mode(lz4::BlockMode::Linked).build(Vec::new()).unwrap();
        encoder.write_all(b"kafka").unwrap();
        assert!(read(&encoder.finish().0, HeaderChecksum::Right).is_err());
    }

    #[test]
    fn the_header_of_format_0_has_a_checksum_of_its_own() {
        let frame = written(b"kafka", 9, HeaderChecksum::OfFormat0);
        assert_eq!(frame[6], (xxh32(&frame[..6]) >> 8) as u8);
        assert!(read(&frame, HeaderChecksum::Right).is_err());
        assert_eq!(read(&frame, HeaderChecksum::OfFormat0).unwrap(), b"kafka");
    }
}
