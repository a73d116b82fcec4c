//! A frame from a client, without its length prefix, as far as the decoded request.

use bytes::Bytes;
use kafka_protocol::messages::{ApiKey, RequestKind};

use super::bounded;
use crate::request::{Request, RequestHeader};
use crate::shape;

/// Decoding takes bounded memory, and reads exactly the bytes that were checked.
pub fn request(frame: &[u8]) {
    let mut body = Bytes::copy_from_slice(frame);
    let Ok(request) = bounded(frame.len(), || Request::decode(body.clone())) else { return };
    let (api, version) = (request.header.api, request.header.version);
    let Ok(key) = ApiKey::try_from(api.code()) else { panic!("{api} is no request of Kafka's") };
    assert_eq!(RequestHeader::decode(&mut body), Ok(request.header));
    let (checked, size) = (shape::walk(shape::request(api), version, &body), body.len());
    assert!(RequestKind::decode(key, &mut body, version).is_ok(), "{api} v{version}");
    assert_eq!(Ok(size - body.len()), checked, "{api} v{version}");
}
