//! The one walker over all shapes. It is at least as strict as kafka-protocol's decoder, so that what passes here
//! decodes from exactly the bytes that were checked, but for text that is not UTF-8.

use super::field::{Field, Kind, Shape};
use super::{ELEMENTS_MAX, Fault, ShapeError, TAG_NODE_SPAN, TAG_NODES_MIN, TAGS_PER_NODE};

/// Checks the body of a message and returns how many bytes it takes. Bytes after it are allowed, as in Kafka.
pub(crate) fn walk(shape: &Shape, version: i16, body: &[u8]) -> Result<usize, ShapeError> {
    let mut walker = Walker::new(body, version);
    walker.flexible = version >= shape.flexible_since;
    walker.group(shape.fields)?;
    Ok(walker.at)
}

/// Where in the body of a message its own field `name` begins; none where the version does not have it, or the body does not get so far.
pub(crate) fn position_of(shape: &Shape, version: i16, name: &str, body: &[u8]) -> Option<usize> {
    let mut walker = Walker::new(body, version);
    walker.flexible = version >= shape.flexible_since;
    for field in shape.fields.iter().filter(|field| field.tag.is_none() && field.exists(version)) {
        if field.name == name {
            return Some(walker.at);
        }
        walker.field(field).ok()?;
    }
    None
}

/// The size of a section of tagged fields of which none is known, such as a header's.
pub(crate) fn skip_tags(section: &[u8]) -> Result<usize, ShapeError> {
    let mut walker = Walker::new(section, 0);
    walker.tags(&[])?;
    Ok(walker.at)
}

struct Walker<'a> {
    body: &'a [u8],
    at: usize,
    version: i16,
    flexible: bool,
    /// Structs and strings in arrays that may still come.
    elements: usize,
    /// Nodes of the maps in which tagged fields that nobody knows are kept, as many as may still come.
    tag_nodes: usize,
}

impl<'a> Walker<'a> {
    fn new(body: &'a [u8], version: i16) -> Walker<'a> {
        let tag_nodes = TAG_NODES_MIN + body.len() / TAG_NODE_SPAN;
        Walker { body, at: 0, version, flexible: true, elements: ELEMENTS_MAX, tag_nodes }
    }

    fn group(&mut self, fields: &[Field]) -> Result<(), ShapeError> {
        for field in fields {
            if field.tag.is_none() && field.exists(self.version) {
                self.field(field)?;
            }
        }
        if self.flexible { self.tags(fields) } else { Ok(()) }
    }

    fn field(&mut self, field: &Field) -> Result<(), ShapeError> {
        let start = self.at;
        let null = self.value(field.name, &field.kind)? == Value::Null;
        if null && !field.may_be_null(self.version) {
            return Err(ShapeError { field: field.name, position: start, fault: Fault::Null });
        }
        Ok(())
    }

    fn value(&mut self, name: &'static str, kind: &Kind) -> Result<Value, ShapeError> {
        match kind {
            Kind::Bool | Kind::Int8 => self.skip(name, 1)?,
            Kind::Int16 => self.skip(name, 2)?,
            Kind::Int32 => self.skip(name, 4)?,
            Kind::Int64 | Kind::Float64 => self.skip(name, 8)?,
            Kind::Uuid => self.skip(name, 16)?,
            Kind::Group(fields) => self.group(fields)?,
            Kind::String | Kind::Bytes => {
                let Some(length) = self.length(name, kind)? else { return Ok(Value::Null) };
                self.skip_announced(name, length)?;
            }
            Kind::Array(element) => {
                let Some(count) = self.length(name, kind)? else { return Ok(Value::Null) };
                self.elements(name, element, count)?;
            }
        }
        Ok(Value::Present)
    }

    fn elements(&mut self, name: &'static str, element: &Kind, count: u64) -> Result<(), ShapeError> {
        let extent = self.extent(element);
        let count = usize::try_from(count)
            .ok()
            .filter(|count| *count <= self.left() / extent.min.max(1))
            .ok_or_else(|| self.error(name, Fault::Announced { count, left: self.left() }))?;
        if matches!(element, Kind::Group(_) | Kind::String) {
            self.charge(name, count)?;
        }
        if extent.exact {
            return self.skip(name, count * extent.min);
        }
        for _ in 0..count {
            if self.value(name, element)? == Value::Null {
                return Err(self.error(name, Fault::Null));
            }
        }
        Ok(())
    }

    fn tags(&mut self, fields: &[Field]) -> Result<(), ShapeError> {
        let count = self.varint(TAGS)?;
        // A tagged field takes two bytes at least: its tag and its size.
        if u64::from(count) > self.left() as u64 / 2 {
            return Err(self.error(TAGS, Fault::Announced { count: count.into(), left: self.left() }));
        }
        self.charge(TAGS, count as usize)?;
        let nodes = (count as usize).div_ceil(TAGS_PER_NODE);
        let left = self.tag_nodes.checked_sub(nodes);
        self.tag_nodes = left.ok_or_else(|| self.error(TAGS, Fault::TooManyElements))?;
        for _ in 0..count {
            self.tag(fields)?;
        }
        Ok(())
    }

    fn tag(&mut self, fields: &[Field]) -> Result<(), ShapeError> {
        let tag = self.varint(TAGS)?;
        let stated = self.varint(TAGS)?.into();
        let start = self.at;
        let known = fields.iter().find(|field| field.tag == Some(tag) && field.exists(self.version));
        let Some(field) = known else {
            return self.skip_announced(TAGS, stated);
        };
        if stated > self.left() as u64 {
            return Err(self.error(field.name, Fault::Announced { count: stated, left: self.left() }));
        }
        self.field(field)?;
        let (stated, used) = (stated as usize, self.at - start);
        if stated == used {
            return Ok(());
        }
        Err(ShapeError { field: field.name, position: start, fault: Fault::TagSize { stated, used } })
    }

    /// The length or count in front of a string, bytes or an array; none if it says null.
    fn length(&mut self, name: &'static str, kind: &Kind) -> Result<Option<u64>, ShapeError> {
        if self.flexible {
            return Ok(self.varint(name)?.checked_sub(1).map(u64::from));
        }
        let length = if matches!(kind, Kind::String) {
            i16::from_be_bytes(self.take(name)?).into()
        } else {
            i32::from_be_bytes(self.take(name)?)
        };
        match u64::try_from(length) {
            Ok(length) => Ok(Some(length)),
            Err(_) if length == -1 => Ok(None),
            Err(_) => Err(self.error(name, Fault::Negative(length))),
        }
    }

    fn varint(&mut self, name: &'static str) -> Result<u32, ShapeError> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.take(name)?;
            let bits = u32::from(byte & 0x7f);
            if shift == 28 && bits > 0x0f {
                return Err(self.error(name, Fault::Varint));
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.error(name, Fault::Varint))
    }

    fn take<const N: usize>(&mut self, name: &'static str) -> Result<[u8; N], ShapeError> {
        let Some(bytes) = self.body[self.at..].first_chunk::<N>() else {
            return Err(self.error(name, Fault::CutShort));
        };
        self.at += N;
        Ok(*bytes)
    }

    fn skip(&mut self, name: &'static str, size: usize) -> Result<(), ShapeError> {
        if size > self.left() {
            return Err(self.error(name, Fault::CutShort));
        }
        self.at += size;
        Ok(())
    }

    fn skip_announced(&mut self, name: &'static str, count: u64) -> Result<(), ShapeError> {
        let left = self.left();
        if count > left as u64 {
            return Err(self.error(name, Fault::Announced { count, left }));
        }
        self.at += count as usize;
        Ok(())
    }

    fn charge(&mut self, name: &'static str, count: usize) -> Result<(), ShapeError> {
        let left = self.elements.checked_sub(count);
        self.elements = left.ok_or_else(|| self.error(name, Fault::TooManyElements))?;
        Ok(())
    }

    /// The least that a value takes on the wire, and whether it always takes just that.
    fn extent(&self, kind: &Kind) -> Extent {
        match kind {
            Kind::Bool | Kind::Int8 => Extent { min: 1, exact: true },
            Kind::Int16 => Extent { min: 2, exact: true },
            Kind::Int32 => Extent { min: 4, exact: true },
            Kind::Int64 | Kind::Float64 => Extent { min: 8, exact: true },
            Kind::Uuid => Extent { min: 16, exact: true },
            Kind::String if !self.flexible => Extent { min: 2, exact: false },
            Kind::Bytes | Kind::Array(_) if !self.flexible => Extent { min: 4, exact: false },
            Kind::String | Kind::Bytes | Kind::Array(_) => Extent { min: 1, exact: false },
            Kind::Group(fields) => {
                let present = fields.iter().filter(|field| field.tag.is_none() && field.exists(self.version));
                let tags = Extent { min: self.flexible.into(), exact: !self.flexible };
                present.fold(tags, |sum, field| {
                    let one = self.extent(&field.kind);
                    Extent { min: sum.min + one.min, exact: sum.exact && one.exact }
                })
            }
        }
    }

    fn left(&self) -> usize {
        self.body.len() - self.at
    }

    fn error(&self, field: &'static str, fault: Fault) -> ShapeError {
        ShapeError { field, position: self.at, fault }
    }
}

/// What errors in a section of tagged fields name.
const TAGS: &str = "tagged_fields";

#[derive(PartialEq, Eq)]
enum Value {
    Null,
    Present,
}

struct Extent {
    min: usize,
    exact: bool,
}
