//! What a message may look like, field by field: every count and length is checked against the bytes that are left
//! before kafka-protocol, which reserves what a count announces, sees the message.
//!
//! Tables of the requests we serve and the responses our client reads; one walker, which allocates nothing. Called
//! before every decode. Source: the message schemas of Kafka 3.9, KIP-482 for compact lengths and tagged fields.

use std::fmt;

use crate::api::ApiKey;

mod alter_configs;
mod api_versions;
mod create_partitions;
mod create_topics;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod fetch;
mod field;
mod incremental_alter_configs;
mod init_producer_id;
mod list_offsets;
mod metadata;
mod produce;
mod walk;

pub(crate) use field::Shape;
pub(crate) use walk::{skip_tags, walk};

/// Structs and strings that all arrays of one message may hold together. Each costs up to a hundred bytes once
/// decoded; a cluster of Kafka's largest supported size needs half as many in one message.
pub(crate) const ELEMENTS_MAX: usize = 1 << 19;

/// Where and why a message does not have the shape of its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} (byte {position} of the body) {fault}")]
pub struct ShapeError {
    /// The field's name in Kafka's schema, in snake case.
    pub field: &'static str,
    /// Bytes from the start of the body, where the field begins or where its length has been read.
    pub position: usize,
    pub fault: Fault,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The message ends inside the field.
    CutShort,
    /// A length or count is larger than the rest of the message can hold.
    Announced { count: u64, left: usize },
    /// Negative, but not the -1 that means null.
    Negative(i32),
    /// Null where this version has no null.
    Null,
    /// A number of variable length that does not end where it must.
    Varint,
    /// More than [`ELEMENTS_MAX`] structs and strings.
    TooManyElements,
    /// A tagged field that does not fill the size it states.
    TagSize { stated: usize, used: usize },
    /// Text that is not UTF-8.
    NotUtf8,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::CutShort => f.write_str("is cut short"),
            Fault::Announced { count, left } => write!(f, "announces {count} where {left} bytes are left"),
            Fault::Negative(length) => write!(f, "has length {length}"),
            Fault::Null => f.write_str("is null"),
            Fault::Varint => f.write_str("has a number that does not end"),
            Fault::TooManyElements => write!(f, "makes more than {ELEMENTS_MAX} elements"),
            Fault::TagSize { stated, used } => write!(f, "states {stated} bytes and has {used}"),
            Fault::NotUtf8 => f.write_str("is not UTF-8"),
        }
    }
}

/// The shape of a request's body.
pub(crate) const fn request(api: ApiKey) -> &'static Shape {
    match api {
        ApiKey::Produce => &produce::REQUEST,
        ApiKey::Fetch => &fetch::REQUEST,
        ApiKey::ListOffsets => &list_offsets::REQUEST,
        ApiKey::Metadata => &metadata::REQUEST,
        ApiKey::ApiVersions => &api_versions::REQUEST,
        ApiKey::CreateTopics => &create_topics::REQUEST,
        ApiKey::DeleteTopics => &delete_topics::REQUEST,
        ApiKey::InitProducerId => &init_producer_id::REQUEST,
        ApiKey::DescribeConfigs => &describe_configs::REQUEST,
        ApiKey::AlterConfigs => &alter_configs::REQUEST,
        ApiKey::CreatePartitions => &create_partitions::REQUEST,
        ApiKey::IncrementalAlterConfigs => &incremental_alter_configs::REQUEST,
        ApiKey::DescribeCluster => &describe_cluster::REQUEST,
    }
}

/// The shape of a response's body.
pub(crate) const fn response(api: ApiKey) -> &'static Shape {
    match api {
        ApiKey::Produce => &produce::RESPONSE,
        ApiKey::Fetch => &fetch::RESPONSE,
        ApiKey::ListOffsets => &list_offsets::RESPONSE,
        ApiKey::Metadata => &metadata::RESPONSE,
        ApiKey::ApiVersions => &api_versions::RESPONSE,
        ApiKey::CreateTopics => &create_topics::RESPONSE,
        ApiKey::DeleteTopics => &delete_topics::RESPONSE,
        ApiKey::InitProducerId => &init_producer_id::RESPONSE,
        ApiKey::DescribeConfigs => &describe_configs::RESPONSE,
        ApiKey::AlterConfigs => &alter_configs::RESPONSE,
        ApiKey::CreatePartitions => &create_partitions::RESPONSE,
        ApiKey::IncrementalAlterConfigs => &incremental_alter_configs::RESPONSE,
        ApiKey::DescribeCluster => &describe_cluster::RESPONSE,
    }
}
