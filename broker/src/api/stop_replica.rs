//! StopReplica (key 5), from the controller on this broker: gives up roles, and deletes logs where told so.
//! Every partition that is named is answered, unknown ones too: a deletion waits for all of them.
//! Not served on the wire; the controller's driver calls it directly. Source: ReplicaManager.stopReplicas (3.9).

use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::ids::{LeaderEpoch, TopicPartition};
use protocol::messages::stop_replica_request::StopReplicaPartitionState;
use protocol::messages::stop_replica_response::StopReplicaPartitionError;
use protocol::messages::{StopReplicaRequest, StopReplicaResponse};
use storage::Log;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::control::check_epochs;
use crate::broker::Broker;
use crate::shard::{Command, Fate, Stop};
use crate::upkeep::Job;

pub(crate) async fn apply(broker: &Arc<Broker>, request: StopReplicaRequest) -> StopReplicaResponse {
    if let Err(error) = check_epochs(broker, request.controller_epoch, request.broker_epoch) {
        return StopReplicaResponse::default().with_error_code(error.code());
    }
    let mut errors = Vec::new();
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
    match answer.await {
        Ok(Ok(Some(log))) => delete(broker, partition, log).await,
        Ok(Ok(None)) => Ok(()),
        Ok(Err(failure)) => Err(ErrorCode::from(&failure)),
        Err(_) => Err(ErrorCode::KafkaStorageError),
    }
}

/// Gives the directory its `-delete` name; the files follow after file.delete.delay.ms.
async fn delete(broker: &Arc<Broker>, partition: TopicPartition, log: Log) -> Result<(), ErrorCode> {
    let now = broker.shards.clock().now().wall;
    let deleted = broker.tasks.blocking(move || log.delete(Uuid::new_v4(), now)).await;
    broker.log_dirs.forget(&partition);
    let removal = deleted.map_err(|error| {
        tracing::error!(%partition, %error, "the partition's directory could not be marked for deletion");
        ErrorCode::KafkaStorageError
    })?;
    tracing::info!(%partition, "log is marked for deletion");
    broker.jobs.send(Job::Remove(removal)).await;
    Ok(())
}
