//! Loading a partition's directory, and making it whole after an unclean stop.
//!
//! Only what lies past the recovery point is read. The log is cut at the first bad batch, as Kafka cuts it, and before
//! a hole; what was cut is set aside under a name that Kafka ignores. Indexes and snapshots past the recovery point are made anew,
//! never trusted. Source: LogLoader, LogSegment.recover, UnifiedLog.rebuildProducerState of Kafka 3.9.

use std::fmt;
use std::path::PathBuf;

use protocol::{Offset, TopicPartition};

mod ahead;
mod crew;
mod cut;
mod leftovers;
mod load;
mod rebuild;
mod state;

pub use crew::Crew;
pub(crate) use load::{Files, clean_tail, load};
pub(crate) use state::{newest, replay};

use crate::checkpoint::CheckpointError;
use crate::disk::DiskError;
use crate::partition_metadata::PartitionMetadataError;

/// Why a partition's directory cannot be loaded. The partition stays offline, its files as they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryError {
    #[error("{partition}: {error}")]
    Disk { partition: TopicPartition, error: DiskError },
    #[error("{partition}: {error}")]
    Checkpoint { partition: TopicPartition, error: CheckpointError },
    #[error("{partition}: {error}")]
    Metadata { partition: TopicPartition, error: PartitionMetadataError },
    #[error("{partition}: {} holds no good batch at position {position}, below the recovery point: {flaw}", file.display())]
    DamagedBelowRecoveryPoint { partition: TopicPartition, file: PathBuf, position: u64, flaw: Flaw },
}

impl RecoveryError {
    /// Whether handles or memory ran out, so that the same may work later.
    pub fn is_shortage(&self) -> bool {
        match self {
            RecoveryError::Disk { error, .. }
            | RecoveryError::Checkpoint { error: CheckpointError::Disk(error), .. }
            | RecoveryError::Metadata { error: PartitionMetadataError::Disk(error), .. } => error.is_shortage,
            RecoveryError::Checkpoint { .. }
            | RecoveryError::Metadata { .. }
            | RecoveryError::DamagedBelowRecoveryPoint { .. } => false,
        }
    }
}

/// What is wrong with the bytes where a batch should begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    #[error("the batch is cut short, {present} of {needed} bytes are there")]
    Torn { needed: u64, present: u64 },
    #[error("zeros stand there")]
    Zeros,
    #[error("the batch length is {0}")]
    Length(i32),
    #[error("the batch has format {0}")]
    Magic(i8),
    #[error("the checksum does not match")]
    Checksum,
    #[error("the batch has offsets {first} to {last} where {expected} or later is expected")]
    Offsets { first: Offset, last: Offset, expected: Offset },
    #[error("offsets {from} to {to} are missing, the next segment begins behind them")]
    Missing { from: Offset, to: Offset },
}

/// Where recovery cut a log, and what became of the bytes behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The log ends here now.
    pub offset: Offset,
    /// The file that was cut, and where.
    pub file: PathBuf,
    pub position: u64,
    pub flaw: Flaw,
    /// Bytes taken away, in this file and in later segments.
    pub bytes: u64,
    /// Later segments that were taken away whole.
    pub segments: Vec<Offset>,
    /// The files that hold what was taken away; zeros at an end are not kept.
    pub set_aside: Vec<PathBuf>,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, flaw) = (self.file.display(), self.flaw);
        write!(
            f,
            "the log ends at offset {} now: {file} at position {}: {flaw}",
            self.offset, self.position
        )?;
        write!(f, "; {} bytes were cut", self.bytes)?;
        if !self.segments.is_empty() {
            write!(f, ", {} later segments among them", self.segments.len())?;
        }
        if self.set_aside.is_empty() {
            return f.write_str(", all of them zeros");
        }
        f.write_str(" and set aside in")?;
        for (path, comma) in self.set_aside.iter().zip(std::iter::once("").chain(std::iter::repeat(","))) {
            write!(f, "{comma} {}", path.file_name().unwrap_or_default().display())?;
        }
        Ok(())
    }
}

/// What loading a partition found and did, for the log line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    pub segments: usize,
    /// Segments that were read batch by batch.
    pub segments_scanned: usize,
    pub bytes_scanned: u64,
    /// Index files made anew.
    pub indexes_rebuilt: usize,
    /// Files of interrupted deletions and cleanings that were removed or put in place.
    pub leftovers: Vec<PathBuf>,
    pub cut: Option<Cut>,
    /// The log ends below the offset that a checkpoint says was synced: files are missing, or a truncation was cut off.
    /// Before the next append the log's recovery point has to be written to its checkpoint, or a start after a power
    /// cut would take what comes next for synced.
    pub missing_up_to: Option<Offset>,
}
