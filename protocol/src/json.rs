//! Messages as the JSON of Kafka's request log, straight from their bytes by the tables of `shape`.
//!
//! Of records only the size is told, of settings that a request sets only the names. Decides nothing; called where a request is logged, for
//! messages of our own making or that have been walked. Source: RequestConvertToJson, JsonConverterGenerator (3.9).

use std::fmt::Write as _;

use bytes::Bytes;

use crate::api::ApiKey;
use crate::request::RequestHeader;
use crate::response::{Part, Response};
use crate::shape::{self, Field, Kind};

mod bytes_left;
mod text;

use bytes_left::BytesLeft;
pub use text::quoted;
use text::{base64, camel, uuid};

/// A field that holds records.
const RECORDS: &str = "records";
/// The field of a setting that may be a secret.
const SETTING: &str = "value";
/// What Kafka writes in the place of secrets.
const HIDDEN: &str = "[hidden]";

/// A request's header and body. None where the bytes are not those of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestJson {
    pub header: String,
    pub body: String,
}

impl RequestJson {
    /// Of a frame without its length prefix.
    pub fn of(frame: &Bytes) -> Option<RequestJson> {
        let mut body = frame.clone();
        let header = RequestHeader::decode(&mut body).ok()?;
        let shape = shape::request(header.api);
        let hides = matches!(header.api, ApiKey::AlterConfigs | ApiKey::IncrementalAlterConfigs);
        let mut writer = Writer::new(header.version, shape.flexible_since, BytesLeft::of(&body));
        writer.hides_settings = hides;
        writer.group(shape.fields)?;
        let header =
            self::header(header.api, header.version, header.correlation_id, header.client_id.as_deref());
        Some(RequestJson { header, body: writer.out })
    }
}

/// The body of a response. None where the bytes are not those of such a response.
pub fn response(api: ApiKey, version: i16, response: &Response) -> Option<String> {
    let shape = shape::response(api);
    let head = response.head.get(response.header_size(api, version)?..)?;
    let mut left = BytesLeft::of(head);
    for part in &response.body {
        match part {
            Part::Bytes(bytes) => left.push(bytes),
            Part::File(slice) => left.push_file(slice.length as usize),
        }
    }
    let mut writer = Writer::new(version, shape.flexible_since, left);
    writer.group(shape.fields)?;
    Some(writer.out)
}

/// A request's header.
pub fn header(api: ApiKey, version: i16, correlation_id: i32, client_id: Option<&str>) -> String {
    let mut out = String::new();
    let _ = write!(
        out,
        r#"{{"requestApiKey":{},"requestApiVersion":{version},"correlationId":{correlation_id},"clientId":"#,
        api.code()
    );
    quoted(&mut out, client_id.unwrap_or_default());
    let _ = write!(out, r#","requestApiKeyName":"{}""#, text::upper_snake(api.api().name));
    if api.is_deprecated(version) {
        out.push_str(r#","requestApiVersionDeprecated":true"#);
    }
    out.push('}');
    out
}

struct Writer<'a> {
    version: i16,
    flexible: bool,
    left: BytesLeft<'a>,
    hides_settings: bool,
    out: String,
}

impl<'a> Writer<'a> {
    fn new(version: i16, flexible_since: i16, left: BytesLeft<'a>) -> Writer<'a> {
        Writer {
            version,
            flexible: version >= flexible_since,
            left,
            hides_settings: false,
            out: String::new(),
        }
    }

    fn group(&mut self, fields: &[Field]) -> Option<()> {
        self.out.push('{');
        let start = self.out.len();
        let version = self.version;
        for field in fields.iter().filter(|field| field.tag.is_none() && field.exists(version)) {
            self.field(field, start)?;
        }
        if self.flexible {
            for _ in 0..self.varint()? {
                self.tagged(fields, start)?;
            }
        }
        self.out.push('}');
        Some(())
    }

    fn tagged(&mut self, fields: &[Field], start: usize) -> Option<()> {
        let (tag, size) = (self.varint()?, self.varint()? as usize);
        match fields.iter().find(|field| field.tag == Some(tag) && field.exists(self.version)) {
            Some(field) => self.field(field, start),
            None => self.left.skip(size),
        }
    }

    fn field(&mut self, field: &Field, start: usize) -> Option<()> {
        if self.out.len() > start {
            self.out.push(',');
        }
        self.out.push('"');
        camel(&mut self.out, field.name);
        if field.name == RECORDS {
            self.out.push_str("SizeInBytes");
        }
        self.out.push_str("\":");
        if self.hides_settings && field.name == SETTING {
            let hidden = self.length(&field.kind)?;
            return self.hidden(hidden);
        }
        self.value(field.name, &field.kind)
    }

    fn hidden(&mut self, length: Option<usize>) -> Option<()> {
        match length {
            Some(length) => {
                quoted(&mut self.out, HIDDEN);
                self.left.skip(length)
            }
            None => self.write("null"),
        }
    }

    fn value(&mut self, name: &str, kind: &Kind) -> Option<()> {
        match kind {
            Kind::Bool => {
                let [byte] = self.left.take()?;
                self.write(byte != 0)
            }
            Kind::Int8 => {
                let number = i8::from_be_bytes(self.left.take()?);
                self.write(number)
            }
            Kind::Int16 => {
                let number = i16::from_be_bytes(self.left.take()?);
                self.write(number)
            }
            Kind::Int32 => {
                let number = i32::from_be_bytes(self.left.take()?);
                self.write(number)
            }
            Kind::Int64 => {
                let number = i64::from_be_bytes(self.left.take()?);
                self.write(number)
            }
            Kind::Float64 => {
                let number = f64::from_be_bytes(self.left.take()?);
                write!(self.out, "{number:?}").ok()
            }
            Kind::Uuid => {
                uuid(&mut self.out, &self.left.take()?);
                Some(())
            }
            Kind::Group(fields) => self.group(fields),
            Kind::String | Kind::Bytes => self.sized(name, kind),
            Kind::Array(element) => self.array(name, kind, element),
        }
    }

    fn sized(&mut self, name: &str, kind: &Kind) -> Option<()> {
        let Some(length) = self.length(kind)? else { return self.write("null") };
        if name == RECORDS {
            self.write(length)?;
            return self.left.skip(length);
        }
        let bytes = self.left.take_slice(length)?;
        if matches!(kind, Kind::String) {
            quoted(&mut self.out, std::str::from_utf8(bytes).ok()?);
        } else {
            base64(&mut self.out, bytes);
        }
        Some(())
    }

    fn array(&mut self, name: &str, kind: &Kind, element: &Kind) -> Option<()> {
        let Some(count) = self.length(kind)? else { return self.write("null") };
        self.out.push('[');
        for number in 0..count {
            if number > 0 {
                self.out.push(',');
            }
            self.value(name, element)?;
        }
        self.out.push(']');
        Some(())
    }

    fn write(&mut self, value: impl std::fmt::Display) -> Option<()> {
        write!(self.out, "{value}").ok()
    }

    /// The length or count in front of a string, bytes or an array; none inside where it says null.
    fn length(&mut self, kind: &Kind) -> Option<Option<usize>> {
        if self.flexible {
            return Some(self.varint()?.checked_sub(1).map(|length| length as usize));
        }
        let length = if matches!(kind, Kind::String) {
            i32::from(i16::from_be_bytes(self.left.take()?))
        } else {
            i32::from_be_bytes(self.left.take()?)
        };
        Some(usize::try_from(length).ok())
    }

    fn varint(&mut self) -> Option<u32> {
        let mut value = 0;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.left.take()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
