//! The fields of AlterClientQuotas, versions 0 to 1.

use super::describe_client_quotas::ENTITY_DATA;
use super::field::*;

const OP_DATA: &[Field] = &[string("key"), float64("value"), bool("remove")];

const ENTRY_DATA: &[Field] =
    &[array("entity", &Kind::Group(ENTITY_DATA)), array("ops", &Kind::Group(OP_DATA))];

pub(super) const REQUEST: Shape =
    Shape { flexible_since: 1, fields: &[array("entries", &Kind::Group(ENTRY_DATA)), bool("validate_only")] };

const ENTRY_RESULT: &[Field] =
    &[int16("error_code"), string("error_message").nullable(), array("entity", &Kind::Group(ENTITY_DATA))];

pub(super) const RESPONSE: Shape = Shape {
    flexible_since: 1,
    fields: &[int32("throttle_time_ms"), array("entries", &Kind::Group(ENTRY_RESULT))],
};
