//! Files of interrupted deletions and cleanings: what to do with them at a start.
//!
//! A pure plan from the names, then carried out. Any point at which a cleaning may have been interrupted is repaired.
//! Source: LogLoader.removeTempFilesAndCollectSwapFiles, LogLoader.load of Kafka 3.9.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use protocol::Offset;

use crate::disk::{Disk, DiskError, DiskFile, During, Mode, remove_if_there};
use crate::names::{CLEANED, DELETED, INDEX, LOG, SNAPSHOT, SWAP, TIME_INDEX, TXN_INDEX};
use crate::names::{leading_offset, offset_of};
use crate::scan::Headers;

/// Names of files to remove and to rename.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tidying {
    /// Swap files of a split that did not come to its end. They go first: without the cleaned files beside them
    /// they would be taken for finished.
    undo: BTreeSet<String>,
    remove: BTreeSet<String>,
    /// Swap files that get their plain names.
    adopt: BTreeSet<String>,
}

/// The file names in a partition's directory.
fn names_in(dir: &Path) -> Result<BTreeSet<String>, DiskError> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(dir).during("list", dir)? {
        let entry = entry.during("list", dir)?;
        if entry.file_type().during("list", dir)?.is_file() {
            names.extend(entry.file_name().into_string().ok());
        }
    }
    Ok(names)
}

/// A directory in order.
pub(super) struct Cleared {
    /// The files in it.
    pub(super) names: BTreeSet<String>,
    /// Those that were removed or renamed.
    pub(super) touched: Vec<PathBuf>,
}

/// Brings the directory in order.
pub(super) fn clear(disk: &dyn Disk, dir: &Path) -> Result<Cleared, DiskError> {
    let mut names = names_in(dir)?;
    let tidying = plan(&names, |name| span(disk, &dir.join(name)))?;
    let mut touched = Vec::new();
    for names in [&tidying.undo, &tidying.remove] {
        for name in names {
            remove_if_there(disk, &dir.join(name))?;
            touched.push(dir.join(name));
        }
        if !names.is_empty() {
            disk.sync_dir(dir).during("sync", dir)?;
        }
    }
    for name in &tidying.adopt {
        let from = dir.join(name);
        let to = dir.join(name.trim_end_matches(SWAP));
        disk.rename(&from, &to).during("rename", &from)?;
        touched.push(from);
    }
    if !tidying.adopt.is_empty() {
        disk.sync_dir(dir).during("sync", dir)?;
        names = names_in(dir)?;
    }
    for name in orphans(&names) {
        remove_if_there(disk, &dir.join(&name))?;
        names.remove(&name);
        touched.push(dir.join(name));
    }
    Ok(Cleared { names, touched })
}

/// `span` gives the offset after the last batch of a swapped log file.
fn plan(
    names: &BTreeSet<String>,
    span: impl Fn(&str) -> Result<Option<Offset>, DiskError>,
) -> Result<Tidying, DiskError> {
    let mut tidying = Tidying::default();
    let with = |suffix: &'static str| names.iter().filter(move |name| name.ends_with(suffix));
    tidying.remove.extend(with(DELETED).cloned());
    tidying.remove.extend(with(CLEANED).cloned());
    // A swap file at or above an unfinished cleaned file belongs to a split that did not come to its end.
    let unfinished = with(CLEANED).filter_map(|name| leading_offset(name)).min();
    for name in with(SWAP) {
        let belongs_to_split =
            unfinished.is_some_and(|least| leading_offset(name).is_some_and(|offset| offset >= least));
        if belongs_to_split {
            tidying.undo.insert(name.clone())
        } else {
            tidying.adopt.insert(name.clone())
        };
    }
    // What the swapped logs replace goes.
    let mut replaced: Option<(Offset, Offset)> = None;
    for name in tidying.adopt.iter().filter(|name| name.ends_with(".log.swap")) {
        let Some(base) = leading_offset(name) else { continue };
        let end = span(name)?.unwrap_or(base);
        replaced = Some(replaced.map_or((base, end), |(low, high)| (low.min(base), high.max(end))));
    }
    if let Some((low, high)) = replaced {
        let is_replaced = |name: &&String| {
            !name.ends_with(SWAP) && leading_offset(name).is_some_and(|offset| offset >= low && offset < high)
        };
        tidying.remove.extend(names.iter().filter(is_replaced).cloned());
    }
    Ok(tidying)
}

fn span(disk: &dyn Disk, path: &Path) -> Result<Option<Offset>, DiskError> {
    let file: DiskFile = disk.open(path, Mode::Read).during("open", path)?;
    let mut headers = Headers::new(&file, 0, file.size().during("read", path)?);
    let mut end = None;
    // Where the headers end or make no sense the file ends for this purpose.
    while let Ok(Some(batch)) = headers.next() {
        end = Some(batch.header.next_offset());
    }
    Ok(end)
}

/// Index files without their log.
fn orphans(names: &BTreeSet<String>) -> Vec<String> {
    let is_orphan = |name: &&String| {
        [INDEX, TIME_INDEX, TXN_INDEX].iter().any(|kind| {
            offset_of(name, kind).is_some_and(|offset| !names.contains(&crate::names::file_name(offset, LOG)))
        })
    };
    names.iter().filter(is_orphan).cloned().collect()
}

/// Offsets of the files `<offset>.<kind>`.
pub(super) fn offsets_of(names: &BTreeSet<String>, kind: &str) -> BTreeSet<Offset> {
    names.iter().filter_map(|name| offset_of(name, kind)).collect()
}

/// Snapshots that neither begin a segment nor are the newest at or behind the last one.
pub(super) fn stray_snapshots(names: &BTreeSet<String>) -> Vec<Offset> {
    let logs = offsets_of(names, LOG);
    let snapshots = offsets_of(names, SNAPSHOT);
    let newest = snapshots.last().filter(|newest| logs.last().is_none_or(|last| *newest >= last)).copied();
    snapshots.into_iter().filter(|offset| !logs.contains(offset) && Some(*offset) != newest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn check(there: &[&str], undone: &[&str], removed: &[&str], adopted: &[&str]) {
        // Swapped logs hold ten offsets.
        let tidying = plan(&names(there), |name| Ok(leading_offset(name).map(|base| base + 10))).unwrap();
        let expected = Tidying { undo: names(undone), remove: names(removed), adopt: names(adopted) };
        assert_eq!(tidying, expected);
    }

    #[test]
    fn deleted_and_cleaned_files_go() {
        check(
            &["00.log", "00.log.deleted", "07.index.cleaned"],
            &[],
            &["00.log.deleted", "07.index.cleaned"],
            &[],
        );
    }

    #[test]
    fn a_finished_cleaning_is_completed() {
        check(
            &["00.log", "05.log", "05.snapshot", "10.log", "00.log.swap", "00.index.swap"],
            &[],
            &["00.log", "05.log", "05.snapshot"],
            &["00.log.swap", "00.index.swap"],
        );
    }

    #[test]
    fn an_unfinished_split_is_undone() {
        check(
            &["00.log", "05.log.swap", "03.log.cleaned", "00.timeindex"],
            &["05.log.swap"],
            &["03.log.cleaned"],
            &[],
        );
    }

    #[test]
    fn indexes_need_their_log() {
        let (one, other) = ("00000000000000000003.index", "00000000000000000007.timeindex");
        let there = names(&["00000000000000000003.log", one, other, "leader-epoch-checkpoint"]);
        assert_eq!(orphans(&there), [other]);
    }

    #[test]
    fn old_snapshots_of_clean_stops_are_stray() {
        let there = names(&[
            "00000000000000000000.log",
            "00000000000000000010.log",
            "00000000000000000005.snapshot",
            "00000000000000000010.snapshot",
            "00000000000000000012.snapshot",
            "00000000000000000015.snapshot",
        ]);
        assert_eq!(stray_snapshots(&there), [Offset(5), Offset(12)]);
        let old = names(&["00000000000000000010.log", "00000000000000000005.snapshot"]);
        assert_eq!(stray_snapshots(&old), [Offset(5)]);
    }
}
