//! UpdateMetadata (key 6), from the controller on this broker: replaces the cluster picture.
//! Not served on the wire; the controller's driver calls it directly. Source: KafkaApis.handleUpdateMetadataRequest (3.9).

use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::messages::{UpdateMetadataRequest, UpdateMetadataResponse};

use super::control::check_epochs;
use crate::broker::Broker;

pub(crate) fn apply(broker: &Arc<Broker>, request: &UpdateMetadataRequest) -> UpdateMetadataResponse {
    let error = match check_epochs(broker, request.controller_epoch, request.broker_epoch) {
        Ok(()) => {
            broker.metadata.update(request);
            let picture = broker.metadata.picture();
            let named = request.topic_states.iter().map(|topic| &**topic.topic_name);
            for deleted in named.filter(|name| !picture.topics.contains_key(*name)) {
                broker.settings.forget_topic(deleted);
            }
            ErrorCode::None
        }
        Err(error) => error,
    };
    UpdateMetadataResponse::default().with_error_code(error.code())
}
