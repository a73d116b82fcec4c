//! Topics: list, describe, create, enlarge, delete.
//!
//! Never asks for a topic to be made on the way: only `create_topics` makes one.

use std::collections::BTreeMap;

use protocol::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use protocol::messages::delete_topics_request::DeleteTopicState;
use protocol::messages::metadata_request::MetadataRequestTopic;
use protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DeleteTopicsResponse, MetadataRequest,
    MetadataResponse,
};
use protocol::{BrokerId, ErrorCode};

use super::{Outcome, moved, patience, text, topic_name};
use crate::cluster::Topic;
use crate::error::{ClientError, Refusal};
use crate::session::{Client, Target};

/// A topic to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    pub name: String,
    pub placement: Placement,
    pub configs: BTreeMap<String, String>,
}

/// Who decides where replicas live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// The controller; what is `None` is the cluster's default.
    Counts { partitions: Option<i32>, replication_factor: Option<i16> },
    /// The caller: replicas of partition 0, 1, …
    Assigned(Vec<Vec<BrokerId>>),
}

/// A topic to enlarge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPartitions {
    pub topic: String,
    /// Partitions it shall have in all.
    pub total: i32,
    /// Replicas of each new partition; `None` leaves it to the controller.
    pub assigned: Option<Vec<Vec<BrokerId>>>,
}

impl Client {
    /// Every topic that may be seen, ordered by name.
    pub async fn list_topics(&mut self) -> Result<Vec<Topic>, ClientError> {
        self.topics(None).await
    }

    /// The named topics, ordered by name; `Topic::error` says which do not exist.
    pub async fn describe_topics(&mut self, names: &[String]) -> Result<Vec<Topic>, ClientError> {
        let topics =
            names.iter().map(|name| MetadataRequestTopic::default().with_name(Some(topic_name(name))));
        self.topics(Some(topics.collect())).await
    }

    async fn topics(&mut self, wanted: Option<Vec<MetadataRequestTopic>>) -> Result<Vec<Topic>, ClientError> {
        let request = MetadataRequest::default().with_topics(wanted).with_allow_auto_topic_creation(false);
        let answer = self.call(Target::Any, &request, unready).await?;
        self.learn(&answer);
        let mut topics: Vec<Topic> = answer.topics.iter().map(Topic::from_metadata).collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(topics)
    }

    /// Makes topics; each has its own outcome.
    pub async fn create_topics(&mut self, topics: &[NewTopic]) -> Result<Vec<Outcome>, ClientError> {
        let request = CreateTopicsRequest::default()
            .with_topics(topics.iter().map(creatable).collect())
            .with_timeout_ms(patience(self.settings.request_timeout));
        let answer = self
            .call_controller(&request, |answer| {
                moved(answer.topics.iter().map(|topic| (topic.error_code, topic.error_message.as_deref())))
            })
            .await?;
        let outcomes = answer.topics.iter().map(|topic| {
            (topic.name.as_str(), Refusal::check(topic.error_code, topic.error_message.as_deref()))
        });
        Ok(in_order(topics.iter().map(|topic| topic.name.as_str()), outcomes))
    }

    /// Enlarges topics; each has its own outcome.
    pub async fn create_partitions(&mut self, topics: &[NewPartitions]) -> Result<Vec<Outcome>, ClientError> {
        let request = CreatePartitionsRequest::default()
            .with_topics(topics.iter().map(enlargement).collect())
            .with_timeout_ms(patience(self.settings.request_timeout));
        let answer = self
            .call_controller(&request, |answer| {
                moved(answer.results.iter().map(|topic| (topic.error_code, topic.error_message.as_deref())))
            })
            .await?;
        let outcomes = answer.results.iter().map(|topic| {
            (topic.name.as_str(), Refusal::check(topic.error_code, topic.error_message.as_deref()))
        });
        Ok(in_order(topics.iter().map(|topic| topic.topic.as_str()), outcomes))
    }

    /// Deletes topics by name; each has its own outcome.
    pub async fn delete_topics(&mut self, names: &[String]) -> Result<Vec<Outcome>, ClientError> {
        // Names stand in `topics` since version 6, which every broker since Kafka 2.7 speaks.
        let states = names.iter().map(|name| DeleteTopicState::default().with_name(Some(topic_name(name))));
        let request = DeleteTopicsRequest::default()
            .with_topics(states.collect())
            .with_timeout_ms(patience(self.settings.request_timeout));
        let answer = self.call_controller(&request, deletion_moved).await?;
        let outcomes = answer.responses.iter().map(|topic| {
            let name = topic.name.as_ref().map_or("", |name| name.as_str());
            (name, Refusal::check(topic.error_code, topic.error_message.as_deref()))
        });
        Ok(in_order(names.iter().map(String::as_str), outcomes))
    }
}

/// A broker that the controller has not told anything yet knows no brokers, and so no topics.
fn unready(answer: &MetadataResponse) -> Option<Refusal> {
    let refusal = || Refusal {
        code: ErrorCode::LeaderNotAvailable,
        message: Some("the broker does not know the cluster yet".to_owned()),
    };
    answer.brokers.is_empty().then(refusal)
}

fn deletion_moved(answer: &DeleteTopicsResponse) -> Option<Refusal> {
    moved(answer.responses.iter().map(|topic| (topic.error_code, topic.error_message.as_deref())))
}

fn creatable(topic: &NewTopic) -> CreatableTopic {
    let configs = topic.configs.iter().map(|(name, value)| {
        CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
    });
    let base = CreatableTopic::default().with_name(topic_name(&topic.name)).with_configs(configs.collect());
    match &topic.placement {
        Placement::Counts { partitions, replication_factor } => base
            .with_num_partitions(partitions.unwrap_or(-1))
            .with_replication_factor(replication_factor.unwrap_or(-1)),
        Placement::Assigned(assigned) => {
            let assignments = assigned.iter().zip(0..).map(|(replicas, index)| {
                CreatableReplicaAssignment::default()
                    .with_partition_index(index)
                    .with_broker_ids(wire_ids(replicas))
            });
            base.with_num_partitions(-1).with_replication_factor(-1).with_assignments(assignments.collect())
        }
    }
}

fn enlargement(topic: &NewPartitions) -> CreatePartitionsTopic {
    let assigned = topic.assigned.as_ref().map(|partitions| {
        let each = |replicas: &Vec<BrokerId>| {
            CreatePartitionsAssignment::default().with_broker_ids(wire_ids(replicas))
        };
        partitions.iter().map(each).collect()
    });
    CreatePartitionsTopic::default()
        .with_name(topic_name(&topic.topic))
        .with_count(topic.total)
        .with_assignments(assigned)
}

fn wire_ids(ids: &[BrokerId]) -> Vec<protocol::messages::BrokerId> {
    ids.iter().map(|id| protocol::messages::BrokerId(id.0)).collect()
}

/// Outcomes in the order of the names asked for; a broker that leaves one out has not said what became of it.
fn in_order<'a>(
    names: impl Iterator<Item = &'a str>,
    outcomes: impl Iterator<Item = (&'a str, Outcome)>,
) -> Vec<Outcome> {
    let mut by_name: BTreeMap<&str, Outcome> = outcomes.collect();
    let unknown = || Err(Refusal { code: ErrorCode::UnknownServerError, message: None });
    names.map(|name| by_name.remove(name).unwrap_or_else(unknown)).collect()
}
