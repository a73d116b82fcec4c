//! OffsetForLeaderEpoch (key 23), versions 0–4: where the records of a leader epoch end, for whoever wants to know what was cut off since.
//!
//! v1 answers the epoch found too, v2 checks the leader epoch that the client believes in. Only the leader answers.
//! Does not differ from Kafka 3.9.

use protocol::error_code::ErrorCode;
use protocol::ids::LeaderEpoch;
use protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use protocol::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use storage::EpochEnd;

use super::context::Context;
use super::pace::{self, Pace};
use crate::authorizer::{Operation, Resource};
use crate::broker::Broker;
use crate::hosted::Absent;

pub(crate) async fn answer(
    broker: &Broker,
    context: &Context,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    // Made for followers, who need no right to a topic; consumers came later (KIP-320).
    let is_follower = broker.authorizer.allows(context, Operation::ClusterAction, &Resource::cluster());
    let (mut topics, mut pace) = (Vec::with_capacity(request.topics.len()), Pace::default());
    for topic in request.topics {
        let may_ask =
            || broker.authorizer.allows(context, Operation::Describe, &Resource::topic(&topic.topic));
        let allowed = is_follower || may_ask();
        let partitions = topic.partitions.iter().map(|asked| match allowed {
            true => response(asked.partition, epoch_end(broker, &topic, asked)),
            false => response(asked.partition, Err(ErrorCode::TopicAuthorizationFailed)),
        });
        let partitions = pace::collect(partitions).await;
        topics
            .push(OffsetForLeaderTopicResult::default().with_topic(topic.topic).with_partitions(partitions));
        pace.step().await;
    }
    OffsetForLeaderEpochResponse::default().with_topics(topics)
}

/// `None` where the log cannot know of the epoch.
fn epoch_end(
    broker: &Broker,
    topic: &OffsetForLeaderTopic,
    asked: &OffsetForLeaderPartition,
) -> Result<Option<EpochEnd>, ErrorCode> {
    let hosted = broker.hosted.get(&topic.topic, asked.partition).map_err(|absent| {
        let is_known = broker.metadata.picture().partition(&topic.topic, asked.partition).is_some();
        match absent {
            Absent::NotLed if !is_known => ErrorCode::UnknownTopicOrPartition,
            Absent::NotLed | Absent::Offline => absent.into(),
        }
    })?;
    hosted.leadership.check(LeaderEpoch(asked.current_leader_epoch))?;
    Ok(hosted.log.epoch_end(LeaderEpoch(asked.leader_epoch)))
}

fn response(partition: i32, found: Result<Option<EpochEnd>, ErrorCode>) -> EpochEndOffset {
    let blank = EpochEndOffset::default().with_partition(partition).with_leader_epoch(-1).with_end_offset(-1);
    match found {
        Ok(Some(found)) => blank.with_leader_epoch(found.epoch.0).with_end_offset(found.end.0),
        Ok(None) => blank,
        Err(error) => blank.with_error_code(error.code()),
    }
}
