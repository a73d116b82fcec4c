//! CreatePartitions (key 37), versions 0–3: adds partitions to topics, answered when the new ones have leaders.
//! Only the controller takes it. A topic named twice is refused as such. Does not differ from Kafka 3.9.

use std::sync::Arc;
use std::time::Duration;

use coordinator::topics::{Growth, plan_growth};
use protocol::StrBytes;
use protocol::error_code::ErrorCode;
use protocol::ids::BrokerId;
use protocol::messages::create_partitions_request::CreatePartitionsTopic;
use protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};

use super::context::Context;
use super::create_topics::candidates;
use super::error::Refused;
use super::repeated::repeated;
use crate::authorizer::{Operation, Resource};
use crate::broker::Broker;
use crate::controller::topics;
use crate::metadata::Picture;

pub(crate) async fn answer(
    broker: &Arc<Broker>,
    context: &Context,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let patience = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let twice = repeated(request.topics.iter().map(|topic| &**topic.name));
    let mut outcomes = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        outcomes.push(match check(broker, context, topic, twice.contains(&**topic.name)) {
            Ok(()) => grow(broker, topic, request.validate_only).await,
            Err(refused) => Err(refused),
        });
    }
    let waits = !request.validate_only;
    let grown = || request.topics.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok());
    if waits && !patience.is_zero() {
        broker
            .metadata
            .wait_for(patience, |picture| grown().all(|(topic, _)| has_grown(picture, topic)))
            .await;
    }
    let picture = broker.metadata.picture();
    let results = request.topics.iter().zip(outcomes).map(|(topic, outcome)| {
        let done = !waits || (!patience.is_zero() && has_grown(&picture, topic));
        let outcome =
            outcome.and_then(|()| if done { Ok(()) } else { Err(ErrorCode::RequestTimedOut.into()) });
        result(topic, outcome)
    });
    CreatePartitionsResponse::default().with_results(results.collect())
}

fn check(
    broker: &Broker,
    context: &Context,
    topic: &CreatePartitionsTopic,
    twice: bool,
) -> Result<(), Refused> {
    if !broker.is_controller() {
        return Err(ErrorCode::NotController.into());
    }
    if twice {
        return Err(Refused::new(ErrorCode::InvalidRequest, "Duplicate topic in request."));
    }
    if broker.authorizer.allows(context, Operation::Alter, &Resource::topic(&topic.name)) {
        return Ok(());
    }
    Err(Refused::new(ErrorCode::TopicAuthorizationFailed, "The topic authorization is failed."))
}

async fn grow(
    broker: &Arc<Broker>,
    topic: &CreatePartitionsTopic,
    validate_only: bool,
) -> Result<(), Refused> {
    let existing =
        topics::existing(&broker.store, &topic.name).await.map_err(|error| Refused::from(&error))?;
    if existing.marked_for_deletion {
        return Err(Refused::new(ErrorCode::InvalidTopicException, "The topic is queued for deletion."));
    }
    let assignment =
        topics::assignment(&broker.store, &topic.name).await.map_err(|error| Refused::from(&error))?;
    let assignments = topic
        .assignments
        .as_ref()
        .map(|given| given.iter().map(|a| a.broker_ids.iter().map(|id| BrokerId(id.0)).collect()).collect());
    let growth = Growth { count: topic.count, assignments };
    let brokers = candidates(&broker.metadata.picture());
    let added =
        plan_growth(&topic.name, &assignment, &growth, &brokers).map_err(|error| Refused::from(&error))?;
    if validate_only {
        return Ok(());
    }
    topics::add_partitions(&broker.store, &topic.name, added).await.map_err(|error| Refused::from(&error))
}

fn has_grown(picture: &Picture, topic: &CreatePartitionsTopic) -> bool {
    let Some(known) = picture.topics.get(&**topic.name) else { return false };
    let led = known.partitions.values().filter(|partition| partition.leader.0 >= 0).count();
    i64::try_from(led).is_ok_and(|led| led >= i64::from(topic.count))
}

fn result(topic: &CreatePartitionsTopic, outcome: Result<(), Refused>) -> CreatePartitionsTopicResult {
    let result = CreatePartitionsTopicResult::default().with_name(topic.name.clone());
    match outcome {
        Ok(()) => result.with_error_message(None),
        Err(Refused { code, message }) => {
            result.with_error_code(code.code()).with_error_message(message.map(StrBytes::from_string))
        }
    }
}
