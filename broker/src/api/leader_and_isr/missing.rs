//! The logs that a LeaderAndIsr names and this broker lacks: made several at a time. Nothing is made that the next start would have no file handles for.
//! Called by `leader_and_isr.rs`. Source: LogManager.getOrCreateLog (3.9), which makes one after the other.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use protocol::ids::{TopicId, TopicPartition};
use storage::{CreateOptions, Log, LogSettings, RecoveryError};

use super::Part;
use crate::abreast::abreast;
use crate::broker::Broker;
use crate::upkeep::Job;

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
    let hosted = broker.log_dirs.logs();
    if let Err(error) = broker.room.check(hosted + missing.len()) {
        let refused = missing.split_off(broker.room.left(hosted).min(missing.len()));
        tracing::error!(partitions = refused.len(), %error, "new partitions are not served, since there are no file handles for their logs");
    }
    if missing.is_empty() {
        return HashMap::new();
    }
    let making = Arc::clone(broker);
    let make = move |missing: Missing| Some((missing.partition.clone(), make_one(&making, &missing)?));
    broker.tasks.blocking(move || abreast(missing, make)).await.into_iter().collect()
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
