//! AlterConfigs (key 33), versions 0–2: replaces all settings of a topic or broker by those given (deprecated by KIP-339).
//! Differs from Kafka 3.9 as `incremental_alter_configs.rs` does.

use std::sync::Arc;

use protocol::messages::alter_configs_request::AlterConfigsResource;
use protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use protocol::messages::{AlterConfigsRequest, AlterConfigsResponse};

use super::alteration::{Alteration, Alterations, Altered, Wanted};
use super::context::Context;
use super::pace;
use crate::broker::Broker;

pub(crate) async fn answer(
    broker: &Arc<Broker>,
    context: &Context,
    request: AlterConfigsRequest,
) -> AlterConfigsResponse {
    let asked = pace::collect(request.resources.iter().map(alteration)).await;
    let altered =
        Alterations { asked, validate_only: request.validate_only }.carry_out(broker, context).await;
    let responses = pace::collect(altered.into_iter().map(response)).await;
    AlterConfigsResponse::default().with_responses(responses)
}

fn alteration(asked: &AlterConfigsResource) -> Alteration<'_> {
    let entries = asked.configs.iter().map(|config| {
        let value = config.value.as_ref().map(ToString::to_string);
        (config.name.to_string(), value)
    });
    let wanted = Wanted::Replaced(entries.collect());
    Alteration { kind: asked.resource_type, name: &asked.resource_name, wanted }
}

fn response(altered: Altered<'_>) -> AlterConfigsResourceResponse {
    AlterConfigsResourceResponse::default()
        .with_error_code(altered.error_code)
        .with_error_message(altered.error_message)
        .with_resource_type(altered.kind)
        .with_resource_name(altered.name.clone())
}
