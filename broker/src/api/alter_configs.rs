//! AlterConfigs (key 33), versions 0–2: replaces all settings of a topic or broker by those given (deprecated by KIP-339).
//! Differs from Kafka 3.9 as `incremental_alter_configs.rs` does.

use std::sync::Arc;

use protocol::messages::alter_configs_request::AlterConfigsResource;
use protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use protocol::messages::{AlterConfigsRequest, AlterConfigsResponse};

use super::alteration::{Alteration, Alterations, Wanted};
use super::context::Context;
use super::error::{Refused, told};
use crate::broker::Broker;

pub(crate) async fn answer(
    broker: &Arc<Broker>,
    context: &Context,
    request: AlterConfigsRequest,
) -> AlterConfigsResponse {
    let asked = request.resources.iter().map(alteration).collect();
    let alterations = Alterations { asked, validate_only: request.validate_only };
    let outcomes = alterations.carry_out(broker, context).await;
    let responses = request.resources.iter().zip(outcomes).map(|(asked, outcome)| response(asked, outcome));
    AlterConfigsResponse::default().with_responses(responses.collect())
}

fn alteration(asked: &AlterConfigsResource) -> Alteration<'_> {
    let entries = asked.configs.iter().map(|config| {
        let value = config.value.as_ref().map(ToString::to_string);
        (config.name.to_string(), value)
    });
    let wanted = Ok(Wanted::Replaced(entries.collect()));
    Alteration { kind: asked.resource_type, name: &asked.resource_name, wanted }
}

fn response(asked: &AlterConfigsResource, outcome: Result<(), Refused>) -> AlterConfigsResourceResponse {
    let (code, message) = told(outcome);
    AlterConfigsResourceResponse::default()
        .with_error_code(code)
        .with_error_message(message)
        .with_resource_type(asked.resource_type)
        .with_resource_name(asked.resource_name.clone())
}
