//! One frame to one request: header and body, the body as kafka-protocol's struct for its API.
//!
//! Counts and lengths are checked by `shape` before anything is reserved for them. Strings and records are slices
//! of the frame and keep all of it in memory: copy what outlives the request. Called by the connection.

use bytes::{Buf, Bytes};
use kafka_protocol::messages;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};

use crate::api::ApiKey;
use crate::response::{self, EncodeError};
use crate::shape::{self, Fault, ShapeError};

/// Bytes of API key, version and correlation id.
const FIXED: usize = 8;

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

/// Why a frame is no request that we serve, or no response that we can read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("header is malformed: {0}")]
    Header(ShapeError),
    #[error("request of unknown kind {key}")]
    UnknownApi { key: i16 },
    /// To ApiVersions the answer is the table itself in version 0, with UNSUPPORTED_VERSION (KIP-511); for every
    /// other API the connection is closed.
    #[error("{api} v{version} is not served")]
    UnsupportedVersion { api: ApiKey, version: i16, correlation_id: i32 },
    #[error("{api} v{version} is malformed: {cause}")]
    Malformed { api: ApiKey, version: i16, cause: ShapeError },
    /// The shape is right, the content is not: text that is not UTF-8.
    #[error("{api} v{version} is malformed: {reason}")]
    Content { api: ApiKey, version: i16, reason: String },
}

impl Request {
    /// Decodes one frame, without its length prefix. Bytes after the body are ignored, as Kafka ignores them.
    pub fn decode(mut frame: Bytes) -> Result<Request, DecodeError> {
        let header = RequestHeader::decode(&mut frame)?;
        let body = RequestBody::decode(&header, frame)?;
        Ok(Request { header, body })
    }
}

impl RequestHeader {
    /// Takes the header off the front of `frame`.
    fn decode(frame: &mut Bytes) -> Result<RequestHeader, DecodeError> {
        let Some(fixed) = frame.first_chunk::<FIXED>() else {
            let cause = ShapeError { field: "request_header", position: 0, fault: Fault::CutShort };
            return Err(DecodeError::Header(cause));
        };
        let [k0, k1, v0, v1, correlation @ ..] = *fixed;
        let (key, version) = (i16::from_be_bytes([k0, k1]), i16::from_be_bytes([v0, v1]));
        let correlation_id = i32::from_be_bytes(correlation);
        let api = ApiKey::from_code(key).ok_or(DecodeError::UnknownApi { key })?;
        if !api.serves(version) {
            return Err(DecodeError::UnsupportedVersion { api, version, correlation_id });
        }
        frame.advance(FIXED);
        let client_id = client_id(frame).map_err(DecodeError::Header)?;
        if api.is_flexible(version) {
            let size = shape::skip_tags(frame).map_err(DecodeError::Header)?;
            frame.advance(size);
        }
        Ok(RequestHeader { api, version, correlation_id, client_id })
    }
}

/// The client id has a 16-bit length in every version of the header (KIP-482 left it so).
fn client_id(frame: &mut Bytes) -> Result<Option<StrBytes>, ShapeError> {
    let error = |fault| ShapeError { field: "client_id", position: FIXED, fault };
    let length = frame.try_get_i16().map_err(|_| error(Fault::CutShort))?;
    let Ok(size) = usize::try_from(length) else {
        return if length == -1 { Ok(None) } else { Err(error(Fault::Negative(length.into()))) };
    };
    if size > frame.len() {
        return Err(error(Fault::Announced { count: size as u64, left: frame.len() }));
    }
    let id = StrBytes::from_utf8(frame.split_to(size)).map_err(|_| error(Fault::NotUtf8))?;
    Ok(Some(id))
}

impl RequestBody {
    fn decode(header: &RequestHeader, body: Bytes) -> Result<RequestBody, DecodeError> {
        let (api, version) = (header.api, header.version);
        let shape = shape::request(api);
        shape::walk(shape, version, &body).map_err(|cause| DecodeError::Malformed { api, version, cause })?;
        let body = match api {
            ApiKey::Produce => read(body, version).map(RequestBody::Produce),
            ApiKey::Fetch => read(body, version).map(RequestBody::Fetch),
            ApiKey::ListOffsets => read(body, version).map(RequestBody::ListOffsets),
            ApiKey::Metadata => read(body, version).map(RequestBody::Metadata),
            ApiKey::ApiVersions => read(body, version).map(RequestBody::ApiVersions),
            ApiKey::CreateTopics => read(body, version).map(RequestBody::CreateTopics),
            ApiKey::DeleteTopics => read(body, version).map(RequestBody::DeleteTopics),
            ApiKey::InitProducerId => read(body, version).map(RequestBody::InitProducerId),
            ApiKey::DescribeConfigs => read(body, version).map(RequestBody::DescribeConfigs),
            ApiKey::AlterConfigs => read(body, version).map(RequestBody::AlterConfigs),
            ApiKey::CreatePartitions => read(body, version).map(RequestBody::CreatePartitions),
            ApiKey::IncrementalAlterConfigs => read(body, version).map(RequestBody::IncrementalAlterConfigs),
            ApiKey::DescribeCluster => read(body, version).map(RequestBody::DescribeCluster),
        };
        body.map_err(|reason| DecodeError::Content { api, version, reason })
    }
}

fn read<M: Decodable>(mut body: Bytes, version: i16) -> Result<M, String> {
    M::decode(&mut body, version).map_err(|error| error.to_string())
}

/// Encodes a request with its length prefix, for a client.
pub fn encode<M: Encodable + HeaderVersion>(
    header: &RequestHeader,
    message: &M,
) -> Result<Bytes, EncodeError> {
    let (api, version) = (header.api, header.version);
    let fields = messages::RequestHeader::default()
        .with_request_api_key(api.code())
        .with_request_api_version(version)
        .with_correlation_id(header.correlation_id)
        .with_client_id(header.client_id.clone());
    response::prefixed(api, version, &fields, message)
}
