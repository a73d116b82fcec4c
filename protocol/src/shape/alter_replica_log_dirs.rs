//! The fields of AlterReplicaLogDirs, versions 0 to 2.

use super::field::*;

const ALTER_REPLICA_LOG_DIR_TOPIC: &[Field] = &[string("name"), array("partitions", &Kind::Int32)];

const ALTER_REPLICA_LOG_DIR: &[Field] =
    &[string("path"), array("topics", &Kind::Group(ALTER_REPLICA_LOG_DIR_TOPIC))];

pub(super) const REQUEST: Shape =
    Shape { flexible_since: 2, fields: &[array("dirs", &Kind::Group(ALTER_REPLICA_LOG_DIR))] };

const PARTITION_RESULT: &[Field] = &[int32("partition_index"), int16("error_code")];

const TOPIC_RESULT: &[Field] = &[string("topic_name"), array("partitions", &Kind::Group(PARTITION_RESULT))];

pub(super) const RESPONSE: Shape = Shape {
    flexible_since: 2,
    fields: &[int32("throttle_time_ms"), array("results", &Kind::Group(TOPIC_RESULT))],
};
