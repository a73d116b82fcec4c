//! AlterConfigs (key 33), versions 0–2: replaces all settings of a topic or broker by those given (deprecated by KIP-339).
//! Differs from Kafka 3.9 as `incremental_alter_configs.rs` does.

use std::sync::Arc;

use config::alter;
use protocol::StrBytes;
use protocol::error_code::ErrorCode;
use protocol::messages::alter_configs_request::AlterConfigsResource;
use protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use protocol::messages::{AlterConfigsRequest, AlterConfigsResponse};

use super::config_resource::{ConfigResource, broker_entity, write_entity};
use super::context::Context;
use super::error::Refused;
use super::incremental_alter_configs::unreadable;
use crate::authorizer::Operation;
use crate::broker::Broker;
use crate::config_changes::ConfigEntity;

pub(crate) async fn answer(
    broker: &Arc<Broker>,
    context: &Context,
    request: AlterConfigsRequest,
) -> AlterConfigsResponse {
    let named = request.resources.iter().map(|asked| (asked.resource_type, &*asked.resource_name));
    let resources = match ConfigResource::all(named) {
        Ok(resources) => resources,
        Err(refused) => {
            let responses = request.resources.iter().map(|asked| response(asked, Err(refused.clone())));
            return AlterConfigsResponse::default().with_responses(responses.collect());
        }
    };
    let mut responses = Vec::with_capacity(resources.len());
    for (asked, resource) in request.resources.iter().zip(&resources) {
        let replaced = replace(broker, context, (resource, asked), request.validate_only).await;
        responses.push(response(asked, replaced));
    }
    AlterConfigsResponse::default().with_responses(responses)
}

fn response(asked: &AlterConfigsResource, replaced: Result<(), Refused>) -> AlterConfigsResourceResponse {
    let response = AlterConfigsResourceResponse::default()
        .with_resource_type(asked.resource_type)
        .with_resource_name(asked.resource_name.clone());
    match replaced {
        Ok(()) => response.with_error_message(None),
        Err(Refused { code, message }) => {
            response.with_error_code(code.code()).with_error_message(message.map(StrBytes::from_string))
        }
    }
}

async fn replace(
    broker: &Arc<Broker>,
    context: &Context,
    (resource, asked): (&ConfigResource, &AlterConfigsResource),
    validate_only: bool,
) -> Result<(), Refused> {
    resource.authorize(broker, context, Operation::AlterConfigs)?;
    let entry = |config: &protocol::messages::alter_configs_request::AlterableConfig| {
        (config.name.to_string(), config.value.as_ref().map(ToString::to_string))
    };
    let entries: Vec<_> = asked.configs.iter().map(entry).collect();
    let (entity, map) = match resource {
        ConfigResource::Topic(name) if name.is_empty() => {
            return Err(Refused::new(ErrorCode::InvalidRequest, "Default topic resources are not allowed."));
        }
        ConfigResource::Topic(name) if !broker.metadata.picture().topics.contains_key(&**name) => {
            let text = format!("The topic '{name}' does not exist.");
            return Err(Refused::new(ErrorCode::UnknownTopicOrPartition, text));
        }
        ConfigResource::Topic(name) => {
            let defaults = &broker.settings.config().topic_defaults;
            (ConfigEntity::Topic(name.clone()), alter::replace_topic(defaults, name, &entries)?)
        }
        ConfigResource::Broker(name) => {
            let scope = alter::broker_resource(name, broker.identity.broker.0)?;
            let entity = broker_entity(scope, broker);
            let stored = broker.settings.stored(&entity).await.map_err(unreadable)?;
            let map = alter::replace_broker(&broker.settings.layers(), scope, &stored, &entries)?;
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
