//! The fields of Produce, versions 0 to 11.

use super::field::*;

const PARTITION_PRODUCE_DATA: &[Field] = &[int32("index"), bytes("records").nullable()];

const TOPIC_PRODUCE_DATA: &[Field] =
    &[string("name"), array("partition_data", &Kind::Group(PARTITION_PRODUCE_DATA))];

pub(super) const REQUEST: Shape = Shape {
    flexible_since: 9,
    fields: &[
        string("transactional_id").since(3).nullable(),
        int16("acks"),
        int32("timeout_ms"),
        array("topic_data", &Kind::Group(TOPIC_PRODUCE_DATA)),
    ],
};

const BATCH_INDEX_AND_ERROR_MESSAGE: &[Field] =
    &[int32("batch_index"), string("batch_index_error_message").nullable()];

const LEADER_ID_AND_EPOCH: &[Field] = &[int32("leader_id"), int32("leader_epoch")];

const PARTITION_PRODUCE_RESPONSE: &[Field] = &[
    int32("index"),
    int16("error_code"),
    int64("base_offset"),
    int64("log_append_time_ms").since(2),
    int64("log_start_offset").since(5),
    array("record_errors", &Kind::Group(BATCH_INDEX_AND_ERROR_MESSAGE)).since(8),
    string("error_message").since(8).nullable(),
    group("current_leader", LEADER_ID_AND_EPOCH).since(10).tagged(0),
];

const TOPIC_PRODUCE_RESPONSE: &[Field] =
    &[string("name"), array("partition_responses", &Kind::Group(PARTITION_PRODUCE_RESPONSE))];

const NODE_ENDPOINT: &[Field] = &[int32("node_id"), string("host"), int32("port"), string("rack").nullable()];

pub(super) const RESPONSE: Shape = Shape {
    flexible_since: 9,
    fields: &[
        array("responses", &Kind::Group(TOPIC_PRODUCE_RESPONSE)),
        int32("throttle_time_ms").since(1),
        array("node_endpoints", &Kind::Group(NODE_ENDPOINT)).since(10).tagged(0),
    ],
};
