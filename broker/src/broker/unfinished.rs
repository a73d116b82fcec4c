//! Moves between log directories that a run has left, of Kafka or of this broker: which of two logs of a partition counts, and which
//! copies are to be filled on. Called by `logs.rs` before any log is opened. Source: LogManager.loadLog (3.9), which refuses to start where
//! a partition has two logs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use protocol::ids::{Millis, TopicPartition};
use storage::claim::{self, Side};
use storage::{Disk, Listing, LogDir, Removal};
use uuid::Uuid;

use super::start::StartError;

/// The directories with what is in them.
pub(super) type Listed = Vec<(LogDir, Listing)>;

/// Leaves one log of each partition in `listed`, and the copies that are to be filled on; the others are warned about, or marked for
/// deletion. `all_there` if every directory of `log.dirs` is.
pub(super) fn settle(
    listed: &mut Listed,
    (all_there, due): (bool, Millis),
    disk: &dyn Disk,
) -> Result<Vec<Removal>, StartError> {
    let (mut homes, mut removals) = (BTreeMap::new(), Vec::new());
    for at in 0..listed.len() {
        let found: Vec<_> = listed[at].1.replicas.keys().cloned().collect();
        for partition in found {
            let Some(other) = homes.insert(partition.clone(), at) else { continue };
            let left = outdated(listed, &partition, (other, at))?;
            homes.insert(partition.clone(), if left == at { other } else { at });
            removals.push(remove(&mut listed[left], &partition, due)?);
        }
    }
    // Of one that is alone there is nothing to claim; but the other may be in the directory that is missing.
    if all_there && listed.len() > 1 {
        for (partition, at) in &homes {
            claim::remove(disk, &listed[*at].0.partition_dir(partition))?;
        }
    }
    let mut begun: BTreeMap<TopicPartition, PathBuf> = BTreeMap::new();
    for (at, (_, listing)) in listed.iter_mut().enumerate() {
        listing.future.retain(|partition, path| {
            let is_useful = homes.get(partition).is_some_and(|home| *home != at) && !begun.contains_key(partition);
            if is_useful {
                begun.insert(partition.clone(), path.clone());
            } else {
                tracing::warn!(
                    %partition, dir = %path.display(),
                    "a move to this log directory was not finished, and there is nothing to finish it with: the copy is left as it is, and takes up \
                     space. Remove it if nobody needs its records"
                );
            }
            is_useful
        });
    }
    Ok(removals)
}

/// Which of two logs of a partition does not count.
fn outdated(
    listed: &Listed,
    partition: &TopicPartition,
    (one, other): (usize, usize),
) -> Result<usize, StartError> {
    let claim = |at: usize| claim::read(&listed[at].0.partition_dir(partition));
    match claim::counts(claim(one), claim(other)) {
        Some(Side::One) => Ok(other),
        Some(Side::Other) => Ok(one),
        None => {
            let path = |at: usize| listed[at].0.path.clone();
            Err(StartError::SamePartition {
                partition: partition.clone(),
                one: path(one),
                other: path(other),
            })
        }
    }
}

fn remove(
    (dir, listing): &mut (LogDir, Listing),
    partition: &TopicPartition,
    due: Millis,
) -> Result<Removal, StartError> {
    tracing::info!(%partition, dir = %dir.path.display(), "the log that a replica left when it moved is marked for deletion");
    listing.replicas.remove(partition);
    Ok(dir.delete(partition, Uuid::new_v4(), due)?)
}
