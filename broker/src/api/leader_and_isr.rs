//! LeaderAndIsr (key 4), from the controller on this broker: makes logs where they are missing and assigns roles.
//! Not served on the wire; the controller's driver calls it directly. Source: ReplicaManager.becomeLeaderOrFollower (3.9).

use std::collections::BTreeSet;
use std::sync::Arc;

use coordinator::replica::Assigned;
use protocol::error_code::ErrorCode;
use protocol::ids::{BrokerId, LeaderEpoch, TopicId, TopicPartition};
use protocol::messages::leader_and_isr_request::{LeaderAndIsrPartitionState, LeaderAndIsrTopicState};
use protocol::messages::leader_and_isr_response::{LeaderAndIsrPartitionError, LeaderAndIsrTopicError};
use protocol::messages::{LeaderAndIsrRequest, LeaderAndIsrResponse};
use storage::{CreateOptions, Log, OsDisk, RecoveryError};
use tokio::sync::oneshot;

use super::control::check_epochs;
use crate::broker::{Broker, wiring};
use crate::shard::{Assign, AssignFailure, Command};
use crate::topic_settings::TopicSettings;
use crate::upkeep::Job;

pub(crate) async fn apply(broker: &Arc<Broker>, request: LeaderAndIsrRequest) -> LeaderAndIsrResponse {
    if let Err(error) = check_epochs(broker, request.controller_epoch, request.broker_epoch) {
        return LeaderAndIsrResponse::default().with_error_code(error.code());
    }
    let mut topics = Vec::with_capacity(request.topic_states.len());
    for topic in request.topic_states {
        topics.push(apply_topic(broker, topic).await);
    }
    LeaderAndIsrResponse::default().with_topics(topics)
}

/// Sends all partitions of a topic to their shards, then waits for the answers.
async fn apply_topic(broker: &Arc<Broker>, topic: LeaderAndIsrTopicState) -> LeaderAndIsrTopicError {
    let name: Arc<str> = Arc::from(&**topic.topic_name);
    let settings = broker.settings.topic(&name).await;
    let mut waiting = Vec::with_capacity(topic.partition_states.len());
    for state in topic.partition_states {
        let index = state.partition_index;
        let partition = TopicPartition { topic: Arc::clone(&name), partition: index };
        waiting.push((index, assign(broker, partition, (topic.topic_id, &settings), state).await));
    }
    let mut errors = Vec::with_capacity(waiting.len());
    for (index, sent) in waiting {
        let error = match sent {
            Ok(reply) => reply.await.map_or(ErrorCode::KafkaStorageError, |result| code(result, index)),
            Err(error) => error,
        };
        errors.push(
            LeaderAndIsrPartitionError::default().with_partition_index(index).with_error_code(error.code()),
        );
    }
    catch_up(broker, &name, settings).await;
    LeaderAndIsrTopicError::default().with_topic_id(topic.topic_id).with_partition_errors(errors)
}

/// A change that came while the logs were made reached the shards before the partitions did. Source: KAFKA-8813.
async fn catch_up(broker: &Broker, topic: &str, mut given: TopicSettings) {
    loop {
        let known = broker.settings.known_topic(topic);
        if known == given {
            return;
        }
        wiring::configure(broker, topic.to_owned(), known.clone()).await;
        given = known;
    }
}

type Reply = oneshot::Receiver<Result<(), AssignFailure>>;

async fn assign(
    broker: &Arc<Broker>,
    partition: TopicPartition,
    (topic_id, settings): (TopicId, &TopicSettings),
    state: LeaderAndIsrPartitionState,
) -> Result<Reply, ErrorCode> {
    let log = if broker.log_dirs.has_log(&partition) {
        None
    } else if !state.is_new && broker.log_dirs.any_failed() {
        // An empty log in place of the one that cannot be read would lose it. Source: LogManager.getOrCreateLog (3.9).
        tracing::error!(%partition, "the partition is not served: its log is in none of the log directories that are online");
        broker.hosted.take_offline(&partition);
        return Err(ErrorCode::KafkaStorageError);
    } else {
        Some(create_log(broker, &partition, topic_id, settings).await?)
    };
    let (reply, answer) = oneshot::channel();
    let assign = Assign {
        partition: partition.clone(),
        topic_id,
        leader: (state.leader.0 >= 0).then_some(BrokerId(state.leader.0)),
        assigned: assigned(&state),
        settings: settings.clone(),
        log,
        reply,
    };
    let sent = broker.shards.send(&partition, Command::Assign(Box::new(assign))).await;
    sent.map(|()| answer).map_err(|_| ErrorCode::KafkaStorageError)
}

/// Makes the log in the directory with the most room for partitions, or in the next one if the disk refuses.
async fn create_log(
    broker: &Arc<Broker>,
    partition: &TopicPartition,
    topic_id: TopicId,
    settings: &TopicSettings,
) -> Result<Log, ErrorCode> {
    let mut tried = BTreeSet::new();
    while let Ok(dir) = broker.log_dirs.settle(partition, &tried) {
        let options = CreateOptions {
            dir: dir.partition_dir(partition),
            partition: partition.clone(),
            topic_id: (!topic_id.is_nil()).then_some(topic_id),
            settings: settings.log.clone(),
            now: broker.shards.clock().now().wall,
        };
        let error = match broker.tasks.blocking(|| Log::create(options, Arc::new(OsDisk))).await {
            Ok(log) => return Ok(log),
            Err(error) => error,
        };
        tracing::error!(%partition, %error, "the partition's log could not be made");
        broker.log_dirs.forget(partition);
        if let RecoveryError::Disk { error, .. } = error {
            broker.jobs.push(Job::Blame(error));
        }
        tried.insert(dir.path.clone());
        // A partition must not be found in two directories by the next start.
        let name = partition.clone();
        if broker.tasks.blocking(move || dir.abandon(&name)).await.is_err() {
            break;
        }
    }
    tracing::error!(%partition, "the partition is not served: no log directory could take it");
    broker.hosted.take_offline(partition);
    Err(ErrorCode::KafkaStorageError)
}

fn assigned(state: &LeaderAndIsrPartitionState) -> Assigned {
    let ids = |brokers: &[protocol::messages::BrokerId]| brokers.iter().map(|b| BrokerId(b.0)).collect();
    Assigned {
        leader_epoch: LeaderEpoch(state.leader_epoch),
        partition_epoch: state.partition_epoch,
        replicas: ids(&state.replicas),
        isr: ids(&state.isr),
    }
}

/// The answer for one partition. An epoch that was applied before is normal traffic, a wrong topic id is not.
fn code(result: Result<(), AssignFailure>, index: i32) -> ErrorCode {
    match result {
        Ok(()) => ErrorCode::None,
        Err(failure) => {
            match &failure {
                AssignFailure::TopicId { .. } => {
                    tracing::error!(index, %failure, "the partition is not served: move its directory away, or restore the topic");
                }
                AssignFailure::Refused(_) | AssignFailure::Offline => {
                    tracing::debug!(index, %failure, "LeaderAndIsr")
                }
            }
            ErrorCode::from(&failure)
        }
    }
}
