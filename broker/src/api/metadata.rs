//! Metadata (key 3), versions 0–12: brokers, controller and topics out of the cluster picture, on the listener the request came in by.
//!
//! Unknown topics are created where both sides allow it; until they have a leader the answer is LEADER_NOT_AVAILABLE.
//! v0 lists all topics for an empty list, later versions for null; v6 tells a missing listener from a missing leader; v12 takes topic ids.
//! Differs from Kafka 3.9: brokers, topics and partitions come in order, not in hash order.

use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::StrBytes;
use protocol::error_code::ErrorCode;
use protocol::ids::{BrokerId, TopicId};
use protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use protocol::messages::{BrokerId as WireBrokerId, MetadataRequest, MetadataResponse, TopicName};

use super::context::Context;
use super::create_topics::create_automatically;
use super::describe_cluster::{NO_CONTROLLER, NOT_ASKED, operations};
use super::error::Refused;
use super::pace::{self, Pace};
use crate::authorizer::{Operation, Resource};
use crate::broker::Broker;
use crate::metadata::{Address, Partition, Picture, Topic};

pub(crate) async fn answer(
    broker: &Arc<Broker>,
    context: &Context,
    version: i16,
    request: MetadataRequest,
) -> MetadataResponse {
    let wanted = match Wanted::of(version, &request).await {
        Ok(wanted) => wanted,
        Err(error) => return refused(&request, error).await,
    };
    let picture = broker.metadata.picture();
    let view = View { broker, context, version, picture: &picture, request: &request };
    let topics = match wanted {
        Wanted::All => view.all_topics().await,
        Wanted::Ids(ids) => pace::collect(ids.into_iter().map(|id| view.topic_by_id(id))).await,
        Wanted::Names(names) => view.topics_by_name(names).await,
    };
    let cluster_operations = view.cluster_operations();
    let topics = pace::collect(topics.into_iter().map(|topic| view.with_operations(topic))).await;
    MetadataResponse::default()
        .with_brokers(view.brokers())
        .with_cluster_id((version >= 2).then(|| StrBytes::from_string(broker.identity.cluster_id.clone())))
        .with_controller_id(WireBrokerId(picture.controller.map_or(NO_CONTROLLER, |c| c.0)))
        .with_topics(topics)
        .with_cluster_authorized_operations(cluster_operations)
}

/// A request that names topics in a way that cannot be: each topic gets the error.
async fn refused(request: &MetadataRequest, error: ErrorCode) -> MetadataResponse {
    let topics = request.topics.iter().flatten().map(|topic| {
        let name = topic.name.clone().unwrap_or_default();
        MetadataResponseTopic::default()
            .with_name(Some(name))
            .with_topic_id(topic.topic_id)
            .with_error_code(error.code())
    });
    MetadataResponse::default().with_topics(pace::collect(topics).await)
}

/// Which topics a request asks for.
enum Wanted {
    All,
    Ids(BTreeSet<TopicId>),
    Names(BTreeSet<String>),
}

impl Wanted {
    /// Before version 12, which answers by id, no topic may be given by id; from then on one with neither id nor
    /// name is what Kafka fails on.
    async fn of(version: i16, request: &MetadataRequest) -> Result<Self, ErrorCode> {
        let Some(topics) = &request.topics else { return Ok(Self::All) };
        if version == 0 && topics.is_empty() {
            return Ok(Self::All);
        }
        if version < 12 && topics.iter().any(|t| t.name.is_none() || !t.topic_id.is_nil()) {
            return Err(ErrorCode::InvalidRequest);
        }
        let ids: BTreeSet<_> =
            pace::collect(topics.iter().map(|t| t.topic_id).filter(|id| !id.is_nil())).await;
        if !ids.is_empty() {
            return Ok(Self::Ids(ids));
        }
        if topics.iter().any(|t| t.name.is_none()) {
            return Err(ErrorCode::UnknownServerError);
        }
        let names = topics.iter().filter_map(|t| t.name.as_ref()).map(|n| n.to_string());
        Ok(Self::Names(pace::collect(names).await))
    }
}

/// Topics that could not be created automatically: a line for all that a request names.
#[derive(Default)]
struct Refusals {
    first: Option<(String, Refused)>,
    count: usize,
}

impl Refusals {
    /// What a topic that was asked for answers.
    fn code(&mut self, name: &str, created: Result<(), Refused>) -> ErrorCode {
        let Err(refused) = created else { return ErrorCode::LeaderNotAvailable };
        let code = refused.code;
        self.count += 1;
        self.first.get_or_insert_with(|| (name.to_owned(), refused));
        code
    }

    fn report(self) {
        if let Some((topic, Refused { code, message })) = self.first {
            let count = self.count;
            tracing::warn!(count, topic, %code, message, "topics cannot be created automatically; the first is named");
        }
    }
}

/// One request's way of looking at the picture.
struct View<'a> {
    broker: &'a Arc<Broker>,
    context: &'a Context,
    version: i16,
    picture: &'a Picture,
    request: &'a MetadataRequest,
}

impl View<'_> {
    fn brokers(&self) -> Vec<MetadataResponseBroker> {
        let listed = |Address { broker, host, port, rack }| {
            MetadataResponseBroker::default()
                .with_node_id(WireBrokerId(broker.0))
                .with_host(host)
                .with_port(port)
                .with_rack(rack.filter(|_| self.version >= 1))
        };
        self.picture.addresses(&self.context.listener).map(listed).collect()
    }

    fn cluster_operations(&self) -> i32 {
        if !(8..=10).contains(&self.version) || !self.request.include_cluster_authorized_operations {
            return NOT_ASKED;
        }
        operations(self.broker, self.context)
    }

    async fn all_topics(&self) -> Vec<MetadataResponseTopic> {
        let allowed = |name: &&Arc<str>| self.allows(Operation::Describe, &Resource::topic(name));
        let known = self.picture.topics.keys().filter(allowed).filter_map(|name| self.known_topic(name));
        pace::collect(known).await
    }

    fn topic_by_id(&self, id: TopicId) -> MetadataResponseTopic {
        let nameless =
            |error| MetadataResponseTopic::default().with_name(None).with_topic_id(id).with_error_code(error);
        let Some(name) = self.picture.topic_name(id) else {
            return nameless(ErrorCode::UnknownTopicId.code());
        };
        if !self.allows(Operation::Describe, &Resource::topic(name)) {
            return nameless(ErrorCode::TopicAuthorizationFailed.code());
        }
        self.known_topic(name).unwrap_or_else(|| nameless(ErrorCode::UnknownTopicId.code()))
    }

    async fn topics_by_name(&self, names: BTreeSet<String>) -> Vec<MetadataResponseTopic> {
        let mut pace = Pace::default();
        let (mut shown, mut hidden, mut missing) = (Vec::new(), Vec::new(), false);
        for name in names {
            if self.allows(Operation::Describe, &Resource::topic(&name)) {
                missing |= !self.picture.topics.contains_key(&*name);
                shown.push(name);
            } else {
                hidden.push(name);
            }
            pace.step().await;
        }
        let may_create = missing && self.creates() && self.allows(Operation::Create, &Resource::cluster());
        let mut topics = Vec::with_capacity(shown.len() + hidden.len());
        let mut refusals = Refusals::default();
        for name in &shown {
            topics.push(match self.known_topic(name) {
                Some(topic) => topic,
                None if !self.creates() => failed_topic(name, absent(name)),
                None if may_create || self.allows(Operation::Create, &Resource::topic(name)) => {
                    let created = create_automatically(self.broker, self.context, name).await;
                    failed_topic(name, refusals.code(name, created))
                }
                None => failed_topic(name, ErrorCode::TopicAuthorizationFailed),
            });
            pace.step().await;
        }
        refusals.report();
        topics.extend(hidden.iter().map(|name| failed_topic(name, ErrorCode::TopicAuthorizationFailed)));
        topics
    }

    /// Whether both sides want unknown topics to be created.
    fn creates(&self) -> bool {
        self.request.allow_auto_topic_creation && self.broker.config.topics.auto_create
    }

    fn known_topic(&self, name: &str) -> Option<MetadataResponseTopic> {
        let topic = self.picture.topics.get(name)?;
        Some(
            named_topic(name)
                .with_topic_id(if self.version >= 10 { topic.id } else { TopicId::nil() })
                .with_partitions(self.partitions(topic)),
        )
    }

    /// Says of a topic that the client may know what the client may do to it.
    fn with_operations(&self, topic: MetadataResponseTopic) -> MetadataResponseTopic {
        let asked = self.version >= 8 && self.request.include_topic_authorized_operations;
        let denied = topic.error_code == ErrorCode::TopicAuthorizationFailed.code();
        match topic.name.clone().filter(|_| asked && !denied) {
            None => topic,
            Some(name) => {
                let operations = self.broker.authorizer.operations(self.context, &Resource::topic(&name));
                topic.with_topic_authorized_operations(operations)
            }
        }
    }

    fn partitions(&self, topic: &Topic) -> Vec<MetadataResponsePartition> {
        topic.partitions.iter().map(|(index, partition)| self.partition(*index, partition)).collect()
    }

    fn partition(&self, index: i32, partition: &Partition) -> MetadataResponsePartition {
        let (leader, error) = self.leader(partition);
        let (replicas, isr) = (self.members(&partition.replicas), self.members(&partition.isr));
        let missing = self.version == 0
            && (replicas.len() < partition.replicas.len() || isr.len() < partition.isr.len());
        let error = if error == ErrorCode::None && missing { ErrorCode::ReplicaNotAvailable } else { error };
        let offline = if self.version >= 5 { self.offline(partition) } else { Vec::new() };
        let epoch = if self.version >= 7 { partition.leader_epoch.0 } else { -1 };
        MetadataResponsePartition::default()
            .with_error_code(error.code())
            .with_partition_index(index)
            .with_leader_id(WireBrokerId(leader))
            .with_leader_epoch(epoch)
            .with_replica_nodes(replicas)
            .with_isr_nodes(isr)
            .with_offline_replicas(offline)
    }

    /// The leader if a client of this listener can reach it, with the error that says why not.
    fn leader(&self, partition: &Partition) -> (i32, ErrorCode) {
        let leader = partition.leader;
        if self.picture.is_reachable(leader, &self.context.listener) {
            return (leader.0, ErrorCode::None);
        }
        let alive = self.picture.brokers.contains_key(&leader);
        let error = if alive && self.version >= 6 {
            ErrorCode::ListenerNotFound
        } else {
            ErrorCode::LeaderNotAvailable
        };
        (-1, error)
    }

    /// The brokers as told by the controller; v0 leaves out those that are not alive.
    fn members(&self, brokers: &[BrokerId]) -> Vec<WireBrokerId> {
        let shown =
            |id: &&BrokerId| self.version > 0 || self.picture.is_reachable(**id, &self.context.listener);
        brokers.iter().filter(shown).map(|id| WireBrokerId(id.0)).collect()
    }

    fn offline(&self, partition: &Partition) -> Vec<WireBrokerId> {
        partition.offline.iter().map(|id| WireBrokerId(id.0)).collect()
    }

    fn allows(&self, operation: Operation, resource: &Resource<'_>) -> bool {
        self.broker.authorizer.allows(self.context, operation, resource)
    }
}

/// What to say of a topic that is not there and is not to be made.
fn absent(name: &str) -> ErrorCode {
    match coordinator::topics::check_name(name) {
        Ok(()) => ErrorCode::UnknownTopicOrPartition,
        Err(_) => ErrorCode::InvalidTopicException,
    }
}

fn named_topic(name: &str) -> MetadataResponseTopic {
    MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_string(name.to_owned()))))
        .with_is_internal(coordinator::topics::is_internal(name))
        .with_topic_authorized_operations(NOT_ASKED)
}

fn failed_topic(name: &str, error: ErrorCode) -> MetadataResponseTopic {
    named_topic(name).with_error_code(error.code())
}
