//! Whether an entry of an offset index can be believed, by the batch that stands at its position.

use std::io;

use protocol::Offset;

use crate::disk::DiskFile;
use crate::rot::is_intact;
use crate::scan::HeaderAt;

/// An entry of ours names one batch: its last offset, and where it begins. A follower of Kafka makes one entry for all batches
/// that came in one answer: the last offset of all, and where the first begins (LogSegment.append, 3.9). All batches before that
/// end below `named`, so whoever looks for it or for what is behind it may begin there. As what stands there could be a part
/// of a record that looks like a batch, the checksum tells, where the offset does not.
pub(crate) fn is_named(file: &DiskFile, found: &HeaderAt, named: Offset) -> io::Result<bool> {
    let last = found.header.last_offset();
    Ok(last == named || (last < named && is_intact(file, found)?))
}
