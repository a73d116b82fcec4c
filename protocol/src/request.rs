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
    DeleteRecords(messages::DeleteRecordsRequest),
    InitProducerId(messages::InitProducerIdRequest),
    OffsetForLeaderEpoch(messages::OffsetForLeaderEpochRequest),
    DescribeConfigs(messages::DescribeConfigsRequest),
    AlterConfigs(messages::AlterConfigsRequest),
    AlterReplicaLogDirs(messages::AlterReplicaLogDirsRequest),
    DescribeLogDirs(messages::DescribeLogDirsRequest),
    CreatePartitions(messages::CreatePartitionsRequest),
    IncrementalAlterConfigs(messages::IncrementalAlterConfigsRequest),
    DescribeClientQuotas(messages::DescribeClientQuotasRequest),
    AlterClientQuotas(messages::AlterClientQuotasRequest),
    UpdateFeatures(messages::UpdateFeaturesRequest),
    DescribeCluster(messages::DescribeClusterRequest),
    DescribeProducers(messages::DescribeProducersRequest),
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
    /// The header of a frame whose body is looked at later.
    pub fn header(frame: &Bytes) -> Result<RequestHeader, DecodeError> {
        RequestHeader::decode(&mut frame.clone())
    }

    /// Decodes one frame, without its length prefix. Bytes after the body are ignored, as Kafka ignores them.
    pub fn decode(mut frame: Bytes) -> Result<Request, DecodeError> {
        let header = RequestHeader::decode(&mut frame)?;
        let body = RequestBody::decode(&header, frame)?;
        Ok(Request { header, body })
    }
}

impl RequestHeader {
    /// Takes the header off the front of `frame`.
    pub(crate) fn decode(frame: &mut Bytes) -> Result<RequestHeader, DecodeError> {
        let Some(fixed) = frame.first_chunk::<FIXED>() else {
            let cause = ShapeError { field: "request_header", position: 0, fault: Fault::CutShort };
            return Err(DecodeError::Header(cause));
        };
        let [k0, k1, v0, v1, correlation @ ..] = *fixed;
        let (key, version) = (i16::from_be_bytes([k0, k1]), i16::from_be_bytes([v0, v1]));
        let correlation_id = i32::from_be_bytes(correlation);
        let api = ApiKey::from_code(key).ok_or(DecodeError::UnknownApi { key })?;
        // What is answered all the same has a header as well, and one too new is flexible.
        if !api.serves(version) && api != ApiKey::ApiVersions {
            return Err(DecodeError::UnsupportedVersion { api, version, correlation_id });
        }
        frame.advance(FIXED);
        let client_id = client_id(frame).map_err(DecodeError::Header)?;
        if api.is_flexible(version) {
            let size = shape::skip_tags(frame).map_err(DecodeError::Header)?;
            frame.advance(size);
        }
        if !api.serves(version) {
            return Err(DecodeError::UnsupportedVersion { api, version, correlation_id });
        }
        Ok(RequestHeader { api, version, correlation_id, client_id })
    }
}

/// The client id has a 16-bit length in every version of the header (KIP-482 left it so), and none if that is negative. Kafka
/// replaces what is not UTF-8.
fn client_id(frame: &mut Bytes) -> Result<Option<StrBytes>, ShapeError> {
    let error = |fault| ShapeError { field: "client_id", position: FIXED, fault };
    let length = frame.try_get_i16().map_err(|_| error(Fault::CutShort))?;
    let Ok(size) = usize::try_from(length) else { return Ok(None) };
    if size > frame.len() {
        return Err(error(Fault::Announced { count: size as u64, left: frame.len() }));
    }
    let id = frame.split_to(size);
    let replaced = |_| StrBytes::from_string(String::from_utf8_lossy(&id).into_owned());
    Ok(Some(StrBytes::from_utf8(id.clone()).unwrap_or_else(replaced)))
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
            ApiKey::DeleteRecords => read(body, version).map(RequestBody::DeleteRecords),
            ApiKey::InitProducerId => read(body, version).map(RequestBody::InitProducerId),
            ApiKey::OffsetForLeaderEpoch => read(body, version).map(RequestBody::OffsetForLeaderEpoch),
            ApiKey::DescribeConfigs => read(body, version).map(RequestBody::DescribeConfigs),
            ApiKey::AlterConfigs => read(body, version).map(RequestBody::AlterConfigs),
            ApiKey::AlterReplicaLogDirs => read(body, version).map(RequestBody::AlterReplicaLogDirs),
            ApiKey::DescribeLogDirs => read(body, version).map(RequestBody::DescribeLogDirs),
            ApiKey::CreatePartitions => read(body, version).map(RequestBody::CreatePartitions),
            ApiKey::IncrementalAlterConfigs => read(body, version).map(RequestBody::IncrementalAlterConfigs),
            ApiKey::DescribeClientQuotas => read(body, version).map(RequestBody::DescribeClientQuotas),
            ApiKey::AlterClientQuotas => read(body, version).map(RequestBody::AlterClientQuotas),
            ApiKey::UpdateFeatures => read(body, version).map(RequestBody::UpdateFeatures),
            ApiKey::DescribeCluster => read(body, version).map(RequestBody::DescribeCluster),
            ApiKey::DescribeProducers => read(body, version).map(RequestBody::DescribeProducers),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{API_TABLE, Api};
    use crate::random::Random;

    /// The header's bytes, then the body's.
    fn frame(api: &Api, version: i16, client_id: Option<&[u8]>, body: &[u8]) -> Vec<u8> {
        let mut out = [&api.key.code().to_be_bytes()[..], &version.to_be_bytes(), &[0, 0, 0, 77]].concat();
        out.extend(client_id.map_or(-1, |id| id.len() as i16).to_be_bytes());
        out.extend(client_id.unwrap_or_default());
        if version >= api.flexible_since {
            // One tagged field that nobody knows.
            out.extend([1, 0, 2, 9, 9]);
        }
        out.extend(body);
        out
    }

    #[test]
    fn every_served_request_is_decoded() {
        for api in API_TABLE {
            for version in api.min..=api.max {
                let mut random = Random::new(version as u64);
                let body = random.message(shape::request(api.key), version);
                let bytes = frame(api, version, Some(b"me"), &body);
                let request = Request::decode(Bytes::from(bytes)).unwrap();
                assert_eq!((request.header.api, request.header.version), (api.key, version));
                assert_eq!(request.header.correlation_id, 77);
                assert_eq!(request.header.client_id.as_deref(), Some("me"));
            }
        }
    }

    #[test]
    fn what_a_client_encodes_is_decoded() {
        let header = RequestHeader {
            api: ApiKey::Metadata,
            version: 12,
            correlation_id: 5,
            client_id: Some(StrBytes::from_static_str("me")),
        };
        let message = messages::MetadataRequest::default().with_topics(None);
        let bytes = encode(&header, &message).unwrap();
        assert_eq!(bytes[..4], (bytes.len() as u32 - 4).to_be_bytes());
        let request = Request::decode(bytes.slice(4..)).unwrap();
        assert_eq!(request, Request { header, body: RequestBody::Metadata(message) });
    }

    #[test]
    fn records_are_slices_of_the_frame() {
        let partition = messages::produce_request::PartitionProduceData::default()
            .with_records(Some(Bytes::from(vec![7; 1000])));
        let topic =
            messages::produce_request::TopicProduceData::default().with_partition_data(vec![partition]);
        let message = messages::ProduceRequest::default().with_topic_data(vec![topic]);
        let header = RequestHeader { api: ApiKey::Produce, version: 9, correlation_id: 5, client_id: None };
        let bytes = encode(&header, &message).unwrap();
        let RequestBody::Produce(decoded) = Request::decode(bytes.slice(4..)).unwrap().body else {
            panic!("not a Produce request");
        };
        let records = decoded.topic_data[0].partition_data[0].records.clone().unwrap();
        assert!(bytes.as_ptr_range().contains(&records.as_ptr()));
    }

    fn refused(bytes: &[u8], expected: &DecodeError) {
        assert_eq!(Request::decode(Bytes::copy_from_slice(bytes)).unwrap_err(), *expected, "{bytes:?}");
    }

    #[test]
    fn foreign_kinds_and_versions_are_told_apart() {
        for key in [-1, 4, 17, 9999] {
            let bytes = [&i16::to_be_bytes(key)[..], &[0; 10]].concat();
            refused(&bytes, &DecodeError::UnknownApi { key });
        }
        for (api, version) in [(ApiKey::Produce, 12), (ApiKey::Fetch, -1), (ApiKey::Metadata, i16::MAX)] {
            let bytes = [&api.code().to_be_bytes()[..], &version.to_be_bytes(), &[0, 0, 0, 9]].concat();
            refused(&bytes, &DecodeError::UnsupportedVersion { api, version, correlation_id: 9 });
        }
    }

    #[test]
    fn api_versions_of_any_version_has_a_header() {
        let api = ApiKey::ApiVersions;
        for (version, tail, is_whole) in [
            (5i16, &[0, 1, b'x', 0][..], true),
            (i16::MAX, &[0xff, 0xff, 0, b'?'], true),
            (5, &[0xff, 0xff], false),
            (5, &[], false),
            (-1, &[0xff, 0xff], true),
            (-1, &[0xff], false),
        ] {
            let head = [&api.code().to_be_bytes()[..], &version.to_be_bytes(), &[0xff, 0xff, 0xff, 0xfe]];
            let error = Request::decode(Bytes::from([&head.concat()[..], tail].concat())).unwrap_err();
            let expected = DecodeError::UnsupportedVersion { api, version, correlation_id: -2 };
            assert_eq!(error == expected, is_whole, "v{version} {tail:?}: {error}");
        }
    }

    #[test]
    fn client_ids_are_null_empty_or_nearly_anything() {
        let id = |bytes: &[u8]| {
            let frame = [&[0, 3, 0, 1, 0x80, 0, 0, 0][..], bytes, &[0, 0, 0, 0]].concat();
            let header = Request::decode(Bytes::from(frame)).unwrap().header;
            assert_eq!(header.correlation_id, i32::MIN);
            header.client_id.map(|id| id.to_string())
        };
        assert_eq!(id(&[0xff, 0xff]), None);
        assert_eq!(id(&[0xff, 0xfe]), None);
        assert_eq!(id(&[0, 0]).as_deref(), Some(""));
        assert_eq!(id(&[0, 2, 0xc3, 0x28]).as_deref(), Some("\u{fffd}("));
    }

    #[test]
    fn a_header_that_lies_is_refused() {
        let cut = ShapeError { field: "request_header", position: 0, fault: Fault::CutShort };
        for size in 0..8 {
            refused(&[0; 8][..size], &DecodeError::Header(cut));
        }
        let metadata = [0, 3, 0, 1, 0, 0, 0, 1];
        let client_id = |tail: &[u8], fault| {
            let error = ShapeError { field: "client_id", position: 8, fault };
            refused(&[&metadata[..], tail].concat(), &DecodeError::Header(error));
        };
        client_id(&[], Fault::CutShort);
        client_id(&[0], Fault::CutShort);
        client_id(&[0x7f, 0xff, b'a'], Fault::Announced { count: 32767, left: 1 });
    }

    #[test]
    fn frames_of_thirty_bytes_reserve_nothing() {
        // A decoder that believed the count would ask for tens of gigabytes and abort the process.
        for api in API_TABLE {
            for version in api.min..=api.max {
                for filler in [0u8, 0x7f, 0xff] {
                    let body = vec![filler; 30];
                    let result = Request::decode(Bytes::from(frame(api, version, None, &body)));
                    if let Err(error) = result {
                        assert!(!matches!(error, DecodeError::UnsupportedVersion { .. }), "{error}");
                    }
                }
            }
        }
        let body = [0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0];
        let bytes = frame(ApiKey::Metadata.api(), 1, None, &body);
        let cause = ShapeError {
            field: "topics",
            position: 4,
            fault: Fault::Announced { count: 0x7fff_ffff, left: 4 },
        };
        refused(&bytes, &DecodeError::Malformed { api: ApiKey::Metadata, version: 1, cause });
    }

    #[test]
    fn text_is_utf8() {
        let bytes = frame(ApiKey::Metadata.api(), 1, None, &[0, 0, 0, 1, 0, 2, 0xc3, 0x28]);
        let error = Request::decode(Bytes::from(bytes)).unwrap_err();
        assert!(matches!(error, DecodeError::Content { .. }), "{error}");
    }

    #[test]
    fn garbage_is_refused_without_harm() {
        for seed in 0..2000 {
            let mut random = Random::new(seed);
            let size = random.below(200);
            let mut bytes = random.bytes(size);
            let api = API_TABLE[random.below(API_TABLE.len())];
            let version = api.min + random.below((api.max - api.min + 1) as usize) as i16;
            for (at, byte) in frame(&api, version, None, &[]).into_iter().enumerate().take(bytes.len()) {
                bytes[at] = byte;
            }
            let _ = Request::decode(Bytes::from(bytes));
        }
    }

    #[test]
    fn bytes_after_the_body_are_ignored() {
        let bytes = frame(ApiKey::Metadata.api(), 1, None, &[0, 0, 0, 0, 9, 9, 9]);
        assert!(Request::decode(Bytes::from(bytes)).is_ok());
    }
}
