//! What is checked of one request before its batches go to their shards, in Kafka's order up to what needs the log.

use std::sync::Arc;

use protocol::StrBytes;
use protocol::batch::{
    BatchHeader, Codec, ProduceRules, Produced, ProducedError, Sent, StoredAs, admit, sent,
};
use protocol::bytes::Bytes;
use protocol::error_code::ErrorCode;
use protocol::ids::{LeaderEpoch, Offset, TopicPartition};
use protocol::messages::ProduceRequest;
use protocol::messages::produce_response::BatchIndexAndErrorMessage;

use super::report::tells_log_start;
use crate::api::context::Context;
use crate::api::error::Refused;
use crate::authorizer::{Operation, Resource};
use crate::broker::Broker;
use crate::hosted::HostedPartition;
use crate::metadata::Picture;

/// The client id with which Kafka's own tools may write internal topics.
const ADMIN_CLIENT_ID: &str = "__admin_client";
/// Bytes from which unpacking what was sent is left to a thread that may take its time.
const LONG_READING: usize = 64 << 10;
/// The same for writing it anew, which is many times slower.
const LONG_REWRITING: usize = 1 << 10;

/// Why a batch does not reach its shard.
#[derive(Debug)]
pub(super) struct Rejected {
    pub(super) refused: Refused,
    pub(super) record_errors: Vec<BatchIndexAndErrorMessage>,
    /// What the answer says of the log, if anything.
    pub(super) log_start: Option<Offset>,
}

impl<T: Into<Refused>> From<T> for Rejected {
    fn from(refused: T) -> Self {
        Self { refused: refused.into(), record_errors: Vec::new(), log_start: None }
    }
}

impl Rejected {
    /// Refused by the leader, which has looked at the log already.
    fn by_leader(error: &ProducedError, partition: &HostedPartition) -> Self {
        let records = if let ProducedError::Records(refused) = error { &refused.records[..] } else { &[] };
        let named = records.iter().map(|record| {
            BatchIndexAndErrorMessage::default()
                .with_batch_index(record.index)
                .with_batch_index_error_message(Some(StrBytes::from_string(record.text.clone())))
        });
        let refused = Refused::from(error);
        let log_start = tells_log_start(refused.code).then(|| partition.log.view().start);
        Self { refused, record_errors: named.collect(), log_start }
    }
}

/// What the checks of one request look at.
pub(super) struct Desk<'a> {
    pub(super) broker: &'a Broker,
    pub(super) context: &'a Context,
    pub(super) picture: &'a Picture,
    pub(super) version: i16,
    pub(super) acks: i16,
}

impl Desk<'_> {
    /// A request with a transactional batch names the transactional id that it may write by, or is refused as a whole.
    pub(super) fn may_write_transactions(&self, request: &ProduceRequest) -> Result<(), ErrorCode> {
        let mut records = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
        if !records.any(|data| data.records.as_deref().is_some_and(is_transactional)) {
            return Ok(());
        }
        let id = request.transactional_id.as_ref().ok_or(ErrorCode::TransactionalIdAuthorizationFailed)?;
        let allowed =
            self.broker.authorizer.allows(self.context, Operation::Write, &Resource::transactional_id(id));
        if allowed { Ok(()) } else { Err(ErrorCode::TransactionalIdAuthorizationFailed) }
    }

    pub(super) fn may_write(&self, topic: &str) -> Result<(), ErrorCode> {
        let allowed = self.broker.authorizer.allows(self.context, Operation::Write, &Resource::topic(topic));
        if allowed { Ok(()) } else { Err(ErrorCode::TopicAuthorizationFailed) }
    }

    /// The batch to append, if there is one.
    pub(super) async fn check(
        &self,
        (topic, index): (&str, i32),
        records: Option<&Bytes>,
    ) -> Result<Option<(TopicPartition, Produced)>, Rejected> {
        let (name, sent) = self.told((topic, index), records)?;
        let hosted = self.broker.hosted.get(topic, index).map_err(ErrorCode::from)?;
        hosted.leadership.check(LeaderEpoch::NONE).map_err(ErrorCode::from)?;
        let (rules, now) = (hosted.rules(), self.broker.shards.clock().now().wall);
        let admitted = if is_long_work(&sent, &rules) {
            let name = hosted.name.clone();
            self.broker.tasks.blocking(move || admit(sent, &rules, &name, now)).await
        } else {
            admit(sent, &rules, &hosted.name, now)
        };
        let admitted = admitted.map_err(|error| Rejected::by_leader(&error, &hosted))?;
        Ok(admitted.map(|produced| (TopicPartition { topic: name, partition: index }, produced)))
    }

    /// What was sent, and that it may be sent, as far as can be told without the log.
    fn told(
        &self,
        (topic, index): (&str, i32),
        records: Option<&Bytes>,
    ) -> Result<(Arc<str>, Sent), Rejected> {
        let known = self.picture.topics.get_key_value(topic);
        let known = known.filter(|(_, topic)| topic.partitions.contains_key(&index));
        let (name, _) = known.ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let sent = sent(records, self.version).map_err(|error| Refused::from(&error))?;
        if matches!(&sent, Sent::Batch(batch) if batch.header.attributes.is_transactional()) {
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
        Ok((Arc::clone(name), sent))
    }
}

/// Whether a codec has much to do, so that the connection's thread is better left to others.
fn is_long_work(sent: &Sent, rules: &ProduceRules) -> bool {
    match sent {
        Sent::Nothing => false,
        Sent::Messages(set) => set.len() >= LONG_REWRITING,
        Sent::Batch(produced) => {
            let (codec, size) = (produced.header.attributes.codec(), produced.batch.len());
            match rules.stored_as {
                StoredAs::Always(target) if Ok(target.codec()) != codec => size >= LONG_REWRITING,
                StoredAs::Always(_) | StoredAs::Sent => codec != Ok(Codec::None) && size >= LONG_READING,
            }
        }
    }
}

fn is_transactional(records: &[u8]) -> bool {
    BatchHeader::parse(records).is_ok_and(|header| header.attributes.is_transactional())
}
