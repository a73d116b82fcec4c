//! StopReplica (key 5), from the controller on this broker: gives up roles, and deletes logs where told so.
//! Every partition that is named is answered, unknown ones too: a deletion waits for all of them.
//! Not served on the wire; the controller's driver calls it directly. Source: ReplicaManager.stopReplicas (3.9).

use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::ids::{LeaderEpoch, TopicPartition};
use protocol::messages::stop_replica_request::StopReplicaPartitionState;
use protocol::messages::stop_replica_response::StopReplicaPartitionError;
use protocol::messages::{StopReplicaRequest, StopReplicaResponse};
use storage::{DiskError, Log, LogDir, Removal};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::control::check_epochs;
use crate::broker::Broker;
use crate::shard::{Command, Fate, Stop};
use crate::upkeep::{Change, Job};

pub(crate) async fn apply(broker: &Arc<Broker>, request: StopReplicaRequest) -> StopReplicaResponse {
    if let Err(error) = check_epochs(broker, request.controller_epoch, request.broker_epoch) {
        return StopReplicaResponse::default().with_error_code(error.code());
    }
    let mut errors = Vec::new();
    let mut states = request.topic_states.iter().flat_map(|topic| &topic.partition_states);
    let deletes = states.any(|state| state.delete_partition);
    for topic in request.topic_states {
        let name: Arc<str> = Arc::from(&**topic.topic_name);
        for state in topic.partition_states {
            let index = state.partition_index;
            let partition = TopicPartition { topic: Arc::clone(&name), partition: index };
            let error = stop(broker, partition, &state).await.err().unwrap_or(ErrorCode::None);
            errors.push(
                StopReplicaPartitionError::default()
                    .with_topic_name(topic.topic_name.clone())
                    .with_partition_index(index)
                    .with_error_code(error.code()),
            );
        }
    }
    if deletes {
        // Before another log is made under one of the names. What cannot be written is tried again in time.
        broker.amendments.make(Change::Deleted).await;
    }
    StopReplicaResponse::default().with_partition_errors(errors)
}

async fn stop(
    broker: &Arc<Broker>,
    partition: TopicPartition,
    state: &StopReplicaPartitionState,
) -> Result<(), ErrorCode> {
    let (reply, answer) = oneshot::channel();
    let fate = if state.delete_partition { Fate::Delete } else { Fate::Keep };
    // -1 is an epoch that nobody knows, -2 the deletion of the topic.
    let leader_epoch = (state.leader_epoch >= 0).then_some(LeaderEpoch(state.leader_epoch));
    let stop = Stop { partition: partition.clone(), leader_epoch, fate, reply };
    broker.shards.send(&partition, Command::Stop(stop)).await.map_err(|_| ErrorCode::KafkaStorageError)?;
    let answer = answer.await.map_err(|_| ErrorCode::KafkaStorageError)?;
    if fate == Fate::Delete && broker.log_dirs.future(&partition).is_some() {
        // The copy first: alone it would be taken for what is left of the partition.
        broker.moves.abandon(partition.clone()).await;
    }
    let stopped = match answer {
        Ok(Some(log)) => return delete(broker, partition, log).await,
        Ok(None) => Ok(()),
        Err(failure) => Err(ErrorCode::from(&failure)),
    };
    // A log that could not be opened has a directory all the same.
    let home = broker.log_dirs.home(&partition).and_then(|home| broker.log_dirs.online(&home));
    match (fate, home) {
        (Fate::Delete, Some(dir)) => delete_unopened(broker, partition, dir).await,
        (Fate::Delete | Fate::Keep, _) => stopped,
    }
}

/// Gives the directory its `-delete` name; the files follow after file.delete.delay.ms.
async fn delete(broker: &Arc<Broker>, partition: TopicPartition, log: Log) -> Result<(), ErrorCode> {
    let now = broker.shards.clock().now().wall;
    let deleted = broker.tasks.blocking(move || log.delete(Uuid::new_v4(), now)).await;
    marked(broker, &partition, deleted).await
}

/// The same for a log that is not open.
async fn delete_unopened(
    broker: &Arc<Broker>,
    partition: TopicPartition,
    dir: Arc<LogDir>,
) -> Result<(), ErrorCode> {
    let delay = broker.settings.known_topic(&partition.topic).log.file_delete_delay_ms;
    let (name, due) = (partition.clone(), broker.shards.clock().now().wall + delay);
    let deleted = broker.tasks.blocking(move || dir.delete(&name, Uuid::new_v4(), due)).await;
    let is_gone = deleted.is_ok();
    let result = marked(broker, &partition, deleted).await;
    if is_gone {
        // While the broker stops nobody is left to forget it.
        let _ = broker.shards.send(&partition, Command::Forget(partition.clone())).await;
    }
    result
}

async fn marked(
    broker: &Arc<Broker>,
    partition: &TopicPartition,
    deleted: Result<Removal, DiskError>,
) -> Result<(), ErrorCode> {
    let removal = match deleted {
        Ok(removal) => removal,
        Err(error) => {
            tracing::error!(%partition, %error, "the partition's directory could not be marked for deletion");
            broker.jobs.send(Job::Blame(error)).await;
            return Err(ErrorCode::KafkaStorageError);
        }
    };
    broker.log_dirs.forget(partition);
    tracing::info!(%partition, "log is marked for deletion");
    broker.jobs.send(Job::Remove(removal)).await;
    Ok(())
}
