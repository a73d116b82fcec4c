//! Offsets of partitions: the first, the last, the one of a time.
//!
//! Each partition's leader is asked. Source: KIP-79, KIP-405, KIP-734, KIP-1005.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};
use protocol::{LeaderEpoch, Millis, Offset, TopicPartition};

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
    /// The first that is on the brokers' own disks.
    EarliestLocal,
    /// The last that is in remote storage.
    LatestTiered,
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
            OffsetQuery::EarliestLocal => -4,
            OffsetQuery::LatestTiered => -5,
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
        self.ask_leaders(wanted, request, outcomes).await
    }
}

fn request(queries: &[(TopicPartition, OffsetQuery)]) -> ListOffsetsRequest {
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

fn outcomes(answer: ListOffsetsResponse) -> Vec<(TopicPartition, Outcome<FoundOffset>)> {
    let topics = answer.topics.iter().map(|topic| (Arc::<str>::from(topic.name.as_str()), topic));
    let found = topics.flat_map(|(name, topic)| {
        topic.partitions.iter().map(move |found| {
            let partition = TopicPartition { topic: Arc::clone(&name), partition: found.partition_index };
            (partition, outcome(found))
        })
    });
    found.collect()
}

fn outcome(found: &ListOffsetsPartitionResponse) -> Outcome<FoundOffset> {
    Refusal::check(found.error_code, None)?;
    Ok(FoundOffset {
        offset: Offset(found.offset),
        timestamp: Millis(found.timestamp),
        leader_epoch: LeaderEpoch(found.leader_epoch),
    })
}
