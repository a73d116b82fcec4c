//! The fields of ApiVersions, versions 0 to 4.

use super::field::*;

pub(super) const REQUEST: Shape = Shape {
    flexible_since: 3,
    fields: &[string("client_software_name").since(3), string("client_software_version").since(3)],
};

const API_VERSION: &[Field] = &[int16("api_key"), int16("min_version"), int16("max_version")];

const SUPPORTED_FEATURE_KEY: &[Field] = &[string("name"), int16("min_version"), int16("max_version")];

const FINALIZED_FEATURE_KEY: &[Field] =
    &[string("name"), int16("max_version_level"), int16("min_version_level")];

pub(super) const RESPONSE: Shape = Shape {
    flexible_since: 3,
    fields: &[
        int16("error_code"),
        array("api_keys", &Kind::Group(API_VERSION)),
        int32("throttle_time_ms").since(1),
        array("supported_features", &Kind::Group(SUPPORTED_FEATURE_KEY)).since(3).tagged(0),
        int64("finalized_features_epoch").since(3).tagged(1),
        array("finalized_features", &Kind::Group(FINALIZED_FEATURE_KEY)).since(3).tagged(2),
        bool("zk_migration_ready").since(3).tagged(3),
    ],
};
