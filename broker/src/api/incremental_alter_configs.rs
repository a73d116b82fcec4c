//! IncrementalAlterConfigs (key 44), versions 0–1: sets, deletes, appends to and subtracts from single settings (KIP-339).
//! A resource named twice is refused both times. Levels of loggers hold until the broker stops (KIP-412).
//! Differs from Kafka 3.9: a class of Java is refused as one that cannot be found, a listener other than PLAINTEXT as not served yet.

use std::sync::Arc;

use config::alter::{Change, Op};
use protocol::messages::incremental_alter_configs_request::AlterConfigsResource;
use protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};

use super::alteration::{Alteration, Alterations, Altered, Wanted};
use super::context::Context;
use super::pace;
use crate::broker::Broker;

pub(crate) async fn answer(
    broker: &Arc<Broker>,
    context: &Context,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let asked = pace::collect(request.resources.iter().map(alteration)).await;
    let altered =
        Alterations { asked, validate_only: request.validate_only }.carry_out(broker, context).await;
    let responses = pace::collect(altered.into_iter().map(response)).await;
    IncrementalAlterConfigsResponse::default().with_responses(responses)
}

fn alteration(asked: &AlterConfigsResource) -> Alteration<'_> {
    let changes = asked.configs.iter().map(|config| {
        let (name, value) = (config.name.to_string(), config.value.as_ref().map(ToString::to_string));
        Change { name, op: Op::from_code(config.config_operation), value }
    });
    let wanted = Wanted::Changed(changes.collect());
    Alteration { kind: asked.resource_type, name: &asked.resource_name, wanted }
}

fn response(altered: Altered<'_>) -> AlterConfigsResourceResponse {
    AlterConfigsResourceResponse::default()
        .with_error_code(altered.error_code)
        .with_error_message(altered.error_message)
        .with_resource_type(altered.kind)
        .with_resource_name(altered.name.clone())
}
