//! Puts the answer to a Produce together.

use std::sync::Arc;

use protocol::StrBytes;
use protocol::error_code::ErrorCode;
use protocol::ids::BrokerId;
use protocol::messages::produce_response::{
    LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use protocol::messages::{BrokerId as WireBrokerId, ProduceResponse};
use protocol::request::RequestHeader;
use protocol::response;

use super::desk::Rejected;
use super::{Slot, TopicSlots};
use crate::api::context::Outcome;
use crate::api::error::Refused;
use crate::broker::Broker;
use crate::metadata::{Address, Picture};
use crate::shard::{AppendFailure, AppendOutcome, Appended};

/// The first version that tells the new leader along with NOT_LEADER_OR_FOLLOWER.
const NEW_LEADER_SINCE: i16 = 10;
const NO_OFFSET: i64 = -1;

pub(super) struct Report<'a> {
    broker: &'a Broker,
    version: i16,
    listener: Arc<str>,
    picture: Arc<Picture>,
}

impl<'a> Report<'a> {
    pub(super) fn new(broker: &'a Broker, version: i16, listener: Arc<str>) -> Self {
        Self { broker, version, listener, picture: broker.metadata.picture() }
    }

    pub(super) fn topic(&self, topic: TopicSlots, outcomes: &[Vec<AppendOutcome>]) -> TopicProduceResponse {
        let partitions = topic.partitions.into_iter().map(|(index, slot)| match slot {
            Slot::Rejected(rejected) => self.rejected(&topic.name, index, rejected),
            Slot::Sent(reply, place) => match outcomes.get(reply).and_then(|outcomes| outcomes.get(place)) {
                Some(Ok(appended)) => accepted(index, appended),
                Some(Err(failure)) => self.failed(&topic.name, index, failure),
                None => self.failed(&topic.name, index, &AppendFailure::Offline),
            },
            Slot::Empty => nothing(index),
        });
        let partition_responses = partitions.collect();
        TopicProduceResponse::default().with_name(topic.name).with_partition_responses(partition_responses)
    }

    fn failed(&self, topic: &str, index: i32, failure: &AppendFailure) -> PartitionProduceResponse {
        let refused = Refused::from(failure);
        let hosted = self.broker.hosted.get(topic, index).ok().filter(|_| tells_log_start(refused.code));
        let log_start = hosted.map(|partition| partition.log.view().start);
        self.rejected(topic, index, Rejected { log_start, ..Rejected::from(refused) })
    }

    fn rejected(&self, topic: &str, index: i32, rejected: Rejected) -> PartitionProduceResponse {
        let Rejected { refused: Refused { code, message }, record_errors, log_start } = rejected;
        let mut response = nothing(index).with_error_code(code.code());
        response.log_start_offset = log_start.map_or(NO_OFFSET, |offset| offset.0);
        if self.version >= 8 {
            response.record_errors = record_errors;
            response.error_message = message.map(StrBytes::from_string);
        }
        let partition = self.picture.partition(topic, index);
        if let (true, ErrorCode::NotLeaderOrFollower, Some(partition)) =
            (self.version >= NEW_LEADER_SINCE, code, partition)
        {
            response.current_leader = LeaderIdAndEpoch::default()
                .with_leader_id(WireBrokerId(partition.leader.0))
                .with_leader_epoch(partition.leader_epoch.0);
        }
        response
    }

    pub(super) fn answer(&self, header: &RequestHeader, topics: Vec<TopicProduceResponse>) -> Outcome {
        let node_endpoints = self.node_endpoints(&topics);
        let message = ProduceResponse::default().with_responses(topics).with_node_endpoints(node_endpoints);
        response::encode(header.correlation_id, header.api, header.version, &message).into()
    }

    /// With acks 0 a client hears of an error by losing its connection.
    pub(super) fn silence(&self, topics: &[TopicProduceResponse]) -> Outcome {
        let partitions = topics
            .iter()
            .flat_map(|topic| topic.partition_responses.iter().map(move |one| (&*topic.name, one)));
        let mut refused = partitions.filter(|(_, partition)| partition.error_code != 0);
        match refused.next() {
            None => Outcome::Silent,
            Some((topic, partition)) => {
                let error = ErrorCode::from_code(partition.error_code);
                Outcome::Close(format!("{error} for {topic}-{} with acks=0", partition.index))
            }
        }
    }

    fn node_endpoints(&self, topics: &[TopicProduceResponse]) -> Vec<NodeEndpoint> {
        let named = topics.iter().flat_map(|t| &t.partition_responses).map(|p| p.current_leader.leader_id.0);
        let mut leaders: Vec<_> = named.filter(|id| *id >= 0).collect();
        leaders.sort_unstable();
        leaders.dedup();
        let reached = leaders.into_iter().filter_map(|id| self.picture.address(BrokerId(id), &self.listener));
        let endpoint = |Address { broker, host, port, rack }| {
            NodeEndpoint::default()
                .with_node_id(WireBrokerId(broker.0))
                .with_host(host)
                .with_port(port)
                .with_rack(rack)
        };
        reached.map(endpoint).collect()
    }
}

/// Whether a refusal by the leader says where its log begins: not where Kafka expects the error.
pub(super) fn tells_log_start(code: ErrorCode) -> bool {
    !matches!(
        code,
        ErrorCode::UnknownTopicOrPartition
            | ErrorCode::NotLeaderOrFollower
            | ErrorCode::MessageTooLarge
            | ErrorCode::RecordListTooLarge
            | ErrorCode::CorruptMessage
            | ErrorCode::KafkaStorageError
    )
}

/// The answer where nothing was appended.
fn nothing(index: i32) -> PartitionProduceResponse {
    PartitionProduceResponse::default().with_index(index).with_base_offset(NO_OFFSET)
}

fn accepted(index: i32, appended: &Appended) -> PartitionProduceResponse {
    PartitionProduceResponse::default()
        .with_index(index)
        .with_base_offset(appended.base_offset.0)
        .with_log_append_time_ms(appended.log_append_time.map_or(-1, |time| time.0))
        .with_log_start_offset(appended.log_start.0)
}
