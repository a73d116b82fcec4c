//! DescribeProducers (key 61), version 0: who writes to a partition, as its log knows (KIP-664).
//!
//! Any replica of a partition answers. A topic's error is told for each of its partitions.
//! Differs from Kafka 3.9: a partition that is named twice is answered once; producers are listed by id.

use std::collections::HashSet;
use std::sync::Arc;

use protocol::StrBytes;
use protocol::error_code::ErrorCode;
use protocol::ids::TopicPartition;
use protocol::messages::describe_producers_request::TopicRequest;
use protocol::messages::describe_producers_response::{PartitionResponse, ProducerState, TopicResponse};
use protocol::messages::{DescribeProducersRequest, DescribeProducersResponse, ProducerId};
use storage::ActiveProducer;
use tokio::sync::oneshot;

use super::context::Context;
use super::error::{Refused, told};
use super::pace::Pace;
use crate::authorizer::{Operation, Resource};
use crate::broker::Broker;
use crate::hosted::Absent;
use crate::shard::Command;

pub(crate) async fn answer(
    broker: &Broker,
    context: &Context,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    let (mut topics, mut seen, mut pace) = (Vec::new(), HashSet::new(), Pace::default());
    for topic in request.topics {
        let allowed = check(broker, context, &topic);
        let (name, mut partitions) = (Arc::<str>::from(&**topic.name), Vec::new());
        for index in topic.partition_indexes {
            pace.step().await;
            let partition = TopicPartition { topic: Arc::clone(&name), partition: index };
            if seen.contains(&partition) {
                continue;
            }
            let found = match &allowed {
                Ok(()) => producers(broker, &partition).await.map_err(Refused::from),
                Err(refused) => Err(refused.clone()),
            };
            seen.insert(partition);
            partitions.push(response(index, found));
        }
        topics.push(TopicResponse::default().with_name(topic.name).with_partitions(partitions));
        pace.step().await;
    }
    DescribeProducersResponse::default().with_topics(topics)
}

fn check(broker: &Broker, context: &Context, topic: &TopicRequest) -> Result<(), Refused> {
    coordinator::topics::check_name(&topic.name).map_err(|flaw| {
        Refused::new(ErrorCode::InvalidTopicException, format!("Topic name is invalid: {flaw}"))
    })?;
    if !broker.authorizer.allows(context, Operation::Read, &Resource::topic(&topic.name)) {
        let text = "Topic authorization failed.";
        return Err(Refused::new(ErrorCode::TopicAuthorizationFailed, text));
    }
    if !broker.metadata.picture().topics.contains_key(&**topic.name) {
        let text = "This server does not host this topic-partition.";
        return Err(Refused::new(ErrorCode::UnknownTopicOrPartition, text));
    }
    Ok(())
}

async fn producers(broker: &Broker, partition: &TopicPartition) -> Result<Vec<ActiveProducer>, ErrorCode> {
    let is_known = broker.metadata.picture().partition(&partition.topic, partition.partition).is_some();
    match broker.hosted.get(&partition.topic, partition.partition) {
        Err(Absent::Offline) => return Err(Absent::Offline.into()),
        Err(Absent::NotLed) if !is_known => return Err(ErrorCode::UnknownTopicOrPartition),
        // A follower has a log as well.
        Err(Absent::NotLed) | Ok(_) => {}
    }
    let (reply, told) = oneshot::channel();
    let ask = Command::DescribeProducers { partition: partition.clone(), reply };
    broker.shards.send(partition, ask).await.map_err(|_| ErrorCode::NotLeaderOrFollower)?;
    told.await.map_err(|_| ErrorCode::NotLeaderOrFollower)
}

fn response(index: i32, found: Result<Vec<ActiveProducer>, Refused>) -> PartitionResponse {
    let (active, outcome) = match found {
        Ok(active) => (active, Ok(())),
        Err(refused) => (Vec::new(), Err(refused)),
    };
    let (code, message): (i16, Option<StrBytes>) = told(outcome);
    PartitionResponse::default()
        .with_partition_index(index)
        .with_error_code(code)
        .with_error_message(message)
        .with_active_producers(active.iter().map(state).collect())
}

fn state(producer: &ActiveProducer) -> ProducerState {
    ProducerState::default()
        .with_producer_id(ProducerId(producer.id.0))
        .with_producer_epoch(i32::from(producer.epoch.0))
        .with_last_sequence(producer.last_sequence.0)
        .with_last_timestamp(producer.last_timestamp.0)
        .with_coordinator_epoch(producer.coordinator_epoch)
        .with_current_txn_start_offset(producer.open_since.map_or(-1, |offset| offset.0))
}
