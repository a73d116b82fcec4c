//! An answer to our client, without its length prefix. Two bytes in front of it choose the API and the version.

use bytes::Bytes;
use kafka_protocol::messages::{self, ResponseKind};

use super::bounded;
use crate::api::ApiKey;
use crate::response::checked;

/// Decoding takes bounded memory, and reads exactly the bytes that were checked.
pub fn response(input: &[u8]) {
    let [code, version, frame @ ..] = input else { return };
    let (code, version) = (i16::from(*code), i16::from(*version));
    let Some(api) = ApiKey::from_code(code).filter(|api| api.serves(version)) else { return };
    let Ok(key) = messages::ApiKey::try_from(code) else { panic!("{api} is no request of Kafka's") };
    let frame = Bytes::copy_from_slice(frame);
    bounded(frame.len(), || {
        let header_version = key.response_header_version(version);
        let Ok((_, mut body)) = checked(api, version, header_version, frame) else { return };
        if ResponseKind::decode(key, &mut body, version).is_ok() {
            assert!(body.is_empty(), "{api} v{version} leaves {} bytes", body.len());
        }
    });
}
