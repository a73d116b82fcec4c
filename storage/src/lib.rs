//! One partition's log on disk, in Kafka's file formats; synchronous, no clock.
//!
//! A [`Log`] has one writer; a [`LogReader`] serves everyone else from what the writer published. Work that waits
//! for the disk is a plan made by the log, run on a thread that may block, and reported back to the log.

mod aborted;
mod checkpoint;
pub mod claim;
pub mod disk;
mod epochs;
pub mod files;
mod flush;
pub mod handles;
mod index;
mod log;
pub mod log_dir;
mod names;
mod partition_metadata;
mod producers;
mod recovery;
mod retention;
pub mod rot;
pub mod salvage;
mod scan;
mod segment;
mod settings;
mod view;

pub use aborted::AbortedTransaction;
pub use checkpoint::CheckpointError;
pub use disk::{Disk, DiskError, OsDisk};
pub use epochs::{EpochEnd, EpochEntry};
pub use flush::{FlushPlan, FlushScope, Flushed};
pub use handles::Handles;
pub use log::{
    AppendError, Appended, Closed, Copied, CopyError, CreateOptions, DeleteRecordsError, FollowError,
    Followed, Freshness, Log, OpenOptions, TruncateError, Truncated,
};
pub use log_dir::{Checkpoint, Listing, LogDir, LogDirError, MetaProperties, Shutdown, Space};
pub use names::fits_future_dir;
pub use partition_metadata::PartitionMetadataError;
pub use producers::ActiveProducer;
pub use recovery::{Crew, Cut, Flaw, RecoveryError, RecoveryReport};
pub use retention::{Removal, RetentionPlan, RetentionReason, Retirement};
pub use settings::{Cleanup, LogSettings};
pub use view::{
    Ahead, Fetched, FirstBatch, LogReader, LogView, Place, ReadError, SegmentTime, TimestampedOffset, UpTo,
};
