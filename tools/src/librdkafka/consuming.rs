//! All partitions of topics, assigned to one consumer that belongs to no group.
//!
//! Owns waiting for topics that do not exist yet and noticing partitions that were added. Never subscribes, since
//! that takes a group coordinator. Called by the tools that read records.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::MetadataTopic;
use rdkafka::topic_partition_list::TopicPartitionList;

use super::Log;
use crate::topic_filter::TopicFilter;

impl ConsumerContext for Log {}

/// How long one question for metadata may take.
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);
/// Until partitions are known they are asked for this often.
const SEARCH_INTERVAL: Duration = Duration::from_millis(100);

/// What to read.
#[derive(Debug)]
pub(crate) enum From {
    Topic(String),
    /// One partition, which need not be known to exist.
    Partition(String, i32),
    Matching(TopicFilter),
}

/// The partitions a consumer has been told to read.
#[derive(Debug)]
pub(crate) struct Assignment {
    from: From,
    start: Offset,
    assigned: BTreeSet<(String, i32)>,
    refresh_interval: Duration,
    next_search: Instant,
}

impl Assignment {
    /// Nothing is assigned before the first `keep`; each partition is read from `start`.
    pub(crate) fn new(from: From, start: Offset, refresh_interval: Duration) -> Assignment {
        Assignment { from, start, assigned: BTreeSet::new(), refresh_interval, next_search: Instant::now() }
    }

    /// Assigns what is not assigned yet, when it is time to look. Errors that may pass are logged and tried again.
    pub(crate) fn keep(&mut self, consumer: &BaseConsumer<Log>) -> Result<(), KafkaError> {
        if Instant::now() < self.next_search {
            return Ok(());
        }
        let found = match &self.from {
            From::Partition(topic, index) => vec![(topic.clone(), *index)],
            From::Topic(topic) => partitions(consumer, Some(topic), |_| true)?,
            From::Matching(filter) => partitions(consumer, None, |topic| filter.takes(topic))?,
        };
        let mut added = TopicPartitionList::new();
        for (topic, index) in found {
            if !self.assigned.contains(&(topic.clone(), index)) {
                added.add_partition_offset(&topic, index, self.start)?;
                self.assigned.insert((topic, index));
            }
        }
        if added.count() > 0 {
            consumer.incremental_assign(&added)?;
        }
        let wait = if self.assigned.is_empty() { SEARCH_INTERVAL } else { self.refresh_interval };
        self.next_search = Instant::now() + wait;
        Ok(())
    }
}

fn partitions(
    consumer: &BaseConsumer<Log>,
    topic: Option<&str>,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<(String, i32)>, KafkaError> {
    let metadata = match consumer.fetch_metadata(topic, METADATA_TIMEOUT) {
        Ok(metadata) => metadata,
        Err(error) => {
            tracing::warn!("cannot find out which partitions there are: {error}");
            return Ok(Vec::new());
        }
    };
    let mut found = Vec::new();
    for topic in metadata.topics().iter().filter(|topic| wanted(topic.name())) {
        check(topic)?;
        found.extend(topic.partitions().iter().map(|partition| (topic.name().to_owned(), partition.id())));
    }
    Ok(found)
}

/// A topic that is missing may come into being; one whose name is no name cannot.
fn check(topic: &MetadataTopic) -> Result<(), KafkaError> {
    let code = topic.error().map(RDKafkaErrorCode::from);
    match code {
        Some(code @ (RDKafkaErrorCode::InvalidTopic | RDKafkaErrorCode::TopicAuthorizationFailed)) => {
            Err(KafkaError::MetadataFetch(code))
        }
        Some(code) => {
            tracing::warn!("{}: {code}", topic.name());
            Ok(())
        }
        None => Ok(()),
    }
}
