//! InitProducerId (key 22), versions 0–5: a fresh producer id with epoch 0 for an idempotent producer (KIP-98).
//!
//! A producer id given without an epoch, or the reverse, is INVALID_REQUEST; a pair given without a transactional id is ignored.
//! Differs from Kafka 3.9: a transactional id is refused with UNSUPPORTED_VERSION, which producers show as fatal, because there is no
//! transaction coordinator; and the first request waits for the first block of ids instead of getting COORDINATOR_LOAD_IN_PROGRESS.

use protocol::error_code::ErrorCode;
use protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId as WireProducerId};

use super::context::Context;
use crate::authorizer::{Operation, Resource};
use crate::broker::Broker;

const NO_ID: i64 = -1;
const NO_EPOCH: i16 = -1;

pub(crate) async fn answer(
    broker: &Broker,
    context: &Context,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    match producer_id(broker, context, &request).await {
        Ok(id) => response(id, 0),
        Err(error) => response(NO_ID, NO_EPOCH).with_error_code(error.code()),
    }
}

async fn producer_id(
    broker: &Broker,
    context: &Context,
    request: &InitProducerIdRequest,
) -> Result<i64, ErrorCode> {
    if let Some(id) = &request.transactional_id {
        if id.is_empty() {
            return Err(ErrorCode::InvalidRequest);
        }
        if !broker.authorizer.allows(context, Operation::Write, &Resource::transactional_id(id)) {
            return Err(ErrorCode::TransactionalIdAuthorizationFailed);
        }
        return Err(ErrorCode::UnsupportedVersion);
    }
    let allowed = broker.authorizer.allows(context, Operation::IdempotentWrite, &Resource::cluster())
        || broker.authorizer.allows_any_topic(context, Operation::Write);
    if !allowed {
        return Err(ErrorCode::ClusterAuthorizationFailed);
    }
    if (request.producer_id.0 == NO_ID) != (request.producer_epoch == NO_EPOCH) {
        return Err(ErrorCode::InvalidRequest);
    }
    broker.producer_ids.next().await.map(|id| id.0).map_err(|error| {
        tracing::warn!(%error, "no producer id: the block in /latest_producer_id_block could not be taken");
        ErrorCode::CoordinatorLoadInProgress
    })
}

fn response(id: i64, epoch: i16) -> InitProducerIdResponse {
    InitProducerIdResponse::default().with_producer_id(WireProducerId(id)).with_producer_epoch(epoch)
}
