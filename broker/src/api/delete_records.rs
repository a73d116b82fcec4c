//! DeleteRecords (key 21), versions 0–2: moves the start of partitions up, so that older records are gone for everyone.
//!
//! -1 is the high watermark; what lies beyond it is OFFSET_OUT_OF_RANGE, what is gone already is fine. A topic whose cleanup.policy has no
//! delete is POLICY_VIOLATION, an internal one INVALID_TOPIC_EXCEPTION. The answer waits until no live replica begins below the offset.
//! Differs from Kafka 3.9: whole segments go at once and not with the next round of retention. No follower tells its start yet, so a
//! live one holds the answer back for the whole time-out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use protocol::StrBytes;
use protocol::error_code::ErrorCode;
use protocol::ids::{BrokerId, Offset, TopicPartition};
use protocol::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse, TopicName};
use tokio::sync::oneshot;

use super::context::{Context, patience};
use super::pace::{self, Pace};
use crate::authorizer::{Operation, Resource};
use crate::broker::Broker;
use crate::metadata::Picture;
use crate::shard::{Command, DeleteFailure, DeleteRecords, RecordsDeleted};

/// In place of an offset: all that consumers can see.
const HIGH_WATERMARK: i64 = -1;

/// What becomes of one partition; `Ok` is its low watermark.
type Outcome = Result<Offset, ErrorCode>;

pub(crate) async fn answer(
    broker: &Broker,
    context: &Context,
    request: DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    let patience = patience(request.timeout_ms);
    let deletable = deletable(broker, context, &request).await;
    let (mut begun, mut pace) = (Vec::new(), Pace::default());
    for (partition, offset) in wishes(&request).await {
        let reply = match deletable.contains(&partition.topic) {
            true => begin(broker, &partition, offset).await,
            false => Err(ErrorCode::TopicAuthorizationFailed),
        };
        begun.push((partition, reply));
        pace.step().await;
    }
    let mut outcomes = BTreeMap::new();
    for (partition, reply) in begun {
        outcomes.insert(partition, led(reply).await);
        pace.step().await;
    }
    follow(broker, patience, &mut outcomes).await;
    response(outcomes).await
}

/// One offset per partition: of several the last counts, as in Kafka's map.
async fn wishes(request: &DeleteRecordsRequest) -> BTreeMap<TopicPartition, i64> {
    let (mut wishes, mut pace) = (BTreeMap::new(), Pace::default());
    for topic in &request.topics {
        let name: Arc<str> = Arc::from(&**topic.name);
        for wish in &topic.partitions {
            let partition = TopicPartition { topic: Arc::clone(&name), partition: wish.partition_index };
            wishes.insert(partition, wish.offset);
            pace.step().await;
        }
        pace.step().await;
    }
    wishes
}

async fn deletable(broker: &Broker, context: &Context, request: &DeleteRecordsRequest) -> BTreeSet<Arc<str>> {
    let names: BTreeSet<Arc<str>> =
        pace::collect(request.topics.iter().map(|topic| Arc::from(&**topic.name))).await;
    let allows =
        |name: &Arc<str>| broker.authorizer.allows(context, Operation::Delete, &Resource::topic(name));
    pace::collect(names.into_iter().filter(allows)).await
}

type Reply = oneshot::Receiver<Result<RecordsDeleted, DeleteFailure>>;

/// Hands one partition's wish to its shard.
async fn begin(broker: &Broker, partition: &TopicPartition, offset: i64) -> Result<Reply, ErrorCode> {
    if broker.metadata.picture().partition(&partition.topic, partition.partition).is_none() {
        return Err(ErrorCode::UnknownTopicOrPartition);
    }
    if coordinator::topics::is_internal(&partition.topic) {
        return Err(ErrorCode::InvalidTopicException);
    }
    let (reply, deleted) = oneshot::channel();
    let before = (offset != HIGH_WATERMARK).then_some(Offset(offset));
    let delete = DeleteRecords { partition: partition.clone(), before, reply };
    let sent = broker.shards.send(partition, Command::DeleteRecords(delete)).await;
    sent.map(|()| deleted).map_err(|_| ErrorCode::NotLeaderOrFollower)
}

/// What the leader did.
async fn led(reply: Result<Reply, ErrorCode>) -> Outcome {
    match reply?.await {
        Ok(Ok(deleted)) => Ok(deleted.log_start),
        Ok(Err(failure)) => {
            tracing::debug!(%failure, "records are not deleted");
            Err(ErrorCode::from(&failure))
        }
        // The shard is gone because the broker stops.
        Err(_) => Err(ErrorCode::NotLeaderOrFollower),
    }
}

/// Waits for the followers of what the leader has deleted. Source: DelayedDeleteRecords, Partition.lowWatermarkIfLeader (3.9).
async fn follow(broker: &Broker, patience: Duration, outcomes: &mut BTreeMap<TopicPartition, Outcome>) {
    let waits = |picture: &Picture, (partition, outcome): (&TopicPartition, &Outcome)| {
        outcome.is_ok() && followed(broker, picture, partition) == Err(ErrorCode::RequestTimedOut)
    };
    let done = |picture: &Picture| !outcomes.iter().any(|entry| waits(picture, entry));
    broker.metadata.wait_for(patience, done).await;
    let picture = broker.metadata.picture();
    let mut pace = Pace::default();
    for (partition, outcome) in outcomes {
        pace.step().await;
        if let Ok(low_watermark) = *outcome {
            *outcome = followed(broker, &picture, partition).map(|()| low_watermark);
        }
    }
}

/// Whether every live replica has what the leader has done, which is asked for as long as the time-out allows.
fn followed(broker: &Broker, picture: &Picture, partition: &TopicPartition) -> Result<(), ErrorCode> {
    let known = picture.partition(&partition.topic, partition.partition);
    let known = known.ok_or(ErrorCode::UnknownTopicOrPartition)?;
    broker.hosted.get(&partition.topic, partition.partition)?;
    let is_live = |id: &BrokerId| *id != broker.identity.broker && picture.brokers.contains_key(id);
    if known.replicas.iter().any(is_live) { Err(ErrorCode::RequestTimedOut) } else { Ok(()) }
}

async fn response(outcomes: BTreeMap<TopicPartition, Outcome>) -> DeleteRecordsResponse {
    let mut topics: BTreeMap<Arc<str>, Vec<DeleteRecordsPartitionResult>> = BTreeMap::new();
    let mut pace = Pace::default();
    for (partition, outcome) in outcomes {
        pace.step().await;
        let result = DeleteRecordsPartitionResult::default().with_partition_index(partition.partition);
        let result = match outcome {
            Ok(low_watermark) => result.with_low_watermark(low_watermark.0),
            Err(error) => result.with_low_watermark(Offset::NONE.0).with_error_code(error.code()),
        };
        topics.entry(partition.topic).or_default().push(result);
    }
    let topics = topics.into_iter().map(|(name, partitions)| {
        let name = TopicName(StrBytes::from_string(name.to_string()));
        DeleteRecordsTopicResult::default().with_name(name).with_partitions(partitions)
    });
    DeleteRecordsResponse::default().with_topics(pace::collect(topics).await)
}
