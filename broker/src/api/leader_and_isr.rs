//! LeaderAndIsr (key 4), from the controller on this broker: makes logs where they are missing and assigns roles.
//! Not served on the wire; the controller's driver calls it directly. Source: ReplicaManager.becomeLeaderOrFollower (3.9).

mod missing;

use std::sync::Arc;

use coordinator::replica::Assigned;
use protocol::error_code::ErrorCode;
use protocol::ids::{BrokerId, LeaderEpoch, TopicId, TopicPartition};
use protocol::messages::leader_and_isr_request::{LeaderAndIsrPartitionState, LeaderAndIsrTopicState};
use protocol::messages::leader_and_isr_response::{LeaderAndIsrPartitionError, LeaderAndIsrTopicError};
use protocol::messages::{LeaderAndIsrRequest, LeaderAndIsrResponse};
use storage::Log;
use tokio::sync::oneshot;

use super::control::check_epochs;
use crate::broker::{Broker, wiring};
use crate::hosted::Absent;
use crate::shard::{Assign, AssignFailure, Command};
use crate::topic_settings::TopicSettings;
use missing::{Missing, make};

pub(crate) async fn apply(broker: &Arc<Broker>, request: LeaderAndIsrRequest) -> LeaderAndIsrResponse {
    if let Err(error) = check_epochs(broker, request.controller_epoch, request.broker_epoch) {
        return LeaderAndIsrResponse::default().with_error_code(error.code());
    }
    let names: Vec<Arc<str>> =
        request.topic_states.iter().map(|topic| Arc::from(&**topic.topic_name)).collect();
    let settings = broker.settings.topics(&names).await;
    let given: Vec<_> = names.iter().map(Arc::clone).zip(settings.clone()).collect();
    let topics = request.topic_states.into_iter().zip(names.into_iter().zip(settings));
    let topics: Vec<_> = topics.map(|(topic, known)| (topic.topic_id, parts(topic, known))).collect();
    let missing = topics.iter().flat_map(|(_, parts)| parts).filter(|part| part.is_missing(broker));
    let mut made = make(broker, missing.map(Missing::from).collect()).await;
    // All are sent before the first answer is waited for.
    let mut sent = Vec::with_capacity(topics.len());
    for (id, parts) in topics {
        tell_lost(broker, &parts);
        let mut waiting = Vec::with_capacity(parts.len());
        for part in parts {
            let (index, log) = (part.partition.partition, made.remove(&part.partition));
            waiting.push((index, assign(broker, part, log).await));
        }
        sent.push((id, waiting));
    }
    let mut answers = Vec::with_capacity(sent.len());
    for (id, waiting) in sent {
        let errors = answers_of(waiting).await;
        answers.push(LeaderAndIsrTopicError::default().with_topic_id(id).with_partition_errors(errors));
    }
    for (topic, settings) in given {
        catch_up(broker, &topic, settings).await;
    }
    LeaderAndIsrResponse::default().with_topics(answers)
}

/// What the request says of one partition.
#[derive(Debug)]
struct Part {
    partition: TopicPartition,
    topic_id: TopicId,
    settings: TopicSettings,
    state: LeaderAndIsrPartitionState,
}

fn parts(topic: LeaderAndIsrTopicState, (name, settings): (Arc<str>, TopicSettings)) -> Vec<Part> {
    let part = |state: LeaderAndIsrPartitionState| Part {
        partition: TopicPartition { topic: Arc::clone(&name), partition: state.partition_index },
        topic_id: topic.topic_id,
        settings: settings.clone(),
        state,
    };
    topic.partition_states.into_iter().map(part).collect()
}

impl Part {
    fn is_missing(&self, broker: &Broker) -> bool {
        !broker.log_dirs.has_log(&self.partition) && self.may_be_made(broker)
    }

    /// An empty log in place of one that cannot be read would lose it. Source: LogManager.getOrCreateLog (3.9).
    fn may_be_made(&self, broker: &Broker) -> bool {
        self.state.is_new || !broker.log_dirs.any_failed()
    }
}

/// Names the partitions of a topic that are not served because of a log directory that is offline, those that are known to be so excepted.
fn tell_lost(broker: &Broker, parts: &[Part]) {
    let is_known =
        |name: &TopicPartition| broker.hosted.get(&name.topic, name.partition).err() == Some(Absent::Offline);
    let is_lost = |part: &&Part| {
        !broker.log_dirs.has_log(&part.partition) && !part.may_be_made(broker) && !is_known(&part.partition)
    };
    let lost: Vec<&TopicPartition> = parts.iter().filter(is_lost).map(|part| &part.partition).collect();
    if let Some(first) = lost.first() {
        let partitions: Vec<i32> = lost.iter().map(|name| name.partition).collect();
        tracing::error!(
            topic = %first.topic, ?partitions,
            "partitions are not served: their logs are in none of the log directories that are online. Repair those that are offline and restart"
        );
    }
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

/// `log` was made for this.
async fn assign(broker: &Broker, part: Part, log: Option<Log>) -> Result<Reply, ErrorCode> {
    if log.is_none() && !broker.log_dirs.has_log(&part.partition) {
        // Why has been said.
        broker.hosted.take_offline(&part.partition);
        return Err(ErrorCode::KafkaStorageError);
    }
    let Part { partition, topic_id, settings, state } = part;
    let (reply, answer) = oneshot::channel();
    let assign = Assign {
        partition: partition.clone(),
        topic_id,
        leader: (state.leader.0 >= 0).then_some(BrokerId(state.leader.0)),
        assigned: assigned(&state),
        settings,
        log,
        reply,
    };
    let sent = broker.shards.send(&partition, Command::Assign(Box::new(assign))).await;
    sent.map(|()| answer).map_err(|_| ErrorCode::KafkaStorageError)
}

async fn answers_of(waiting: Vec<(i32, Result<Reply, ErrorCode>)>) -> Vec<LeaderAndIsrPartitionError> {
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
    errors
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
