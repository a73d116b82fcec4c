//! The fields of DeleteRecords, versions 0 to 2.

use super::field::*;

const DELETE_RECORDS_PARTITION: &[Field] = &[int32("partition_index"), int64("offset")];

const DELETE_RECORDS_TOPIC: &[Field] =
    &[string("name"), array("partitions", &Kind::Group(DELETE_RECORDS_PARTITION))];

pub(super) const REQUEST: Shape = Shape {
    flexible_since: 2,
    fields: &[array("topics", &Kind::Group(DELETE_RECORDS_TOPIC)), int32("timeout_ms")],
};

const DELETE_RECORDS_PARTITION_RESULT: &[Field] =
    &[int32("partition_index"), int64("low_watermark"), int16("error_code")];

const DELETE_RECORDS_TOPIC_RESULT: &[Field] =
    &[string("name"), array("partitions", &Kind::Group(DELETE_RECORDS_PARTITION_RESULT))];

pub(super) const RESPONSE: Shape = Shape {
    flexible_since: 2,
    fields: &[int32("throttle_time_ms"), array("topics", &Kind::Group(DELETE_RECORDS_TOPIC_RESULT))],
};
