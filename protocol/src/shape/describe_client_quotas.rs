//! The fields of DescribeClientQuotas, versions 0 to 1.

use super::field::*;

const COMPONENT_DATA: &[Field] = &[string("entity_type"), int8("match_type"), string("match").nullable()];

pub(super) const REQUEST: Shape =
    Shape { flexible_since: 1, fields: &[array("components", &Kind::Group(COMPONENT_DATA)), bool("strict")] };

pub(super) const ENTITY_DATA: &[Field] = &[string("entity_type"), string("entity_name").nullable()];

const VALUE_DATA: &[Field] = &[string("key"), float64("value")];

const ENTRY_DATA: &[Field] =
    &[array("entity", &Kind::Group(ENTITY_DATA)), array("values", &Kind::Group(VALUE_DATA))];

pub(super) const RESPONSE: Shape = Shape {
    flexible_since: 1,
    fields: &[
        int32("throttle_time_ms"),
        int16("error_code"),
        string("error_message").nullable(),
        array("entries", &Kind::Group(ENTRY_DATA)).nullable(),
    ],
};
