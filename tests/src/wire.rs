//! Kafka's wire protocol by hand: the few requests that a test must be able to write wrongly, and to read back.
//! It is not our `protocol` crate, which it helps to judge.
//! Source: the message schemas of Apache Kafka 3.9.
use anyhow::{Context, Result};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

const REPLY_LIMIT: Duration = Duration::from_secs(10);

pub const PRODUCE: i16 = 0;
pub const FETCH: i16 = 1;
pub const LIST_OFFSETS: i16 = 2;
pub const METADATA: i16 = 3;
pub const API_VERSIONS: i16 = 18;

/// An API that a broker advertises, with the versions it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    pub key: i16,
    pub min: i16,
    pub max: i16,
}

/// What Metadata v1 says of a cluster, without its topics.
#[derive(Debug)]
pub struct Cluster {
    pub broker_ids: Vec<i32>,
    pub controller: i32,
}

/// One connection to a broker.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    last_correlation: i32,
}

impl Wire {
    pub fn connect(address: &str) -> Result<Wire> {
        let stream = TcpStream::connect(address).with_context(|| format!("connect to {address}"))?;
        stream.set_read_timeout(Some(REPLY_LIMIT))?;
        stream.set_nodelay(true)?;
        Ok(Wire { stream, last_correlation: 0 })
    }

    /// Sends bytes as they are. An error tells that the broker has closed the connection already.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Says that nothing more will be sent.
    pub fn finish_sending(&mut self) -> Result<()> {
        Ok(self.stream.shutdown(Shutdown::Write)?)
    }

    /// Sends a request with header v1 and returns the body of the answer, which has response header v0.
    pub fn call(&mut self, key: i16, version: i16, body: &[u8]) -> Result<Vec<u8>> {
        self.last_correlation += 1;
        let correlation = self.last_correlation;
        self.send(&framed(&[&header(key, version, correlation), body].concat()))?;
        let frame = self.receive()?.with_context(|| format!("no answer to api {key} version {version}"))?;
        let (answered, body) = frame.split_at_checked(4).context("an answer without header")?;
        anyhow::ensure!(answered == correlation.to_be_bytes(), "an answer to another request");
        Ok(body.to_vec())
    }

    /// The next frame without its length, or nothing if the broker has closed the connection.
    pub fn receive(&mut self) -> Result<Option<Vec<u8>>> {
        let mut length = [0; 4];
        match self.stream.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                return Ok(None);
            }
            Err(error) => return Err(error).context("neither an answer nor the end of the connection"),
        }
        let mut frame = vec![0; usize::try_from(u32::from_be_bytes(length))?];
        self.stream.read_exact(&mut frame).context("the rest of an answer")?;
        Ok(Some(frame))
    }

    /// The APIs the broker serves, by ApiVersions v0.
    pub fn served(&mut self) -> Result<Vec<Served>> {
        let answer = self.call(API_VERSIONS, 0, &[])?;
        let mut body = Body::new(&answer);
        anyhow::ensure!(body.int16()? == 0, "ApiVersions failed");
        (0..body.int32()?)
            .map(|_| Ok(Served { key: body.int16()?, min: body.int16()?, max: body.int16()? }))
            .collect()
    }

    /// The brokers and the controller, by Metadata v1 for no topic.
    pub fn cluster(&mut self) -> Result<Cluster> {
        let answer = self.call(METADATA, 1, &0_i32.to_be_bytes())?;
        let mut body = Body::new(&answer);
        let broker = |body: &mut Body<'_>| {
            let id = body.int32()?;
            let (_host, _port, _rack) = (body.string()?, body.int32()?, body.string()?);
            Ok(id)
        };
        let broker_ids = (0..body.int32()?).map(|_| broker(&mut body)).collect::<Result<_>>()?;
        Ok(Cluster { broker_ids, controller: body.int32()? })
    }
}

/// Bytes that look random and are the same each time.
pub fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[0]
    };
    (0..200).map(|_| next()).collect()
}

/// Bytes with their length in front.
pub fn framed(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), bytes].concat()
}

/// Request header v1: what every version before the flexible ones has.
pub fn header(key: i16, version: i16, correlation: i32) -> Vec<u8> {
    let client = b"tests";
    let length = 5_i16.to_be_bytes();
    [&key.to_be_bytes()[..], &version.to_be_bytes(), &correlation.to_be_bytes(), &length, client].concat()
}

/// Request header v2: v1 with an empty set of tagged fields.
pub fn flexible_header(key: i16, version: i16, correlation: i32) -> Vec<u8> {
    [header(key, version, correlation), vec![0]].concat()
}

/// The body of an answer being read, big-endian and without compact types.
#[derive(Debug)]
pub struct Body<'a> {
    rest: &'a [u8],
}

impl<'a> Body<'a> {
    pub fn new(bytes: &'a [u8]) -> Body<'a> {
        Body { rest: bytes }
    }

    pub fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).context("an answer is too short")?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn int16(&mut self) -> Result<i16> {
        Ok(i16::from_be_bytes(self.take(2)?.try_into()?))
    }

    pub fn int32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.take(4)?.try_into()?))
    }

    pub fn int64(&mut self) -> Result<i64> {
        Ok(i64::from_be_bytes(self.take(8)?.try_into()?))
    }

    /// A nullable string.
    pub fn string(&mut self) -> Result<Option<String>> {
        let length = self.int16()?;
        if length < 0 {
            return Ok(None);
        }
        Ok(Some(String::from_utf8(self.take(usize::try_from(length)?)?.to_vec())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_its_length_in_front() {
        assert_eq!(framed(b"abc"), [0, 0, 0, 3, b'a', b'b', b'c']);
    }

    #[test]
    fn a_short_answer_is_an_error() {
        assert!(Body::new(&[0, 5, b'x']).string().is_err());
        assert_eq!(Body::new(&[0xff, 0xff]).string().unwrap(), None);
    }
}
