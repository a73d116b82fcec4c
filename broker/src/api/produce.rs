//! Produce (key 0), versions 3–11: one record batch per partition, checked here, appended by the partition's shard.
//!
//! acks 0 is not answered, and an error then closes the connection; acks 1 is answered when it is in the log, acks -1 when the
//! replicas in sync have it. A partition's failure never affects another. v8 has record errors, v10 the new leader (KIP-951).
//! Differs from Kafka 3.9: transactional batches are refused (no transaction coordinator yet); the records inside a compressed
//! batch are not looked at, and no batch is recompressed; versions before 3 are not served.

mod check;

use std::sync::Arc;
use std::time::Duration;

use coordinator::replica::Acks;
use protocol::StrBytes;
use protocol::batch::{BatchHeader, Produced, only_batch};
use protocol::error_code::ErrorCode;
use protocol::ids::{LeaderEpoch, TopicPartition};
use protocol::messages::produce_request::PartitionProduceData;
use protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use protocol::messages::{BrokerId as WireBrokerId, ProduceRequest, ProduceResponse, TopicName};
use protocol::request::RequestHeader;
use protocol::response;
use tokio::sync::oneshot;

use super::context::{Context, Outcome, Pending};
use super::error::Refused;
use super::fetch::read::address;
use crate::authorizer::{Operation, Resource};
use crate::broker::Broker;
use crate::metadata::Picture;
use crate::shard::{Append, AppendFailure, AppendOutcome, Appended, Command};

/// The client id with which Kafka's own tools may write internal topics.
const ADMIN_CLIENT_ID: &str = "__admin_client";
/// The first version that tells the new leader along with NOT_LEADER_OR_FOLLOWER.
const NEW_LEADER_SINCE: i16 = 10;
const NO_OFFSET: i64 = -1;

/// Checks the request and hands its batches to their shards; the answer is put together when all have replied.
pub(crate) async fn submit(
    broker: &Arc<Broker>,
    context: Context,
    header: RequestHeader,
    request: ProduceRequest,
) -> Pending {
    let picture = broker.metadata.picture();
    let desk =
        Desk { broker, context: &context, picture: &picture, version: header.version, acks: request.acks };
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let may_commit = desk.may_write_transactions(&request);
    let mut sorted = Sorted::default();
    for topic in request.topic_data {
        sorted.begin_topic(topic.name.clone());
        let allowed = may_commit.and_then(|()| desk.may_write(&topic.name));
        for data in topic.partition_data {
            let index = data.index;
            let checked = match allowed {
                Ok(()) => desk.check(&topic.name, data),
                Err(code) => Err(Rejected::from(code)),
            };
            sorted.add(broker, index, checked);
        }
    }
    let acks = if request.acks == -1 { Acks::All } else { Acks::Leader };
    let replies = match sorted.send(broker, acks, timeout).await {
        Ok(replies) => replies,
        Err(reason) => return Pending::Ready(Outcome::Close(reason)),
    };
    let (broker, listener, silent) = (Arc::clone(broker), Arc::clone(&context.listener), request.acks == 0);
    Pending::later(async move {
        let outcomes = replies.gather().await;
        let report = Report { version: header.version, listener, picture: broker.metadata.picture() };
        let topics: Vec<_> = sorted.topics.into_iter().map(|topic| report.topic(topic, &outcomes)).collect();
        if silent { report.silence(&topics) } else { report.answer(&header, topics) }
    })
}

/// Why a batch does not reach its shard.
#[derive(Debug, Default)]
struct Rejected {
    refused: Option<Refused>,
    record_errors: Vec<BatchIndexAndErrorMessage>,
}

impl<T: Into<Refused>> From<T> for Rejected {
    fn from(refused: T) -> Self {
        Self { refused: Some(refused.into()), record_errors: Vec::new() }
    }
}

/// What the checks of one request look at.
struct Desk<'a> {
    broker: &'a Broker,
    context: &'a Context,
    picture: &'a Picture,
    version: i16,
    acks: i16,
}

impl Desk<'_> {
    /// A request with a transactional batch names the transactional id that it may write by, or is refused as a whole.
    fn may_write_transactions(&self, request: &ProduceRequest) -> Result<(), ErrorCode> {
        let mut records = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
        if !records.any(|data| data.records.as_deref().is_some_and(is_transactional)) {
            return Ok(());
        }
        let id = request.transactional_id.as_ref().ok_or(ErrorCode::TransactionalIdAuthorizationFailed)?;
        let allowed =
            self.broker.authorizer.allows(self.context, Operation::Write, &Resource::transactional_id(id));
        if allowed { Ok(()) } else { Err(ErrorCode::TransactionalIdAuthorizationFailed) }
    }

    fn may_write(&self, topic: &str) -> Result<(), ErrorCode> {
        let allowed = self.broker.authorizer.allows(self.context, Operation::Write, &Resource::topic(topic));
        if allowed { Ok(()) } else { Err(ErrorCode::TopicAuthorizationFailed) }
    }

    /// The checks in Kafka's order, up to those that need the log.
    fn check(&self, topic: &str, data: PartitionProduceData) -> Result<(TopicPartition, Produced), Rejected> {
        let (name, _) = self.picture.topics.get_key_value(topic).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let index = data.index;
        if self.picture.partition(topic, index).is_none() {
            return Err(ErrorCode::UnknownTopicOrPartition.into());
        }
        let mut produced = only_batch(data.records.as_ref(), self.version).map_err(|e| Refused::from(&e))?;
        if produced.header.attributes.is_transactional() {
            let text = "this broker has no transaction coordinator: transactional batches are refused";
            return Err(Refused::new(ErrorCode::InvalidTxnState, text).into());
        }
        if !matches!(self.acks, -1..=1) {
            return Err(ErrorCode::InvalidRequiredAcks.into());
        }
        if coordinator::topics::is_internal(topic)
            && self.context.client_id.as_deref() != Some(ADMIN_CLIENT_ID)
        {
            let text = format!("Cannot append to internal topic {topic}");
            return Err(Refused::new(ErrorCode::InvalidTopicException, text).into());
        }
        let hosted = self.broker.hosted.get(topic, index).map_err(ErrorCode::from)?;
        hosted.leadership.check(LeaderEpoch::NONE).map_err(ErrorCode::from)?;
        check::records(&mut produced, &hosted.name, &hosted.rules(), self.broker.shards.clock().now().wall)?;
        Ok((TopicPartition { topic: Arc::clone(name), partition: index }, produced))
    }
}

fn is_transactional(records: &[u8]) -> bool {
    BatchHeader::parse(records).is_ok_and(|header| header.attributes.is_transactional())
}

/// A request's partitions, sorted by shard, each with the place where its outcome will be found.
#[derive(Debug, Default)]
struct Sorted {
    topics: Vec<TopicSlots>,
    by_shard: Vec<(usize, Vec<(TopicPartition, Produced)>)>,
}

#[derive(Debug)]
struct TopicSlots {
    name: TopicName,
    partitions: Vec<(i32, Slot)>,
}

#[derive(Debug)]
enum Slot {
    Rejected(Rejected),
    /// The reply and the place in it.
    Sent(usize, usize),
}

impl Sorted {
    fn begin_topic(&mut self, name: TopicName) {
        self.topics.push(TopicSlots { name, partitions: Vec::new() });
    }

    fn add(&mut self, broker: &Broker, index: i32, checked: Result<(TopicPartition, Produced), Rejected>) {
        let slot = match checked {
            Err(rejected) => Slot::Rejected(rejected),
            Ok((partition, produced)) => {
                let shard = broker.shards.index_of(&partition);
                let reply = self.by_shard.iter().position(|(s, _)| *s == shard).unwrap_or_else(|| {
                    self.by_shard.push((shard, Vec::new()));
                    self.by_shard.len() - 1
                });
                self.by_shard[reply].1.push((partition, produced));
                Slot::Sent(reply, self.by_shard[reply].1.len() - 1)
            }
        };
        if let Some(topic) = self.topics.last_mut() {
            topic.partitions.push((index, slot));
        }
    }

    /// Waits where a shard's mailbox is full, which holds back the connection.
    async fn send(&mut self, broker: &Broker, acks: Acks, timeout: Duration) -> Result<Replies, String> {
        let mut replies = Replies(Vec::with_capacity(self.by_shard.len()));
        for (shard, batches) in self.by_shard.drain(..) {
            let (reply, received) = oneshot::channel();
            let command = Command::Append(Append { batches, acks, timeout, reply });
            broker.shards.send_to(shard, command).await.map_err(|stopping| stopping.to_string())?;
            replies.0.push(received);
        }
        Ok(replies)
    }
}

/// One receiver per shard that got a part of the request.
struct Replies(Vec<oneshot::Receiver<Vec<AppendOutcome>>>);

impl Replies {
    async fn gather(self) -> Vec<Vec<AppendOutcome>> {
        let mut outcomes = Vec::with_capacity(self.0.len());
        for reply in self.0 {
            // A shard that is gone has left the request undecided, which the slots report.
            outcomes.push(reply.await.unwrap_or_default());
        }
        outcomes
    }
}

/// Puts the answer together.
struct Report {
    version: i16,
    listener: Arc<str>,
    picture: Arc<Picture>,
}

impl Report {
    fn topic(&self, topic: TopicSlots, outcomes: &[Vec<AppendOutcome>]) -> TopicProduceResponse {
        let partitions = topic.partitions.into_iter().map(|(index, slot)| match slot {
            Slot::Rejected(rejected) => self.rejected(&topic.name, index, rejected),
            Slot::Sent(reply, place) => match outcomes.get(reply).and_then(|outcomes| outcomes.get(place)) {
                Some(Ok(appended)) => accepted(index, appended),
                Some(Err(failure)) => {
                    self.rejected(&topic.name, index, Rejected::from(Refused::from(failure)))
                }
                None => {
                    self.rejected(&topic.name, index, Rejected::from(Refused::from(&AppendFailure::Offline)))
                }
            },
        });
        let partition_responses = partitions.collect();
        TopicProduceResponse::default().with_name(topic.name).with_partition_responses(partition_responses)
    }

    fn rejected(&self, topic: &str, index: i32, rejected: Rejected) -> PartitionProduceResponse {
        let Rejected { refused, record_errors } = rejected;
        let Refused { code, message } = refused.unwrap_or_else(|| ErrorCode::UnknownServerError.into());
        let mut response = PartitionProduceResponse::default()
            .with_index(index)
            .with_error_code(code.code())
            .with_base_offset(NO_OFFSET);
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

    fn answer(&self, header: &RequestHeader, topics: Vec<TopicProduceResponse>) -> Outcome {
        let node_endpoints = self.node_endpoints(&topics);
        let message = ProduceResponse::default().with_responses(topics).with_node_endpoints(node_endpoints);
        response::encode(header.correlation_id, header.api, header.version, &message).into()
    }

    /// With acks 0 a client hears of an error by losing its connection.
    fn silence(&self, topics: &[TopicProduceResponse]) -> Outcome {
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
        let listed = leaders.into_iter().filter_map(|id| {
            let (host, port, rack) = address(&self.picture, protocol::BrokerId(id), &self.listener)?;
            Some(
                NodeEndpoint::default()
                    .with_node_id(WireBrokerId(id))
                    .with_host(StrBytes::from_string(host))
                    .with_port(port)
                    .with_rack(rack.map(StrBytes::from_string)),
            )
        });
        listed.collect()
    }
}

fn accepted(index: i32, appended: &Appended) -> PartitionProduceResponse {
    PartitionProduceResponse::default()
        .with_index(index)
        .with_base_offset(appended.base_offset.0)
        .with_log_append_time_ms(appended.log_append_time.map_or(-1, |time| time.0))
        .with_log_start_offset(appended.log_start.0)
}
