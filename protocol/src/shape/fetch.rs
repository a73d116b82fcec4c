//! The fields of Fetch, versions 0 to 17.

use super::field::*;

const REPLICA_STATE: &[Field] = &[int32("replica_id"), int64("replica_epoch")];

const FETCH_PARTITION: &[Field] = &[
    int32("partition"),
    int32("current_leader_epoch").since(9),
    int64("fetch_offset"),
    int32("last_fetched_epoch").since(12),
    int64("log_start_offset").since(5),
    int32("partition_max_bytes"),
    uuid("replica_directory_id").since(17).tagged(0),
];

const FETCH_TOPIC: &[Field] = &[
    string("topic").until(12),
    uuid("topic_id").since(13),
    array("partitions", &Kind::Group(FETCH_PARTITION)),
];

const FORGOTTEN_TOPIC: &[Field] =
    &[string("topic").until(12), uuid("topic_id").since(13), array("partitions", &Kind::Int32)];

pub(super) const REQUEST: Shape = Shape {
    flexible_since: 12,
    fields: &[
        string("cluster_id").since(12).nullable().tagged(0),
        int32("replica_id").until(14),
        group("replica_state", REPLICA_STATE).since(15).tagged(1),
        int32("max_wait_ms"),
        int32("min_bytes"),
        int32("max_bytes").since(3),
        int8("isolation_level").since(4),
        int32("session_id").since(7),
        int32("session_epoch").since(7),
        array("topics", &Kind::Group(FETCH_TOPIC)),
        array("forgotten_topics_data", &Kind::Group(FORGOTTEN_TOPIC)).since(7),
        string("rack_id").since(11),
    ],
};

const EPOCH_END_OFFSET: &[Field] = &[int32("epoch"), int64("end_offset")];

const LEADER_ID_AND_EPOCH: &[Field] = &[int32("leader_id"), int32("leader_epoch")];

const SNAPSHOT_ID: &[Field] = &[int64("end_offset"), int32("epoch")];

const ABORTED_TRANSACTION: &[Field] = &[int64("producer_id"), int64("first_offset")];

const PARTITION_DATA: &[Field] = &[
    int32("partition_index"),
    int16("error_code"),
    int64("high_watermark"),
    int64("last_stable_offset").since(4),
    int64("log_start_offset").since(5),
    group("diverging_epoch", EPOCH_END_OFFSET).since(12).tagged(0),
    group("current_leader", LEADER_ID_AND_EPOCH).since(12).tagged(1),
    group("snapshot_id", SNAPSHOT_ID).since(12).tagged(2),
    array("aborted_transactions", &Kind::Group(ABORTED_TRANSACTION)).since(4).nullable(),
    int32("preferred_read_replica").since(11),
    bytes("records").nullable(),
];

const FETCHABLE_TOPIC_RESPONSE: &[Field] = &[
    string("topic").until(12),
    uuid("topic_id").since(13),
    array("partitions", &Kind::Group(PARTITION_DATA)),
];

const NODE_ENDPOINT: &[Field] = &[int32("node_id"), string("host"), int32("port"), string("rack").nullable()];

pub(super) const RESPONSE: Shape = Shape {
    flexible_since: 12,
    fields: &[
        int32("throttle_time_ms").since(1),
        int16("error_code").since(7),
        int32("session_id").since(7),
        array("responses", &Kind::Group(FETCHABLE_TOPIC_RESPONSE)),
        array("node_endpoints", &Kind::Group(NODE_ENDPOINT)).since(16).tagged(0),
    ],
};
