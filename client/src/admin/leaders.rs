//! Requests that only a partition's leader answers: who leads, one request for each leader, again while leaders change.
//!
//! Partitions that do not exist are refused at once. Source: PartitionLeaderStrategy, AdminApiDriver.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_protocol::protocol::Request;
use protocol::{BrokerId, ErrorCode, TopicPartition};
use tokio::time::{Instant, sleep};

use super::Outcome;
use crate::error::{ClientError, Refusal};
use crate::session::Client;

/// What became of each partition.
type Outcomes<T> = BTreeMap<TopicPartition, Outcome<T>>;

impl Client {
    /// Asks the leader of each partition; one outcome per partition. `request` makes the request of one leader, and
    /// `outcomes` reads its answer.
    pub(super) async fn ask_leaders<W: Clone, R: Request, T>(
        &mut self,
        wanted: &[(TopicPartition, W)],
        request: impl Fn(&[(TopicPartition, W)]) -> R,
        outcomes: impl Fn(R::Response) -> Vec<(TopicPartition, Outcome<T>)>,
    ) -> Result<Outcomes<T>, ClientError> {
        let deadline = Instant::now() + self.settings.call_timeout;
        let mut open = wanted.to_vec();
        let mut found: Outcomes<T> = BTreeMap::new();
        loop {
            let leaders = self.leaders(&open).await?;
            let mut by_leader: BTreeMap<BrokerId, Vec<(TopicPartition, W)>> = BTreeMap::new();
            for wish in &open {
                match leaders.get(&wish.0).cloned().unwrap_or_else(|| Err(unknown_partition())) {
                    Ok(leader) => by_leader.entry(leader).or_default().push(wish.clone()),
                    Err(refusal) => drop(found.insert(wish.0.clone(), Err(refusal))),
                }
            }
            for (leader, wishes) in by_leader {
                let answer = self.call_broker(leader, &request(&wishes)).await?;
                found.extend(outcomes(answer));
            }
            open.retain(|(partition, _)| match found.get(partition) {
                Some(Err(refusal)) => refusal.is_passing(),
                Some(Ok(_)) | None => false,
            });
            if open.is_empty() || Instant::now() + self.settings.retry_backoff >= deadline {
                return Ok(found);
            }
            sleep(self.settings.retry_backoff).await;
        }
    }

    async fn leaders<W>(
        &mut self,
        wanted: &[(TopicPartition, W)],
    ) -> Result<Outcomes<BrokerId>, ClientError> {
        let mut names: Vec<String> =
            wanted.iter().map(|(partition, _)| partition.topic.to_string()).collect();
        names.sort();
        names.dedup();
        let mut leaders = BTreeMap::new();
        if names.is_empty() {
            return Ok(leaders);
        }
        let topics = self.describe_topics(&names).await?;
        for topic in topics {
            let name: Arc<str> = topic.name.as_str().into();
            if let Some(refusal) = Refusal::from_wire(topic.error.code(), None) {
                let asked = wanted.iter().filter(|(partition, _)| partition.topic == name);
                leaders.extend(asked.map(|(partition, _)| (partition.clone(), Err(refusal.clone()))));
            }
            for partition in &topic.partitions {
                let key = TopicPartition { topic: name.clone(), partition: partition.index };
                let missing = || Refusal { code: ErrorCode::LeaderNotAvailable, message: None };
                leaders.insert(key, partition.leader.ok_or_else(missing));
            }
        }
        Ok(leaders)
    }
}

fn unknown_partition() -> Refusal {
    Refusal { code: ErrorCode::UnknownTopicOrPartition, message: None }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use protocol::messages::delete_records_response::{
        DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
    };
    use protocol::messages::metadata_response::{
        MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
    };
    use protocol::messages::{
        self, DeleteRecordsRequest, DeleteRecordsResponse, MetadataResponse, TopicName,
    };
    use protocol::request::RequestBody;
    use protocol::{ApiKey, Offset, StrBytes};

    use super::*;
    use crate::address::Address;
    use crate::fake_broker::{Reaction, answer, start};
    use crate::session::Settings;

    fn topic_name() -> TopicName {
        TopicName(StrBytes::from_static_str("t"))
    }

    /// Broker 1 at this address leads partitions 0 and 1 of `t`; nobody leads partition 2 yet.
    fn metadata(address: &Address) -> MetadataResponse {
        let broker = MetadataResponseBroker::default()
            .with_node_id(messages::BrokerId(1))
            .with_host(StrBytes::from_string(address.host.clone()))
            .with_port(address.port.into());
        let led = |(index, leader)| {
            MetadataResponsePartition::default()
                .with_partition_index(index)
                .with_leader_id(messages::BrokerId(leader))
        };
        let topic = MetadataResponseTopic::default()
            .with_name(Some(topic_name()))
            .with_partitions([(0, 1), (1, 1), (2, -1)].map(led).to_vec());
        MetadataResponse::default().with_brokers(vec![broker]).with_topics(vec![topic])
    }

    /// The first answer about any partition is that the leader has moved.
    fn deleted(request: &DeleteRecordsRequest, is_first: bool) -> DeleteRecordsResponse {
        let topics = request.topics.iter().map(|topic| {
            let results = topic.partitions.iter().map(|wish| {
                let code = if is_first { ErrorCode::NotLeaderOrFollower } else { ErrorCode::None };
                DeleteRecordsPartitionResult::default()
                    .with_partition_index(wish.partition_index)
                    .with_low_watermark(wish.offset)
                    .with_error_code(code.code())
            });
            DeleteRecordsTopicResult::default().with_name(topic_name()).with_partitions(results.collect())
        });
        DeleteRecordsResponse::default().with_topics(topics.collect())
    }

    #[tokio::test]
    async fn asks_again_while_leaders_change_and_no_longer() {
        let own: Arc<OnceLock<Address>> = Arc::default();
        let (address, asked) = (own.clone(), AtomicUsize::new(0));
        let broker = start(move |request| {
            if let RequestBody::DeleteRecords(wishes) = &request.body {
                let is_first = asked.fetch_add(1, Ordering::Relaxed) == 0;
                return answer(&request.header, &deleted(wishes, is_first));
            }
            match request.header.api == ApiKey::Metadata {
                true => answer(&request.header, &metadata(address.get().unwrap())),
                false => Reaction::Usual,
            }
        });
        own.set(broker.clone()).unwrap();
        let settings = Settings {
            retry_backoff: Duration::from_millis(1),
            call_timeout: Duration::from_millis(200),
            ..Settings::default()
        };
        let wanted: Vec<_> = (0..4).map(|index| (TopicPartition::new("t", index), Offset(7))).collect();
        let outcomes = Client::new(vec![broker], settings).delete_records(&wanted).await.unwrap();
        let told: Vec<_> = outcomes.into_values().map(|told| told.map_err(|refusal| refusal.code)).collect();
        let (none, unknown) = (ErrorCode::LeaderNotAvailable, ErrorCode::UnknownTopicOrPartition);
        assert_eq!(told, [Ok(Offset(7)), Ok(Offset(7)), Err(none), Err(unknown)]);
    }
}
