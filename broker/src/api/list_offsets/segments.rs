//! ListOffsets v0: a list of offsets where segments begin, newest first, for clients of Kafka 0.8 and 0.9.
//! Called by `list_offsets.rs`. Knows -1 and -2 only, no leader epoch, and takes a partition that is named twice. An answer is bounded:
//! partitions beyond it are INVALID_REQUEST.

use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::ids::{LeaderEpoch, Millis};
use protocol::messages::list_offsets_request::ListOffsetsPartition;
use protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};
use storage::{SegmentTime, UpTo};

use super::{CONSUMER, EARLIEST, LATEST, hosted};
use crate::api::context::Context;
use crate::api::pace::Pace;
use crate::authorizer::{Operation, Resource};
use crate::broker::Broker;

/// Offsets in one answer: 8 MB of them. Kafka answers whatever a request multiplies.
const OFFSETS_MAX: usize = 1_000_000;

pub(super) async fn answer(
    broker: &Arc<Broker>,
    context: &Context,
    request: ListOffsetsRequest,
) -> ListOffsetsResponse {
    let up_to = if request.replica_id.0 == CONSUMER { UpTo::HighWatermark } else { UpTo::LogEnd };
    let mut topics = Vec::with_capacity(request.topics.len());
    let (mut room, mut pace) = (OFFSETS_MAX, Pace::default());
    for topic in request.topics {
        let allowed = broker.authorizer.allows(context, Operation::Describe, &Resource::topic(&topic.name));
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in &topic.partitions {
            let found = match (allowed, room) {
                (false, _) => Err(ErrorCode::TopicAuthorizationFailed),
                (true, 0) => Err(ErrorCode::InvalidRequest),
                (true, _) => offsets(broker, (&topic.name, asked), up_to).await,
            };
            room = room.saturating_sub(found.as_ref().map_or(0, Vec::len));
            partitions.push(response(asked.partition_index, found));
            pace.step().await;
        }
        pace.step().await;
        topics.push(ListOffsetsTopicResponse::default().with_name(topic.name).with_partitions(partitions));
    }
    ListOffsetsResponse::default().with_topics(topics)
}

async fn offsets(
    broker: &Arc<Broker>,
    (topic, asked): (&str, &ListOffsetsPartition),
    up_to: UpTo,
) -> Result<Vec<i64>, ErrorCode> {
    let from = match asked.timestamp {
        LATEST => SegmentTime::Latest,
        EARLIEST => SegmentTime::Earliest,
        time if time < 0 => return Err(ErrorCode::UnsupportedVersion),
        time => SegmentTime::Until(Millis(time)),
    };
    let hosted = hosted(broker, topic, asked.partition_index)?;
    hosted.leadership.check(LeaderEpoch::NONE)?;
    let count = usize::try_from(asked.max_num_offsets).map_err(|_| ErrorCode::UnknownServerError)?;
    let now = broker.shards.clock().now().wall;
    let found = broker.tasks.blocking(move || hosted.log.segment_offsets(from, count, up_to, now)).await;
    Ok(found.into_iter().map(|offset| offset.0).collect())
}

fn response(index: i32, found: Result<Vec<i64>, ErrorCode>) -> ListOffsetsPartitionResponse {
    let answer = ListOffsetsPartitionResponse::default().with_partition_index(index);
    match found {
        Ok(offsets) => answer.with_old_style_offsets(offsets),
        Err(error) => answer.with_error_code(error.code()),
    }
}
