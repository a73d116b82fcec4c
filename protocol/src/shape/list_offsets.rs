//! The fields of ListOffsets, versions 0 to 9.

use super::field::*;

const LIST_OFFSETS_PARTITION: &[Field] = &[
    int32("partition_index"),
    int32("current_leader_epoch").since(4),
    int64("timestamp"),
    int32("max_num_offsets").until(0),
];

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
    array("old_style_offsets", &Kind::Int64).until(0),
    int64("timestamp").since(1),
    int64("offset").since(1),
    int32("leader_epoch").since(4),
];

const LIST_OFFSETS_TOPIC_RESPONSE: &[Field] =
    &[string("name"), array("partitions", &Kind::Group(LIST_OFFSETS_PARTITION_RESPONSE))];

pub(super) const RESPONSE: Shape = Shape {
    flexible_since: 6,
    fields: &[int32("throttle_time_ms").since(2), array("topics", &Kind::Group(LIST_OFFSETS_TOPIC_RESPONSE))],
};
