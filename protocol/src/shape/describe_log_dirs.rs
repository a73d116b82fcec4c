//! The fields of DescribeLogDirs, versions 0 to 4.

use super::field::*;

const DESCRIBABLE_LOG_DIR_TOPIC: &[Field] = &[string("topic"), array("partitions", &Kind::Int32)];

pub(super) const REQUEST: Shape = Shape {
    flexible_since: 2,
    fields: &[array("topics", &Kind::Group(DESCRIBABLE_LOG_DIR_TOPIC)).nullable()],
};

const DESCRIBE_LOG_DIRS_PARTITION: &[Field] =
    &[int32("partition_index"), int64("partition_size"), int64("offset_lag"), bool("is_future_key")];

const DESCRIBE_LOG_DIRS_TOPIC: &[Field] =
    &[string("name"), array("partitions", &Kind::Group(DESCRIBE_LOG_DIRS_PARTITION))];

const DESCRIBE_LOG_DIRS_RESULT: &[Field] = &[
    int16("error_code"),
    string("log_dir"),
    array("topics", &Kind::Group(DESCRIBE_LOG_DIRS_TOPIC)),
    int64("total_bytes").since(4),
    int64("usable_bytes").since(4),
];

pub(super) const RESPONSE: Shape = Shape {
    flexible_since: 2,
    fields: &[
        int32("throttle_time_ms"),
        int16("error_code").since(3),
        array("results", &Kind::Group(DESCRIBE_LOG_DIRS_RESULT)),
    ],
};
