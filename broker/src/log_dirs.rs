//! The directories of `log.dirs`: which are online, which partition lives where, and where a new one goes.
//! Owned by the broker; never looks inside a log. Source: LogManager (3.9).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::ids::TopicPartition;
use storage::LogDir;
use tokio::sync::Notify;

#[derive(Debug)]
pub(crate) struct LogDirs {
    dirs: BTreeMap<PathBuf, Arc<LogDir>>,
    state: Mutex<State>,
    /// Replicas of this broker went offline or are back, and the controller has not been told yet.
    pub(crate) news: Notify,
    /// A full directory has room again.
    pub(crate) room: Notify,
}

#[derive(Debug, Default)]
struct State {
    homes: BTreeMap<TopicPartition, PathBuf>,
    /// Where replicas are being moved to.
    futures: BTreeMap<TopicPartition, PathBuf>,
    /// Where replicas are to be made that are not on this broker yet.
    preferred: BTreeMap<TopicPartition, PathBuf>,
    /// How many logs live in each directory, those included that moves fill.
    counts: BTreeMap<PathBuf, usize>,
    /// How many partitions have gone since the start.
    forgotten: u64,
    failed: BTreeSet<PathBuf>,
    /// Their disks have no room for records.
    full: BTreeSet<PathBuf>,
}

impl State {
    fn count(&self, path: &Path) -> usize {
        self.counts.get(path).copied().unwrap_or(0)
    }

    fn insert(&mut self, partition: TopicPartition, home: PathBuf) {
        self.remove(&partition);
        self.add_to(&home);
        self.homes.insert(partition, home);
    }

    fn remove(&mut self, partition: &TopicPartition) {
        let home = self.homes.remove(partition);
        self.take_from(home);
    }

    fn add_to(&mut self, dir: &Path) {
        *self.counts.entry(dir.to_path_buf()).or_default() += 1;
    }

    fn take_from(&mut self, dir: Option<PathBuf>) {
        let Some(dir) = dir else { return };
        self.forgotten += 1;
        if let Some(count) = self.counts.get_mut(&dir) {
            *count -= 1;
        }
    }
}

/// Wishes of where replicas are to be made that are remembered; Kafka remembers any number.
const PREFERRED_MAX: usize = 100_000;

/// No directory can take a new partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no log directory is online")]
pub(crate) struct NoneOnline;

impl LogDirs {
    /// `failed` could not be locked at start; `homes` says where the partitions found in `dirs` live.
    pub(crate) fn new(
        dirs: Vec<LogDir>,
        failed: BTreeSet<PathBuf>,
        homes: BTreeMap<TopicPartition, PathBuf>,
    ) -> Self {
        let dirs = dirs.into_iter().map(|dir| (dir.path.clone(), Arc::new(dir))).collect();
        let mut state = State { failed, ..State::default() };
        for (partition, home) in homes {
            state.insert(partition, home);
        }
        Self { dirs, state: Mutex::new(state), news: Notify::new(), room: Notify::new() }
    }

    /// The directory if it is in service.
    pub(crate) fn online(&self, path: &Path) -> Option<Arc<LogDir>> {
        if self.state().failed.contains(path) {
            return None;
        }
        self.dirs.get(path).cloned()
    }

    pub(crate) fn any_online(&self) -> bool {
        let state = self.state();
        self.dirs.keys().any(|path| !state.failed.contains(path))
    }

    /// Whether a partition that is in no online directory may have a log nevertheless.
    pub(crate) fn any_failed(&self) -> bool {
        !self.state().failed.is_empty()
    }

    /// Takes a directory out of service; false if it was so already.
    pub(crate) fn fail(&self, path: &Path) -> bool {
        let mut state = self.state();
        state.full.remove(path);
        state.failed.insert(path.to_path_buf())
    }

    /// Notes that a directory has no room; false if that is known.
    pub(crate) fn fill_up(&self, path: &Path) -> bool {
        self.state().full.insert(path.to_path_buf())
    }

    /// Notes that there is room again.
    pub(crate) fn empty_out(&self, path: &Path) {
        self.state().full.remove(path);
    }

    /// The directories without room.
    pub(crate) fn full(&self) -> BTreeSet<PathBuf> {
        self.state().full.clone()
    }

    /// The directory that a path lies in.
    pub(crate) fn around(&self, path: &Path) -> Option<PathBuf> {
        self.dirs.keys().find(|dir| path.starts_with(dir)).cloned()
    }

    /// The directory that a partition lives in.
    pub(crate) fn home(&self, partition: &TopicPartition) -> Option<PathBuf> {
        self.state().homes.get(partition).cloned()
    }

    /// The directory that a request names, whether it is in service or not.
    pub(crate) fn named(&self, path: &str) -> Option<PathBuf> {
        let is_it = |dir: &&PathBuf| std::path::absolute(dir).is_ok_and(|dir| dir.as_os_str() == path);
        let state = self.state();
        self.dirs.keys().chain(&state.failed).find(is_it).cloned()
    }

    /// The directory that a replica is being moved to.
    pub(crate) fn future(&self, partition: &TopicPartition) -> Option<PathBuf> {
        self.state().futures.get(partition).cloned()
    }

    /// A replica is to be moved to a directory; its copy counts there.
    pub(crate) fn begin_move(&self, partition: &TopicPartition, to: &Path) {
        let mut state = self.state();
        state.preferred.remove(partition);
        state.add_to(to);
        state.futures.insert(partition.clone(), to.to_path_buf());
    }

    /// The copy is gone.
    pub(crate) fn end_move(&self, partition: &TopicPartition) {
        let mut state = self.state();
        let future = state.futures.remove(partition);
        state.take_from(future);
    }

    /// The copy is the partition's log now.
    pub(crate) fn end_move_there(&self, partition: &TopicPartition) {
        let mut state = self.state();
        let Some(future) = state.futures.remove(partition) else { return };
        let left = state.homes.insert(partition.clone(), future);
        state.take_from(left);
    }

    /// Remembers where a replica is to be made, should one be.
    pub(crate) fn prefer(&self, partition: &TopicPartition, dir: &Path) {
        let mut state = self.state();
        if state.preferred.len() < PREFERRED_MAX || state.preferred.contains_key(partition) {
            state.preferred.insert(partition.clone(), dir.to_path_buf());
        }
    }

    /// The number of logs that live in the directory.
    pub(crate) fn count(&self, path: &Path) -> usize {
        self.state().count(path)
    }

    /// The number of logs in all directories.
    pub(crate) fn logs(&self) -> usize {
        let state = self.state();
        state.homes.len() + state.futures.len()
    }

    /// Changes whenever a partition goes.
    pub(crate) fn forgotten(&self) -> u64 {
        self.state().forgotten
    }

    pub(crate) fn has_log(&self, partition: &TopicPartition) -> bool {
        self.state().homes.contains_key(partition)
    }

    pub(crate) fn holds(&self, partition: &TopicPartition, path: &Path) -> bool {
        let state = self.state();
        [&state.homes, &state.futures].iter().any(|dirs| dirs.get(partition).is_some_and(|dir| dir == path))
    }

    /// Chooses a directory for a new partition and counts it there: the one that was asked for, or the online one with the fewest logs, one that
    /// is full only where no other is left, and none of `except`.
    pub(crate) fn settle(
        &self,
        partition: &TopicPartition,
        except: &BTreeSet<PathBuf>,
    ) -> Result<Arc<LogDir>, NoneOnline> {
        let mut state = self.state();
        let preferred = state.preferred.remove(partition);
        let rank =
            |path: &PathBuf| (preferred.as_ref() != Some(path), state.full.contains(path), state.count(path));
        let online =
            self.dirs.iter().filter(|(path, _)| !state.failed.contains(*path) && !except.contains(*path));
        let (path, dir) = online.min_by_key(|(path, _)| rank(path)).ok_or(NoneOnline)?;
        state.insert(partition.clone(), path.clone());
        Ok(Arc::clone(dir))
    }

    /// The partition is deleted, or could not be made.
    pub(crate) fn forget(&self, partition: &TopicPartition) {
        self.state().remove(partition);
    }

    /// All directories in service, to be closed when the broker stops.
    pub(crate) fn all_online(&self) -> Vec<Arc<LogDir>> {
        let state = self.state();
        let online = self.dirs.iter().filter(|(path, _)| !state.failed.contains(*path));
        online.map(|(_, dir)| Arc::clone(dir)).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
