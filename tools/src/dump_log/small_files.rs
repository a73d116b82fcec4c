//! `.txnindex` and `.snapshot` files: a line per aborted transaction, and one per producer.
//!
//! Source: DumpLogSegments.dumpTxnIndex and dumpProducerIdSnapshot.

use std::fs;
use std::io::{self, Write};

use storage::files::{AbortedEntry, PRODUCER_ENTRY_SIZE, ProducerEntry, SnapshotFault, aborted, producers};

use super::batch::OptionalLong;
use super::names;
use super::output::Output;

/// Kafka reads no later version of an entry.
const ABORTED_VERSION: i8 = 0;

/// Prints a transaction index.
pub(super) fn dump_aborted(name: &str, output: &mut Output<'_>) -> io::Result<()> {
    if let Err(fault) = names::base_offset(name) {
        return output.fault(fault);
    }
    let bytes = match fs::read(name) {
        Ok(bytes) => bytes,
        // Without aborted transactions there is no file.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return output.fault(format_args!("{name} cannot be read: {error}")),
    };
    let entries = aborted(&bytes);
    // Kafka reads all of them before it prints the first.
    if let Some(entry) = entries.iter().find(|entry| entry.version > ABORTED_VERSION) {
        return output
            .fault(format_args!("{name} has an entry of version {}, which is unknown", entry.version));
    }
    for AbortedEntry { version, producer_id, first_offset, last_offset, last_stable_offset } in entries {
        writeln!(
            output.out,
            "version: {version} producerId: {} firstOffset: {} lastOffset: {} lastStableOffset: {}",
            producer_id.0, first_offset.0, last_offset.0, last_stable_offset.0
        )?;
    }
    Ok(())
}

/// Prints a snapshot of producers.
pub(super) fn dump_producers(name: &str, output: &mut Output<'_>) -> io::Result<()> {
    let bytes = match fs::read(name) {
        Ok(bytes) => bytes,
        Err(error) => return output.fault(format_args!("{name} cannot be read: {error}")),
    };
    match producers(&bytes) {
        Ok(entries) => entries.iter().try_for_each(|entry| print_producer(entry, output.out)),
        Err(fault) => output.tell(worded(fault)),
    }
}

fn print_producer(entry: &ProducerEntry, out: &mut dyn Write) -> io::Result<()> {
    write!(
        out,
        "producerId: {} producerEpoch: {} coordinatorEpoch: {} currentTxnFirstOffset: {} lastTimestamp: {} ",
        entry.producer_id.0,
        entry.epoch.0,
        entry.coordinator_epoch,
        OptionalLong(Some(entry.current_txn_first_offset.0).filter(|first| *first >= 0)),
        entry.timestamp.0
    )?;
    if entry.last_offset.0 >= 0 {
        write!(
            out,
            "firstSequence: {} lastSequence: {} lastOffset: {} offsetDelta: {} timestamp: {}",
            first_sequence(entry),
            entry.last_sequence.0,
            entry.last_offset.0,
            entry.offset_delta,
            entry.timestamp.0
        )?;
    }
    writeln!(out)
}

/// 2³¹−1 comes before 0 (DefaultRecordBatch.decrementSequence).
fn first_sequence(entry: &ProducerEntry) -> i32 {
    let (last, delta) = (entry.last_sequence.0, entry.offset_delta);
    if last < delta {
        i32::MAX.wrapping_sub(delta.wrapping_sub(last)).wrapping_add(1)
    } else {
        last.wrapping_sub(delta)
    }
}

/// Sizes and names of an entry's fields, for the words in which Kafka says which one is missing.
const FIELDS: [(usize, &str); 8] = [
    (8, "producer_id"),
    (2, "epoch"),
    (4, "last_sequence"),
    (8, "last_offset"),
    (4, "offset_delta"),
    (8, "timestamp"),
    (4, "coordinator_epoch"),
    (8, "current_txn_first_offset"),
];

/// A fault in the words of Kafka's tool, which does not break off here.
fn worded(fault: SnapshotFault) -> String {
    let missing = "java.nio.BufferUnderflowException";
    let reason = match fault {
        SnapshotFault::Version(version) => {
            return format!("Snapshot contained an unknown file version {version}");
        }
        SnapshotFault::Checksum { stored, computed } => {
            return format!(
                "Snapshot is corrupt (CRC is no longer valid). Stored crc: {stored}. Computed crc: {computed}"
            );
        }
        SnapshotFault::HeaderCutShort(size) => {
            let field =
                ["version", "crc", "producer_entries"][usize::from(size >= 2) + usize::from(size >= 6)];
            return format!("Snapshot failed schema validation: Error reading field '{field}': {missing}");
        }
        SnapshotFault::NegativeCount(count) => format!("Array size {count} cannot be negative"),
        SnapshotFault::EntriesCutShort { announced, left } if announced as usize > left => {
            format!("Error reading array of size {announced}, only {left} bytes available")
        }
        SnapshotFault::EntriesCutShort { left, .. } => {
            format!("Error reading field '{}': {missing}", missing_field(left % PRODUCER_ENTRY_SIZE))
        }
    };
    format!("Snapshot failed schema validation: Error reading field 'producer_entries': {reason}")
}

/// The first field that is not whole in the bytes that are left of an entry.
fn missing_field(mut left: usize) -> &'static str {
    for (size, name) in FIELDS {
        if left < size {
            return name;
        }
        left -= size;
    }
    FIELDS[0].1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What DumpLogSegments 3.9.1 said of such files.
    #[test]
    fn faults_of_snapshots_are_worded_as_kafkas() {
        let schema = "Snapshot failed schema validation: Error reading field";
        let entries = format!("{schema} 'producer_entries':");
        assert_eq!(
            worded(SnapshotFault::HeaderCutShort(5)),
            format!("{schema} 'crc': java.nio.BufferUnderflowException")
        );
        assert_eq!(
            worded(SnapshotFault::EntriesCutShort { announced: 2, left: 46 + 13 }),
            format!("{entries} Error reading field 'last_sequence': java.nio.BufferUnderflowException")
        );
        assert_eq!(
            worded(SnapshotFault::EntriesCutShort { announced: 9, left: 8 }),
            format!("{entries} Error reading array of size 9, only 8 bytes available")
        );
        assert_eq!(
            worded(SnapshotFault::NegativeCount(-1)),
            format!("{entries} Array size -1 cannot be negative")
        );
    }
}
