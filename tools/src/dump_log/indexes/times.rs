//! A time index: every entry is looked up in the log, by way of the offset index.

use std::io;

use protocol::Offset;
use storage::files::{OffsetIndexEntry, TIME_ENTRY_SIZE, TimeIndexEntry, offset_index, time_index};

use super::lookup::position_for;
use super::{Check, Opened, read};
use crate::dump_log::batch::Batch;
use crate::dump_log::findings::Findings;
use crate::dump_log::names;
use crate::dump_log::output::Output;
use crate::dump_log::records;
use crate::dump_log::segment::{BatchAt, Fault, SegmentFile};

/// What Kafka takes for no time at all.
const NO_TIMESTAMP: i64 = -1;

/// Prints a time index.
pub(in crate::dump_log) fn dump(
    name: &str,
    check: Check,
    findings: &mut Findings,
    output: &mut Output<'_>,
) -> io::Result<()> {
    let Opened { log, bytes, base } = match Opened::open(name) {
        Ok(opened) => opened,
        Err(fault) => return output.fault(fault),
    };
    let index = match read(&names::sibling(name, "index")) {
        Ok(index) => offset_index(&index, base),
        Err(fault) => {
            output.fault(format_args!("{fault}; {name} is looked at without it"))?;
            Vec::new()
        }
    };
    let entries = time_index(&bytes, base);
    if check == Check::Sanity {
        return match insane(&entries, &bytes, base) {
            None => writeln!(output.out, "{name} passed sanity check."),
            Some(reason) => output.fault(format_args!("{name} is corrupt: {reason}")),
        };
    }
    let mut search = Search { log, index, last: None };
    let mut before = NO_TIMESTAMP;
    for (at, entry) in entries.iter().enumerate() {
        if at > 0 && entry.offset == base {
            // The zero bytes that Kafka keeps behind the entries of an index in use.
            break;
        }
        if let Err(fault) = compare(name, entry, before, &mut search, findings) {
            output.fault(format_args!("{name}: the entry of offset {}: {fault}", entry.offset.0))?;
        }
        if check == Check::Print {
            writeln!(output.out, "timestamp: {} offset: {}", entry.timestamp.0, entry.offset.0)?;
        }
        before = entry.timestamp.0;
    }
    Ok(())
}

fn insane(entries: &[TimeIndexEntry], bytes: &[u8], base: Offset) -> Option<String> {
    let (first, last) = entries.first().zip(entries.last())?;
    if last.timestamp < first.timestamp {
        return Some(format!(
            "its last timestamp is {}, before its first, {}",
            last.timestamp.0, first.timestamp.0
        ));
    }
    if last.offset < base {
        return Some(format!("its last offset is {}, before its first, {}", last.offset.0, base.0));
    }
    let size = bytes.len();
    (!size.is_multiple_of(TIME_ENTRY_SIZE))
        .then(|| format!("its size is {size}, which is no multiple of {TIME_ENTRY_SIZE}"))
}

fn compare(
    name: &str,
    entry: &TimeIndexEntry,
    before: i64,
    search: &mut Search,
    findings: &mut Findings,
) -> Result<(), Fault> {
    let Some((batch, last)) = search.batch_reaching(entry.offset)? else {
        findings.missing_offset(name, entry.offset.0, -1);
        return Ok(());
    };
    if last != entry.offset {
        findings.missing_offset(name, entry.offset.0, last.0);
        return Ok(());
    }
    let largest = largest_timestamp(&batch, &mut search.log)?;
    if largest != entry.timestamp.0 {
        findings.wrong_time(name, entry.timestamp.0, largest);
    }
    if before >= entry.timestamp.0 {
        findings.unordered_time(name, entry.timestamp.0, before);
    }
    Ok(())
}

fn largest_timestamp(batch: &BatchAt, log: &mut SegmentFile) -> Result<i64, Fault> {
    let batch = Batch::read(batch, log)?;
    let mut largest = NO_TIMESTAMP;
    let seen = records::each(&batch, |record| {
        largest = largest.max(record.timestamp);
        Ok(())
    });
    // Nothing is printed here that could fail.
    seen.map_err(|error| error.to_string())?.map(|()| largest)
}

/// Finds batches by offset.
struct Search {
    log: SegmentFile,
    index: Vec<OffsetIndexEntry>,
    /// What was found last, and for which offset.
    last: Option<(Offset, BatchAt)>,
}

impl Search {
    /// The first batch that ends with `offset` or later, with its last offset.
    fn batch_reaching(&mut self, offset: Offset) -> Result<Option<(BatchAt, Offset)>, Fault> {
        let mut position = self.begin(offset)?;
        while let Some(batch) = self.log.batch_at(position, self.log.size)? {
            let last = self.log.last_offset(&batch)?;
            if last >= offset {
                self.last = Some((offset, batch));
                return Ok(Some((batch, last)));
            }
            position += batch.size;
        }
        Ok(None)
    }

    /// Where to begin. An index that leads to the start of the file, as one does that has zero bytes behind its
    /// entries, need not be followed where an earlier search has come further.
    fn begin(&self, offset: Offset) -> Result<u64, Fault> {
        let position = position_for(&self.index, offset);
        let position =
            u64::try_from(position).map_err(|_| format!("the index leads to position {position}"))?;
        match self.last {
            Some((before, batch)) if position == 0 && before <= offset => Ok(batch.position),
            _ if position > self.log.size => Err(format!("the index leads to position {position}")),
            _ => Ok(position),
        }
    }
}
