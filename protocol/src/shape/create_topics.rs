//! The fields of CreateTopics, versions 0 to 7.

use super::field::*;

const CREATABLE_REPLICA_ASSIGNMENT: &[Field] = &[int32("partition_index"), array("broker_ids", &Kind::Int32)];

const CREATABLE_TOPIC_CONFIG: &[Field] = &[string("name"), string("value").nullable()];

const CREATABLE_TOPIC: &[Field] = &[
    string("name"),
    int32("num_partitions"),
    int16("replication_factor"),
    array("assignments", &Kind::Group(CREATABLE_REPLICA_ASSIGNMENT)),
    array("configs", &Kind::Group(CREATABLE_TOPIC_CONFIG)),
];

pub(super) const REQUEST: Shape = Shape {
    flexible_since: 5,
    fields: &[
        array("topics", &Kind::Group(CREATABLE_TOPIC)),
        int32("timeout_ms"),
        bool("validate_only").since(1),
    ],
};

const CREATABLE_TOPIC_CONFIGS: &[Field] = &[
    string("name"),
    string("value").nullable(),
    bool("read_only"),
    int8("config_source"),
    bool("is_sensitive"),
];

const CREATABLE_TOPIC_RESULT: &[Field] = &[
    string("name"),
    uuid("topic_id").since(7),
    int16("error_code"),
    string("error_message").since(1).nullable(),
    int16("topic_config_error_code").since(5).tagged(0),
    int32("num_partitions").since(5),
    int16("replication_factor").since(5),
    array("configs", &Kind::Group(CREATABLE_TOPIC_CONFIGS)).since(5).nullable(),
];

pub(super) const RESPONSE: Shape = Shape {
    flexible_since: 5,
    fields: &[int32("throttle_time_ms").since(2), array("topics", &Kind::Group(CREATABLE_TOPIC_RESULT))],
};
