//! CreatePartitions (key 37), versions 0–3: adds partitions to topics, answered when the new ones have leaders.
//! Only the controller takes it. A topic named twice is refused as such, once.
//! Differs from Kafka 3.9: a name that no topic can have is one that there is not; there it fails the whole request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use coordinator::topics::{Growth, plan_growth};
use protocol::error_code::ErrorCode;
use protocol::ids::BrokerId;
use protocol::messages::create_partitions_request::CreatePartitionsTopic;
use protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};

use super::context::{Context, patience};
use super::create_topics::candidates;
use super::error::{Refused, told};
use super::pace::{self, Pace};
use super::repeated::repeated;
use crate::authorizer::{Operation, Resource};
use crate::broker::Broker;
use crate::controller::topics;
use crate::metadata::Picture;
use crate::quota::Mutations;

/// The first version whose clients know THROTTLING_QUOTA_EXCEEDED (KIP-599).
const STRICT_QUOTA_SINCE: i16 = 3;

pub(crate) async fn answer(
    broker: &Arc<Broker>,
    context: &Context,
    version: i16,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let patience = patience(request.timeout_ms);
    let twice = repeated(request.topics.iter().map(|topic| &**topic.name)).await;
    let mut named = BTreeSet::new();
    let topics: Vec<&CreatePartitionsTopic> =
        pace::collect(request.topics.iter().filter(move |topic| named.insert(&**topic.name))).await;
    let mut quota = broker.quotas.mutations(context, version, STRICT_QUOTA_SINCE);
    let (mut outcomes, mut pace) = (Vec::with_capacity(topics.len()), Pace::default());
    for topic in &topics {
        outcomes.push(match check(broker, context, topic, &twice) {
            Ok(()) if request.validate_only => plan(broker, topic).await.map(drop),
            Ok(()) => grow(broker, &mut quota, topic).await,
            Err(refused) => Err(refused),
        });
        pace.step().await;
    }
    let waits = !request.validate_only;
    let grown = || topics.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok());
    if waits && !patience.is_zero() {
        broker
            .metadata
            .wait_for(patience, |picture| grown().all(|(topic, _)| has_grown(picture, topic)))
            .await;
    }
    let picture = broker.metadata.picture();
    let results = topics.iter().zip(outcomes).map(|(topic, outcome)| {
        let done = !waits || (!patience.is_zero() && has_grown(&picture, topic));
        let outcome =
            outcome.and_then(|()| if done { Ok(()) } else { Err(ErrorCode::RequestTimedOut.into()) });
        result(topic, outcome)
    });
    CreatePartitionsResponse::default()
        .with_results(pace::collect(results).await)
        .with_throttle_time_ms(quota.throttle_time_ms())
}

fn check(
    broker: &Broker,
    context: &Context,
    topic: &CreatePartitionsTopic,
    twice: &BTreeSet<&str>,
) -> Result<(), Refused> {
    if !broker.is_controller() {
        return Err(ErrorCode::NotController.into());
    }
    if twice.contains(&**topic.name) {
        return Err(Refused::new(ErrorCode::InvalidRequest, "Duplicate topic in request."));
    }
    if broker.authorizer.allows(context, Operation::Alter, &Resource::topic(&topic.name)) {
        return Ok(());
    }
    Err(Refused::new(ErrorCode::TopicAuthorizationFailed, "The topic authorization is failed."))
}

async fn grow(
    broker: &Arc<Broker>,
    quota: &mut Mutations<'_>,
    topic: &CreatePartitionsTopic,
) -> Result<(), Refused> {
    let added = plan(broker, topic).await?;
    quota.take(added.len())?;
    Ok(topics::add_partitions(&broker.store, &topic.name, added).await?)
}

/// The replicas of the partitions that would be added, after all checks.
async fn plan(
    broker: &Arc<Broker>,
    topic: &CreatePartitionsTopic,
) -> Result<BTreeMap<i32, Vec<BrokerId>>, Refused> {
    if topics::existing(&broker.store, &topic.name).await?.marked_for_deletion {
        return Err(Refused::new(ErrorCode::InvalidTopicException, "The topic is queued for deletion."));
    }
    let assignment = topics::assignment(&broker.store, &topic.name).await?;
    let assignments = topic
        .assignments
        .as_ref()
        .map(|given| given.iter().map(|a| a.broker_ids.iter().map(|id| BrokerId(id.0)).collect()).collect());
    let growth = Growth { count: topic.count, assignments };
    let brokers = candidates(&broker.metadata.picture());
    Ok(plan_growth(&topic.name, &assignment, &growth, &brokers)?)
}

fn has_grown(picture: &Picture, topic: &CreatePartitionsTopic) -> bool {
    let Some(known) = picture.topics.get(&**topic.name) else { return false };
    let led = known.partitions.values().filter(|partition| partition.leader.0 >= 0).count();
    i64::try_from(led).is_ok_and(|led| led >= i64::from(topic.count))
}

fn result(topic: &CreatePartitionsTopic, outcome: Result<(), Refused>) -> CreatePartitionsTopicResult {
    let (code, message) = told(outcome);
    CreatePartitionsTopicResult::default()
        .with_name(topic.name.clone())
        .with_error_code(code)
        .with_error_message(message)
}
