//! The fields of Metadata, versions 0 to 12.

use super::field::*;

const METADATA_REQUEST_TOPIC: &[Field] = &[uuid("topic_id").since(10), string("name").nullable_since(10)];

pub(super) const REQUEST: Shape = Shape {
    flexible_since: 9,
    fields: &[
        array("topics", &Kind::Group(METADATA_REQUEST_TOPIC)).nullable_since(1),
        bool("allow_auto_topic_creation").since(4),
        bool("include_cluster_authorized_operations").since(8).until(10),
        bool("include_topic_authorized_operations").since(8),
    ],
};

const METADATA_RESPONSE_BROKER: &[Field] =
    &[int32("node_id"), string("host"), int32("port"), string("rack").since(1).nullable()];

const METADATA_RESPONSE_PARTITION: &[Field] = &[
    int16("error_code"),
    int32("partition_index"),
    int32("leader_id"),
    int32("leader_epoch").since(7),
    array("replica_nodes", &Kind::Int32),
    array("isr_nodes", &Kind::Int32),
    array("offline_replicas", &Kind::Int32).since(5),
];

const METADATA_RESPONSE_TOPIC: &[Field] = &[
    int16("error_code"),
    string("name").nullable_since(12),
    uuid("topic_id").since(10),
    bool("is_internal").since(1),
    array("partitions", &Kind::Group(METADATA_RESPONSE_PARTITION)),
    int32("topic_authorized_operations").since(8),
];

pub(super) const RESPONSE: Shape = Shape {
    flexible_since: 9,
    fields: &[
        int32("throttle_time_ms").since(3),
        array("brokers", &Kind::Group(METADATA_RESPONSE_BROKER)),
        string("cluster_id").since(2).nullable(),
        int32("controller_id").since(1),
        array("topics", &Kind::Group(METADATA_RESPONSE_TOPIC)),
        int32("cluster_authorized_operations").since(8).until(10),
    ],
};
