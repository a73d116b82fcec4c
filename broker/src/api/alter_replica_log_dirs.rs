//! AlterReplicaLogDirs (key 34), versions 0–2: moves replicas of this broker from one log directory to another, while they serve.
//!
//! Answered when the move is begun. The directory where the replica is gives a move up; of several directories the last counts. A
//! replica that is not here yet is made in the directory that was asked for, though the answer is an error. v2 is flexible.
//! Differs from Kafka 3.9: topics and partitions are answered in their order, where Kafka's is that of a hash map.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::StrBytes;
use protocol::error_code::ErrorCode;
use protocol::ids::TopicPartition;
use protocol::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use protocol::messages::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, TopicName};
use storage::fits_future_dir;

use super::context::Context;
use super::pace::Pace;
use crate::authorizer::{Operation, Resource};
use crate::broker::Broker;
use crate::moves::MoveRefused;

pub(crate) async fn answer(
    broker: &Broker,
    context: &Context,
    request: AlterReplicaLogDirsRequest,
) -> AlterReplicaLogDirsResponse {
    if !broker.authorizer.allows(context, Operation::Alter, &Resource::cluster()) {
        return refused(&request).await;
    }
    let mut topics: BTreeMap<Arc<str>, Vec<AlterReplicaLogDirPartitionResult>> = BTreeMap::new();
    let mut pace = Pace::default();
    for (partition, path) in wishes(&request).await {
        let outcome = alter(broker, &partition, &path).await;
        let result = result(partition.partition, outcome.err().unwrap_or(ErrorCode::None));
        topics.entry(partition.topic).or_default().push(result);
        pace.step().await;
    }
    let topic = |(name, partitions): (Arc<str>, _)| {
        let name = TopicName(StrBytes::from_string(name.to_string()));
        AlterReplicaLogDirTopicResult::default().with_topic_name(name).with_partitions(partitions)
    };
    AlterReplicaLogDirsResponse::default().with_results(topics.into_iter().map(topic).collect())
}

/// One directory per partition: of several the last counts, as in Kafka's map.
async fn wishes(request: &AlterReplicaLogDirsRequest) -> BTreeMap<TopicPartition, StrBytes> {
    let (mut wishes, mut pace) = (BTreeMap::new(), Pace::default());
    for dir in &request.dirs {
        for topic in &dir.topics {
            let name: Arc<str> = Arc::from(&**topic.name);
            for partition in &topic.partitions {
                let partition = TopicPartition { topic: Arc::clone(&name), partition: *partition };
                wishes.insert(partition, dir.path.clone());
                pace.step().await;
            }
        }
        pace.step().await;
    }
    wishes
}

async fn alter(broker: &Broker, partition: &TopicPartition, path: &str) -> Result<(), ErrorCode> {
    if !fits_future_dir(partition) {
        return Err(MoveRefused::NameTooLong.into());
    }
    let dir = broker.log_dirs.named(path).ok_or(ErrorCode::LogDirNotFound)?;
    let to = broker.log_dirs.online(&dir).ok_or(ErrorCode::KafkaStorageError)?;
    let begun = broker.moves.alter(partition.clone(), to).await;
    begun.map_err(|refused| {
        tracing::warn!(%partition, dir = path, reason = %refused, "the replica does not move");
        let is_known = broker.metadata.picture().partition(&partition.topic, partition.partition).is_some();
        match refused {
            MoveRefused::NotHere if !is_known => ErrorCode::UnknownTopicOrPartition,
            MoveRefused::NotHere | MoveRefused::NameTooLong | MoveRefused::Offline => refused.into(),
        }
    })
}

fn result(partition: i32, error: ErrorCode) -> AlterReplicaLogDirPartitionResult {
    AlterReplicaLogDirPartitionResult::default().with_partition_index(partition).with_error_code(error.code())
}

/// What was asked for, as it was asked for. Source: AlterReplicaLogDirsRequest.getErrorResponse (3.9).
async fn refused(request: &AlterReplicaLogDirsRequest) -> AlterReplicaLogDirsResponse {
    let (mut topics, mut pace) = (Vec::new(), Pace::default());
    for topic in request.dirs.iter().flat_map(|dir| &dir.topics) {
        let refused = |partition: &i32| result(*partition, ErrorCode::ClusterAuthorizationFailed);
        let partitions = topic.partitions.iter().map(refused).collect();
        let name = topic.name.clone();
        topics
            .push(AlterReplicaLogDirTopicResult::default().with_topic_name(name).with_partitions(partitions));
        pace.step().await;
    }
    AlterReplicaLogDirsResponse::default().with_results(topics)
}
