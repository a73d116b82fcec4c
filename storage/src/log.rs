//! One partition's log as its only writer sees it: append, roll, flush, forget.
//!
//! Owned by one shard task. It never reads a clock and syncs nothing in an append; what readers may see is published
//! after every change. Invariant: the file of the active segment ends where the last good batch ends, or the log is
//! offline. Source: UnifiedLog and LocalLog of Kafka 3.9.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::{LeaderEpoch, Millis, Offset, ProducerEpoch, ProducerId, Sequence, TopicId, TopicPartition};

use crate::disk::{Disk, DiskError, During};
use crate::epochs::Epochs;
use crate::index::IndexRules;
use crate::log_dir::Shutdown;
use crate::partition_metadata;
use crate::producers::{ActiveProducer, Producers};
use crate::recovery::{Crew, RecoveryError, RecoveryReport, load};
use crate::segment::Segment;
use crate::settings::LogSettings;
use crate::view::{LogReader, LogView, Shared, State};

mod active;
mod append;
mod close;
mod copy;
mod follow;
mod relocate;
mod roll;
mod truncate;
mod upkeep;

pub(crate) use active::Active;
use append::Staged;
pub use copy::{Copied, CopyError};
pub use follow::{FollowError, Followed};
pub(crate) use roll::create_segment;
pub use truncate::{TruncateError, Truncated};
pub use upkeep::DeleteRecordsError;
use upkeep::Progress;

/// What a log is opened with.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// The partition's directory; must exist.
    pub dir: PathBuf,
    pub partition: TopicPartition,
    pub settings: LogSettings,
    /// From `recovery-point-offset-checkpoint`; 0 if not listed.
    pub recovery_point: Offset,
    /// From `log-start-offset-checkpoint`.
    pub log_start: Option<Offset>,
    /// From `replication-offset-checkpoint`; 0 if not listed.
    pub high_watermark: Offset,
    pub shutdown: Shutdown,
    pub now: Millis,
}

/// What a new log is made with.
#[derive(Debug, Clone)]
pub struct CreateOptions {
    /// The partition's directory; made if missing, its parent must exist.
    pub dir: PathBuf,
    pub partition: TopicPartition,
    pub topic_id: Option<TopicId>,
    pub settings: LogSettings,
    pub now: Millis,
}

/// Whether a batch was written by this append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    Written,
    /// The producer sent it before; nothing was written, offsets and time are those of the first time.
    Duplicate,
}

/// Where a batch stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    pub first_offset: Offset,
    pub last_offset: Offset,
    /// For the answer: the broker's time with log append time, the batch's with a duplicate, else none.
    pub log_append_time: Option<Millis>,
    pub freshness: Freshness,
}

/// Why one batch of an append is not in the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    #[error("{partition}: producer {producer} sent sequence {sequence}, but its last was {last}")]
    OutOfOrderSequence { partition: TopicPartition, producer: ProducerId, sequence: Sequence, last: Sequence },
    #[error("{partition}: producer {producer} has epoch {epoch}, but epoch {current} was seen")]
    InvalidProducerEpoch {
        partition: TopicPartition,
        producer: ProducerId,
        epoch: ProducerEpoch,
        current: ProducerEpoch,
    },
    #[error("{partition}: producer {producer} has an open transaction and sent a batch outside of it")]
    InvalidTransactionState { partition: TopicPartition, producer: ProducerId },
    #[error(
        "{partition}: a coordinator of epoch {epoch} ends producer {producer}'s transaction, but {current} was seen"
    )]
    CoordinatorFenced { partition: TopicPartition, producer: ProducerId, epoch: i32, current: i32 },
    #[error("{partition}: batch of {size} bytes exceeds segment.bytes {max}")]
    LargerThanSegment { partition: TopicPartition, size: usize, max: u32 },
    #[error("{partition} has no offsets left")]
    OutOfOffsets { partition: TopicPartition },
    /// The disk is full or failed; the log stands where it stood before.
    #[error("{partition}: {error}")]
    Disk { partition: TopicPartition, error: DiskError },
    #[error("{partition} is offline after a disk error")]
    Offline { partition: TopicPartition },
}

/// What a cleanly closed log leaves for the checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    pub partition: TopicPartition,
    pub recovery_point: Offset,
    /// To be listed in the checkpoint of log starts; none if the first file's name says it.
    pub log_start: Option<Offset>,
    pub high_watermark: Offset,
}

/// Whether the files can still be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Online,
    /// A failed write could not be taken back, or a sync failed: what the files hold is not known.
    Offline,
}

/// One partition's log.
#[derive(Debug)]
pub struct Log {
    pub partition: TopicPartition,
    pub dir: Arc<Path>,
    /// From `partition.metadata`, or from the controller where that file is missing.
    pub topic_id: Option<TopicId>,
    /// As [`RecoveryReport::missing_up_to`]: the checkpoint has to be lowered before the first append.
    pub missing_up_to: Option<Offset>,
    disk: Arc<dyn Disk>,
    settings: LogSettings,
    shared: Arc<Shared>,
    /// Oldest first; the last one is the active one. Readers have the same list.
    segments: Arc<Vec<Arc<Segment>>>,
    active: Active,
    epochs: Arc<Epochs>,
    producers: Producers,
    /// Offsets of the producer snapshots in the directory.
    snapshots: BTreeSet<Offset>,
    start: Offset,
    end: Offset,
    /// Where the last batch ends, or the base of the active segment if that is empty. The log ends behind it where
    /// a truncation ended in a gap; a start finds this end.
    batches_end: Offset,
    high_watermark: Offset,
    progress: Progress,
    health: Health,
    /// Kept between appends for its memory.
    staged: Staged,
}

/// What loading hands to a log.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) active: Active,
    pub(crate) epochs: Epochs,
    /// The file says something else.
    pub(crate) epochs_changed: bool,
    pub(crate) producers: Producers,
    pub(crate) snapshots: BTreeSet<Offset>,
    pub(crate) start: Offset,
    pub(crate) end: Offset,
    pub(crate) high_watermark: Offset,
    pub(crate) recovery_point: Offset,
    pub(crate) topic_id: Option<TopicId>,
}

impl Log {
    /// Makes directory, topic id and an empty first segment. Blocks for the disk.
    pub fn create(options: CreateOptions, disk: Arc<dyn Disk>) -> Result<Log, RecoveryError> {
        let CreateOptions { dir, partition, topic_id, settings, now } = options;
        let failed = |error| RecoveryError::Disk { partition: partition.clone(), error };
        disk.create_dir(&dir).during("create", &dir).map_err(failed)?;
        if let Some(id) = topic_id {
            partition_metadata::write(&*disk, &dir, id).map_err(failed)?;
        }
        let options = OpenOptions {
            dir,
            partition,
            settings,
            recovery_point: Offset::ZERO,
            log_start: None,
            high_watermark: Offset::ZERO,
            shutdown: Shutdown::Clean,
            now,
        };
        let (mut log, _) = Log::open(options, disk)?;
        log.progress.made_dir();
        Ok(log)
    }

    /// Loads a directory: clears up leftovers, recovers what an unclean stop left, loads producers. Blocks for as
    /// long as that takes; after a clean stop no data is read but the end of the last segment.
    pub fn open(options: OpenOptions, disk: Arc<dyn Disk>) -> Result<(Log, RecoveryReport), RecoveryError> {
        Log::open_with(options, disk, &Crew::default())
    }

    /// The same with the help of whoever is free in `crew`, where many segments have to be checked.
    pub fn open_with(
        options: OpenOptions,
        disk: Arc<dyn Disk>,
        crew: &Crew,
    ) -> Result<(Log, RecoveryReport), RecoveryError> {
        let (loaded, report) = load(&options, &disk, crew)?;
        let mut log = Log::from_loaded(options, disk, loaded);
        log.missing_up_to = report.missing_up_to;
        Ok((log, report))
    }

    fn from_loaded(options: OpenOptions, disk: Arc<dyn Disk>, loaded: Loaded) -> Log {
        let segments = Arc::new(loaded.segments);
        let epochs = Arc::new(loaded.epochs);
        let mut progress = Progress::new(loaded.recovery_point, options.now);
        if loaded.epochs_changed {
            progress.epochs_changed();
        }
        if options.shutdown == Shutdown::Unclean {
            // It may have been made a moment before the broker was killed.
            progress.made_dir();
        }
        if loaded.active.segment.base > loaded.recovery_point {
            progress.sealed_segment(None);
        }
        let mut active = loaded.active;
        let state = active.first_state(&segments, &epochs, loaded.end);
        let mut log = Log {
            shared: Shared::new(options.partition.clone(), state),
            partition: options.partition,
            dir: options.dir.into(),
            topic_id: loaded.topic_id,
            missing_up_to: None,
            disk,
            settings: options.settings,
            segments,
            active,
            epochs,
            producers: loaded.producers,
            snapshots: loaded.snapshots,
            start: loaded.start,
            end: loaded.end,
            batches_end: loaded.end,
            high_watermark: loaded.high_watermark,
            progress,
            health: Health::Online,
            staged: Staged::default(),
        };
        log.producers.replicated(log.high_watermark);
        log.publish();
        log
    }

    /// A reader to hand out; all readers of a log are equal.
    pub fn reader(&self) -> LogReader {
        LogReader::new(self.shared.clone())
    }

    /// Notes that this leader's records begin at the log's end. Later epochs are forgotten, as those of a controller that
    /// lost its state; the latest one changes nothing. Source: LeaderEpochFileCache.assign.
    pub fn assign_epoch(&mut self, epoch: LeaderEpoch) {
        // Not left to `assign`: every append comes here, and readers share the list.
        let is_latest = self.epochs.latest().is_some_and(|latest| latest.epoch == epoch);
        if !is_latest && Arc::make_mut(&mut self.epochs).assign(epoch, self.end) {
            self.progress.epochs_changed();
            self.publish();
        }
    }

    /// Takes the id that the controller tells where the directory has none: Kafka before 2.8 made it, or the file was lost. The next flush
    /// writes it. Source: ReplicaManager.becomeLeaderOrFollower, UnifiedLog.assignTopicId.
    pub fn adopt_topic_id(&mut self, id: TopicId) {
        if self.topic_id.is_none() && !id.is_nil() {
            self.topic_id = Some(id);
            self.progress.learnt_id();
        }
    }

    /// Moves the high watermark up to `to`, at most to the log's end; never back.
    pub fn advance_high_watermark(&mut self, to: Offset) {
        let to = to.min(self.end);
        if to > self.high_watermark {
            self.high_watermark = to;
            self.producers.replicated(to);
            self.publish_view();
        }
    }

    /// Moves the log start up to `to`, at most to the high watermark; never back. Whole segments below it go with
    /// the next retention plan.
    pub fn advance_start(&mut self, to: Offset) {
        let to = to.min(self.high_watermark);
        if to > self.start {
            self.start = to;
            self.producers.start_moved(to);
            if Arc::make_mut(&mut self.epochs).truncate_start(to) {
                self.progress.epochs_changed();
            }
            self.publish();
        }
    }

    pub fn start_offset(&self) -> Offset {
        self.start
    }

    pub fn end_offset(&self) -> Offset {
        self.end
    }

    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// Everything below is on the medium.
    pub fn recovery_point(&self) -> Offset {
        self.progress.recovery_point
    }

    /// The start if `log-start-offset-checkpoint` has to list it: it cannot be told from the first file's name.
    pub fn start_to_checkpoint(&self) -> Option<Offset> {
        let first = self.segments.first().map_or(self.start, |segment| segment.base);
        (self.start > first).then_some(self.start)
    }

    /// Bytes of all segments.
    pub fn size(&self) -> u64 {
        let sealed: u64 = self.segments.iter().filter_map(|segment| segment.sealed_size()).sum();
        sealed + self.active.size
    }

    /// Acts from the next append or plan on.
    pub fn set_settings(&mut self, settings: LogSettings) {
        self.settings = settings;
    }

    /// Drops producers that have been silent for `producer.id.expiration.ms`.
    pub fn expire_producers(&mut self, now: Millis) {
        self.producers.expire(now, self.settings.producer_id_expiration_ms);
    }

    /// Number of producers known.
    pub fn producer_count(&self) -> usize {
        self.producers.len()
    }

    /// The producers known, by id.
    pub fn active_producers(&self) -> Vec<ActiveProducer> {
        self.producers.active()
    }

    fn index_rules(&self) -> IndexRules {
        index_rules(&self.settings)
    }

    fn view(&self) -> LogView {
        let unstable = self.producers.first_unstable().unwrap_or(self.high_watermark);
        LogView {
            start: self.start,
            high_watermark: self.high_watermark,
            last_stable_offset: unstable.min(self.high_watermark).max(self.start),
            end: self.end,
            latest_epoch: self.epochs.latest().map(|latest| latest.epoch),
        }
    }

    fn publish_view(&self) {
        let view = self.view();
        self.shared.write().view = view;
    }

    /// Lets readers see everything but the tail, which is changed in place.
    fn publish(&self) {
        self.publish_in(&mut self.shared.write());
    }

    fn publish_in(&self, state: &mut State) {
        state.view = self.view();
        state.size = self.active.size;
        state.largest = self.active.indexer.largest;
        if !Arc::ptr_eq(&state.segments, &self.segments) {
            state.segments = self.segments.clone();
        }
        if !Arc::ptr_eq(&state.epochs, &self.epochs) {
            state.epochs = self.epochs.clone();
        }
    }
}

pub(crate) fn index_rules(settings: &LogSettings) -> IndexRules {
    IndexRules { interval: u64::from(settings.index_interval_bytes), bytes_max: settings.index_bytes_max }
}
