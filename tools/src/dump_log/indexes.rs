//! `.index` and `.timeindex` files, compared with the log that they are about.
//!
//! Source: DumpLogSegments.dumpIndex and dumpTimeIndex, AbstractIndex, OffsetIndex, TimeIndex of Kafka 3.9.

mod lookup;
mod times;

use std::fs;
use std::io;
use std::path::Path;

use protocol::Offset;
use storage::files::{OFFSET_ENTRY_SIZE, OffsetIndexEntry, offset_index};

use super::findings::Findings;
use super::names;
use super::output::Output;
use super::segment::{Fault, SegmentFile};
pub(super) use times::dump as dump_times;

/// How much of an index is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// Compared with the log, and its entries printed.
    Print,
    /// Compared with the log.
    Verify,
    /// What a broker looks at when it starts, and nothing else.
    Sanity,
}

/// An index file and the log of its segment.
struct Opened {
    log: SegmentFile,
    bytes: Vec<u8>,
    base: Offset,
}

impl Opened {
    fn open(name: &str) -> Result<Opened, Fault> {
        let base = Offset(names::base_offset(name)?);
        let log_name = names::sibling(name, "log");
        let log = SegmentFile::open(&log_name).map_err(|error| {
            format!("{} cannot be read, so {name} is not looked at: {error}", log_name.display())
        })?;
        Ok(Opened { log, bytes: read(Path::new(name))?, base })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

/// Prints an offset index.
pub(super) fn dump_offsets(
    name: &str,
    check: Check,
    batch_bytes_max: u64,
    findings: &mut Findings,
    output: &mut Output<'_>,
) -> io::Result<()> {
    let Opened { mut log, bytes, base } = match Opened::open(name) {
        Ok(opened) => opened,
        Err(fault) => return output.fault(fault),
    };
    let entries = offset_index(&bytes, base);
    let Some(last) = entries.last() else { return writeln!(output.out, "{name} is empty.") };
    if check == Check::Sanity {
        return match insane(last, &bytes, base) {
            None => writeln!(output.out, "{name} passed sanity check."),
            Some(reason) => output.fault(format_args!("{name} is corrupt: {reason}")),
        };
    }
    for (at, entry) in entries.iter().enumerate() {
        if at > 0 && entry.offset == base {
            // The zero bytes that Kafka keeps behind the entries of an index in use.
            break;
        }
        match batch_at(entry, batch_bytes_max, &mut log) {
            Ok(last) if last != entry.offset => findings.wrong_offset(name, entry.offset.0, last.0),
            Ok(_) => {}
            Err(fault) => {
                output.fault(format_args!("{name}: the entry of offset {} {fault}", entry.offset.0))?;
                continue;
            }
        }
        if check == Check::Print {
            writeln!(output.out, "offset: {} position: {}", entry.offset.0, entry.position)?;
        }
    }
    Ok(())
}

fn insane(last: &OffsetIndexEntry, bytes: &[u8], base: Offset) -> Option<String> {
    if last.offset < base {
        return Some(format!("its last offset is {}, before its first, {}", last.offset.0, base.0));
    }
    let size = bytes.len();
    (!size.is_multiple_of(OFFSET_ENTRY_SIZE))
        .then(|| format!("its size is {size}, which is no multiple of {OFFSET_ENTRY_SIZE}"))
}

/// The last offset of the batch that an entry points to.
fn batch_at(entry: &OffsetIndexEntry, bytes_max: u64, log: &mut SegmentFile) -> Result<Offset, Fault> {
    let Ok(position) = u64::try_from(entry.position) else {
        return Err(format!("points to position {}", entry.position));
    };
    let end = position.saturating_add(bytes_max).min(log.size);
    match log.batch_at(position, end) {
        Ok(Some(batch)) => log.last_offset(&batch),
        Ok(None) => Err(format!("points to position {position}, where no whole batch stands")),
        Err(fault) => Err(format!("points to no batch: {fault}")),
    }
}
