//! One request on a connection and what comes back: an answer, nothing (acks 0), or the end of the connection.
//! Headers are written here, whatever the API and version; the version of an answer is that of its request, but where a broker
//! that does not know a version of ApiVersions answers in version 0 (KIP-511).
use crate::decode::decode;
use crate::encode::{Writer, encode};
use crate::message::{Api, Message};
use crate::tree::Tree;
use anyhow::{Context, Result};
use tests::wire::{Wire, framed};

const UNSUPPORTED_VERSION: [u8; 2] = [0, 35];
const API_VERSIONS: i16 = 18;
/// Of the request that tells whether the one before it was answered.
const PROBE: i32 = 0x7fff;

pub(crate) struct Exchange<'a> {
    pub(crate) wire: &'a mut Wire,
    pub(crate) api: &'a Api,
}

/// A request as it is sent, when it is not as it should be.
#[derive(Clone, Copy)]
pub(crate) struct Shape<'a> {
    pub(crate) client: &'a Tree,
    pub(crate) cut: usize,
    pub(crate) added: &'a [u8],
}

impl Exchange<'_> {
    /// A request as it should be, which is to be answered.
    pub(crate) fn plain(&mut self, version: i16, request: &Tree) -> Result<Tree> {
        let shape = Shape { client: &Tree::Null, cut: 0, added: &[] };
        self.shaped(version, request, shape)?.context("no answer")
    }

    /// The answer, if there is one; the connection is at its end otherwise.
    pub(crate) fn shaped(&mut self, version: i16, request: &Tree, shape: Shape<'_>) -> Result<Option<Tree>> {
        let Api { request: schema, response } = self.api;
        let body = encode(schema, version, request)?;
        let frame = header(schema, version, shape.client)?;
        let frame = [&frame[..], &body[..body.len() - shape.cut], shape.added].concat();
        let Some(answer) = call(self.wire, &frame)? else { return Ok(None) };
        if schema.key == API_VERSIONS {
            let unknown = answer.starts_with(&UNSUPPORTED_VERSION);
            return decode(response, if unknown { 0 } else { version }, &answer).map(Some);
        }
        let answer = if flexible(schema, version) { answer.strip_prefix(&[0]) } else { Some(&answer[..]) };
        decode(response, version, answer.context("tagged fields in the header")?).map(Some)
    }

    /// Whether a request that wants no answer gets none, and the connection goes on.
    pub(crate) fn silent(&mut self, version: i16, request: &Tree) -> Result<bool> {
        let schema = &self.api.request;
        let body = encode(schema, version, request)?;
        self.wire.send(&framed(&[header(schema, version, &Tree::Null)?, body].concat()))?;
        let probe = [&API_VERSIONS.to_be_bytes()[..], &[0, 0], &PROBE.to_be_bytes(), &[0xff, 0xff]].concat();
        // A broker that ends the connection may have done so already.
        let sent = self.wire.send(&framed(&probe)).is_ok();
        let answer = if sent { self.wire.receive()? } else { None };
        let Some(answer) = answer else { return Ok(false) };
        anyhow::ensure!(answer.starts_with(&PROBE.to_be_bytes()), "an answer where none was wanted");
        Ok(true)
    }
}

/// The bytes behind the correlation id of the answer to a request of any kind.
pub(crate) fn call(wire: &mut Wire, request: &[u8]) -> Result<Option<Vec<u8>>> {
    if wire.send(&framed(request)).is_err() {
        return Ok(None);
    }
    let Some(answer) = wire.receive()? else { return Ok(None) };
    let (correlation, answer) = answer.split_at_checked(4).context("an answer without header")?;
    anyhow::ensure!(correlation == &request[4..8], "an answer to another request");
    Ok(Some(answer.to_vec()))
}

fn header(schema: &Message, version: i16, client: &Tree) -> Result<Vec<u8>> {
    let mut writer = Writer { version, flexible: false, bytes: Vec::new() };
    for number in [schema.key, version, 0, version] {
        writer.bytes.extend(number.to_be_bytes());
    }
    match client {
        Tree::Text(text) => {
            writer.length(Some(text.len()), 2);
            writer.bytes.extend(text.as_bytes());
        }
        _ => writer.length(None, 2),
    }
    if flexible(schema, version) {
        writer.bytes.push(0);
    }
    Ok(writer.bytes)
}

fn flexible(schema: &Message, version: i16) -> bool {
    schema.flexible.has(version.clamp(schema.versions.first, schema.versions.last))
}
