//! `/cluster/id`: made by the first broker, then never changed.
//!
//! Owns the layout, whose version is a string. Source: Kafka 3.9 `ClusterIdZNode`, `CoreUtils.generateUuidAsBase64`.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use uuid::Uuid;

use super::ZnodeError;
use super::json::{Fields, Object};

/// 22 characters of URL-safe base64, or whatever was there before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterId(pub String);

impl ClusterId {
    /// A UUID as 22 characters of URL-safe base64.
    pub fn from_uuid(uuid: Uuid) -> ClusterId {
        ClusterId(URL_SAFE_NO_PAD.encode(uuid.as_bytes()))
    }

    /// Version "1".
    pub fn encode(&self) -> Bytes {
        Object::new().string("version", "1").string("id", &self.0).into_bytes()
    }

    /// Any version.
    pub fn decode(path: &str, data: &[u8]) -> Result<ClusterId, ZnodeError> {
        Ok(ClusterId(Fields::parse(path, data)?.string("id")?.to_owned()))
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_kafka_writes_it() {
        let live = br#"{"version":"1","id":"dfeygZMUS4urdaZql74i6w"}"#;
        let id = ClusterId::decode("/cluster/id", live).unwrap();
        assert_eq!((id.to_string().as_str(), id.encode().as_ref()), ("dfeygZMUS4urdaZql74i6w", &live[..]));
        assert_eq!(ClusterId::from_uuid(Uuid::nil()).0, "A".repeat(22));
    }

    #[test]
    fn garbage_is_named() {
        let error = ClusterId::decode("/cluster/id", br#"{"id":7}"#).unwrap_err().to_string();
        assert_eq!(error, "znode /cluster/id: the key id should be a string and is 7");
    }
}
