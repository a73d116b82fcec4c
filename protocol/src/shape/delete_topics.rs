//! The fields of DeleteTopics, versions 0 to 6.

use super::field::*;

const DELETE_TOPIC_STATE: &[Field] = &[string("name").nullable(), uuid("topic_id")];

pub(super) const REQUEST: Shape = Shape {
    flexible_since: 4,
    fields: &[
        array("topics", &Kind::Group(DELETE_TOPIC_STATE)).since(6),
        array("topic_names", &Kind::String).until(5),
        int32("timeout_ms"),
    ],
};

const DELETABLE_TOPIC_RESULT: &[Field] = &[
    string("name").nullable_since(6),
    uuid("topic_id").since(6),
    int16("error_code"),
    string("error_message").since(5).nullable(),
];

pub(super) const RESPONSE: Shape = Shape {
    flexible_since: 4,
    fields: &[int32("throttle_time_ms").since(1), array("responses", &Kind::Group(DELETABLE_TOPIC_RESULT))],
};
