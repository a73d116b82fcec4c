//! The requests the broker answers, one file each.

pub(crate) mod api_versions;
pub(crate) mod context;
