//! The match over requests: each is handed to its file, which is all that happens here.
//!
//! Called by `network/connection.rs`. Produce is begun before the next request is read; every other request does its work when it is
//! the oldest unanswered one of its connection, so that requests of one client take effect in their order.

mod alter_configs;
mod alteration;
pub(crate) mod api_versions;
mod config_resource;
pub(crate) mod context;
mod control;
mod create_partitions;
mod create_topics;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod error;
pub(crate) mod fetch;
mod incremental_alter_configs;
mod init_producer_id;
pub(crate) mod leader_and_isr;
mod list_offsets;
mod metadata;
mod produce;
pub(crate) mod stop_replica;
pub(crate) mod update_metadata;

use std::sync::Arc;

use protocol::request::{Request, RequestBody, RequestHeader};
use protocol::{Encodable, HeaderVersion, response};

use crate::broker::Broker;
use context::{Context, Outcome, Pending};

/// Begins a request. Waits only where a shard has no room, which holds back the connection.
pub(crate) async fn handle(broker: &Arc<Broker>, context: Context, request: Request) -> Pending {
    let Request { header, body } = request;
    match body {
        RequestBody::ApiVersions(request) => {
            Pending::Ready(api_versions::answer(&header, &request, broker.feature_version()))
        }
        RequestBody::Produce(request) => produce::submit(broker, context, header, request).await,
        body @ (RequestBody::Fetch(_)
        | RequestBody::ListOffsets(_)
        | RequestBody::Metadata(_)
        | RequestBody::CreateTopics(_)
        | RequestBody::DeleteTopics(_)
        | RequestBody::CreatePartitions(_)
        | RequestBody::InitProducerId(_)
        | RequestBody::DescribeConfigs(_)
        | RequestBody::AlterConfigs(_)
        | RequestBody::IncrementalAlterConfigs(_)
        | RequestBody::DescribeCluster(_)) => {
            Pending::later(answer(Arc::clone(broker), context, header, body))
        }
    }
}

async fn answer(broker: Arc<Broker>, context: Context, header: RequestHeader, body: RequestBody) -> Outcome {
    let version = header.version;
    match body {
        RequestBody::ApiVersions(_) | RequestBody::Produce(_) => Outcome::Close("begun already".to_owned()),
        RequestBody::Fetch(request) => fetch::answer(broker, context, header, request).await,
        RequestBody::ListOffsets(request) => {
            encode(&header, &list_offsets::answer(&broker, &context, version, request).await)
        }
        RequestBody::Metadata(request) => {
            encode(&header, &metadata::answer(&broker, &context, version, request).await)
        }
        RequestBody::CreateTopics(request) => {
            encode(&header, &create_topics::answer(&broker, &context, version, request).await)
        }
        RequestBody::DeleteTopics(request) => {
            encode(&header, &delete_topics::answer(&broker, &context, version, request).await)
        }
        RequestBody::CreatePartitions(request) => {
            encode(&header, &create_partitions::answer(&broker, &context, request).await)
        }
        RequestBody::InitProducerId(request) => {
            encode(&header, &init_producer_id::answer(&broker, &context, request).await)
        }
        RequestBody::DescribeConfigs(request) => {
            encode(&header, &describe_configs::answer(&broker, &context, version, request).await)
        }
        RequestBody::AlterConfigs(request) => {
            encode(&header, &alter_configs::answer(&broker, &context, request).await)
        }
        RequestBody::IncrementalAlterConfigs(request) => {
            encode(&header, &incremental_alter_configs::answer(&broker, &context, request).await)
        }
        RequestBody::DescribeCluster(request) => {
            encode(&header, &describe_cluster::answer(&broker, &context, version, &request))
        }
    }
}

fn encode<M: Encodable + HeaderVersion>(header: &RequestHeader, message: &M) -> Outcome {
    response::encode(header.correlation_id, header.api, header.version, message).into()
}
