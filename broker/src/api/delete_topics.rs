//! DeleteTopics (key 20), versions 0–6: marks topics in `/admin/delete_topics`, answered when they are gone from the cluster picture.
//!
//! Only the controller takes it. v6 takes topic ids; `delete.topic.enable=false` is TOPIC_DELETION_DISABLED (INVALID_REQUEST before v3).
//! Does not differ from Kafka 3.9.

use std::sync::Arc;
use std::time::Duration;

use protocol::StrBytes;
use protocol::error_code::ErrorCode;
use protocol::ids::TopicId;
use protocol::messages::delete_topics_request::DeleteTopicState;
use protocol::messages::delete_topics_response::DeletableTopicResult;
use protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse, TopicName};

use super::context::Context;
use super::error::Refused;
use crate::authorizer::{Operation, Resource};
use crate::broker::Broker;
use crate::controller::topics;

/// The first version that names topics one by one, and by id.
const STATES_SINCE: i16 = 6;

pub(crate) async fn answer(
    broker: &Arc<Broker>,
    context: &Context,
    version: i16,
    request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let patience = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let asked = asked(version, request);
    let ambiguous = asked.iter().any(|topic| topic.name.is_some() && !topic.topic_id.is_nil());
    let mut results = Vec::with_capacity(asked.len());
    for topic in asked {
        let (named, outcome) = if ambiguous {
            let text = "Topic name and topic ID can not both be specified.";
            (topic.name.clone(), Err(Refused::new(ErrorCode::InvalidRequest, text)))
        } else {
            mark(broker, context, version, &topic).await
        };
        results.push((named, topic.topic_id, outcome));
    }
    let marked =
        || results.iter().filter(|(_, _, outcome)| outcome.is_ok()).filter_map(|(name, _, _)| name.as_ref());
    broker
        .metadata
        .wait_for(patience, |picture| marked().all(|name| !picture.topics.contains_key(&***name)))
        .await;
    let picture = broker.metadata.picture();
    let responses = results.into_iter().map(|(name, id, outcome)| {
        let gone = name.as_ref().is_some_and(|name| !picture.topics.contains_key(&***name));
        let outcome =
            outcome.and_then(|()| if gone { Ok(()) } else { Err(ErrorCode::RequestTimedOut.into()) });
        response(version, name, id, outcome)
    });
    DeleteTopicsResponse::default().with_responses(responses.collect())
}

fn asked(version: i16, request: DeleteTopicsRequest) -> Vec<DeleteTopicState> {
    if version >= STATES_SINCE {
        return request.topics;
    }
    request.topic_names.into_iter().map(|name| DeleteTopicState::default().with_name(Some(name))).collect()
}

/// Marks one topic, after the checks in Kafka's order; the name is what the answer shows.
async fn mark(
    broker: &Arc<Broker>,
    context: &Context,
    version: i16,
    topic: &DeleteTopicState,
) -> (Option<TopicName>, Result<(), Refused>) {
    if !broker.is_controller() {
        return (topic.name.clone(), Err(ErrorCode::NotController.into()));
    }
    if !broker.config.topics.delete {
        let code = if version < 3 { ErrorCode::InvalidRequest } else { ErrorCode::TopicDeletionDisabled };
        return (topic.name.clone(), Err(code.into()));
    }
    let picture = broker.metadata.picture();
    let by_id = !topic.topic_id.is_nil();
    let name = if by_id {
        picture.topic_name(topic.topic_id).map(|name| TopicName(StrBytes::from_string(name.to_string())))
    } else {
        topic.name.clone()
    };
    let Some(name) = name else { return (None, Err(ErrorCode::UnknownTopicId.into())) };
    let allows = |operation| broker.authorizer.allows(context, operation, &Resource::topic(&name));
    if by_id && !allows(Operation::Describe) {
        return (None, Err(ErrorCode::TopicAuthorizationFailed.into()));
    }
    if !allows(Operation::Delete) {
        return (Some(name), Err(ErrorCode::TopicAuthorizationFailed.into()));
    }
    if !picture.topics.contains_key(&**name) {
        return (Some(name), Err(ErrorCode::UnknownTopicOrPartition.into()));
    }
    let marked = topics::request_deletion(&broker.store, &name).await.map_err(|error| Refused::from(&error));
    (Some(name), marked)
}

fn response(
    version: i16,
    name: Option<TopicName>,
    id: TopicId,
    outcome: Result<(), Refused>,
) -> DeletableTopicResult {
    let result = DeletableTopicResult::default().with_name(name);
    let result = if version >= STATES_SINCE { result.with_topic_id(id) } else { result };
    match outcome {
        Ok(()) => result,
        Err(Refused { code, message }) => {
            let message = message.filter(|_| version >= 5).map(StrBytes::from_string);
            result.with_error_code(code.code()).with_error_message(message)
        }
    }
}
