//! The fields of DescribeProducers, version 0.

use super::field::*;

const TOPIC_REQUEST: &[Field] = &[string("name"), array("partition_indexes", &Kind::Int32)];

pub(super) const REQUEST: Shape =
    Shape { flexible_since: 0, fields: &[array("topics", &Kind::Group(TOPIC_REQUEST))] };

const PRODUCER_STATE: &[Field] = &[
    int64("producer_id"),
    int32("producer_epoch"),
    int32("last_sequence"),
    int64("last_timestamp"),
    int32("coordinator_epoch"),
    int64("current_txn_start_offset"),
];

const PARTITION_RESPONSE: &[Field] = &[
    int32("partition_index"),
    int16("error_code"),
    string("error_message").nullable(),
    array("active_producers", &Kind::Group(PRODUCER_STATE)),
];

const TOPIC_RESPONSE: &[Field] = &[string("name"), array("partitions", &Kind::Group(PARTITION_RESPONSE))];

pub(super) const RESPONSE: Shape = Shape {
    flexible_since: 0,
    fields: &[int32("throttle_time_ms"), array("topics", &Kind::Group(TOPIC_RESPONSE))],
};
