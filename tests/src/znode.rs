//! ZooKeeper's wire protocol, as little of it as a test needs: look at znodes and change them.
//! It is not our `zookeeper` crate, which it helps to judge: null and empty contents, versions and owners are told apart.
//! Source: zookeeper.jute of Apache ZooKeeper 3.8.
pub mod dump;

use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const SESSION_TIMEOUT_MS: i32 = 10_000;
const REPLY_LIMIT: Duration = Duration::from_secs(10);

const CREATE: i32 = 1;
const DELETE: i32 = 2;
const EXISTS: i32 = 3;
const GET_DATA: i32 = 4;
const SET_DATA: i32 = 5;
const GET_ACL: i32 = 6;
const GET_CHILDREN: i32 = 8;
const ANY_VERSION: i32 = -1;
const NO_NODE: i32 = -101;

/// What ZooKeeper keeps beside a node's contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    pub creation_zxid: i64,
    pub created_ms: i64,
    pub modified_ms: i64,
    pub version: i32,
    pub child_version: i32,
    pub acl_version: i32,
    pub ephemeral_owner: i64,
    pub children: i32,
}

/// A node's contents: null is not the same as empty, and Kafka knows the difference.
pub type Contents = Option<Vec<u8>>;

/// A session on a ZooKeeper.
#[derive(Debug)]
pub struct Tree {
    stream: TcpStream,
    last_xid: i32,
}

impl Tree {
    pub fn connect(address: &str) -> Result<Tree> {
        let stream =
            TcpStream::connect(address).with_context(|| format!("connect to ZooKeeper at {address}"))?;
        stream.set_read_timeout(Some(REPLY_LIMIT))?;
        let mut tree = Tree { stream, last_xid: 0 };
        let mut hello = Out::default();
        hello.int(0).long(0).int(SESSION_TIMEOUT_MS).long(0).buffer(Some(&[0; 16]));
        tree.send(&hello.bytes)?;
        let mut welcome = tree.receive()?;
        let (_protocol, timeout) = (welcome.int()?, welcome.int()?);
        anyhow::ensure!(timeout > 0, "ZooKeeper at {address} refused the session");
        Ok(tree)
    }

    /// Contents and stat, or nothing where there is no such node.
    pub fn get(&mut self, path: &str) -> Result<Option<(Contents, Stat)>> {
        let Some(mut reply) = self.found(GET_DATA, Out::default().text(path).bool(false))? else {
            return Ok(None);
        };
        Ok(Some((reply.buffer()?, reply.stat()?)))
    }

    /// Contents of a node that must be there, as text.
    pub fn text(&mut self, path: &str) -> Result<String> {
        let (contents, _) = self.get(path)?.with_context(|| format!("no znode {path}"))?;
        Ok(String::from_utf8(contents.unwrap_or_default())?)
    }

    pub fn stat(&mut self, path: &str) -> Result<Option<Stat>> {
        let found = self.found(EXISTS, Out::default().text(path).bool(false))?;
        found.map(|mut reply| reply.stat()).transpose()
    }

    /// Names of the children, sorted; none where there is no such node.
    pub fn children(&mut self, path: &str) -> Result<Vec<String>> {
        let Some(mut reply) = self.found(GET_CHILDREN, Out::default().text(path).bool(false))? else {
            return Ok(Vec::new());
        };
        let mut names = (0..reply.int()?).map(|_| reply.text()).collect::<Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    /// `scheme:id:permissions` of each entry.
    pub fn acl(&mut self, path: &str) -> Result<Vec<String>> {
        let mut reply = self.call(GET_ACL, Out::default().text(path))?;
        let entry = |reply: &mut In| {
            let (permissions, scheme, id) = (reply.int()?, reply.text()?, reply.text()?);
            Ok(format!("{scheme}:{id}:{permissions}"))
        };
        (0..reply.int()?).map(|_| entry(&mut reply)).collect()
    }

    /// Makes a persistent node that anybody may change.
    pub fn create(&mut self, path: &str, contents: Option<&[u8]>) -> Result<()> {
        let mut out = Out::default();
        out.text(path).buffer(contents).int(1).int(31).text("world").text("anyone").int(0);
        self.call(CREATE, &out).map(drop)
    }

    pub fn set(&mut self, path: &str, contents: Option<&[u8]>) -> Result<()> {
        self.call(SET_DATA, Out::default().text(path).buffer(contents).int(ANY_VERSION)).map(drop)
    }

    pub fn delete(&mut self, path: &str) -> Result<()> {
        self.call(DELETE, Out::default().text(path).int(ANY_VERSION)).map(drop)
    }

    fn call(&mut self, operation: i32, body: &Out) -> Result<In> {
        self.found(operation, body)?.context("no such znode")
    }

    fn found(&mut self, operation: i32, body: &Out) -> Result<Option<In>> {
        self.last_xid += 1;
        let mut request = Out::default();
        request.int(self.last_xid).int(operation).bytes.extend_from_slice(&body.bytes);
        self.send(&request.bytes)?;
        let mut reply = self.receive()?;
        let (_xid, _zxid, error) = (reply.int()?, reply.long()?, reply.int()?);
        match error {
            0 => Ok(Some(reply)),
            NO_NODE => Ok(None),
            code => bail!("ZooKeeper answered error {code} to operation {operation}"),
        }
    }

    fn send(&mut self, body: &[u8]) -> Result<()> {
        let mut framed = u32::try_from(body.len())?.to_be_bytes().to_vec();
        framed.extend_from_slice(body);
        Ok(self.stream.write_all(&framed)?)
    }

    fn receive(&mut self) -> Result<In> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).context("ZooKeeper's reply")?;
        let mut bytes = vec![0; usize::try_from(u32::from_be_bytes(length))?];
        self.stream.read_exact(&mut bytes)?;
        Ok(In { bytes, at: 0 })
    }
}

/// A request being written in jute's encoding.
#[derive(Default)]
struct Out {
    bytes: Vec<u8>,
}

impl Out {
    fn int(&mut self, value: i32) -> &mut Out {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    fn long(&mut self, value: i64) -> &mut Out {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    fn bool(&mut self, value: bool) -> &mut Out {
        self.bytes.push(value.into());
        self
    }

    fn buffer(&mut self, contents: Option<&[u8]>) -> &mut Out {
        let Some(contents) = contents else { return self.int(-1) };
        self.int(i32::try_from(contents.len()).unwrap_or(i32::MAX)).bytes.extend_from_slice(contents);
        self
    }

    fn text(&mut self, text: &str) -> &mut Out {
        self.buffer(Some(text.as_bytes()))
    }
}

/// A reply being read.
struct In {
    bytes: Vec<u8>,
    at: usize,
}

impl In {
    fn take(&mut self, length: usize) -> Result<&[u8]> {
        let slice = self.bytes.get(self.at..self.at + length).context("ZooKeeper's reply is too short")?;
        self.at += length;
        Ok(slice)
    }

    fn int(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.take(4)?.try_into()?))
    }

    fn long(&mut self) -> Result<i64> {
        Ok(i64::from_be_bytes(self.take(8)?.try_into()?))
    }

    fn buffer(&mut self) -> Result<Contents> {
        let length = self.int()?;
        if length < 0 {
            return Ok(None);
        }
        Ok(Some(self.take(usize::try_from(length)?)?.to_vec()))
    }

    fn text(&mut self) -> Result<String> {
        Ok(String::from_utf8(self.buffer()?.unwrap_or_default())?)
    }

    fn stat(&mut self) -> Result<Stat> {
        let creation_zxid = self.long()?;
        let _modification_zxid = self.long()?;
        let (created_ms, modified_ms) = (self.long()?, self.long()?);
        let (version, child_version, acl_version) = (self.int()?, self.int()?, self.int()?);
        let ephemeral_owner = self.long()?;
        let _length = self.int()?;
        let children = self.int()?;
        Ok(Stat {
            creation_zxid,
            created_ms,
            modified_ms,
            version,
            child_version,
            acl_version,
            ephemeral_owner,
            children,
        })
    }
}
