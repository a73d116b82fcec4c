//! Reads a message by the table of its fields into JSON.
//!
//! The tables are in `schemas.rs`. A fault is told in Kafka's words, since its tool prints them and goes on.
//! Source: the readers and JSON converters that Kafka's MessageDataGenerator and JsonConverterGenerator make.

use super::java_text;
use super::json::Json;

/// A message with a version of its own.
#[derive(Debug)]
pub(super) struct Schema {
    pub(super) fields: &'static [Field],
    pub(super) highest: i16,
    /// The first version with compact lengths and tagged fields.
    pub(super) flexible_from: i16,
}

/// No version of a message is flexible.
pub(super) const NEVER: i16 = i16::MAX;

/// A field of a message or of a struct in it.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) from: i16,
    pub(super) until: i16,
    pub(super) nullable: bool,
    /// A tagged field stands behind all others, if at all.
    pub(super) tag: Option<u32>,
}

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Int8,
    Int16,
    Uint16,
    Int32,
    Int64,
    Uuid,
    Text,
    Bytes,
    Array(&'static Kind),
    /// With the name of Kafka's class, if that refuses versions it does not know.
    Struct(Option<&'static str>, &'static [Field]),
}

impl Schema {
    /// Reads the fields of this version from the front of `bytes`; what follows them is not looked at.
    pub(super) fn read(&self, bytes: &[u8], version: i16) -> Result<Json, String> {
        let is_flexible = version >= self.flexible_from;
        Reader { rest: bytes, version, highest: self.highest, is_flexible }.fields(self.fields)
    }
}

/// What Java says where a buffer ends too early: an exception without a message.
fn cut_short() -> String {
    "null".to_owned()
}

struct Reader<'a> {
    rest: &'a [u8],
    version: i16,
    highest: i16,
    is_flexible: bool,
}

impl<'a> Reader<'a> {
    fn fields(&mut self, fields: &'static [Field]) -> Result<Json, String> {
        let mut object = Vec::with_capacity(fields.len());
        let is_there = |field: &&Field| field.from <= self.version && self.version <= field.until;
        let present: Vec<&Field> = fields.iter().filter(is_there).collect();
        for field in present.iter().filter(|field| field.tag.is_none()) {
            object.push((field.name, self.value(field.name, field.kind, field.nullable)?));
        }
        if self.is_flexible {
            for _ in 0..self.unsigned()? as i32 {
                let (tag, size) = (self.unsigned()?, self.unsigned()?);
                match present.iter().find(|field| field.tag == Some(tag)) {
                    Some(field) => {
                        let value = self.tagged(field)?;
                        if !is_default(&value) {
                            object.push((field.name, value));
                        }
                    }
                    None => drop(self.bytes(size as usize)?),
                }
            }
        }
        Ok(Json::Object(object))
    }

    /// A tagged struct has a byte before it that says whether it is there.
    fn tagged(&mut self, field: &Field) -> Result<Json, String> {
        if matches!(field.kind, Kind::Struct(..)) && self.unsigned()? == 0 {
            return Ok(Json::Null);
        }
        self.value(field.name, field.kind, field.nullable)
    }

    fn value(&mut self, name: &str, kind: Kind, nullable: bool) -> Result<Json, String> {
        Ok(match kind {
            Kind::Int8 => Json::Number(i64::from(i8::from_be_bytes(self.number()?))),
            Kind::Int16 => Json::Number(i64::from(i16::from_be_bytes(self.number()?))),
            Kind::Uint16 => Json::Number(i64::from(u16::from_be_bytes(self.number()?))),
            Kind::Int32 => Json::Number(i64::from(i32::from_be_bytes(self.number()?))),
            Kind::Int64 => Json::Number(i64::from_be_bytes(self.number()?)),
            Kind::Uuid => Json::Text(uuid(self.number()?)),
            Kind::Struct(class, fields) => {
                if let Some(class) = class.filter(|_| self.version > self.highest) {
                    return Err(format!("Can't read version {} of {class}", self.version));
                }
                self.fields(fields)?
            }
            Kind::Text | Kind::Bytes | Kind::Array(_) => match self.length(kind)? {
                Some(length) => self.content(name, kind, length)?,
                None if nullable => Json::Null,
                None => return Err(format!("non-nullable field {name} was serialized as null")),
            },
        })
    }

    /// The length in front of a field; none for null.
    fn length(&mut self, kind: Kind) -> Result<Option<usize>, String> {
        let length = if self.is_flexible {
            i64::from(self.unsigned()? as i32) - 1
        } else if matches!(kind, Kind::Text) {
            i64::from(i16::from_be_bytes(self.number()?))
        } else {
            i64::from(i32::from_be_bytes(self.number()?))
        };
        Ok(usize::try_from(length).ok())
    }

    fn content(&mut self, name: &str, kind: Kind, length: usize) -> Result<Json, String> {
        if let Kind::Array(item) = kind {
            return self.items(name, *item, length);
        }
        if !matches!(kind, Kind::Text) {
            return Ok(Json::Bytes(self.bytes(length)?.to_vec()));
        }
        if length > i16::MAX as usize {
            return Err(format!("string field {name} had invalid length {length}"));
        }
        Ok(Json::Text(java_text::decode(self.bytes(length)?).into_owned()))
    }

    fn items(&mut self, name: &str, item: Kind, count: usize) -> Result<Json, String> {
        let left = self.rest.len();
        if count > left {
            return Err(format!(
                "Tried to allocate a collection of size {count}, but there are only {left} bytes remaining."
            ));
        }
        let name = format!("{name} element");
        (0..count).map(|_| self.value(&name, item, false)).collect::<Result<_, _>>().map(Json::Array)
    }

    fn bytes(&mut self, size: usize) -> Result<&'a [u8], String> {
        let left = self.rest.len();
        let (bytes, rest) = self.rest.split_at_checked(size).ok_or_else(|| {
            format!("Error reading byte array of {size} byte(s): only {left} byte(s) available")
        })?;
        self.rest = rest;
        Ok(bytes)
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (number, rest) = self.rest.split_first_chunk().ok_or_else(cut_short)?;
        self.rest = rest;
        Ok(*number)
    }

    fn unsigned(&mut self) -> Result<u32, String> {
        let mut value = 0;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.number()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(format!(
            "Varint is too long, the most significant bit in the 5th byte is set, converted value: {value:x}"
        ))
    }
}

/// Whether a tagged field would not have been written: it holds what an object has that nobody filled.
fn is_default(value: &Json) -> bool {
    match value {
        Json::Null => false,
        Json::Number(number) => *number == 0,
        Json::Text(text) => text.is_empty(),
        Json::Bytes(bytes) => bytes.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(fields) => fields.iter().all(|(_, value)| is_default(value)),
    }
}

/// A topic id as Kafka writes it: 22 characters of base64 that fit into a URL.
fn uuid(bytes: [u8; 16]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn field(name: &'static str, kind: Kind) -> Field {
        Field { name, kind, from: i16::MIN, until: NEVER, nullable: false, tag: None }
    }

    static INNER: &[Field] = &[field("id", Kind::Uuid), field("numbers", Kind::Array(&Kind::Int32))];
    static FIELDS: &[Field] = &[
        Field { nullable: true, ..field("name", Kind::Text) },
        field("key", Kind::Text),
        Field { from: 1, ..field("inner", Kind::Array(&Kind::Struct(Some("Inner"), INNER))) },
        Field { tag: Some(0), ..field("more", Kind::Struct(None, &[field("a", Kind::Int8)])) },
    ];
    static SCHEMA: Schema = Schema { fields: FIELDS, highest: 1, flexible_from: 1 };

    fn read(bytes: &[u8], version: i16) -> String {
        SCHEMA.read(bytes, version).map_or_else(|error| error, |json| json.to_string())
    }

    #[test]
    fn both_ways_of_writing_are_read() {
        assert_eq!(read(b"\xff\xff\0\x01k", 0), r#"{"name":null,"key":"k"}"#);
        let id = [0xff; 16];
        let flexible =
            [&b"\0\x02k\x02"[..], &id, b"\x02\0\0\0\x07\0", b"\x02\0\x03\x01\x05\0\x09\x01z"].concat();
        assert_eq!(
            read(&flexible, 1),
            r#"{"name":null,"key":"k","inner":[{"id":"_____________________w","numbers":[7]}],"more":{"a":5}}"#
        );
    }

    /// The words of Kafka 3.9's generated readers.
    #[test]
    fn faults_are_worded_as_kafkas() {
        assert_eq!(read(b"\xff\xff\xff\xff", 0), "non-nullable field key was serialized as null");
        assert_eq!(
            read(b"\xff\xff\0\x05k", 0),
            "Error reading byte array of 5 byte(s): only 1 byte(s) available"
        );
        assert_eq!(read(b"\xff\xff\0", 0), "null");
        assert_eq!(
            read(b"\0\x02k\x09", 1),
            "Tried to allocate a collection of size 8, but there are only 0 bytes remaining."
        );
        assert_eq!(read(b"\0\x02k\x02...................", 2), "Can't read version 2 of Inner");
        assert_eq!(read(b"\0\x81\x80\x02", 1), "string field key had invalid length 32768");
    }
}
