//! What lies in a broker's log directories. Source: KIP-113, KIP-827.

use protocol::messages::describe_log_dirs_response::DescribeLogDirsResult;
use protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use protocol::{BrokerId, ErrorCode, TopicPartition};

use super::Outcome;
use crate::error::{ClientError, Refusal};
use crate::session::Client;

/// A log directory of one broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedLogDir {
    pub path: String,
    /// `ErrorCode::None` for a directory that is in service.
    pub error: ErrorCode,
    pub replicas: Vec<DescribedReplica>,
    /// Of the volume; none where the broker does not tell.
    pub total_bytes: Option<u64>,
    pub usable_bytes: Option<u64>,
}

/// A partition's log in a log directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedReplica {
    pub partition: TopicPartition,
    /// Bytes of all its segments.
    pub size: i64,
    /// Behind the high watermark, or a future replica behind the current one; -1 where that is not known.
    pub offset_lag: i64,
    /// It will take the place of the current replica once it has caught up.
    pub is_future: bool,
}

impl Client {
    /// All log directories of a broker with all that is in them.
    pub async fn describe_log_dirs(
        &mut self,
        broker: BrokerId,
    ) -> Result<Outcome<Vec<DescribedLogDir>>, ClientError> {
        let answer = self.call_broker(broker, &DescribeLogDirsRequest::default().with_topics(None)).await?;
        Ok(described(&answer))
    }
}

fn described(answer: &DescribeLogDirsResponse) -> Outcome<Vec<DescribedLogDir>> {
    Refusal::check(answer.error_code, None)?;
    if answer.results.is_empty() {
        // Before version 3 there was no other way to say it.
        return Err(Refusal { code: ErrorCode::ClusterAuthorizationFailed, message: None });
    }
    Ok(answer.results.iter().map(log_dir).collect())
}

fn log_dir(result: &DescribeLogDirsResult) -> DescribedLogDir {
    let replicas = result.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|found| DescribedReplica {
            partition: TopicPartition::new(topic.name.as_str(), found.partition_index),
            size: found.partition_size,
            offset_lag: found.offset_lag,
            is_future: found.is_future_key,
        })
    });
    DescribedLogDir {
        path: result.log_dir.to_string(),
        error: ErrorCode::from_code(result.error_code),
        replicas: replicas.collect(),
        total_bytes: u64::try_from(result.total_bytes).ok(),
        usable_bytes: u64::try_from(result.usable_bytes).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_directories_is_a_refusal() {
        let empty = DescribeLogDirsResponse::default();
        assert_eq!(described(&empty).unwrap_err().code, ErrorCode::ClusterAuthorizationFailed);
        let told = empty.with_error_code(ErrorCode::UnknownServerError.code());
        assert_eq!(described(&told).unwrap_err().code, ErrorCode::UnknownServerError);
    }
}
