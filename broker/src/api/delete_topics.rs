//! DeleteTopics (key 20), versions 0–6: marks topics in `/admin/delete_topics`, answered when they are gone from the cluster picture.
//!
//! Only the controller takes it. v6 takes topic ids; `delete.topic.enable=false` is TOPIC_DELETION_DISABLED (INVALID_REQUEST before v3).
//! Does not differ from Kafka 3.9.

use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::StrBytes;
use protocol::error_code::ErrorCode;
use protocol::ids::TopicId;
use protocol::messages::delete_topics_request::DeleteTopicState;
use protocol::messages::delete_topics_response::DeletableTopicResult;
use protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse, TopicName};

use super::context::{Context, patience};
use super::error::Refused;
use super::pace::{self, Pace};
use crate::authorizer::{Operation, Resource};
use crate::broker::Broker;
use crate::controller::topics;
use crate::quota::Mutations;

/// The first version that names topics one by one, and by id.
const STATES_SINCE: i16 = 6;
/// The first version whose clients know THROTTLING_QUOTA_EXCEEDED (KIP-599).
const STRICT_QUOTA_SINCE: i16 = 5;

pub(crate) async fn answer(
    broker: &Arc<Broker>,
    context: &Context,
    version: i16,
    request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let patience = patience(request.timeout_ms);
    let asked = asked(version, request).await;
    let mut results = Vec::with_capacity(asked.len());
    let mut quota = broker.quotas.mutations(context, version, STRICT_QUOTA_SINCE);
    let mut pace = Pace::default();
    match resolve(broker, version, &asked).await {
        Err(refused) => {
            let refuse = |topic: DeleteTopicState| (topic.name, topic.topic_id, Err(refused.clone()));
            results = pace::collect(asked.into_iter().map(refuse)).await;
        }
        Ok(named) => {
            let rights = Rights::of(broker, context, &named).await;
            let mut desk = Desk { broker, rights, quota: &mut quota };
            for (topic, name) in asked.into_iter().zip(named) {
                let (shown, outcome) = desk.mark(topic.topic_id, name).await;
                results.push((shown, topic.topic_id, outcome));
                pace.step().await;
            }
        }
    }
    let marked =
        || results.iter().filter(|(_, _, outcome)| outcome.is_ok()).filter_map(|(name, _, _)| name.as_ref());
    if !patience.is_zero() {
        broker
            .metadata
            .wait_for(patience, |picture| marked().all(|name| !picture.topics.contains_key(&***name)))
            .await;
    }
    let picture = broker.metadata.picture();
    let responses = results.into_iter().map(|(name, id, outcome)| {
        let missing = |name: &TopicName| !picture.topics.contains_key(&***name);
        let gone = !patience.is_zero() && name.as_ref().is_some_and(missing);
        let outcome =
            outcome.and_then(|()| if gone { Ok(()) } else { Err(ErrorCode::RequestTimedOut.into()) });
        response(version, name, id, outcome)
    });
    DeleteTopicsResponse::default()
        .with_responses(pace::collect(responses).await)
        .with_throttle_time_ms(quota.throttle_time_ms())
}

async fn asked(version: i16, request: DeleteTopicsRequest) -> Vec<DeleteTopicState> {
    if version >= STATES_SINCE {
        return request.topics;
    }
    let named = |name| DeleteTopicState::default().with_name(Some(name));
    pace::collect(request.topic_names.into_iter().map(named)).await
}

/// The names of what is asked for, `None` for an unknown id; or why the request is refused as a whole.
async fn resolve(
    broker: &Broker,
    version: i16,
    asked: &[DeleteTopicState],
) -> Result<Vec<Option<TopicName>>, Refused> {
    if !broker.is_controller() {
        return Err(ErrorCode::NotController.into());
    }
    if !broker.config.topics.delete {
        let code = if version < 3 { ErrorCode::InvalidRequest } else { ErrorCode::TopicDeletionDisabled };
        return Err(code.into());
    }
    if asked.iter().any(|topic| topic.name.is_some() && !topic.topic_id.is_nil()) {
        return Err(ErrorCode::InvalidRequest.into());
    }
    let picture = broker.metadata.picture();
    let named = |id| picture.topic_name(id).map(|name| TopicName(StrBytes::from_string(name.to_string())));
    let names = asked.iter().map(|t| if t.topic_id.is_nil() { t.name.clone() } else { named(t.topic_id) });
    Ok(pace::collect(names).await)
}

/// What the client may do, asked once for the whole request.
struct Rights {
    describable: BTreeSet<String>,
    deletable: BTreeSet<String>,
}

impl Rights {
    async fn of(broker: &Broker, context: &Context, named: &[Option<TopicName>]) -> Self {
        let names: BTreeSet<String> =
            pace::collect(named.iter().flatten().map(|name| name.to_string())).await;
        let allowed = |operation| {
            let allows =
                move |name: &&String| broker.authorizer.allows(context, operation, &Resource::topic(name));
            pace::collect(names.iter().filter(allows).cloned())
        };
        Self { describable: allowed(Operation::Describe).await, deletable: allowed(Operation::Delete).await }
    }
}

/// What one topic after the other is marked with.
struct Desk<'a, 'b> {
    broker: &'a Arc<Broker>,
    rights: Rights,
    quota: &'a mut Mutations<'b>,
}

impl Desk<'_, '_> {
    /// Marks one topic, after the checks in Kafka's order; the name is what the answer shows.
    async fn mark(
        &mut self,
        id: TopicId,
        name: Option<TopicName>,
    ) -> (Option<TopicName>, Result<(), Refused>) {
        let Some(name) = name else {
            // What is asked for by neither name nor id is what nobody may delete.
            let code =
                if id.is_nil() { ErrorCode::TopicAuthorizationFailed } else { ErrorCode::UnknownTopicId };
            return (None, Err(code.into()));
        };
        if !id.is_nil() && !self.rights.describable.contains(&**name) {
            return (None, Err(ErrorCode::TopicAuthorizationFailed.into()));
        }
        if !self.rights.deletable.contains(&**name) {
            return (Some(name), Err(ErrorCode::TopicAuthorizationFailed.into()));
        }
        let partitions =
            self.broker.metadata.picture().topics.get(&**name).map(|topic| topic.partitions.len());
        let Some(partitions) = partitions else {
            return (Some(name), Err(ErrorCode::UnknownTopicOrPartition.into()));
        };
        if let Err(exceeded) = self.quota.take(partitions) {
            return (Some(name), Err(Refused { message: None, ..exceeded.into() }));
        }
        let marked = topics::request_deletion(&self.broker.store, &name).await;
        (Some(name), marked.map_err(Refused::from))
    }
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
