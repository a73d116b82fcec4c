//! Which segments a log may forget: a pure plan, and its execution in three steps.
//!
//! The log forgets them at once, their files are renamed to `.deleted`, and after a delay removed. Never beyond the
//! high watermark. Source: UnifiedLog.deleteOldSegments, LocalLog.deleteSegmentFiles of Kafka 3.9.

use std::path::{Path, PathBuf};
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

/// What the rules look at in a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    pub(crate) base: Offset,
    /// Base of the next segment, or the log's end.
    pub(crate) next: Offset,
    pub(crate) size: u64,
    pub(crate) is_active: bool,
}

/// The log's numbers that the rules need.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) start: Offset,
    pub(crate) high_watermark: Offset,
    pub(crate) now: Millis,
}

/// Applies Kafka's rules: start offset, size, time; from the oldest segment on until one stays. `largest` gives a
/// segment's largest timestamp, and is asked last, since it may have to be read.
pub(crate) fn plan(
    candidates: &[Candidate],
    settings: &LogSettings,
    at: Bounds,
    largest: impl Fn(usize) -> Option<Millis>,
) -> Option<RetentionPlan> {
    let mut left: u64 = candidates.iter().map(|candidate| candidate.size).sum();
    let mut segments = Vec::new();
    let mut start = at.start;
    for (index, candidate) in candidates.iter().enumerate() {
        let is_empty_end = candidate.is_active && candidate.size == 0;
        if candidate.next > at.high_watermark || is_empty_end {
            break;
        }
        let is_old = || {
            let limit = settings.retention_ms?;
            largest(index).map(|largest| at.now - largest > limit)
        };
        let reason = if !candidate.is_active && candidate.next <= at.start {
            RetentionReason::StartOffset
        } else if !settings.cleanup.deletes() {
            break;
        } else if settings.retention_bytes.is_some_and(|limit| left - candidate.size >= limit) {
            RetentionReason::Size
        } else if is_old().unwrap_or(false) {
            RetentionReason::Time
        } else {
            break;
        };
        left -= candidate.size;
        segments.push((candidate.base, candidate.size, reason));
        start = start.max(candidate.next);
    }
    if segments.is_empty() { None } else { Some(RetentionPlan { segments, start }) }
}

/// The part of the rules that needs neither time nor sizes: segments that end at or below the log's start.
pub(crate) fn below_start(candidates: &[Candidate], at: Bounds) -> Option<RetentionPlan> {
    let is_below = |segment: &&Candidate| {
        !segment.is_active && segment.next <= at.start && segment.next <= at.high_watermark
    };
    let gone = candidates.iter().take_while(is_below);
    let segments: Vec<_> = gone.map(|s| (s.base, s.size, RetentionReason::StartOffset)).collect();
    if segments.is_empty() { None } else { Some(RetentionPlan { segments, start: at.start }) }
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

    /// Whether anything of it lies in a directory.
    pub fn is_in(&self, dir: &Path) -> bool {
        self.files.iter().chain(&self.dirs).any(|path| path.starts_with(dir))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Cleanup;

    /// Three segments of a hundred bytes and ten offsets, the last one active; their times are 10, 20 and 30.
    fn check(
        settings: LogSettings,
        (start, high_watermark): (i64, i64),
        expected: &[(i64, RetentionReason)],
    ) {
        let candidate = |at: i64| Candidate {
            base: Offset(10 * at),
            next: Offset(10 * at + 10),
            size: 100,
            is_active: at == 2,
        };
        let candidates: Vec<_> = (0..3).map(candidate).collect();
        let bounds =
            Bounds { start: Offset(start), high_watermark: Offset(high_watermark), now: Millis(100) };
        let by_start = below_start(&candidates, bounds).map_or(0, |plan| plan.segments.len());
        let expected_by_start =
            expected.iter().filter(|(_, why)| *why == RetentionReason::StartOffset).count();
        assert_eq!(by_start, expected_by_start);
        let found = plan(&candidates, &settings, bounds, |at| Some(Millis(10 * at as i64 + 10)));
        let found: Vec<_> = found.iter().flat_map(|plan| &plan.segments).map(|s| (s.0.0, s.2)).collect();
        assert_eq!(found, expected);
    }

    fn forever() -> LogSettings {
        LogSettings { retention_ms: None, ..LogSettings::default() }
    }

    #[test]
    fn segments_below_the_start_go_whatever_the_policy() {
        use RetentionReason::StartOffset;
        let compacted = LogSettings { cleanup: Cleanup::Compact, retention_bytes: Some(0), ..forever() };
        check(compacted.clone(), (9, 30), &[]);
        check(compacted.clone(), (10, 30), &[(0, StartOffset)]);
        // The active segment stays even if nothing of it is visible.
        check(compacted, (30, 30), &[(0, StartOffset), (10, StartOffset)]);
    }

    #[test]
    fn the_log_never_falls_below_its_size() {
        use RetentionReason::Size;
        let bytes = |limit| LogSettings { retention_bytes: Some(limit), ..forever() };
        check(bytes(300), (0, 30), &[]);
        check(bytes(201), (0, 30), &[]);
        check(bytes(200), (0, 30), &[(0, Size)]);
        check(bytes(0), (0, 30), &[(0, Size), (10, Size), (20, Size)]);
        check(bytes(0), (0, 29), &[(0, Size), (10, Size)]);
        check(bytes(0), (0, 9), &[]);
    }

    #[test]
    fn old_segments_go() {
        use RetentionReason::Time;
        let age = |limit| LogSettings { retention_ms: Some(limit), ..LogSettings::default() };
        check(age(90), (0, 30), &[]);
        check(age(89), (0, 30), &[(0, Time)]);
        check(age(0), (0, 30), &[(0, Time), (10, Time), (20, Time)]);
    }
}
