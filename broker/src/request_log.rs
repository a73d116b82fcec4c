//! The request log: at DEBUG a line for each request that is over, with its sizes and where its time went.
//!
//! Called by connections through `Network::completed`. While the log is off it costs the check of a level. Source: Kafka's
//! RequestChannel.updateRequestMetrics (3.9), whose logger has the same name.

use tracing::debug;

use crate::api::context::Context;
use crate::network::{Completed, Passage, Stages};

/// Kafka's name of the logger.
const LOGGER: &str = "kafka.request.logger";

pub(crate) fn completed(context: &Context, completed: &Completed<'_>) {
    let Completed { passage, stages, response_bytes } = completed;
    let Passage { api, version, correlation_id, request_bytes, throttle, .. } = passage;
    let Stages { request_queue, local, remote, response_queue, send } = stages;
    debug!(
        target: LOGGER,
        %api, version, correlation_id, listener = %context.listener, client = %context.client_host,
        request_bytes, response_bytes, total = ?stages.total(), ?request_queue, ?local, ?remote, ?throttle, ?response_queue, ?send,
        "request completed"
    );
}
