//! The match over requests: each is handed to its file, which is all that happens here.
//!
//! Called by `network/connection.rs`. Produce is begun before the next request is read; every other request does its work when it is
//! the oldest unanswered one of its connection, so that requests of one client take effect in their order.

mod alter_client_quotas;
mod alter_configs;
mod alter_replica_log_dirs;
mod alteration;
pub(crate) mod api_versions;
mod config_resource;
pub(crate) mod context;
mod control;
mod create_partitions;
mod create_topics;
mod delete_records;
mod delete_topics;
mod describe_client_quotas;
mod describe_cluster;
mod describe_configs;
mod describe_log_dirs;
mod describe_producers;
mod error;
pub(crate) mod fetch;
mod incremental_alter_configs;
mod init_producer_id;
pub(crate) mod leader_and_isr;
mod list_offsets;
mod metadata;
mod offset_for_leader_epoch;
mod pace;
mod produce;
mod quota_znodes;
mod repeated;
pub(crate) mod stop_replica;
mod update_features;
pub(crate) mod update_metadata;

use std::sync::Arc;

use protocol::request::{Request, RequestBody, RequestHeader};
use protocol::{Encodable, HeaderVersion, response};

use crate::broker::Broker;
use context::{Context, Outcome, Pending};

/// Begins a request. Waits only where a shard has no room, which holds back the connection.
pub(crate) async fn handle(broker: &Arc<Broker>, context: Context, request: Request) -> Pending {
    let Request { header, body } = request;
    let (broker, version) = (Arc::clone(broker), header.version);
    match body {
        RequestBody::ApiVersions(request) => {
            Pending::Ready(api_versions::answer(&header, &request, broker.feature_version()))
        }
        RequestBody::Produce(request) => produce::submit(&broker, context, header, request).await,
        RequestBody::Fetch(request) => Pending::later(fetch::answer(broker, context, header, request)),
        RequestBody::ListOffsets(request) => Pending::later(async move {
            encode(&header, &list_offsets::answer(&broker, &context, version, request).await)
        }),
        RequestBody::Metadata(request) => Pending::later(async move {
            encode(&header, &metadata::answer(&broker, &context, version, request).await)
        }),
        RequestBody::CreateTopics(request) => Pending::later(async move {
            let response = create_topics::answer(&broker, &context, version, request).await;
            encode(&header, &response).throttled(response.throttle_time_ms)
        }),
        RequestBody::DeleteTopics(request) => Pending::later(async move {
            let response = delete_topics::answer(&broker, &context, version, request).await;
            encode(&header, &response).throttled(response.throttle_time_ms)
        }),
        RequestBody::DeleteRecords(request) => Pending::later(async move {
            encode(&header, &delete_records::answer(&broker, &context, request).await)
        }),
        RequestBody::OffsetForLeaderEpoch(request) => Pending::later(async move {
            encode(&header, &offset_for_leader_epoch::answer(&broker, &context, request).await)
        }),
        RequestBody::AlterReplicaLogDirs(request) => Pending::later(async move {
            encode(&header, &alter_replica_log_dirs::answer(&broker, &context, request).await)
        }),
        RequestBody::DescribeLogDirs(request) => Pending::later(async move {
            encode(&header, &describe_log_dirs::answer(&broker, &context, request).await)
        }),
        RequestBody::CreatePartitions(request) => Pending::later(async move {
            let response = create_partitions::answer(&broker, &context, version, request).await;
            encode(&header, &response).throttled(response.throttle_time_ms)
        }),
        RequestBody::InitProducerId(request) => Pending::later(async move {
            encode(&header, &init_producer_id::answer(&broker, &context, request).await)
        }),
        RequestBody::DescribeConfigs(request) => Pending::later(async move {
            encode(&header, &describe_configs::answer(&broker, &context, version, request).await)
        }),
        RequestBody::AlterConfigs(request) => Pending::later(async move {
            encode(&header, &alter_configs::answer(&broker, &context, request).await)
        }),
        RequestBody::IncrementalAlterConfigs(request) => Pending::later(async move {
            encode(&header, &incremental_alter_configs::answer(&broker, &context, request).await)
        }),
        RequestBody::DescribeClientQuotas(request) => Pending::later(async move {
            encode(&header, &describe_client_quotas::answer(&broker, &context, request).await)
        }),
        RequestBody::AlterClientQuotas(request) => Pending::later(async move {
            encode(&header, &alter_client_quotas::answer(&broker, &context, request).await)
        }),
        RequestBody::UpdateFeatures(request) => Pending::later(async move {
            encode(&header, &update_features::answer(&broker, &context, version, request).await)
        }),
        RequestBody::DescribeProducers(request) => Pending::later(async move {
            encode(&header, &describe_producers::answer(&broker, &context, request).await)
        }),
        RequestBody::DescribeCluster(request) => Pending::later(async move {
            encode(&header, &describe_cluster::answer(&broker, &context, version, &request))
        }),
    }
}

fn encode<M: Encodable + HeaderVersion>(header: &RequestHeader, message: &M) -> Outcome {
    response::encode(header.correlation_id, header.api, header.version, message).into()
}
