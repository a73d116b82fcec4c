//! A response on its way out: encoded head bytes, then body parts that are memory or a piece of a file.
//!
//! Never opens or reads a file; the connection's writer does. The head begins with the length of everything after
//! it, so a response is complete as it stands.

use std::fs::File;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::{Encodable, HeaderVersion};

use crate::api::ApiKey;

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
    let fail = |reason: String| EncodeError::Unencodable { api, version, reason };
    let flexible_header = M::header_version(version) >= 1;
    let size =
        4 + usize::from(flexible_header) + message.compute_size(version).map_err(|e| fail(e.to_string()))?;
    let prefix = i32::try_from(size).map_err(|_| EncodeError::TooLarge { api, version, size })?;
    let mut out = BytesMut::with_capacity(4 + size);
    out.put_i32(prefix);
    out.put_i32(correlation_id);
    if flexible_header {
        out.put_u8(0);
    }
    message.encode(&mut out, version).map_err(|e| fail(e.to_string()))?;
    Ok(out.freeze())
}
