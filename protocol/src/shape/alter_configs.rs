//! The fields of AlterConfigs, versions 0 to 2.

use super::field::*;

const ALTERABLE_CONFIG: &[Field] = &[string("name"), string("value").nullable()];

const ALTER_CONFIGS_RESOURCE: &[Field] =
    &[int8("resource_type"), string("resource_name"), array("configs", &Kind::Group(ALTERABLE_CONFIG))];

pub(super) const REQUEST: Shape = Shape {
    flexible_since: 2,
    fields: &[array("resources", &Kind::Group(ALTER_CONFIGS_RESOURCE)), bool("validate_only")],
};

const ALTER_CONFIGS_RESOURCE_RESPONSE: &[Field] = &[
    int16("error_code"),
    string("error_message").nullable(),
    int8("resource_type"),
    string("resource_name"),
];

pub(super) const RESPONSE: Shape = Shape {
    flexible_since: 2,
    fields: &[int32("throttle_time_ms"), array("responses", &Kind::Group(ALTER_CONFIGS_RESOURCE_RESPONSE))],
};
