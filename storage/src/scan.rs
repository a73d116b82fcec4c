//! Walking through a segment file batch by batch, from its bytes alone.
//!
//! [`Headers`] looks at headers only, for look-ups; [`Checked`] also at checksums and offsets, for recovery. Neither
//! reserves memory for a length it has not seen the bytes of. A message of an old format is a batch of one here.
//! Source: FileLogInputStream, DefaultRecordBatch.

use std::io;

use protocol::Offset;
use protocol::batch::{BatchHeader, HEADER_SIZE, LENGTH_MIN, LOG_OVERHEAD, MAGIC, MAGIC_AT};

use crate::disk::DiskFile;
use crate::recovery::Flaw;

mod checked;
mod legacy;
mod marker;

pub(crate) use checked::{CHECKED_FROM, Checked, CheckedBatch};
pub(crate) use legacy::is_intact as is_intact_message;
pub(crate) use marker::{Marker, MarkerKind};

/// Bytes read at once in search of headers.
const WINDOW: usize = 8192;

/// Why a walk cannot go on.
#[derive(Debug)]
pub(crate) enum ScanError {
    Io(io::Error),
    /// There is no good batch here.
    Flawed {
        position: u64,
        flaw: Flaw,
    },
}

impl From<io::Error> for ScanError {
    fn from(error: io::Error) -> ScanError {
        ScanError::Io(error)
    }
}

/// A batch's header and where the batch begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeaderAt {
    pub(crate) position: u64,
    /// The format: 2, or that of a message which `header` presents as a batch.
    pub(crate) magic: i8,
    pub(crate) header: BatchHeader,
}

/// The headers of the batches between two positions.
#[derive(Debug)]
pub(crate) struct Headers<'a> {
    file: &'a DiskFile,
    position: u64,
    end: u64,
    window: [u8; WINDOW],
    window_at: u64,
    filled: usize,
    /// Bytes to read at once; one header's worth where batches are larger than the window.
    want: usize,
}

impl<'a> Headers<'a> {
    pub(crate) fn new(file: &'a DiskFile, position: u64, end: u64) -> Headers<'a> {
        Headers { file, position, end, window: [0; WINDOW], window_at: 0, filled: 0, want: WINDOW }
    }

    /// The next batch; none at the end. A batch that is not all there is a flaw.
    pub(crate) fn next(&mut self) -> Result<Option<HeaderAt>, ScanError> {
        let position = self.position;
        let left = self.end.saturating_sub(position);
        if left == 0 {
            return Ok(None);
        }
        let front = self.front(left)?;
        let flawed = |flaw| ScanError::Flawed { position, flaw };
        let (magic, header) = parse(front, left).map_err(flawed)?;
        let is_doubtful = magic != MAGIC && !legacy::is_filled(front, &header);
        if is_doubtful && !legacy::is_intact(self.file, position, &header)? {
            return Err(flawed(Flaw::Magic(magic)));
        }
        let size = header.size();
        self.position += size as u64;
        self.want = if size > WINDOW { HEADER_SIZE } else { WINDOW };
        Ok(Some(HeaderAt { position, magic, header }))
    }

    /// The bytes at the position, enough for a header if there are that many.
    fn front(&mut self, left: u64) -> io::Result<&[u8]> {
        let needed = left.min(HEADER_SIZE as u64) as usize;
        let inside = self.position.checked_sub(self.window_at).map(|at| at as usize);
        let at = match inside {
            Some(at) if at + needed <= self.filled => at,
            _ => {
                let want = left.min(self.want as u64) as usize;
                self.filled = self.file.read_at(&mut self.window[..want], self.position)?;
                self.window_at = self.position;
                0
            }
        };
        Ok(&self.window[at..self.filled])
    }
}

/// Reads the header in front of `left` bytes of file, of which `front` are at hand, and tells the format.
pub(crate) fn parse(front: &[u8], left: u64) -> Result<(i8, BatchHeader), Flaw> {
    let front = &front[..front.len().min(HEADER_SIZE)];
    // Before the magic is looked at, which is 0 in format 0.
    if front.iter().all(|byte| *byte == 0) {
        return Err(Flaw::Zeros);
    }
    let Some(magic) = front.get(MAGIC_AT).map(|byte| *byte as i8) else {
        return Err(Flaw::Torn { needed: HEADER_SIZE as u64, present: left });
    };
    let header = match magic {
        0 | 1 => legacy::parse(front, left)?,
        MAGIC => batch(front, left)?,
        _ => return Err(Flaw::Magic(magic)),
    };
    Ok((magic, header))
}

fn batch(front: &[u8], left: u64) -> Result<BatchHeader, Flaw> {
    let torn = |needed: usize| Flaw::Torn { needed: needed as u64, present: left };
    let Some(head) = front.first_chunk::<HEADER_SIZE>() else { return Err(torn(HEADER_SIZE)) };
    let length = i32::from_be_bytes([head[8], head[9], head[10], head[11]]);
    let flaw = |_| Flaw::Length(length);
    let header = BatchHeader::parse(head).map_err(flaw)?;
    if (length as usize) < LENGTH_MIN {
        return Err(Flaw::Length(length));
    }
    if header.size() as u64 > left {
        return Err(torn(LOG_OVERHEAD + length as usize));
    }
    let (first, last) = (header.base_offset, header.last_offset());
    if first.0 < 0 || last < first {
        return Err(Flaw::Offsets { first, last, expected: Offset::ZERO });
    }
    Ok(header)
}
