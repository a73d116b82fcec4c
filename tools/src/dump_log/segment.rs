//! A `.log` file as it lies there, batch by batch, damaged or not.
//!
//! Reads about a megabyte at a time, or one batch where that is larger. Checks only what it needs to find the next
//! batch. Source: FileLogInputStream, FileRecords of Kafka 3.9.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use protocol::Offset;
use protocol::batch::{BatchHeader, HEADER_SIZE, LENGTH_MIN, LOG_OVERHEAD, MAGIC, MAGIC_AT};

use super::batch::last_offset;

/// Bytes read at once.
const WINDOW: usize = 1 << 20;
/// Bytes up to and with the magic, which stands at the same place in all formats.
const FRONT: usize = MAGIC_AT + 1;
/// The smallest message of format 0, without offset and size.
const SIZE_MIN: i32 = 14;

/// An open file and the part of it that was read last.
#[derive(Debug)]
pub(super) struct SegmentFile {
    file: File,
    pub(super) size: u64,
    window: Vec<u8>,
    window_at: u64,
}

/// What makes it pointless to go on in a file, in a sentence without its name.
pub(super) type Fault = String;

/// Where a batch stands, and what the walk has read of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchAt {
    pub(super) position: u64,
    /// All of it, with offset and size.
    pub(super) size: u64,
    /// The first field: base offset, or in old formats the last one.
    pub(super) offset: Offset,
    pub(super) magic: i8,
}

impl BatchAt {
    pub(super) fn is_legacy(&self) -> bool {
        self.magic < MAGIC
    }
}

impl SegmentFile {
    pub(super) fn open(path: &Path) -> io::Result<SegmentFile> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok(SegmentFile { file, size, window: Vec::new(), window_at: 0 })
    }

    /// The batch at `position`; none if what stands there up to `end` is none, or not all of one.
    pub(super) fn batch_at(&mut self, position: u64, end: u64) -> Result<Option<BatchAt>, Fault> {
        if position + FRONT as u64 >= end {
            return Ok(None);
        }
        let front = self.bytes(position, FRONT)?;
        let (mut offset, mut size) = ([0; 8], [0; 4]);
        offset.copy_from_slice(&front[..8]);
        size.copy_from_slice(&front[8..LOG_OVERHEAD]);
        let (magic, size) = (front[MAGIC_AT] as i8, i32::from_be_bytes(size));
        if size < SIZE_MIN {
            return Err(format!(
                "the bytes at position {position} are no batch: they say their size is {size}, and the least is {SIZE_MIN}"
            ));
        }
        let size = LOG_OVERHEAD as u64 + size as u64;
        let offset = Offset(i64::from_be_bytes(offset));
        Ok((position + size <= end).then_some(BatchAt { position, size, offset, magic }))
    }

    /// The header of a batch of format 2, or of a later format that does not exist and is read like it.
    pub(super) fn header(&mut self, batch: &BatchAt) -> Result<BatchHeader, Fault> {
        let mut head = [0; HEADER_SIZE];
        head.copy_from_slice(self.bytes(batch.position, HEADER_SIZE)?);
        head[MAGIC_AT] = MAGIC as u8;
        let length = (batch.size as usize - LOG_OVERHEAD).max(LENGTH_MIN) as u32;
        head[8..LOG_OVERHEAD].copy_from_slice(&length.to_be_bytes());
        BatchHeader::parse(&head).map_err(|error| error.to_string())
    }

    /// All bytes of a batch.
    pub(super) fn whole(&mut self, batch: &BatchAt) -> Result<&[u8], Fault> {
        self.bytes(batch.position, batch.size as usize)
    }

    /// The offset that a batch ends with.
    pub(super) fn last_offset(&mut self, batch: &BatchAt) -> Result<Offset, Fault> {
        if batch.is_legacy() { Ok(batch.offset) } else { Ok(Offset(last_offset(&self.header(batch)?))) }
    }

    fn bytes(&mut self, position: u64, count: usize) -> Result<&[u8], Fault> {
        let is_there = position >= self.window_at
            && position + count as u64 <= self.window_at + self.window.len() as u64;
        if !is_there {
            self.fill(position, count)
                .map_err(|error| format!("cannot read {count} bytes at position {position}: {error}"))?;
        }
        let start = (position - self.window_at) as usize;
        Ok(&self.window[start..start + count])
    }

    fn fill(&mut self, position: u64, count: usize) -> io::Result<()> {
        let left = usize::try_from(self.size.saturating_sub(position)).unwrap_or(usize::MAX);
        if count > left {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.window.clear();
        self.window.resize(count.max(WINDOW.min(left)), 0);
        self.window_at = position;
        let read = self.file.read_exact_at(&mut self.window, position);
        if read.is_err() {
            self.window.clear();
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use protocol::Millis;
    use protocol::record::{BatchBuilder, NewRecord};

    use super::*;

    fn scratch(name: &str, bytes: &[u8]) -> SegmentFile {
        let path = std::env::temp_dir().join(format!("dump-log-segment-{name}-{}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        let opened = SegmentFile::open(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        opened
    }

    fn batch(value: &[u8]) -> Vec<u8> {
        let mut builder = BatchBuilder::new(protocol::batch::Codec::None);
        builder.push(&NewRecord { timestamp: Millis(1), key: None, value: Some(value), headers: &[] });
        builder.build().unwrap().to_vec()
    }

    #[test]
    fn batches_larger_than_the_window_are_read_too() {
        let (small, large) = (batch(b"a"), batch(&vec![7; 3 * WINDOW]));
        let bytes = [&small[..], &large, &small].concat();
        let mut file = scratch("large", &bytes);
        let mut position = 0;
        let mut sizes = Vec::new();
        while let Some(found) = file.batch_at(position, bytes.len() as u64).unwrap() {
            assert_eq!(file.whole(&found).unwrap(), &bytes[position as usize..][..found.size as usize]);
            sizes.push(found.size as usize);
            position += found.size;
        }
        assert_eq!(sizes, [small.len(), large.len(), small.len()]);
    }

    #[test]
    fn what_is_cut_short_is_no_batch_and_what_is_too_small_is_a_fault() {
        let bytes = batch(b"abc");
        for end in 0..bytes.len() {
            let mut file = scratch("cut", &bytes[..end]);
            assert!(file.batch_at(0, end as u64).unwrap().is_none(), "{end}");
        }
        let mut zeros = scratch("zeros", &[0; 100]);
        assert!(zeros.batch_at(0, 100).unwrap_err().contains("their size is 0"));
        assert!(zeros.batch_at(90, 100).unwrap().is_none());
    }
}
