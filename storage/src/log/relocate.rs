//! A log whose directory gets another name, and one that takes the place of another.
//!
//! Readers of a log that is replaced go on with the one in its place, from whatever they look up next. Which of the two counts
//! while both have the partition's name is `claim.rs`'s to tell.
//! Source: LogManager.replaceCurrentWithFutureLog, UnifiedLog.renameDir of Kafka 3.9.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Log;
use crate::disk::{DiskError, During};
use crate::segment::Segment;

impl Log {
    /// Gives the directory another name and goes on there. Readers that are at it may miss a file. Blocks for the disk; after
    /// an error the log is where [`Self::dir`] says.
    pub fn rename_dir(&mut self, to: PathBuf) -> Result<(), DiskError> {
        self.disk.rename(&self.dir, &to).during("rename", &self.dir)?;
        self.settle_in(to.into());
        let parent = self.dir.parent().unwrap_or(Path::new("."));
        self.disk.sync_dir(parent).during("sync", parent)
    }

    fn settle_in(&mut self, dir: Arc<Path>) {
        let moved: Vec<Arc<Segment>> =
            self.segments.iter().map(|segment| Arc::new(segment.moved(&dir))).collect();
        if let Some(last) = moved.last() {
            self.active.segment = last.clone();
        }
        self.segments = Arc::new(moved);
        self.dir = dir;
        self.publish();
    }

    /// Puts `new`, which has the same records, in this log's place; gives this one back, which nobody reads any more. High watermark,
    /// start and settings stay what they are.
    pub fn replace_with(&mut self, mut new: Log) -> Log {
        new.settings = self.settings.clone();
        new.advance_high_watermark(self.high_watermark);
        new.advance_start(self.start);
        if let Some(latest) = self.epochs.latest() {
            new.assign_epoch(latest.epoch);
        }
        if let Some(id) = self.topic_id {
            new.adopt_topic_id(id);
        }
        let old = std::mem::replace(self, new);
        self.take_readers(old)
    }

    fn take_readers(&mut self, mut old: Log) -> Log {
        std::mem::swap(&mut self.shared, &mut old.shared);
        let (mut shown, mut hidden) = (self.shared.write(), old.shared.write());
        std::mem::swap(&mut *shown, &mut *hidden);
        // Who is looking something up looks again.
        self.shared.truncated();
        drop((shown, hidden));
        old
    }
}
