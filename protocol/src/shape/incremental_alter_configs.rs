//! The fields of IncrementalAlterConfigs, versions 0 to 1.

use super::alter_configs;
use super::field::*;

const ALTERABLE_CONFIG: &[Field] = &[string("name"), int8("config_operation"), string("value").nullable()];

const ALTER_CONFIGS_RESOURCE: &[Field] =
    &[int8("resource_type"), string("resource_name"), array("configs", &Kind::Group(ALTERABLE_CONFIG))];

pub(super) const REQUEST: Shape = Shape {
    flexible_since: 1,
    fields: &[array("resources", &Kind::Group(ALTER_CONFIGS_RESOURCE)), bool("validate_only")],
};

pub(super) const RESPONSE: Shape = Shape { flexible_since: 1, ..alter_configs::RESPONSE };
