//! File handles of the process: the soft limit is raised to the hard one at start, and what the logs keep open only in case it is read
//! again is bounded by it. A start that cannot have a handle for every partition ends with a sentence about `ulimit -n`.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use storage::Handles;

/// Handles for sockets, ZooKeeper, checkpoints and whatever is opened for a moment.
const FOR_OTHERS: u64 = 128;
/// The most files of sealed segments that are kept open: more are opened and closed in microseconds.
const FILES_MAX: u64 = 4096;
const FILES_MIN: u64 = 64;
/// The part of the handles that sealed segments may have.
const FILES_SHARE: u64 = 8;
/// What Linux allows a process where nothing else is set (vm.max_map_count), and the part of it for index files.
const MAPS_OF_SYSTEM: u64 = 65_530;
const MAPS_SHARE: u64 = 4;
/// What the table of handles has room for from the start on, 8 bytes each.
const TABLE: u64 = 65_536;

/// The partitions need more handles than the process may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{partitions} partitions need {} file handles, but this process may have {limit}: raise `ulimit -n` (LimitNOFILE of a systemd unit)",
    .partitions + FOR_OTHERS
)]
pub struct TooFewHandles {
    partitions: u64,
    limit: u64,
}

/// How many files may be open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) limit: u64,
}

impl Room {
    /// Raises the soft limit as far as the system lets us, and bounds what stays open between reads.
    pub(crate) fn make() -> Room {
        let before = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: before.maximum, maximum: before.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "the limit of open files stays as it is");
        }
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let handles = bounds(limit, maps_of_system());
        tracing::info!(
            before = before.current,
            limit,
            kept_files = handles.files,
            kept_maps = handles.maps,
            "file handles"
        );
        handles.bound();
        widen_table(limit.min(TABLE));
        Room { limit }
    }

    /// Whether each partition can have the one handle that it needs.
    pub(crate) fn check(self, partitions: usize) -> Result<(), TooFewHandles> {
        let (partitions, limit) = (partitions as u64, self.limit);
        if partitions + FOR_OTHERS > limit { Err(TooFewHandles { partitions, limit }) } else { Ok(()) }
    }

    /// How many partitions may be added to these.
    pub(crate) fn left(self, partitions: usize) -> usize {
        self.limit.saturating_sub(FOR_OTHERS + partitions as u64) as usize
    }

    /// Says so where little is left for everything else.
    pub(super) fn warn_if_little(self, partitions: usize) {
        if self.left(partitions) < bounds(self.limit, 0).files {
            tracing::warn!(
                partitions,
                limit = self.limit,
                "few file handles are left for connections and reads: raise `ulimit -n`"
            );
        }
    }
}

fn bounds(limit: u64, maps: u64) -> Handles {
    let files = (limit / FILES_SHARE).clamp(FILES_MIN, FILES_MAX);
    Handles { files: files as usize, maps: (maps / MAPS_SHARE) as usize }
}

/// Linux doubles a process's table of handles when it is full, and whoever opens one meanwhile waits for some ten milliseconds:
/// many connections at once would hold up the requests of others. The highest handle makes it as large as it may become.
fn widen_table(handles: u64) {
    let highest = i32::try_from(handles.saturating_sub(1)).unwrap_or(i32::MAX);
    if let Err(error) = rustix::io::fcntl_dupfd_cloexec(std::io::stderr(), highest) {
        tracing::debug!(%error, highest, "the table of file handles grows while it is used");
    }
}

fn maps_of_system() -> u64 {
    let text = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap_or_default();
    text.trim().parse().unwrap_or(MAPS_OF_SYSTEM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_segments_get_a_part_within_bounds() {
        assert_eq!(bounds(256, 65_530), Handles { files: 64, maps: 16_382 });
        assert_eq!(bounds(20_000, 65_530).files, 2500);
        assert_eq!(bounds(u64::MAX, 4096), Handles { files: 4096, maps: 1024 });
    }

    #[test]
    fn each_partition_needs_one() {
        let room = Room { limit: 1024 };
        assert_eq!(room.check(896), Ok(()));
        assert_eq!((room.left(890), room.left(896), room.left(2000)), (6, 0, 0));
        let error = room.check(897).unwrap_err().to_string();
        assert!(
            error.starts_with("897 partitions need 1025 file handles, but this process may have 1024"),
            "{error}"
        );
    }
}
