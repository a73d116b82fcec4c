//! The fields of DescribeConfigs, versions 0 to 4.

use super::field::*;

const DESCRIBE_CONFIGS_RESOURCE: &[Field] =
    &[int8("resource_type"), string("resource_name"), array("configuration_keys", &Kind::String).nullable()];

pub(super) const REQUEST: Shape = Shape {
    flexible_since: 4,
    fields: &[
        array("resources", &Kind::Group(DESCRIBE_CONFIGS_RESOURCE)),
        bool("include_synonyms").since(1),
        bool("include_documentation").since(3),
    ],
};

const DESCRIBE_CONFIGS_SYNONYM: &[Field] = &[string("name"), string("value").nullable(), int8("source")];

const DESCRIBE_CONFIGS_RESOURCE_RESULT: &[Field] = &[
    string("name"),
    string("value").nullable(),
    bool("read_only"),
    bool("is_default").until(0),
    int8("config_source").since(1),
    bool("is_sensitive"),
    array("synonyms", &Kind::Group(DESCRIBE_CONFIGS_SYNONYM)).since(1),
    int8("config_type").since(3),
    string("documentation").since(3).nullable(),
];

const DESCRIBE_CONFIGS_RESULT: &[Field] = &[
    int16("error_code"),
    string("error_message").nullable(),
    int8("resource_type"),
    string("resource_name"),
    array("configs", &Kind::Group(DESCRIBE_CONFIGS_RESOURCE_RESULT)),
];

pub(super) const RESPONSE: Shape = Shape {
    flexible_since: 4,
    fields: &[int32("throttle_time_ms"), array("results", &Kind::Group(DESCRIBE_CONFIGS_RESULT))],
};
