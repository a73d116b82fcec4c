//! A tree to the bytes of a message, field by field as its schema says. What a request must not be can be written too: null where
//! nothing may be null, unknown tagged fields (`Tag99:x"00"`), any records. A name that the schema does not know is an error of the case.
//! Called to send requests, and on every answer, which must come out as the bytes that it was read from.
use crate::batch;
use crate::message::{Field, Kind, Message};
use crate::tree::Tree;
use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The body of a message at a version. Beyond the versions there are it is written like the last.
pub(crate) fn encode(message: &Message, version: i16, tree: &Tree) -> Result<Vec<u8>> {
    let version = version.clamp(message.versions.first, message.versions.last);
    let mut writer = Writer { version, flexible: message.flexible.has(version), bytes: Vec::new() };
    writer.fields(&message.fields, tree)?;
    Ok(writer.bytes)
}

pub(crate) struct Writer {
    pub(crate) version: i16,
    pub(crate) flexible: bool,
    pub(crate) bytes: Vec<u8>,
}

impl Writer {
    fn fields(&mut self, fields: &[Field], tree: &Tree) -> Result<()> {
        let Tree::Fields(given) = tree else { bail!("{tree} is no struct") };
        let unknown =
            |name: &&String| !name.starts_with("Tag") && fields.iter().all(|field| field.name != **name);
        if let Some(name) = given.iter().map(|(name, _)| name).find(unknown) {
            bail!("no field is named {name}");
        }
        let mut tagged: Vec<(u32, Vec<u8>)> = Vec::new();
        let version = self.version;
        for field in fields.iter().filter(|field| field.versions.has(version)) {
            let value = tree.field(&field.name);
            match (field.tag, value) {
                (None, value) => self.field(field, value.unwrap_or(&field.default()))?,
                (Some(tag), Some(value)) => {
                    let mut writer = Writer { bytes: Vec::new(), ..*self };
                    writer.field(field, value)?;
                    tagged.push((tag, writer.bytes));
                }
                (Some(_), None) => {}
            }
        }
        for (name, value) in given {
            if let (Some(number), Tree::Bytes(bytes)) = (name.strip_prefix("Tag"), value) {
                tagged.push((number.parse()?, bytes.clone()));
            }
        }
        if self.flexible {
            self.tags(tagged);
        }
        Ok(())
    }

    fn tags(&mut self, mut tagged: Vec<(u32, Vec<u8>)>) {
        tagged.sort();
        self.unsigned(tagged.len() as u64);
        for (tag, bytes) in tagged {
            self.unsigned(tag.into());
            self.unsigned(bytes.len() as u64);
            self.bytes.extend(bytes);
        }
    }

    fn field(&mut self, field: &Field, value: &Tree) -> Result<()> {
        if !field.list {
            return self.value(field, value).with_context(|| field.name.clone());
        }
        match value {
            Tree::Null => self.count(None),
            Tree::List(elements) => {
                self.count(Some(elements.len()));
                elements
                    .iter()
                    .try_for_each(|element| self.value(field, element))
                    .with_context(|| field.name.clone())?;
            }
            other => bail!("{}: {other} is no list", field.name),
        }
        Ok(())
    }

    fn value(&mut self, field: &Field, value: &Tree) -> Result<()> {
        match (field.kind, value) {
            (Kind::Bool, Tree::Bool(value)) => self.bytes.push(u8::from(*value)),
            (Kind::Bool, Tree::Int(value)) => self.bytes.push(u8::try_from(*value)?),
            (Kind::Int8, Tree::Int(value)) => self.bytes.extend(i8::try_from(*value)?.to_be_bytes()),
            (Kind::Int16, Tree::Int(value)) => self.bytes.extend(i16::try_from(*value)?.to_be_bytes()),
            (Kind::Uint16, Tree::Int(value)) => self.bytes.extend(u16::try_from(*value)?.to_be_bytes()),
            (Kind::Int32, Tree::Int(value)) => self.bytes.extend(i32::try_from(*value)?.to_be_bytes()),
            (Kind::Int64, Tree::Int(value)) => self.bytes.extend(value.to_be_bytes()),
            (Kind::Float64, Tree::Float(value)) => self.bytes.extend(value.to_be_bytes()),
            (Kind::Uuid, Tree::Text(text)) => self.bytes.extend(uuid(text)?),
            (Kind::Text, Tree::Null) => self.length(None, 2),
            (Kind::Text, Tree::Text(text)) => {
                self.length(Some(text.len()), 2);
                self.bytes.extend(text.as_bytes());
            }
            // Not every text is UTF-8.
            (Kind::Text, Tree::Bytes(bytes)) => {
                self.length(Some(bytes.len()), 2);
                self.bytes.extend(bytes);
            }
            (Kind::Bytes | Kind::Records, Tree::Null) => self.length(None, 4),
            (Kind::Bytes | Kind::Records, Tree::Bytes(bytes)) => {
                self.length(Some(bytes.len()), 4);
                self.bytes.extend(bytes);
            }
            (Kind::Records, Tree::List(batches)) => {
                let bytes = batch::encode(batches)?;
                self.length(Some(bytes.len()), 4);
                self.bytes.extend(bytes);
            }
            (Kind::Struct, Tree::Null) => self.bytes.push(u8::MAX),
            (Kind::Struct, Tree::Fields(_)) => self.fields(&field.fields, value)?,
            (kind, value) => bail!("{value} is no {kind:?}"),
        }
        Ok(())
    }

    fn count(&mut self, count: Option<usize>) {
        self.length(count, 4);
    }

    /// A length of text, bytes or list: compact, or of so many bytes.
    pub(crate) fn length(&mut self, length: Option<usize>, width: usize) {
        if self.flexible {
            return self.unsigned(length.map_or(0, |length| length as u64 + 1));
        }
        let length = length.map_or(-1, |length| length as i64);
        self.bytes.extend(&length.to_be_bytes()[8 - width..]);
    }

    pub(crate) fn unsigned(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}

fn uuid(text: &str) -> Result<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).with_context(|| format!("`{text}` is no id"))?;
    anyhow::ensure!(bytes.len() == 16, "`{text}` is no id");
    Ok(bytes)
}
