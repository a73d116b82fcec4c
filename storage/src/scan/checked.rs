//! The walk of recovery: every byte is read, every checksum compared.

use std::io;

use protocol::Offset;
use protocol::batch::{BatchHeader, HEADER_SIZE, MAGIC, verify_crc};
use protocol::legacy::{self, Checksum};

use super::legacy::CHECKED_FROM as LEGACY_CHECKED_FROM;
use super::{Marker, ScanError, parse};
use crate::disk::DiskFile;
use crate::recovery::Flaw;

/// Bytes read at once; a larger batch is checked piece by piece.
const BUFFER: usize = 1 << 20;
/// The checksum covers a batch from here on.
pub(crate) const CHECKED_FROM: usize = 21;

/// A batch whose checksum is right.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CheckedBatch {
    pub(crate) position: u64,
    pub(crate) header: BatchHeader,
    /// The transaction's end, if that is what the batch is.
    pub(crate) marker: Option<Marker>,
}

/// The good batches from the start of a segment file on.
#[derive(Debug)]
pub(crate) struct Checked<'a> {
    file: &'a DiskFile,
    position: u64,
    end: u64,
    /// Offsets below are in the log already.
    expected: Offset,
    /// The first offset that the segment cannot hold.
    beyond: Offset,
    buffer: Vec<u8>,
    buffer_at: u64,
}

impl<'a> Checked<'a> {
    /// Walks `file`, the segment with this base, up to `end`.
    pub(crate) fn new(file: &'a DiskFile, base: Offset, end: u64) -> Checked<'a> {
        let beyond = base + i64::from(i32::MAX) + 1;
        Checked { file, position: 0, end, expected: base, beyond, buffer: Vec::new(), buffer_at: 0 }
    }

    /// Where the next batch would begin.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The offset after the last good batch.
    pub(crate) fn expected(&self) -> Offset {
        self.expected
    }

    /// The next good batch; none at the end of the file.
    pub(crate) fn next(&mut self) -> Result<Option<CheckedBatch>, ScanError> {
        let left = self.end.saturating_sub(self.position);
        if left == 0 {
            return Ok(None);
        }
        let position = self.position;
        let flawed = |flaw| ScanError::Flawed { position, flaw };
        self.fill(HEADER_SIZE)?;
        let (magic, header) = parse(self.front(), left).map_err(flawed)?;
        let (first, last) = (header.base_offset, header.last_offset());
        if first < self.expected || last >= self.beyond {
            return Err(flawed(Flaw::Offsets { first, last, expected: self.expected }));
        }
        let size = header.size();
        let is_good =
            if size <= BUFFER { self.check(magic, size)? } else { self.check_large(magic, &header)? };
        if !is_good {
            return Err(flawed(Flaw::Checksum));
        }
        let marker = self.marker(&header);
        self.position += header.size() as u64;
        self.expected = header.next_offset();
        Ok(Some(CheckedBatch { position, header, marker }))
    }

    fn front(&self) -> &[u8] {
        &self.buffer[(self.position - self.buffer_at) as usize..]
    }

    /// Makes sure that `needed` bytes from the position on are in the buffer, unless the file ends before.
    fn fill(&mut self, needed: usize) -> io::Result<()> {
        let left = self.end - self.position;
        let needed = (needed as u64).min(left);
        let is_there = self.position >= self.buffer_at
            && self.position + needed <= self.buffer_at + self.buffer.len() as u64;
        if is_there && !self.buffer.is_empty() {
            return Ok(());
        }
        self.buffer.resize((BUFFER as u64).min(left) as usize, 0);
        let read = self.file.read_at(&mut self.buffer, self.position)?;
        self.buffer.truncate(read);
        self.buffer_at = self.position;
        Ok(())
    }

    fn check(&mut self, magic: i8, size: usize) -> io::Result<bool> {
        self.fill(size)?;
        Ok(self.front().get(..size).is_some_and(|batch| match magic {
            MAGIC => verify_crc(batch).is_ok(),
            _ => legacy::verify_crc(batch).is_ok(),
        }))
    }

    fn check_large(&mut self, magic: i8, header: &BatchHeader) -> io::Result<bool> {
        let (mut crc, mut checksum) = (0, Checksum::default());
        let from = if magic == MAGIC { CHECKED_FROM } else { LEGACY_CHECKED_FROM };
        let mut piece = vec![0; BUFFER];
        let mut at = self.position + from as u64;
        let end = self.position + header.size() as u64;
        while at < end {
            let want = (end - at).min(BUFFER as u64) as usize;
            let read = self.file.read_at(&mut piece[..want], at)?;
            if read == 0 {
                return Ok(false);
            }
            match magic {
                MAGIC => crc = crc32c::crc32c_append(crc, &piece[..read]),
                _ => checksum.add(&piece[..read]),
            }
            at += read as u64;
        }
        Ok(header.crc == if magic == MAGIC { crc } else { checksum.value() })
    }

    fn marker(&self, header: &BatchHeader) -> Option<Marker> {
        if !header.attributes.is_control() || header.size() > BUFFER {
            return None;
        }
        self.front().get(HEADER_SIZE..header.size()).and_then(|record| Marker::parse(header, record))
    }
}

#[cfg(test)]
mod tests {
    use protocol::batch::Attributes;
    use protocol::{LeaderEpoch, Millis, ProducerEpoch, ProducerId, Sequence};

    use super::*;
    use crate::disk::crash::scratch;
    use crate::disk::{Disk, Mode, OsDisk};

    fn batch(base: i64, payload: &[u8]) -> Vec<u8> {
        let mut header = BatchHeader {
            base_offset: Offset(base),
            length: 49 + payload.len() as u32,
            leader_epoch: LeaderEpoch(0),
            crc: 0,
            attributes: Attributes(0),
            last_offset_delta: 0,
            base_timestamp: Millis(1),
            max_timestamp: Millis(1),
            producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch::NONE,
            base_sequence: Sequence::NONE,
            record_count: 1,
        };
        header.seal(payload);
        [&header.to_bytes()[..], payload].concat()
    }

    /// Walks the bytes and gives the offsets of good batches, the end, and what stopped the walk.
    fn walk(bytes: &[u8]) -> (Vec<i64>, u64, Option<Flaw>) {
        let dir = scratch();
        let path = dir.path().join("0.log");
        std::fs::write(&path, bytes).unwrap();
        let file = OsDisk.open(&path, Mode::Read).unwrap();
        let mut checked = Checked::new(&file, Offset(0), bytes.len() as u64);
        let mut offsets = Vec::new();
        loop {
            match checked.next() {
                Ok(Some(batch)) => offsets.push(batch.header.base_offset.0),
                Ok(None) => return (offsets, checked.position(), None),
                Err(ScanError::Flawed { position, flaw }) => return (offsets, position, Some(flaw)),
                Err(ScanError::Io(error)) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn every_cut_of_the_last_batch_is_torn() {
        let whole = [batch(0, b"abc"), batch(1, b"def")].concat();
        assert_eq!(walk(&whole), (vec![0, 1], 128, None));
        for end in 65..whole.len() {
            let (offsets, position, flaw) = walk(&whole[..end]);
            assert_eq!((offsets, position), (vec![0], 64));
            assert!(matches!(flaw, Some(Flaw::Torn { .. } | Flaw::Zeros)), "{end}: {flaw:?}");
        }
    }

    #[test]
    fn a_flipped_bit_is_a_flaw() {
        let whole = [batch(0, b"abc"), batch(1, b"def")].concat();
        for at in 64 + 8..whole.len() {
            // The leader epoch is not covered by the checksum.
            if (64 + 12..64 + 16).contains(&at) {
                continue;
            }
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            assert!(walk(&damaged).2.is_some(), "byte {at}");
        }
    }

    #[test]
    fn offsets_only_rise() {
        let (offsets, position, flaw) = walk(&[batch(5, b"abc"), batch(5, b"def")].concat());
        assert_eq!((offsets, position), (vec![5], 64));
        assert!(matches!(flaw, Some(Flaw::Offsets { .. })));
        let far = walk(&batch(1 << 31, b"abc"));
        assert!(matches!(far.2, Some(Flaw::Offsets { .. })));
    }

    #[test]
    fn batches_larger_than_the_buffer_are_checked_too() {
        let large = batch(0, &vec![7; 3 * BUFFER]);
        let mut whole = [large, batch(1, b"abc")].concat();
        assert_eq!(walk(&whole).0, [0, 1]);
        whole[2 * BUFFER] ^= 1;
        assert_eq!(walk(&whole), (vec![], 0, Some(Flaw::Checksum)));
    }

    #[test]
    fn zeros_are_named() {
        let whole = [batch(0, b"abc"), vec![0; 4096]].concat();
        assert_eq!(walk(&whole), (vec![0], 64, Some(Flaw::Zeros)));
    }
}
