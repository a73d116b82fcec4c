//! The fields of DescribeCluster, versions 0 to 1.

use super::field::*;

pub(super) const REQUEST: Shape = Shape {
    flexible_since: 0,
    fields: &[bool("include_cluster_authorized_operations"), int8("endpoint_type").since(1)],
};

const DESCRIBE_CLUSTER_BROKER: &[Field] =
    &[int32("broker_id"), string("host"), int32("port"), string("rack").nullable()];

pub(super) const RESPONSE: Shape = Shape {
    flexible_since: 0,
    fields: &[
        int32("throttle_time_ms"),
        int16("error_code"),
        string("error_message").nullable(),
        int8("endpoint_type").since(1),
        string("cluster_id"),
        int32("controller_id"),
        array("brokers", &Kind::Group(DESCRIBE_CLUSTER_BROKER)),
        int32("cluster_authorized_operations"),
    ],
};
