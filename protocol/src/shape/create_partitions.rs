//! The fields of CreatePartitions, versions 0 to 3.

use super::field::*;

const CREATE_PARTITIONS_ASSIGNMENT: &[Field] = &[array("broker_ids", &Kind::Int32)];

const CREATE_PARTITIONS_TOPIC: &[Field] = &[
    string("name"),
    int32("count"),
    array("assignments", &Kind::Group(CREATE_PARTITIONS_ASSIGNMENT)).nullable(),
];

pub(super) const REQUEST: Shape = Shape {
    flexible_since: 2,
    fields: &[
        array("topics", &Kind::Group(CREATE_PARTITIONS_TOPIC)),
        int32("timeout_ms"),
        bool("validate_only"),
    ],
};

const CREATE_PARTITIONS_TOPIC_RESULT: &[Field] =
    &[string("name"), int16("error_code"), string("error_message").nullable()];

pub(super) const RESPONSE: Shape = Shape {
    flexible_since: 2,
    fields: &[int32("throttle_time_ms"), array("results", &Kind::Group(CREATE_PARTITIONS_TOPIC_RESULT))],
};
