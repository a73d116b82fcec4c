//! Batches that stand one after the other, as a records field and a segment hold them.

use super::{BatchError, BatchHeader, HEADER_SIZE};

/// One of them.
#[derive(Debug, Clone, Copy)]
pub struct BatchAt<'a> {
    /// Where it begins in the row.
    pub position: usize,
    pub header: BatchHeader,
    /// All of it, header included.
    pub bytes: &'a [u8],
}

impl<'a> BatchAt<'a> {
    /// The bytes after the header, compressed if the attributes say so.
    pub fn records(&self) -> &'a [u8] {
        &self.bytes[HEADER_SIZE..]
    }
}

/// The batches that stand one after the other in `bytes`: a records field or a part of a segment.
///
/// An incomplete batch at the end is left out, since a Fetch response may end in one. After an error the iterator
/// ends. Checksums are not compared here.
#[derive(Debug, Clone)]
pub struct Batches<'a> {
    bytes: &'a [u8],
    position: usize,
    failed: bool,
}

impl<'a> Batches<'a> {
    /// `bytes` begins with a batch.
    pub fn new(bytes: &'a [u8]) -> Batches<'a> {
        Batches { bytes, position: 0, failed: false }
    }

    /// Where the next batch would begin: after the end, what stands from here on is no complete batch.
    pub fn position(&self) -> usize {
        self.position
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<BatchAt<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.bytes[self.position..];
        if self.failed || rest.len() < HEADER_SIZE {
            return None;
        }
        let header = match BatchHeader::parse(rest) {
            Ok(header) => header,
            Err(error) => {
                self.failed = true;
                return Some(Err(error));
            }
        };
        let bytes = rest.get(..header.size())?;
        let position = self.position;
        self.position += header.size();
        Some(Ok(BatchAt { position, header, bytes }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Codec, LENGTH_MIN, MAGIC_AT};

    fn batch(records: &[u8]) -> Vec<u8> {
        let mut header = BatchHeader::empty(Codec::None);
        header.length = (LENGTH_MIN + records.len()) as u32;
        header.seal(records);
        [&header.to_bytes()[..], records].concat()
    }

    #[test]
    fn batches_stand_in_a_row() {
        let row = [batch(b"one"), batch(b""), batch(b"three")].concat();
        let found: Vec<_> = Batches::new(&row).map(|batch| batch.unwrap()).collect();
        let records: Vec<_> = found.iter().map(BatchAt::records).collect();
        assert_eq!(records, [&b"one"[..], b"", b"three"]);
        assert_eq!(found.iter().map(|batch| batch.position).collect::<Vec<_>>(), [0, 64, 125]);
    }

    #[test]
    fn an_incomplete_last_batch_is_left_out() {
        let row = [batch(b"one"), batch(b"two")].concat();
        for cut in 64..row.len() {
            let mut batches = Batches::new(&row[..cut]);
            assert!(batches.next().unwrap().is_ok(), "cut at {cut}");
            assert!(batches.next().is_none());
            assert_eq!(batches.position(), 64);
        }
    }

    #[test]
    fn an_error_ends_the_row() {
        let mut row = [batch(b"one"), batch(b"two"), batch(b"three")].concat();
        row[64 + MAGIC_AT] = 9;
        let mut batches = Batches::new(&row);
        assert!(batches.next().unwrap().is_ok());
        assert_eq!(batches.next().unwrap().unwrap_err(), BatchError::Magic(9));
        assert!(batches.next().is_none());
        assert_eq!(batches.position(), 64);
    }
}
