//! The bytes of a message to a tree, field by field as its schema says. Called on every answer: nothing may be left over, and the tree
//! must come out as the same bytes again, so that a tree tells all there was.
use crate::encode::encode;
use crate::message::{Field, Kind, Message};
use crate::tree::Tree;
use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The body of a message at a version.
pub(crate) fn decode(message: &Message, version: i16, bytes: &[u8]) -> Result<Tree> {
    let version = version.clamp(message.versions.first, message.versions.last);
    let mut reader = Reader { version, flexible: message.flexible.has(version), rest: bytes };
    let tree = reader.fields(&message.fields)?;
    anyhow::ensure!(reader.rest.is_empty(), "{} bytes are left over after {tree}", reader.rest.len());
    anyhow::ensure!(encode(message, version, &tree)? == bytes, "{tree} would be written otherwise");
    Ok(tree)
}

struct Reader<'a> {
    version: i16,
    flexible: bool,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn fields(&mut self, fields: &[Field]) -> Result<Tree> {
        let mut found = Vec::new();
        let here = |field: &&Field| field.versions.has(self.version);
        let fields: Vec<&Field> = fields.iter().filter(here).collect();
        for field in fields.iter().filter(|field| field.tag.is_none()) {
            let tree = self.field(field).with_context(|| field.name.clone())?;
            found.push((field.name.clone(), tree));
        }
        if self.flexible {
            self.tags(&fields, &mut found)?;
        }
        Ok(Tree::Fields(found))
    }

    fn tags(&mut self, fields: &[&Field], found: &mut Vec<(String, Tree)>) -> Result<()> {
        for _ in 0..self.unsigned()? {
            let (tag, length) = (self.unsigned()?, self.unsigned()?);
            let bytes = self.take(usize::try_from(length)?)?;
            match fields.iter().find(|field| field.tag.map(u64::from) == Some(tag)) {
                Some(field) => {
                    let mut reader = Reader { rest: bytes, ..*self };
                    found.push((field.name.clone(), reader.field(field)?));
                    anyhow::ensure!(reader.rest.is_empty(), "{} is longer than it is", field.name);
                }
                None => found.push((format!("Tag{tag}"), Tree::Bytes(bytes.to_vec()))),
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &Field) -> Result<Tree> {
        if !field.list {
            return self.value(field);
        }
        let Some(count) = self.length(4)? else { return Ok(Tree::Null) };
        Ok(Tree::List((0..count).map(|_| self.value(field)).collect::<Result<_>>()?))
    }

    fn value(&mut self, field: &Field) -> Result<Tree> {
        Ok(match field.kind {
            Kind::Bool => match self.take(1)? {
                [0] => Tree::Bool(false),
                [1] => Tree::Bool(true),
                other => bail!("{other:?} is neither true nor false"),
            },
            Kind::Int8 => Tree::Int(i8::from_be_bytes(self.array()?).into()),
            Kind::Int16 => Tree::Int(i16::from_be_bytes(self.array()?).into()),
            Kind::Uint16 => Tree::Int(u16::from_be_bytes(self.array()?).into()),
            Kind::Int32 => Tree::Int(i32::from_be_bytes(self.array()?).into()),
            Kind::Int64 => Tree::Int(i64::from_be_bytes(self.array()?)),
            Kind::Float64 => Tree::Float(f64::from_be_bytes(self.array()?)),
            Kind::Uuid => Tree::Text(URL_SAFE_NO_PAD.encode(self.take(16)?)),
            Kind::Text => self.sized(2, |bytes| Ok(Tree::Text(std::str::from_utf8(bytes)?.to_owned())))?,
            Kind::Bytes | Kind::Records => self.sized(4, |bytes| Ok(Tree::Bytes(bytes.to_vec())))?,
            Kind::Struct => self.fields(&field.fields)?,
        })
    }

    fn sized(&mut self, width: usize, read: impl Fn(&[u8]) -> Result<Tree>) -> Result<Tree> {
        let Some(length) = self.length(width)? else { return Ok(Tree::Null) };
        read(self.take(length)?)
    }

    fn length(&mut self, width: usize) -> Result<Option<usize>> {
        let length = if self.flexible {
            i64::try_from(self.unsigned()?)? - 1
        } else if width == 2 {
            i16::from_be_bytes(self.array()?).into()
        } else {
            i32::from_be_bytes(self.array()?).into()
        };
        anyhow::ensure!(length >= -1, "a length of {length}");
        Ok(usize::try_from(length).ok())
    }

    fn unsigned(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        bail!("a number that does not end")
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into()?)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).context("it is cut short")?;
        self.rest = rest;
        Ok(taken)
    }
}

#[test]
fn messages_survive_the_way() {
    let apis = crate::message::all().unwrap();
    let fetch = &apis["Fetch"].response;
    let tree = Tree::parse(
        r#"{ThrottleTimeMs:0,ErrorCode:0,SessionId:7,Responses:[{TopicId:"AAECAwQFBgcICQoLDA0ODw",Partitions:[{
            PartitionIndex:0,ErrorCode:6,HighWatermark:-1,LastStableOffset:-1,LogStartOffset:-1,AbortedTransactions:null,
            PreferredReadReplica:-1,Records:x"00ff",CurrentLeader:{LeaderId:1,LeaderEpoch:2}}]}],
            NodeEndpoints:[{NodeId:1,Host:"h",Port:9092,Rack:null}]}"#,
    )
    .unwrap();
    let bytes = encode(fetch, 16, &tree).unwrap();
    assert_eq!(decode(fetch, 16, &bytes).unwrap(), tree);
    assert!(decode(fetch, 16, &[&bytes[..], &[0]].concat()).is_err());
    assert!(decode(fetch, 16, &bytes[..bytes.len() - 1]).is_err());
}
