//! The fields of OffsetForLeaderEpoch, versions 0 to 4.

use super::field::*;

const OFFSET_FOR_LEADER_PARTITION: &[Field] =
    &[int32("partition"), int32("current_leader_epoch").since(2), int32("leader_epoch")];

const OFFSET_FOR_LEADER_TOPIC: &[Field] =
    &[string("topic"), array("partitions", &Kind::Group(OFFSET_FOR_LEADER_PARTITION))];

pub(super) const REQUEST: Shape = Shape {
    flexible_since: 4,
    fields: &[int32("replica_id").since(3), array("topics", &Kind::Group(OFFSET_FOR_LEADER_TOPIC))],
};

const EPOCH_END_OFFSET: &[Field] =
    &[int16("error_code"), int32("partition"), int32("leader_epoch").since(1), int64("end_offset")];

const OFFSET_FOR_LEADER_TOPIC_RESULT: &[Field] =
    &[string("topic"), array("partitions", &Kind::Group(EPOCH_END_OFFSET))];

pub(super) const RESPONSE: Shape = Shape {
    flexible_since: 4,
    fields: &[
        int32("throttle_time_ms").since(2),
        array("topics", &Kind::Group(OFFSET_FOR_LEADER_TOPIC_RESULT)),
    ],
};
