//! DescribeCluster (key 60), versions 0–1: id, controller and brokers as the cluster picture has them.
//! v1 adds the kind of endpoint; a broker answers for brokers only. Does not differ from Kafka 3.9.

use protocol::StrBytes;
use protocol::error_code::ErrorCode;
use protocol::messages::describe_cluster_response::DescribeClusterBroker;
use protocol::messages::{BrokerId as WireBrokerId, DescribeClusterRequest, DescribeClusterResponse};

use super::context::Context;
use crate::authorizer::{Operation, Resource};
use crate::broker::Broker;
use crate::metadata::Address;

/// Where a client says which endpoints it wants to hear of (KIP-919).
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;
pub(super) const NO_CONTROLLER: i32 = -1;
/// In place of a set of operations that was not asked for.
pub(super) const NOT_ASKED: i32 = i32::MIN;

pub(crate) fn answer(
    broker: &Broker,
    context: &Context,
    version: i16,
    request: &DescribeClusterRequest,
) -> DescribeClusterResponse {
    if version >= 1 && request.endpoint_type != BROKERS {
        return wrong_endpoints(request.endpoint_type);
    }
    let picture = broker.metadata.picture();
    let brokers = picture.addresses(&context.listener).map(|Address { broker, host, port, rack }| {
        DescribeClusterBroker::default()
            .with_broker_id(WireBrokerId(broker.0))
            .with_host(host)
            .with_port(port)
            .with_rack(rack)
    });
    let operations = match request.include_cluster_authorized_operations {
        true => operations(broker, context),
        false => NOT_ASKED,
    };
    DescribeClusterResponse::default()
        .with_cluster_id(StrBytes::from_string(broker.identity.cluster_id.clone()))
        .with_controller_id(WireBrokerId(picture.controller.map_or(NO_CONTROLLER, |c| c.0)))
        .with_brokers(brokers.collect())
        .with_cluster_authorized_operations(operations)
}

fn wrong_endpoints(asked: i8) -> DescribeClusterResponse {
    let (code, message) = match asked {
        CONTROLLERS => (
            ErrorCode::MismatchedEndpointType,
            "The request was sent to an endpoint of the wrong type: this is a broker, not a controller."
                .to_owned(),
        ),
        _ => (ErrorCode::UnsupportedEndpointType, format!("Unsupported endpoint type {asked}")),
    };
    DescribeClusterResponse::default()
        .with_error_code(code.code())
        .with_error_message(Some(StrBytes::from_string(message)))
        .with_cluster_authorized_operations(NOT_ASKED)
}

/// What the client may do to the cluster, which is nothing that it may know of without Describe.
pub(super) fn operations(broker: &Broker, context: &Context) -> i32 {
    let cluster = Resource::cluster();
    if !broker.authorizer.allows(context, Operation::Describe, &cluster) {
        return 0;
    }
    broker.authorizer.operations(context, &cluster)
}
