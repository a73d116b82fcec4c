//! DescribeLogDirs (key 35), versions 0–4: what lies in each directory of `log.dirs`, and how large it is.
//!
//! No topics at all means all of them. v3 has an error for the whole, v4 the size of each volume. An offline directory is
//! KAFKA_STORAGE_ERROR and nothing else.
//! A copy that a move between directories fills is listed as a future replica, with its lag behind the current one.
//! Does not differ from Kafka 3.9.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use protocol::StrBytes;
use protocol::error_code::ErrorCode;
use protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse, TopicName};
use storage::{DiskError, Space};
use tokio::sync::oneshot;

use super::context::Context;
use super::pace;
use crate::authorizer::{Operation, Resource};
use crate::broker::Broker;
use crate::shard::{Command, Measured};

/// In place of a lag that cannot be told yet.
const NO_LAG: i64 = -1;

pub(crate) async fn answer(
    broker: &Broker,
    context: &Context,
    request: DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    if !broker.authorizer.allows(context, Operation::Describe, &Resource::cluster()) {
        let refused = ErrorCode::ClusterAuthorizationFailed;
        return DescribeLogDirsResponse::default().with_error_code(refused.code());
    }
    let wanted = wanted(request.topics.as_deref()).await;
    let mut measured = measure(broker).await;
    measured.extend(broker.moves.measured());
    let mut logs = by_dir(measured, wanted.as_ref());
    let mut results = Vec::with_capacity(broker.config.log.dirs.len());
    for path in &broker.config.log.dirs {
        let described = match broker.log_dirs.online(path) {
            None => Err(ErrorCode::KafkaStorageError),
            Some(dir) => broker.tasks.blocking(move || dir.space()).await.map_err(|error| unmeasured(&error)),
        };
        results.push(result(path, described.map(|space| (space, logs.remove(path).unwrap_or_default()))));
    }
    DescribeLogDirsResponse::default().with_results(results)
}

fn unmeasured(error: &DiskError) -> ErrorCode {
    tracing::error!(%error, "the size of a log directory's volume cannot be told");
    ErrorCode::KafkaStorageError
}

async fn measure(broker: &Broker) -> Vec<Measured> {
    let mut replies = Vec::new();
    let sent = broker.shards.send_all(|| {
        let (reply, measured) = oneshot::channel();
        replies.push(measured);
        Command::Measure(reply)
    });
    // While the broker stops there is nobody left to answer for its logs.
    let _ = sent.await;
    let mut logs = Vec::new();
    for reply in replies {
        logs.extend(reply.await.unwrap_or_default());
    }
    logs
}

/// The partitions asked for; none means all.
async fn wanted(topics: Option<&[DescribableLogDirTopic]>) -> Option<BTreeSet<(&str, i32)>> {
    let pairs = topics?.iter().flat_map(|DescribableLogDirTopic { topic, partitions, .. }| {
        partitions.iter().map(move |partition| (topic.as_str(), *partition))
    });
    Some(pace::collect(pairs).await)
}

type Topics = BTreeMap<String, Vec<DescribeLogDirsPartition>>;

/// The answer's parts by log directory, in the order of names and numbers.
fn by_dir(mut logs: Vec<Measured>, wanted: Option<&BTreeSet<(&str, i32)>>) -> BTreeMap<PathBuf, Topics> {
    logs.retain(|log| wanted.is_none_or(|w| w.contains(&(&*log.partition.topic, log.partition.partition))));
    logs.sort_by(|a, b| a.partition.cmp(&b.partition));
    let mut dirs: BTreeMap<PathBuf, Topics> = BTreeMap::new();
    for log in logs {
        let Some(parent) = log.dir.parent() else { continue };
        let described = DescribeLogDirsPartition::default()
            .with_partition_index(log.partition.partition)
            .with_partition_size(i64::try_from(log.size).unwrap_or(i64::MAX))
            .with_offset_lag(log.offset_lag.unwrap_or(NO_LAG))
            .with_is_future_key(log.is_future);
        let topics = dirs.entry(parent.to_path_buf()).or_default();
        topics.entry(log.partition.topic.to_string()).or_default().push(described);
    }
    dirs
}

fn result(path: &Path, described: Result<(Space, Topics), ErrorCode>) -> DescribeLogDirsResult {
    // A path that cannot be made absolute is told as it was configured.
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let named = DescribeLogDirsResult::default()
        .with_log_dir(StrBytes::from_string(path.to_string_lossy().into_owned()));
    match described {
        Err(error) => named.with_error_code(error.code()),
        Ok((space, topics)) => {
            let bytes = |count| i64::try_from(count).unwrap_or(i64::MAX);
            let topics = topics.into_iter().map(|(name, partitions)| {
                let name = TopicName(StrBytes::from_string(name));
                DescribeLogDirsTopic::default().with_name(name).with_partitions(partitions)
            });
            named
                .with_topics(topics.collect())
                .with_total_bytes(bytes(space.total_bytes))
                .with_usable_bytes(bytes(space.usable_bytes))
        }
    }
}
