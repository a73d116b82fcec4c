//! The logs that a LeaderAndIsr names and this broker lacks: made several at a time, since each waits for the disk, and a file system writes
//! the syncs of several in one go. Nothing is made that the next start would have no file handles for.
//! Called by `leader_and_isr.rs`. Source: LogManager.getOrCreateLog (3.9), which makes one after the other.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use protocol::ids::{TopicId, TopicPartition};
use storage::{CreateOptions, Log, LogSettings, RecoveryError};

use super::Part;
use crate::broker::Broker;
use crate::upkeep::Job;

/// Logs that are made at the same time.
const MAKING: usize = 8;

/// A log that is to be made.
#[derive(Debug)]
pub(super) struct Missing {
    partition: TopicPartition,
    topic_id: TopicId,
    settings: LogSettings,
}

impl From<&Part> for Missing {
    fn from(part: &Part) -> Missing {
        let Part { partition, topic_id, settings, .. } = part;
        Missing { partition: partition.clone(), topic_id: *topic_id, settings: settings.log.clone() }
    }
}

/// Those that could be made; why another could not is logged.
pub(super) async fn make(broker: &Arc<Broker>, mut missing: Vec<Missing>) -> HashMap<TopicPartition, Log> {
    let hosted = broker.log_dirs.partitions();
    if let Err(error) = broker.room.check(hosted + missing.len()) {
        let refused = missing.split_off(broker.room.left(hosted).min(missing.len()));
        tracing::error!(partitions = refused.len(), %error, "new partitions are not served, since there are no file handles for their logs");
    }
    if missing.is_empty() {
        return HashMap::new();
    }
    let making = Arc::clone(broker);
    broker.tasks.blocking(move || make_all(&making, missing)).await
}

fn make_all(broker: &Broker, missing: Vec<Missing>) -> HashMap<TopicPartition, Log> {
    let threads = missing.len().min(MAKING);
    let (missing, made) = (Mutex::new(missing.into_iter()), Mutex::new(HashMap::new()));
    let next = || missing.lock().unwrap_or_else(PoisonError::into_inner).next();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(missing) = next() {
                    let log = make_one(broker, &missing);
                    let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
                    made.extend(log.map(|log| (missing.partition, log)));
                }
            });
        }
    });
    made.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Makes the log in the directory with the most room for partitions, or in the next one if the disk refuses.
fn make_one(broker: &Broker, missing: &Missing) -> Option<Log> {
    let Missing { partition, topic_id, settings } = missing;
    let mut tried = BTreeSet::new();
    while let Ok(dir) = broker.log_dirs.settle(partition, &tried) {
        let options = CreateOptions {
            dir: dir.partition_dir(partition),
            partition: partition.clone(),
            topic_id: (!topic_id.is_nil()).then_some(*topic_id),
            settings: settings.clone(),
            now: broker.shards.clock().now().wall,
        };
        let error = match Log::create(options, Arc::clone(&broker.disk)) {
            Ok(log) => return Some(log),
            Err(error) => error,
        };
        tracing::error!(%partition, %error, "the partition's log could not be made");
        broker.log_dirs.forget(partition);
        if let RecoveryError::Disk { error, .. } = error {
            broker.jobs.push(Job::Blame(error));
        }
        tried.insert(dir.path.clone());
        // A partition must not be found in two directories by the next start.
        if dir.abandon(partition).is_err() {
            break;
        }
    }
    tracing::error!(%partition, "the partition is not served: no log directory could take it");
    None
}
