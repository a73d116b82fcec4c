//! A response on its way out: encoded head bytes, then body parts that are memory or a piece of a file.
//!
//! Never opens or reads a file; the connection's writer does. The head begins with the length of everything after
//! it, so a response is complete as it stands.

use std::fs::File;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::ResponseHeader;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion};

use crate::api::ApiKey;
use crate::request::DecodeError;
use crate::shape::{self, Fault, ShapeError};

/// The field of responses that says how long a client is held back.
const THROTTLE_TIME: &str = "throttle_time_ms";

/// A piece of a segment file, sent without passing through memory of ours.
#[derive(Debug, Clone)]
pub struct FileSlice {
    pub file: Arc<File>,
    /// Bytes from the start of the file.
    pub position: u64,
    /// Bytes.
    pub length: u32,
}

/// A part of a response's body.
#[derive(Debug, Clone)]
pub enum Part {
    Bytes(Bytes),
    File(FileSlice),
}

impl Part {
    /// Bytes it will occupy on the wire.
    pub fn size(&self) -> usize {
        match self {
            Part::Bytes(bytes) => bytes.len(),
            Part::File(slice) => slice.length as usize,
        }
    }
}

/// What goes to the client, in order; most responses are a head alone.
#[derive(Debug, Clone)]
pub struct Response {
    /// Length prefix, header, and the body up to the first part.
    pub head: Bytes,
    pub body: Vec<Part>,
}

impl Response {
    /// Bytes on the wire, length prefix included.
    pub fn size(&self) -> usize {
        self.head.len() + self.body.iter().map(Part::size).sum::<usize>()
    }

    /// Says that the client is held back for so long, in whichever place this version has for that; nothing where it has none. The time stands
    /// before all records, so in the head.
    pub fn set_throttle_time_ms(&mut self, api: ApiKey, version: i16, ms: i32) {
        let Some(header) = self.header_size(api, version) else { return };
        let body = &self.head[header..];
        let Some(position) = shape::position_of(shape::response(api), version, THROTTLE_TIME, body) else {
            return;
        };
        let mut head = BytesMut::from(&self.head[..]);
        if let Some(field) = head.get_mut(header + position..header + position + 4) {
            field.copy_from_slice(&ms.to_be_bytes());
            self.head = head.freeze();
        }
    }

    /// Length prefix, correlation id and the header's tags.
    pub(crate) fn header_size(&self, api: ApiKey, version: i16) -> Option<usize> {
        // The answer to ApiVersions has the oldest header always (KIP-511).
        if !api.is_flexible(version) || api == ApiKey::ApiVersions {
            return Some(8);
        }
        Some(8 + shape::skip_tags(self.head.get(8..)?).ok()?)
    }
}

impl From<Bytes> for Response {
    fn from(head: Bytes) -> Response {
        Response { head, body: Vec::new() }
    }
}

/// Why a message cannot be put on the wire.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    #[error("{api} v{version}: {reason}")]
    Unencodable { api: ApiKey, version: i16, reason: String },
    #[error("{api} v{version}: message of {size} bytes exceeds what a length prefix can say")]
    TooLarge { api: ApiKey, version: i16, size: usize },
}

/// Encodes a response with its length prefix and the header that `version` asks for; ApiVersions always has the
/// oldest header, so that a client can read the answer to a version the broker does not know (KIP-511).
pub fn encode<M: Encodable + HeaderVersion>(
    correlation_id: i32,
    api: ApiKey,
    version: i16,
    message: &M,
) -> Result<Bytes, EncodeError> {
    let header = ResponseHeader::default().with_correlation_id(correlation_id);
    prefixed(api, version, &header, message)
}

/// Reads a response that came without its length prefix: the correlation id and the body. For the client, which
/// knows from the correlation id which request it answers.
pub fn decode<M: Decodable + HeaderVersion>(
    api: ApiKey,
    version: i16,
    frame: Bytes,
) -> Result<(i32, M), DecodeError> {
    let (correlation_id, mut body) = checked(api, version, M::header_version(version), frame)?;
    let body = M::decode(&mut body, version).map_err(|error| DecodeError::Content {
        api,
        version,
        reason: error.to_string(),
    })?;
    Ok((correlation_id, body))
}

/// The correlation id and the bytes of the body, whose shape is right.
pub(crate) fn checked(
    api: ApiKey,
    version: i16,
    header_version: i16,
    mut frame: Bytes,
) -> Result<(i32, Bytes), DecodeError> {
    let cut = ShapeError { field: "correlation_id", position: 0, fault: Fault::CutShort };
    let correlation_id = frame.try_get_i32().map_err(|_| DecodeError::Header(cut))?;
    if header_version >= 1 {
        let size = shape::skip_tags(&frame).map_err(DecodeError::Header)?;
        frame.advance(size);
    }
    let size = shape::walk(shape::response(api), version, &frame)
        .map_err(|cause| DecodeError::Malformed { api, version, cause })?;
    frame.truncate(size);
    Ok((correlation_id, frame))
}

/// Length prefix, header and body in one buffer of the right size.
pub(crate) fn prefixed<H: Encodable, M: Encodable + HeaderVersion>(
    api: ApiKey,
    version: i16,
    header: &H,
    message: &M,
) -> Result<Bytes, EncodeError> {
    let fail = |reason: String| EncodeError::Unencodable { api, version, reason };
    let header_version = M::header_version(version);
    let header_size = header.compute_size(header_version).map_err(|error| fail(error.to_string()))?;
    let size = header_size + message.compute_size(version).map_err(|error| fail(error.to_string()))?;
    let prefix = i32::try_from(size).map_err(|_| EncodeError::TooLarge { api, version, size })?;
    let mut out = BytesMut::with_capacity(4 + size);
    out.put_i32(prefix);
    header.encode(&mut out, header_version).map_err(|error| fail(error.to_string()))?;
    message.encode(&mut out, version).map_err(|error| fail(error.to_string()))?;
    Ok(out.freeze())
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::{ApiVersionsResponse, MetadataResponse};

    use super::*;
    use crate::random::Random;

    #[test]
    fn a_response_survives_the_wire() {
        for version in 0..=12 {
            let mut random = Random::new(version as u64);
            let mut bytes = Bytes::from(random.message(shape::response(ApiKey::Metadata), version));
            let message = MetadataResponse::decode(&mut bytes, version).unwrap();
            let encoded = encode(42, ApiKey::Metadata, version, &message).unwrap();
            assert_eq!(encoded[..4], (encoded.len() as u32 - 4).to_be_bytes());
            let decoded = decode(ApiKey::Metadata, version, encoded.slice(4..)).unwrap();
            assert_eq!(decoded, (42, message));
        }
    }

    #[test]
    fn the_answer_to_api_versions_has_the_oldest_header() {
        let encoded = encode(1, ApiKey::ApiVersions, 4, &ApiVersionsResponse::default()).unwrap();
        // Error code 0 follows the correlation id at once.
        assert_eq!(encoded[4..10], [0, 0, 0, 1, 0, 0]);
        let (correlation_id, _) =
            decode::<ApiVersionsResponse>(ApiKey::ApiVersions, 4, encoded.slice(4..)).unwrap();
        assert_eq!(correlation_id, 1);
    }

    /// Every response of the table that has the field, wherever that is, says the time; nothing else of it changes.
    #[test]
    fn a_throttle_time_finds_its_place_in_every_api_and_version() {
        for api in crate::api::API_TABLE {
            for version in api.min..=api.max {
                let shape = shape::response(api.key);
                let mut random = Random::new(1000 * api.key.code() as u64 + version as u64);
                let body = random.message(shape, version);
                let flexible = api.key.is_flexible(version) && api.key != ApiKey::ApiVersions;
                let header = if flexible { vec![0; 9] } else { vec![0; 8] };
                let before = [&header[..], &body].concat();
                let mut response = Response::from(Bytes::from(before.clone()));
                response.set_throttle_time_ms(api.key, version, 0x0102_0304);
                let has =
                    shape.fields.iter().any(|field| field.name == THROTTLE_TIME && field.exists(version));
                let Some(position) = shape::position_of(shape, version, THROTTLE_TIME, &body) else {
                    assert!(!has && response.head == before, "{} v{version}", api.name);
                    continue;
                };
                let at = header.len() + position;
                assert_eq!(response.head[at..at + 4], [1, 2, 3, 4], "{} v{version}", api.name);
                assert_eq!(
                    (&response.head[..at], &response.head[at + 4..]),
                    (&before[..at], &before[at + 4..])
                );
            }
        }
        for (api, first) in
            [(ApiKey::Produce, 1), (ApiKey::Metadata, 3), (ApiKey::ApiVersions, 1), (ApiKey::CreateTopics, 2)]
        {
            let has = |version| {
                let mut fields = shape::response(api).fields.iter();
                fields.any(|field| field.name == THROTTLE_TIME && field.exists(version))
            };
            assert!(!has(first - 1) && has(first), "{api}");
        }
        let mut cut = Response::from(Bytes::from_static(&[0, 0, 0, 4, 0, 0, 0, 1]));
        cut.set_throttle_time_ms(ApiKey::Metadata, 12, 1);
        assert_eq!(cut.size(), 8);
    }

    #[test]
    fn what_cannot_be_said_is_an_error() {
        let message = MetadataResponse::default().with_cluster_id(Some("x".repeat(40_000).into()));
        let error = encode(1, ApiKey::Metadata, 8, &message).unwrap_err();
        assert!(error.to_string().starts_with("Metadata v8: "), "{error}");
    }

    #[test]
    fn a_count_in_a_response_is_checked_too() {
        let frame = Bytes::from_static(&[0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff, 0, 0]);
        let error = decode::<MetadataResponse>(ApiKey::Metadata, 0, frame).unwrap_err();
        assert!(matches!(error, DecodeError::Malformed { .. }), "{error}");
        let short = Bytes::from_static(&[0, 0, 0]);
        let error = decode::<MetadataResponse>(ApiKey::Metadata, 0, short).unwrap_err();
        assert!(matches!(error, DecodeError::Header(_)), "{error}");
    }
}
