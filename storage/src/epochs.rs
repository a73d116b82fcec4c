//! Which leader epoch began at which offset, and `leader-epoch-checkpoint`.
//!
//! Pure; the log decides when the file is written. Invariant: epochs and starts both strictly increase.
//! Source: LeaderEpochFileCache, LeaderEpochCheckpointFile of Kafka 3.9, KIP-101.

use std::path::{Path, PathBuf};

use protocol::{LeaderEpoch, Offset};

use crate::checkpoint::{self, CheckpointError, malformed};

const FILE: &str = "leader-epoch-checkpoint";

/// An epoch and the offset of its first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEntry {
    pub epoch: LeaderEpoch,
    pub start: Offset,
}

/// The answer to OffsetForLeaderEpoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEnd {
    /// The largest known epoch that is not above the asked one.
    pub epoch: LeaderEpoch,
    /// The offset after its last record.
    pub end: Offset,
}

/// The epochs of a log, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Epochs {
    entries: Vec<EpochEntry>,
}

impl Epochs {
    /// Reads the file of a partition's directory; a missing one is empty.
    pub(crate) fn read(dir: &Path) -> Result<Epochs, CheckpointError> {
        let path = Epochs::path(dir);
        let mut epochs = Epochs::default();
        for (number, line) in checkpoint::read_lines(&path)? {
            let entry = parse(&line)
                .ok_or_else(|| malformed(&path, number, &format!("{line:?} is not \"epoch offset\"")))?;
            epochs.assign(entry.epoch, entry.start);
        }
        Ok(epochs)
    }

    pub(crate) fn path(dir: &Path) -> PathBuf {
        dir.join(FILE)
    }

    pub(crate) fn to_text(&self) -> String {
        checkpoint::text(self.entries.iter().map(|entry| format!("{} {}", entry.epoch, entry.start)))
    }

    pub(crate) fn latest(&self) -> Option<EpochEntry> {
        self.entries.last().copied()
    }

    /// Notes that `epoch` begins at `start`: entries that contradict it go. True if anything changed.
    pub(crate) fn assign(&mut self, epoch: LeaderEpoch, start: Offset) -> bool {
        if self.latest().is_some_and(|latest| latest.epoch == epoch && latest.start <= start) {
            return false;
        }
        if epoch.0 < 0 || start.0 < 0 {
            return false;
        }
        self.entries.retain(|entry| entry.epoch < epoch && entry.start < start);
        self.entries.push(EpochEntry { epoch, start });
        true
    }

    /// Takes what a batch found in the log says: its epoch, and where it begins. A file from before a truncation may
    /// say something else, with epochs that were later than those that the next leader's records had.
    pub(crate) fn found(&mut self, epoch: LeaderEpoch, base: Offset) {
        if epoch.0 < 0 || self.at(base) == Some(epoch) {
            return;
        }
        self.entries.retain(|entry| entry.epoch <= epoch && entry.start < base);
        if self.latest().is_none_or(|latest| latest.epoch < epoch) {
            self.entries.push(EpochEntry { epoch, start: base });
        }
    }

    /// Forgets epochs that begin at `end` or later. True if anything changed.
    pub(crate) fn truncate_end(&mut self, end: Offset) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.start < end);
        self.entries.len() != before
    }

    /// Forgets all epochs.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Lets the epoch that `start` belongs to begin there, and forgets the older ones. True if anything changed.
    pub(crate) fn truncate_start(&mut self, start: Offset) -> bool {
        let below = self.entries.partition_point(|entry| entry.start <= start);
        if below == 0 || (below == 1 && self.entries[0].start == start) {
            return false;
        }
        self.entries.drain(..below - 1);
        self.entries[0].start = start;
        true
    }

    /// The end of `epoch` in a log that ends at `log_end`; see the table of LeaderEpochFileCache.endOffsetFor.
    pub(crate) fn end_of(&self, epoch: LeaderEpoch, log_end: Offset) -> Option<EpochEnd> {
        let latest = self.latest()?;
        if epoch == LeaderEpoch::NONE || epoch > latest.epoch {
            return None;
        }
        if epoch == latest.epoch {
            return Some(EpochEnd { epoch, end: log_end });
        }
        let above = self.entries.partition_point(|entry| entry.epoch <= epoch);
        let end = self.entries[above].start;
        let found = above.checked_sub(1).map_or(epoch, |below| self.entries[below].epoch);
        Some(EpochEnd { epoch: found, end })
    }

    /// The offset of the first record of `epoch`.
    pub(crate) fn start_of(&self, epoch: LeaderEpoch) -> Option<Offset> {
        self.entries.iter().rfind(|entry| entry.epoch == epoch).map(|entry| entry.start)
    }

    /// The epoch that `offset` lies in.
    pub(crate) fn at(&self, offset: Offset) -> Option<LeaderEpoch> {
        let above = self.entries.partition_point(|entry| entry.start <= offset);
        above.checked_sub(1).map(|at| self.entries[at].epoch)
    }
}

fn parse(line: &str) -> Option<EpochEntry> {
    let (epoch, start) = line.split_once(char::is_whitespace)?;
    let epoch: i32 = epoch.parse().ok()?;
    let start: i64 = start.trim().parse().ok()?;
    (epoch >= 0 && start >= 0).then_some(EpochEntry { epoch: LeaderEpoch(epoch), start: Offset(start) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(entries: &[(i32, i64)]) -> Epochs {
        let entry = |&(epoch, start)| EpochEntry { epoch: LeaderEpoch(epoch), start: Offset(start) };
        Epochs { entries: entries.iter().map(entry).collect() }
    }

    #[test]
    fn an_assignment_drops_what_contradicts_it() {
        let check = |before: &[(i32, i64)], (epoch, start), after: &[(i32, i64)]| {
            let mut found = epochs(before);
            let changed = found.assign(LeaderEpoch(epoch), Offset(start));
            assert_eq!(found, epochs(after));
            assert_eq!(changed, before != after);
        };
        check(&[], (0, 0), &[(0, 0)]);
        check(&[(0, 0)], (0, 5), &[(0, 0)]);
        check(&[(0, 0), (2, 9)], (3, 9), &[(0, 0), (3, 9)]);
        check(&[(0, 0), (2, 9)], (1, 12), &[(0, 0), (1, 12)]);
        check(&[(0, 5), (2, 9)], (3, 4), &[(3, 4)]);
        check(&[(0, 0)], (-1, 4), &[(0, 0)]);
    }

    #[test]
    fn what_a_batch_says_is_believed() {
        let check = |before: &[(i32, i64)], (epoch, base), after: &[(i32, i64)]| {
            let mut found = epochs(before);
            found.found(LeaderEpoch(epoch), Offset(base));
            assert_eq!(found, epochs(after));
        };
        check(&[], (0, 7), &[(0, 7)]);
        check(&[(0, 0)], (0, 7), &[(0, 0)]);
        check(&[(0, 0), (2, 9)], (2, 9), &[(0, 0), (2, 9)]);
        check(&[(0, 0)], (3, 9), &[(0, 0), (3, 9)]);
        // Compaction took the first batches of the third epoch, and all of another.
        check(&[(0, 0), (2, 5), (3, 9)], (3, 12), &[(0, 0), (2, 5), (3, 9)]);
        // The file is from before a truncation.
        check(&[(0, 0), (2, 9), (5, 20)], (0, 9), &[(0, 0)]);
        check(&[(0, 0), (2, 9), (5, 20)], (1, 9), &[(0, 0), (1, 9)]);
        check(&[(0, 0), (2, 9), (5, 20)], (4, 15), &[(0, 0), (2, 9), (4, 15)]);
        check(&[(0, 0), (2, 9)], (-1, 12), &[(0, 0), (2, 9)]);
    }

    #[test]
    fn both_ends_can_be_cut() {
        let mut cut = epochs(&[(0, 0), (1, 5), (3, 9)]);
        assert!(!cut.truncate_start(Offset(0)));
        assert!(cut.truncate_start(Offset(7)));
        assert_eq!(cut, epochs(&[(1, 7), (3, 9)]));
        assert!(!cut.truncate_end(Offset(10)));
        assert!(cut.truncate_end(Offset(9)));
        assert_eq!(cut, epochs(&[(1, 7)]));
        assert!(!cut.truncate_start(Offset(3)));
    }

    #[test]
    fn an_epoch_ends_where_the_next_begins() {
        let known = epochs(&[(2, 5), (4, 9), (7, 20)]);
        let check = |epoch, expected: Option<(i32, i64)>| {
            let expected =
                expected.map(|(epoch, end)| EpochEnd { epoch: LeaderEpoch(epoch), end: Offset(end) });
            assert_eq!(known.end_of(LeaderEpoch(epoch), Offset(30)), expected, "epoch {epoch}");
        };
        check(-1, None);
        // Only -1 means none.
        check(-2, Some((-2, 5)));
        check(1, Some((1, 5)));
        check(2, Some((2, 9)));
        check(3, Some((2, 9)));
        check(6, Some((4, 20)));
        check(7, Some((7, 30)));
        check(8, None);
        assert_eq!(epochs(&[]).end_of(LeaderEpoch(0), Offset(0)), None);
    }

    #[test]
    fn an_offset_lies_in_one_epoch() {
        let known = epochs(&[(2, 5), (4, 9)]);
        assert_eq!(known.at(Offset(4)), None);
        assert_eq!(known.at(Offset(8)), Some(LeaderEpoch(2)));
        assert_eq!(known.at(Offset(9)), Some(LeaderEpoch(4)));
        assert_eq!(known.start_of(LeaderEpoch(4)), Some(Offset(9)));
        assert_eq!(known.start_of(LeaderEpoch(3)), None);
    }

    #[test]
    fn the_file_is_kafkas() {
        let dir = crate::disk::crash::scratch();
        let known = epochs(&[(0, 0), (6, 30)]);
        assert_eq!(known.to_text(), "0\n2\n0 0\n6 30\n");
        std::fs::write(Epochs::path(dir.path()), known.to_text()).unwrap();
        assert_eq!(Epochs::read(dir.path()).unwrap(), known);
        std::fs::write(Epochs::path(dir.path()), "0\n1\n0 x\n").unwrap();
        assert!(matches!(Epochs::read(dir.path()), Err(CheckpointError::Malformed { line: 3, .. })));
    }
}
