//! Deleting records below an offset. Each partition's leader is asked. Source: KIP-107, DeleteRecordsHandler.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};
use protocol::{Offset, TopicPartition};

use super::{Outcome, patience, topic_name};
use crate::error::{ClientError, Refusal};
use crate::session::Client;

impl Client {
    /// Deletes what lies below each offset; -1 is the high watermark. The outcome is the partition's low watermark.
    pub async fn delete_records(
        &mut self,
        wanted: &[(TopicPartition, Offset)],
    ) -> Result<BTreeMap<TopicPartition, Outcome<Offset>>, ClientError> {
        let timeout_ms = patience(self.settings.request_timeout);
        self.ask_leaders(wanted, |wishes| request(wishes, timeout_ms), outcomes).await
    }
}

fn request(wishes: &[(TopicPartition, Offset)], timeout_ms: i32) -> DeleteRecordsRequest {
    let mut topics: BTreeMap<&str, Vec<DeleteRecordsPartition>> = BTreeMap::new();
    for (partition, before) in wishes {
        let one =
            DeleteRecordsPartition::default().with_partition_index(partition.partition).with_offset(before.0);
        topics.entry(&partition.topic).or_default().push(one);
    }
    let topics = topics.into_iter().map(|(name, partitions)| {
        DeleteRecordsTopic::default().with_name(topic_name(name)).with_partitions(partitions)
    });
    DeleteRecordsRequest::default().with_topics(topics.collect()).with_timeout_ms(timeout_ms)
}

fn outcomes(answer: DeleteRecordsResponse) -> Vec<(TopicPartition, Outcome<Offset>)> {
    let topics = answer.topics.iter().map(|topic| (Arc::<str>::from(topic.name.as_str()), topic));
    let deleted = topics.flat_map(|(name, topic)| {
        topic.partitions.iter().map(move |result| {
            let partition = TopicPartition { topic: Arc::clone(&name), partition: result.partition_index };
            let low_watermark =
                Refusal::check(result.error_code, None).map(|()| Offset(result.low_watermark));
            (partition, low_watermark)
        })
    });
    deleted.collect()
}
