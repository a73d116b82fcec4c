//! The fields of ListOffsets, versions 1 to 9.

use super::field::*;

const LIST_OFFSETS_PARTITION: &[Field] =
    &[int32("partition_index"), int32("current_leader_epoch").since(4), int64("timestamp")];

const LIST_OFFSETS_TOPIC: &[Field] =
    &[string("name"), array("partitions", &Kind::Group(LIST_OFFSETS_PARTITION))];

pub(super) const REQUEST: Shape = Shape {
    flexible_since: 6,
    fields: &[
        int32("replica_id"),
        int8("isolation_level").since(2),
        array("topics", &Kind::Group(LIST_OFFSETS_TOPIC)),
    ],
};

const LIST_OFFSETS_PARTITION_RESPONSE: &[Field] = &[
    int32("partition_index"),
    int16("error_code"),
    int64("timestamp"),
    int64("offset"),
    int32("leader_epoch").since(4),
];

const LIST_OFFSETS_TOPIC_RESPONSE: &[Field] =
    &[string("name"), array("partitions", &Kind::Group(LIST_OFFSETS_PARTITION_RESPONSE))];

pub(super) const RESPONSE: Shape = Shape {
    flexible_since: 6,
    fields: &[int32("throttle_time_ms").since(2), array("topics", &Kind::Group(LIST_OFFSETS_TOPIC_RESPONSE))],
};
