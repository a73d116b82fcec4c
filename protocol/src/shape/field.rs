//! The words in which the tables of this folder are written: one call per field, in wire order.
//!
//! A field stands in every version of its message unless `since` or `until` says otherwise.

/// The fields of one message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// First version with compact lengths and tagged fields.
    pub(crate) flexible_since: i16,
    pub(crate) fields: &'static [Field],
}

/// One field. What is tagged stands in the tagged section, wherever it is listed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) since: i16,
    pub(crate) until: i16,
    /// First version in which it may be null.
    pub(crate) nullable_since: i16,
    pub(crate) tag: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    Float64,
    Uuid,
    String,
    Bytes,
    Group(&'static [Field]),
    Array(&'static Kind),
}

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, since: 0, until: i16::MAX, nullable_since: i16::MAX, tag: None }
}

pub(super) const fn bool(name: &'static str) -> Field {
    field(name, Kind::Bool)
}

pub(super) const fn int8(name: &'static str) -> Field {
    field(name, Kind::Int8)
}

pub(super) const fn int16(name: &'static str) -> Field {
    field(name, Kind::Int16)
}

pub(super) const fn int32(name: &'static str) -> Field {
    field(name, Kind::Int32)
}

pub(super) const fn int64(name: &'static str) -> Field {
    field(name, Kind::Int64)
}

pub(super) const fn float64(name: &'static str) -> Field {
    field(name, Kind::Float64)
}

pub(super) const fn uuid(name: &'static str) -> Field {
    field(name, Kind::Uuid)
}

pub(super) const fn string(name: &'static str) -> Field {
    field(name, Kind::String)
}

pub(super) const fn bytes(name: &'static str) -> Field {
    field(name, Kind::Bytes)
}

pub(super) const fn group(name: &'static str, fields: &'static [Field]) -> Field {
    field(name, Kind::Group(fields))
}

pub(super) const fn array(name: &'static str, element: &'static Kind) -> Field {
    field(name, Kind::Array(element))
}

impl Field {
    pub(super) const fn since(mut self, version: i16) -> Field {
        self.since = version;
        self
    }

    pub(super) const fn until(mut self, version: i16) -> Field {
        self.until = version;
        self
    }

    pub(super) const fn nullable(mut self) -> Field {
        self.nullable_since = 0;
        self
    }

    pub(super) const fn nullable_since(mut self, version: i16) -> Field {
        self.nullable_since = version;
        self
    }

    pub(super) const fn tagged(mut self, tag: u32) -> Field {
        self.tag = Some(tag);
        self
    }

    pub(crate) const fn exists(&self, version: i16) -> bool {
        self.since <= version && version <= self.until
    }

    pub(crate) const fn may_be_null(&self, version: i16) -> bool {
        version >= self.nullable_since
    }
}
