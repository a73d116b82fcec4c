//! IncrementalAlterConfigs (key 44), versions 0–1: sets, deletes, appends to and subtracts from single settings (KIP-339).
//! A resource named twice is refused both times. Loggers are not served yet (INVALID_REQUEST).
//! Differs from Kafka 3.9: a broker setting that this version could not put into effect while running is refused.

use std::sync::Arc;

use config::alter::{self, Change, Op};
use protocol::StrBytes;
use protocol::error_code::ErrorCode;
use protocol::messages::incremental_alter_configs_request::AlterConfigsResource;
use protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};

use super::config_resource::{ConfigResource, broker_entity, write_entity};
use super::context::Context;
use super::error::Refused;
use crate::authorizer::Operation;
use crate::broker::Broker;
use crate::config_changes::{ConfigEntity, ConfigReadError};

pub(crate) async fn answer(
    broker: &Arc<Broker>,
    context: &Context,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let named = request.resources.iter().map(|asked| (asked.resource_type, &*asked.resource_name));
    let resources = match ConfigResource::all(named) {
        Ok(resources) => resources,
        Err(refused) => {
            let responses = request.resources.iter().map(|asked| response(asked, Err(refused.clone())));
            return IncrementalAlterConfigsResponse::default().with_responses(responses.collect());
        }
    };
    let mut responses = Vec::with_capacity(resources.len());
    for (asked, resource) in request.resources.iter().zip(&resources) {
        let altered = if resources.iter().filter(|other| *other == resource).count() > 1 {
            Err(Refused::new(ErrorCode::InvalidRequest, "Each resource must appear at most once."))
        } else {
            alter(broker, context, (resource, asked), request.validate_only).await
        };
        responses.push(response(asked, altered));
    }
    IncrementalAlterConfigsResponse::default().with_responses(responses)
}

async fn alter(
    broker: &Arc<Broker>,
    context: &Context,
    (resource, asked): (&ConfigResource, &AlterConfigsResource),
    validate_only: bool,
) -> Result<(), Refused> {
    resource.authorize(broker, context, Operation::AlterConfigs)?;
    let changes = changes(asked)?;
    let (entity, map) = match resource {
        ConfigResource::Topic(name) => {
            if name.is_empty() {
                let text = "Default topic resources are not allowed.";
                return Err(Refused::new(ErrorCode::InvalidRequest, text));
            }
            if !broker.metadata.picture().topics.contains_key(&**name) {
                let text = format!("The topic '{name}' does not exist.");
                return Err(Refused::new(ErrorCode::UnknownTopicOrPartition, text));
            }
            let entity = ConfigEntity::Topic(name.clone());
            let stored = broker.settings.stored(&entity).await.map_err(unreadable)?;
            let defaults = &broker.settings.config().topic_defaults;
            (entity, alter::incremental_topic(defaults, name, &stored, &changes)?)
        }
        ConfigResource::Broker(name) => {
            let scope = alter::broker_resource(name, broker.identity.broker.0)?;
            let entity = broker_entity(scope, broker);
            let stored = broker.settings.stored(&entity).await.map_err(unreadable)?;
            let map = alter::incremental_broker(&broker.settings.layers(), scope, &stored, &changes)?;
            (entity, map)
        }
        ConfigResource::BrokerLogger(_) | ConfigResource::ClientMetrics(_) => {
            return Err(Refused::new(
                ErrorCode::InvalidRequest,
                "This broker alters topics and brokers only.",
            ));
        }
    };
    if validate_only { Ok(()) } else { write_entity(&broker.store, &entity, map).await }
}

fn changes(asked: &AlterConfigsResource) -> Result<Vec<Change>, Refused> {
    let change = asked.configs.iter().map(|config| {
        let op = Op::from_code(config.config_operation)?;
        Ok(Change {
            name: config.name.to_string(),
            op,
            value: config.value.as_ref().map(ToString::to_string),
        })
    });
    change.collect()
}

pub(super) fn unreadable(error: ConfigReadError) -> Refused {
    tracing::error!(%error, "settings cannot be read");
    Refused::new(ErrorCode::UnknownServerError, error.to_string())
}

fn response(asked: &AlterConfigsResource, altered: Result<(), Refused>) -> AlterConfigsResourceResponse {
    let response = AlterConfigsResourceResponse::default()
        .with_resource_type(asked.resource_type)
        .with_resource_name(asked.resource_name.clone());
    match altered {
        Ok(()) => response.with_error_message(None),
        Err(Refused { code, message }) => {
            response.with_error_code(code.code()).with_error_message(message.map(StrBytes::from_string))
        }
    }
}
