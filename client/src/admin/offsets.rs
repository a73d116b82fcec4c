//! Offsets of partitions: the first, the last, the one of a time.
//!
//! Each partition's leader is asked. Source: KIP-79, KIP-734.

use std::collections::BTreeMap;

use protocol::messages::ListOffsetsRequest;
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use protocol::{BrokerId, ErrorCode, LeaderEpoch, Millis, Offset, TopicPartition};

use super::{Outcome, topic_name};
use crate::error::{ClientError, Refusal};
use crate::session::Client;

/// Which offset of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetQuery {
    Earliest,
    /// The high watermark.
    Latest,
    /// Of the record with the highest timestamp.
    MaxTimestamp,
    /// The first whose timestamp is not earlier.
    At(Millis),
}

/// An offset and when its record was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundOffset {
    /// `Offset::NONE` where no record answers the query.
    pub offset: Offset,
    pub timestamp: Millis,
    pub leader_epoch: LeaderEpoch,
}

impl OffsetQuery {
    fn on_the_wire(self) -> i64 {
        match self {
            OffsetQuery::Latest => -1,
            OffsetQuery::Earliest => -2,
            OffsetQuery::MaxTimestamp => -3,
            OffsetQuery::At(time) => time.0,
        }
    }
}

impl Client {
    /// One outcome per partition, ordered by partition.
    pub async fn list_offsets(
        &mut self,
        wanted: &[(TopicPartition, OffsetQuery)],
    ) -> Result<BTreeMap<TopicPartition, Outcome<FoundOffset>>, ClientError> {
        let mut outcomes = BTreeMap::new();
        let leaders = self.leaders(wanted).await?;
        let mut by_leader: BTreeMap<BrokerId, Vec<&(TopicPartition, OffsetQuery)>> = BTreeMap::new();
        for query in wanted {
            match leaders.get(&query.0) {
                Some(Ok(leader)) => by_leader.entry(*leader).or_default().push(query),
                Some(Err(refusal)) => drop(outcomes.insert(query.0.clone(), Err(refusal.clone()))),
                None => drop(outcomes.insert(query.0.clone(), Err(unknown_partition()))),
            }
        }
        for (leader, queries) in by_leader {
            let answer = self.call_broker(leader, &request(&queries)).await?;
            for topic in &answer.topics {
                let name: std::sync::Arc<str> = topic.name.as_str().into();
                for found in &topic.partitions {
                    let partition = TopicPartition { topic: name.clone(), partition: found.partition_index };
                    outcomes.insert(partition, outcome(found));
                }
            }
        }
        Ok(outcomes)
    }

    async fn leaders(
        &mut self,
        wanted: &[(TopicPartition, OffsetQuery)],
    ) -> Result<BTreeMap<TopicPartition, Outcome<BrokerId>>, ClientError> {
        let mut names: Vec<String> =
            wanted.iter().map(|(partition, _)| partition.topic.to_string()).collect();
        names.sort();
        names.dedup();
        let mut leaders = BTreeMap::new();
        for topic in self.describe_topics(&names).await? {
            let name: std::sync::Arc<str> = topic.name.as_str().into();
            for partition in &topic.partitions {
                let key = TopicPartition { topic: name.clone(), partition: partition.index };
                let missing = || Refusal { code: ErrorCode::LeaderNotAvailable, message: None };
                leaders.insert(key, partition.leader.ok_or_else(missing));
            }
        }
        Ok(leaders)
    }
}

fn request(queries: &[&(TopicPartition, OffsetQuery)]) -> ListOffsetsRequest {
    let mut topics: BTreeMap<&str, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for (partition, query) in queries {
        let one = ListOffsetsPartition::default()
            .with_partition_index(partition.partition)
            .with_current_leader_epoch(-1)
            .with_timestamp(query.on_the_wire());
        topics.entry(&partition.topic).or_default().push(one);
    }
    let topics = topics.into_iter().map(|(name, partitions)| {
        ListOffsetsTopic::default().with_name(topic_name(name)).with_partitions(partitions)
    });
    ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(topics.collect())
}

fn outcome(found: &ListOffsetsPartitionResponse) -> Outcome<FoundOffset> {
    Refusal::check(found.error_code, None)?;
    Ok(FoundOffset {
        offset: Offset(found.offset),
        timestamp: Millis(found.timestamp),
        leader_epoch: LeaderEpoch(found.leader_epoch),
    })
}

fn unknown_partition() -> Refusal {
    Refusal { code: ErrorCode::UnknownTopicOrPartition, message: None }
}
