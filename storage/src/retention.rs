//! Which segments a log may forget: a pure plan, and its execution in three steps.
//!
//! The log forgets them at once, their files are renamed to `.deleted`, and after a delay removed. Never beyond the
//! high watermark. Source: UnifiedLog.deleteOldSegments, LocalLog.deleteSegmentFiles of Kafka 3.9.

use std::path::PathBuf;
use std::sync::Arc;

use protocol::{Millis, Offset};

use crate::disk::{Disk, DiskError, During, remove_if_there};
use crate::names::{DELETED, with_suffix};
use crate::settings::LogSettings;

/// Why segments go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionReason {
    /// The log's start offset lies behind them.
    StartOffset,
    /// `retention.bytes`
    Size,
    /// `retention.ms`
    Time,
}

/// The segments to forget, from the oldest on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionPlan {
    /// Base offset, bytes of the log file, and why it goes.
    pub segments: Vec<(Offset, u64, RetentionReason)>,
    /// The log start afterwards.
    pub start: Offset,
}

/// What the rules look at in a segment. Its largest timestamp may have to be read, so it is asked for last.
pub(crate) struct Candidate<'a> {
    pub(crate) base: Offset,
    /// Base of the next segment, or the log's end.
    pub(crate) next: Offset,
    pub(crate) size: u64,
    pub(crate) is_active: bool,
    pub(crate) largest_timestamp: &'a dyn Fn() -> Option<Millis>,
}

/// The log's numbers that the rules need.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) start: Offset,
    pub(crate) high_watermark: Offset,
    pub(crate) now: Millis,
}

/// Applies Kafka's rules in its order: start offset, size, time; each from the oldest segment on until one stays.
pub(crate) fn plan(
    candidates: &[Candidate<'_>],
    settings: &LogSettings,
    at: Bounds,
) -> Option<RetentionPlan> {
    let mut left: u64 = candidates.iter().map(|candidate| candidate.size).sum();
    let mut segments = Vec::new();
    let mut start = at.start;
    for candidate in candidates {
        // An empty active segment has nothing to forget.
        if candidate.next > at.high_watermark || candidate.next == candidate.base {
            break;
        }
        let Some(reason) = reason(candidate, settings, (at, left)) else { break };
        left -= candidate.size;
        segments.push((candidate.base, candidate.size, reason));
        start = start.max(candidate.next);
    }
    if segments.is_empty() { None } else { Some(RetentionPlan { segments, start }) }
}

fn reason(
    candidate: &Candidate<'_>,
    settings: &LogSettings,
    (at, left): (Bounds, u64),
) -> Option<RetentionReason> {
    if !candidate.is_active && candidate.next <= at.start {
        return Some(RetentionReason::StartOffset);
    }
    if !settings.cleanup.deletes() {
        return None;
    }
    let fits_without = |limit: u64| left - candidate.size >= limit;
    if settings.retention_bytes.is_some_and(fits_without) {
        return Some(RetentionReason::Size);
    }
    let limit = settings.retention_ms?;
    let largest = (candidate.largest_timestamp)()?;
    (at.now - largest > limit).then_some(RetentionReason::Time)
}

/// Files that belong to no segment any more and still have their names.
#[derive(Debug)]
#[must_use = "the files keep their names before run()"]
pub struct Retirement {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) due: Millis,
}

impl Retirement {
    /// Marks the files `.deleted`, so that a start does not load them again; blocks for the disk.
    pub fn run(self) -> Result<Removal, DiskError> {
        let mut marked = Vec::with_capacity(self.files.len());
        for path in &self.files {
            let to = with_suffix(path, DELETED);
            match self.disk.rename(path, &to).during("rename", path) {
                Ok(()) => marked.push(to),
                // A segment without a transaction index or snapshot has none to rename.
                Err(error) if error.is_missing() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Removal { disk: self.disk, files: marked, dirs: Vec::new(), due: self.due })
    }
}

/// Files and directories marked for deletion, to be removed when readers have had their time.
#[derive(Debug)]
#[must_use = "nothing is removed before run()"]
pub struct Removal {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) dirs: Vec<PathBuf>,
    /// Not before this time.
    pub due: Millis,
}

impl Removal {
    /// A directory left marked `-delete` by an earlier run.
    pub fn of_dir(disk: Arc<dyn Disk>, dir: PathBuf, due: Millis) -> Removal {
        Removal { disk, files: Vec::new(), dirs: vec![dir], due }
    }

    /// Removes; blocks for the disk. What is gone already is no error.
    pub fn run(self) -> Result<(), DiskError> {
        for path in &self.files {
            remove_if_there(&*self.disk, path)?;
        }
        for dir in &self.dirs {
            match self.disk.remove_dir(dir).during("remove", dir) {
                Err(error) if error.is_missing() => {}
                other => other?,
            }
        }
        Ok(())
    }
}
