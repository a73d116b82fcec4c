//! CreateTopics (key 19), versions 0–7: checked and assigned here, written to ZooKeeper, answered when every partition has a leader.
//!
//! Only the controller takes it (NOT_CONTROLLER per topic elsewhere). v1 validates only, v4 takes -1 for the broker's defaults,
//! v5 answers the settings, v7 the topic id. timeout_ms <= 0 answers REQUEST_TIMED_OUT at once, as Kafka does.
//! Differs from Kafka 3.9: a topic without replicas is refused, and one beyond 250,000 partitions. The settings of the first 10,000 topics of a
//! request are answered, and no counts (-1) for those after them, as each takes kilobytes.

use std::collections::BTreeSet;
use std::sync::Arc;

use config::describe;
use config::layers::ConfigMap;
use coordinator::assignment::{Candidate, Start};
use coordinator::topics::{Creation, Defaults, TopicError, check_creation, plan_creation};
use protocol::StrBytes;
use protocol::error_code::ErrorCode;
use protocol::ids::{BrokerId, TopicId};
use protocol::messages::create_topics_request::CreatableTopic;
use protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use protocol::messages::{CreateTopicsRequest, CreateTopicsResponse};

use super::context::{Context, patience};
use super::error::Refused;
use super::pace::{self, Pace};
use super::repeated::repeated;
use crate::authorizer::{Operation, Resource};
use crate::broker::Broker;
use crate::controller::topics::{self, NewTopic};
use crate::metadata::Picture;
use crate::quota::Mutations;

/// A topic that only KRaft brokers have.
const CLUSTER_METADATA: &str = "__cluster_metadata";
const UNKNOWN_COUNT: i32 = -1;
/// The first version whose clients know THROTTLING_QUOTA_EXCEEDED (KIP-599).
const STRICT_QUOTA_SINCE: i16 = 6;
/// Topics of one request whose settings are answered.
const DESCRIBED_MAX: usize = 10_000;

pub(crate) async fn answer(
    broker: &Arc<Broker>,
    context: &Context,
    version: i16,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let patience = patience(request.timeout_ms);
    let names = || request.topics.iter().map(|topic| &**topic.name);
    let rights = Rights::of(broker, context, names()).await;
    let mut quota = broker.quotas.mutations(context, version, STRICT_QUOTA_SINCE);
    let twice = repeated(names()).await;
    let (mut results, mut created, mut pace) = (Vec::new(), Vec::new(), Pace::default());
    for topic in &request.topics {
        let outcome = match rights.check(&topic.name, &twice) {
            Ok(()) if request.validate_only => {
                plan(broker, topic).await.map(|new| NewTopic { id: TopicId::nil(), ..new })
            }
            Ok(()) => create(broker, &mut quota, topic).await,
            Err(refused) => Err(refused),
        };
        if let Ok(made) = &outcome
            && !request.validate_only
        {
            created.push(Created { index: results.len(), partitions: made.replicas.len() });
        }
        // What was planned may be large, and goes with its topic.
        results.push(match outcome {
            Err(cause) => refused(version, topic, cause),
            Ok(made) => {
                let shown = rights.shows(&topic.name, results.len());
                result(broker, version, topic, (made, shown))
            }
        });
        pace.step().await;
    }
    if !patience.is_zero() {
        let led = |picture: &Picture| created.iter().all(|made| made.is_led(picture, &results));
        broker.metadata.wait_for(patience, led).await;
    }
    let picture = broker.metadata.picture();
    for made in created {
        if patience.is_zero() || !made.is_led(&picture, &results) {
            let topic = &request.topics[made.index];
            let id = results[made.index].topic_id;
            results[made.index] =
                refused(version, topic, ErrorCode::RequestTimedOut.into()).with_topic_id(id);
        }
        pace.step().await;
    }
    CreateTopicsResponse::default().with_topics(results).with_throttle_time_ms(quota.throttle_time_ms())
}

/// A topic that has been written, and is answered for when it has leaders.
struct Created {
    /// Of its result.
    index: usize,
    partitions: usize,
}

impl Created {
    fn is_led(&self, picture: &Picture, results: &[CreatableTopicResult]) -> bool {
        let topic = picture.topics.get(&**results[self.index].name);
        topic.is_some_and(|topic| {
            topic.partitions.len() >= self.partitions && topic.partitions.values().all(|p| p.leader.0 >= 0)
        })
    }
}

/// What the client may do, asked once for the whole request.
struct Rights<'a> {
    is_controller: bool,
    creatable: BTreeSet<&'a str>,
    describable: BTreeSet<&'a str>,
}

impl<'a> Rights<'a> {
    async fn of(broker: &Broker, context: &Context, names: impl Iterator<Item = &'a str> + Send) -> Self {
        let (mut creatable, mut describable) = (BTreeSet::new(), BTreeSet::new());
        let is_controller = broker.is_controller();
        if is_controller {
            let named: BTreeSet<&str> = pace::collect(names.filter(|name| *name != CLUSTER_METADATA)).await;
            let allows =
                |operation, name: &str| broker.authorizer.allows(context, operation, &Resource::topic(name));
            let any = broker.authorizer.allows(context, Operation::Create, &Resource::cluster());
            let may_create = |name: &&str| any || allows(Operation::Create, name);
            creatable = pace::collect(named.iter().copied().filter(may_create)).await;
            let may_describe = |name: &&str| allows(Operation::DescribeConfigs, name);
            describable = pace::collect(named.into_iter().filter(may_describe)).await;
        }
        Self { is_controller, creatable, describable }
    }

    fn check(&self, name: &str, twice: &BTreeSet<&str>) -> Result<(), Refused> {
        if !self.is_controller {
            return Err(ErrorCode::NotController.into());
        }
        if name == CLUSTER_METADATA {
            let text = format!("Creation of internal topic {CLUSTER_METADATA} is prohibited.");
            return Err(Refused::new(ErrorCode::InvalidRequest, text));
        }
        if twice.contains(name) {
            return Err(Refused::new(ErrorCode::InvalidRequest, "Found multiple entries for this topic."));
        }
        if !self.creatable.contains(name) {
            return Err(Refused::new(ErrorCode::TopicAuthorizationFailed, "Authorization failed."));
        }
        Ok(())
    }

    /// What may be told of the settings of a topic that has so many before it.
    fn shows(&self, name: &str, before: usize) -> Shown {
        match self.describable.contains(name) {
            false => Shown::NotAllowed,
            true if before >= DESCRIBED_MAX => Shown::TooMany,
            true => Shown::Settings,
        }
    }
}

/// What an answer says of a new topic's counts and settings.
enum Shown {
    Settings,
    NotAllowed,
    TooMany,
}

/// Writes a topic for the controller to find.
async fn create(
    broker: &Arc<Broker>,
    quota: &mut Mutations<'_>,
    topic: &CreatableTopic,
) -> Result<NewTopic, Refused> {
    let new = plan(broker, topic).await?;
    quota.take(new.replicas.len())?;
    topics::create(&broker.store, new.clone()).await?;
    Ok(new)
}

/// The topic that would be written, after all checks.
async fn plan(broker: &Arc<Broker>, topic: &CreatableTopic) -> Result<NewTopic, Refused> {
    let picture = broker.metadata.picture();
    let name = topic.name.to_string();
    if picture.topics.contains_key(&*name) {
        return Err(TopicError::Exists { name }.into());
    }
    let configs = configs(topic)?;
    let start = start(broker, &picture);
    let replicas = plan_creation(&creation(topic), defaults(broker), &candidates(&picture), start)?;
    check_creation(&name, &replicas, &topics::existing(&broker.store, &name).await?)?;
    let defaults = &broker.settings.config().topic_defaults;
    defaults.check(&configs).map_err(|error| Refused::new(ErrorCode::InvalidConfig, error.to_string()))?;
    Ok(NewTopic { name, id: fresh_id(), replicas, configs })
}

/// Creates a topic for a client that asked for its metadata, with the broker's own numbers. It has no leader yet.
pub(super) async fn create_automatically(
    broker: &Arc<Broker>,
    context: &Context,
    name: &str,
) -> Result<(), Refused> {
    if broker.metadata.picture().brokers.is_empty() {
        // Before the controller's first word the topic may well be there.
        return Ok(());
    }
    let topic = CreatableTopic::default()
        .with_name(protocol::messages::TopicName(StrBytes::from_string(name.to_owned())))
        .with_num_partitions(UNKNOWN_COUNT)
        .with_replication_factor(-1);
    // It counts, but is never refused: what follows from that is for the client's own changes.
    let mut quota = broker.quotas.mutations(context, 0, STRICT_QUOTA_SINCE);
    match create(broker, &mut quota, &topic).await {
        Ok(_) => {
            tracing::info!(
                topic = name,
                "topic is created because a client asked for it (auto.create.topics.enable)"
            );
            Ok(())
        }
        // Somebody else was faster.
        Err(Refused { code: ErrorCode::TopicAlreadyExists, .. }) => Ok(()),
        Err(refused) => Err(refused),
    }
}

fn configs(topic: &CreatableTopic) -> Result<ConfigMap, Refused> {
    let nulls: Vec<&str> = topic.configs.iter().filter(|c| c.value.is_none()).map(|c| &*c.name).collect();
    if !nulls.is_empty() {
        let text = format!("Null value not supported for topic configs: {}", nulls.join(","));
        return Err(Refused::new(ErrorCode::InvalidConfig, text));
    }
    let entry = |c: &protocol::messages::create_topics_request::CreatableTopicConfig| {
        Some((c.name.to_string(), c.value.as_ref()?.to_string()))
    };
    Ok(topic.configs.iter().filter_map(entry).collect())
}

fn creation(topic: &CreatableTopic) -> Creation {
    let replicas = topic.assignments.iter().map(|assignment| {
        let ids = assignment.broker_ids.iter().map(|id| BrokerId(id.0)).collect();
        (assignment.partition_index, ids)
    });
    Creation {
        partitions: (topic.num_partitions != UNKNOWN_COUNT).then_some(topic.num_partitions),
        replication_factor: (topic.replication_factor != -1).then_some(topic.replication_factor),
        assignments: replicas.collect(),
    }
}

fn defaults(broker: &Broker) -> Defaults {
    let topics = &broker.config.topics;
    Defaults {
        partitions: i32::try_from(topics.partitions).unwrap_or(i32::MAX),
        replication_factor: topics.replication_factor,
    }
}

pub(super) fn candidates(picture: &Picture) -> Vec<Candidate> {
    picture.brokers.iter().map(|(id, live)| Candidate { id: *id, rack: live.rack.clone() }).collect()
}

fn start(broker: &Broker, picture: &Picture) -> Start {
    let count = picture.brokers.len().max(1) as u64;
    let random = broker.random();
    Start { first: (random % count) as usize, shift: (random / count % count) as usize }
}

/// A random id that Kafka's tools can take as an argument.
fn fresh_id() -> TopicId {
    loop {
        if let Some(id) = coordinator::topics::topic_id(uuid::Uuid::new_v4().as_u128()) {
            return id;
        }
    }
}

fn result(
    broker: &Broker,
    version: i16,
    topic: &CreatableTopic,
    (made, shown): (NewTopic, Shown),
) -> CreatableTopicResult {
    let mut result = CreatableTopicResult::default().with_name(topic.name.clone()).with_error_message(None);
    if version >= 7 {
        result.topic_id = made.id;
    }
    if version < 5 {
        return result;
    }
    match shown {
        Shown::Settings => {}
        Shown::NotAllowed => {
            return result
                .with_topic_config_error_code(ErrorCode::TopicAuthorizationFailed.code())
                .with_configs(Some(Vec::new()));
        }
        Shown::TooMany => return result.with_configs(Some(Vec::new())),
    }
    let replication_factor = made.replicas.values().next().map_or(0, Vec::len);
    result
        .with_num_partitions(i32::try_from(made.replicas.len()).unwrap_or(i32::MAX))
        .with_replication_factor(i16::try_from(replication_factor).unwrap_or(i16::MAX))
        .with_configs(Some(described(broker, &made.configs)))
}

fn refused(version: i16, topic: &CreatableTopic, Refused { code, message }: Refused) -> CreatableTopicResult {
    CreatableTopicResult::default()
        .with_name(topic.name.clone())
        .with_error_code(code.code())
        .with_error_message(message.filter(|_| version >= 1).map(StrBytes::from_string))
        .with_num_partitions(UNKNOWN_COUNT)
        .with_replication_factor(-1)
        .with_configs((version >= 5).then(Vec::new))
}

fn described(broker: &Broker, configs: &ConfigMap) -> Vec<CreatableTopicConfigs> {
    let entries =
        describe::topic(&broker.settings.layers(), &broker.settings.config().topic_defaults, configs);
    let described = entries.into_iter().map(|entry| {
        CreatableTopicConfigs::default()
            .with_name(StrBytes::from_string(entry.name))
            .with_value(entry.value.map(StrBytes::from_string))
            .with_read_only(entry.read_only)
            .with_config_source(entry.source as i8)
            .with_is_sensitive(entry.sensitive)
    });
    described.collect()
}
