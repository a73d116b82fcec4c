//! The fields of UpdateFeatures, versions 0 to 1.

use super::field::*;

const FEATURE_UPDATE_KEY: &[Field] = &[
    string("feature"),
    int16("max_version_level"),
    bool("allow_downgrade").until(0),
    int8("upgrade_type").since(1),
];

pub(super) const REQUEST: Shape = Shape {
    flexible_since: 0,
    fields: &[
        int32("timeout_ms"),
        array("feature_updates", &Kind::Group(FEATURE_UPDATE_KEY)),
        bool("validate_only").since(1),
    ],
};

const UPDATABLE_FEATURE_RESULT: &[Field] =
    &[string("feature"), int16("error_code"), string("error_message").nullable()];

pub(super) const RESPONSE: Shape = Shape {
    flexible_since: 0,
    fields: &[
        int32("throttle_time_ms"),
        int16("error_code"),
        string("error_message").nullable(),
        array("results", &Kind::Group(UPDATABLE_FEATURE_RESULT)),
    ],
};
