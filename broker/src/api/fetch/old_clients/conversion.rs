//! Converts a stretch of a log for a client of an older format, batch by batch, until there is enough.
//!
//! What the client reads as it is stays in the file, to be sent from there. Never in memory at once: more of the stretch than
//! one batch, or a window where batches are small. Blocks. Source: LazyDownConversionRecords (3.9, KIP-283).

use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use bytes::Bytes;
use protocol::batch::{BatchError, MAGIC_AT};
use protocol::ids::Offset;
use protocol::legacy::{DownError, Format, down_convert, item_size, verify_crc};
use protocol::response::{FileSlice, Part};

use crate::network::Unsendable;

/// Bytes read at once in search of batches.
const WINDOW: usize = 128 << 10;
/// Stands for records of which none can be told to the client: offset -1 and a length that goes on beyond. Clients take it
/// for a batch that did not fit, as they do with Kafka.
const NOTHING_TOLD: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 61];

/// Why a stretch cannot be converted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConversionError {
    #[error("cannot read the log: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Size(#[from] BatchError),
    #[error(transparent)]
    Down(#[from] DownError),
}

impl ConversionError {
    /// What is wrong with the log, where that is the cause: its first batch is not what was written.
    pub(super) fn unsendable(&self, file: PathBuf, position: u64) -> Option<Unsendable> {
        match self {
            ConversionError::Io(error) => {
                let error = io::Error::new(error.kind(), error.to_string());
                Some(Unsendable::Unreadable { file, error })
            }
            ConversionError::Down(DownError::Zstd) => None,
            ConversionError::Size(_) | ConversionError::Down(_) => {
                Some(Unsendable::Damaged { file, position })
            }
        }
    }
}

/// What a client gets of a stretch.
#[derive(Debug)]
pub(super) struct Converted {
    pub(super) parts: Vec<Part>,
    /// Of those in memory.
    pub(super) bytes: usize,
}

/// Converts `slice` to `format`, without records below `from` where they stand alone, until `room` is used up. The first
/// batch is converted whatever its size. Where a later one cannot be, the client gets the error when it asks for that.
pub(super) fn convert(
    slice: FileSlice,
    (format, from): (Format, Offset),
    room: usize,
) -> Result<Converted, ConversionError> {
    let mut source = Source { slice, position: 0, window: Vec::new(), window_at: 0 };
    let mut output = Output::default();
    while output.bytes < room {
        match output.take(&mut source, format, from) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) if output.is_empty() => return Err(error),
            Err(_) => break,
        }
    }
    if output.is_empty() && source.position > 0 {
        output.converted.extend(NOTHING_TOLD);
    }
    Ok(output.finish(&source.slice))
}

/// A stretch of a log that is read from its beginning.
struct Source {
    slice: FileSlice,
    /// Of the next batch.
    position: u64,
    window: Vec<u8>,
    window_at: u64,
}

impl Source {
    /// The bytes from the next batch on: at least `wanted`, unless the stretch ends before.
    fn front(&mut self, wanted: usize) -> io::Result<&[u8]> {
        let left = u64::from(self.slice.length) - self.position;
        let wanted = (wanted as u64).min(left);
        let at = self.position - self.window_at;
        if at + wanted > self.window.len() as u64 {
            let size = wanted.max(left.min(WINDOW as u64));
            self.window.resize(size as usize, 0);
            self.window.shrink_to(WINDOW.max(size as usize));
            self.window_at = self.position;
            self.slice.file.read_exact_at(&mut self.window, self.slice.position + self.position)?;
        }
        Ok(&self.window[(self.position - self.window_at) as usize..])
    }
}

#[derive(Default)]
struct Output {
    parts: Vec<Part>,
    /// In `parts` and in `converted`.
    bytes: usize,
    /// Converted batches that are not in `parts` yet.
    converted: Vec<u8>,
    /// Where in the stretch batches begin and end that are sent as they are, and that are not in `parts` yet.
    as_they_are: Option<(u64, u64)>,
}

impl Output {
    /// Takes the next batch; false if there is no whole one.
    fn take(&mut self, source: &mut Source, format: Format, from: Offset) -> Result<bool, ConversionError> {
        let front = source.front(MAGIC_AT + 1)?;
        let Some(size) = item_size(front)? else { return Ok(false) };
        let magic = front[MAGIC_AT] as i8;
        let (start, end) = (source.position, source.position + size as u64);
        if end > u64::from(source.slice.length) {
            return Ok(false);
        }
        if magic <= format as i8 {
            // It comes from the file once more, from memory then, and so nobody looks at it later.
            verify_crc(&source.front(size)?[..size]).map_err(DownError::from)?;
            self.keep(start, end, &source.slice);
        } else {
            let set = down_convert(&source.front(size)?[..size], format, from)?;
            self.add(&set, &source.slice);
        }
        source.position = end;
        Ok(true)
    }

    fn keep(&mut self, start: u64, end: u64, slice: &FileSlice) {
        match &mut self.as_they_are {
            Some(kept) => kept.1 = end,
            None => {
                self.close(slice);
                self.as_they_are = Some((start, end));
            }
        }
    }

    fn add(&mut self, set: &[u8], slice: &FileSlice) {
        if !set.is_empty() && self.as_they_are.is_some() {
            self.close(slice);
        }
        self.converted.extend_from_slice(set);
        self.bytes += set.len();
    }

    /// Puts what is at hand into `parts`.
    fn close(&mut self, slice: &FileSlice) {
        if let Some((start, end)) = self.as_they_are.take() {
            let (file, position) = (slice.file.clone(), slice.position + start);
            // Shorter than the slice, whose length fits.
            self.parts.push(Part::File(FileSlice { file, position, length: (end - start) as u32 }));
        }
        if !self.converted.is_empty() {
            self.parts.push(Part::Bytes(Bytes::from(std::mem::take(&mut self.converted))));
        }
    }

    fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.converted.is_empty() && self.as_they_are.is_none()
    }

    fn finish(mut self, slice: &FileSlice) -> Converted {
        self.close(slice);
        Converted { parts: self.parts, bytes: self.bytes }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::sync::Arc;

    use protocol::batch::Codec;
    use protocol::ids::Millis;
    use protocol::legacy::{Item, Items};
    use protocol::record::{BatchBuilder, NewRecord};

    use super::*;

    const ALL: usize = usize::MAX;

    /// Three records from offset `base` on; `change` comes before the seal.
    fn batch(base: i64, codec: Codec, change: impl FnOnce(&mut BatchBuilder)) -> Vec<u8> {
        let mut builder = BatchBuilder::new(codec);
        builder.header.base_offset = Offset(base);
        let value = Some(&[b'x'; 200][..]);
        for at in 0..3 {
            builder.push(&NewRecord { timestamp: Millis(at), key: None, value, headers: &[("h", None)] });
        }
        change(&mut builder);
        builder.build().unwrap().to_vec()
    }

    fn plain(base: i64) -> Vec<u8> {
        batch(base, Codec::None, |_| {})
    }

    fn control(base: i64) -> Vec<u8> {
        batch(base, Codec::None, |builder| {
            builder.header.attributes = builder.header.attributes.transactional().control();
        })
    }

    fn old(base: i64, format: Format) -> Vec<u8> {
        down_convert(&batch(base, Codec::Gzip, |_| {}), format, Offset(0)).unwrap()
    }

    /// The bytes in an unnamed file, after some that are not asked for.
    fn slice(bytes: &[u8]) -> FileSlice {
        let path = std::env::temp_dir().join(format!(
            "ottla-conversion-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        let mut file =
            File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        file.write_all(b"before").unwrap();
        file.write_all(bytes).unwrap();
        FileSlice { file: Arc::new(file), position: 6, length: bytes.len() as u32 }
    }

    fn told(rows: &[Vec<u8>], format: Format, room: usize) -> (Vec<&'static str>, Vec<i64>) {
        let converted = convert(slice(&rows.concat()), (format, Offset(0)), room).unwrap();
        let mut all = Vec::new();
        let mut kinds = Vec::new();
        for part in converted.parts {
            match part {
                Part::Bytes(bytes) => {
                    kinds.push("memory");
                    all.extend_from_slice(&bytes);
                }
                Part::File(slice) => {
                    kinds.push("file");
                    let mut bytes = vec![0; slice.length as usize];
                    slice.file.read_exact_at(&mut bytes, slice.position).unwrap();
                    all.extend(bytes);
                }
            }
        }
        let offsets = Items::new(&all).map(|item| match item.unwrap() {
            Item::Entry(entry) => {
                entry.verify_crc().unwrap();
                assert!(entry.format <= format);
                entry.offset.0
            }
            Item::Batch(batch) => panic!("{batch:?}"),
        });
        (kinds, offsets.collect())
    }

    #[test]
    fn only_what_is_too_new_is_converted() {
        let (zero, one) = (Format::V0, Format::V1);
        let rows = [old(0, zero), old(3, zero), old(6, one), plain(9), plain(12), old(15, zero)];
        let offsets = vec![2, 5, 8, 9, 10, 11, 12, 13, 14, 17];
        assert_eq!(told(&rows, one, ALL), (vec!["file", "memory", "file"], offsets.clone()));
        assert_eq!(told(&rows, zero, ALL), (vec!["file", "memory", "file"], offsets));
        assert_eq!(told(&rows[..2], zero, ALL), (vec!["file"], vec![2, 5]));
        assert_eq!(told(&[], zero, ALL), (vec![], vec![]));
    }

    #[test]
    fn batches_larger_than_the_window_and_many_small_ones_are_read() {
        let large = batch(0, Codec::None, |builder| {
            let value = vec![7; 3 * WINDOW];
            builder.push(&NewRecord { timestamp: Millis(0), key: None, value: Some(&value), headers: &[] });
        });
        let rows: Vec<_> = std::iter::once(large).chain((0..500).map(|at| plain(10 + 3 * at))).collect();
        let (kinds, offsets) = told(&rows, Format::V1, ALL);
        assert_eq!((kinds, offsets.len()), (vec!["memory"], 4 + 1500));
    }

    #[test]
    fn an_answer_ends_with_the_batch_that_fills_it() {
        let rows: Vec<_> = (0..20).map(|at| plain(3 * at)).collect();
        assert_eq!(told(&rows, Format::V1, 1).1, [0, 1, 2]);
        let size = down_convert(&rows[0], Format::V1, Offset(0)).unwrap().len();
        assert_eq!(told(&rows, Format::V1, 2 * size).1.len(), 6);
        assert_eq!(told(&rows, Format::V1, 2 * size + 1).1.len(), 9);
    }

    #[test]
    fn an_incomplete_batch_is_not_sent() {
        let whole = [plain(0), plain(3)].concat();
        let first = plain(0).len();
        for end in first..whole.len() {
            assert_eq!(told(&[whole[..end].to_vec()], Format::V0, ALL).1, [0, 1, 2], "{end}");
        }
        for end in 0..first {
            let converted = convert(slice(&whole[..end]), (Format::V0, Offset(0)), ALL).unwrap();
            assert!(converted.parts.is_empty(), "{end}");
        }
    }

    #[test]
    fn nothing_to_tell_is_told_as_kafka_does() {
        for rows in [vec![control(0)], vec![control(0), control(1)]] {
            let converted = convert(slice(&rows.concat()), (Format::V1, Offset(0)), ALL).unwrap();
            assert!(matches!(&converted.parts[..], [Part::Bytes(bytes)] if bytes == NOTHING_TOLD));
        }
        assert_eq!(told(&[control(0), plain(1), control(4)], Format::V1, ALL).1, [1, 2, 3]);
    }

    #[test]
    fn what_cannot_be_converted_is_told_when_it_comes_first() {
        let zstd = batch(3, Codec::Zstd, |_| {});
        let mut damaged = plain(3);
        damaged[70] ^= 1;
        for bad in [zstd, damaged] {
            assert_eq!(told(&[plain(0), bad.clone(), plain(6)], Format::V1, ALL).1, [0, 1, 2]);
            assert_eq!(told(&[old(0, Format::V0), bad.clone()], Format::V1, ALL).1, [2]);
            for rows in [vec![bad.clone()], vec![control(0), bad.clone(), plain(6)]] {
                let error = convert(slice(&rows.concat()), (Format::V1, Offset(0)), ALL).unwrap_err();
                assert!(matches!(error, ConversionError::Down(_)), "{error}");
            }
        }
    }
}
