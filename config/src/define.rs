//! What a setting is: its name, type, default, valid values, whether it may change while running, and
//! whether this broker acts on it. It never holds a value that somebody set; the tables in `broker` and
//! `topic` are made of it. Parsing and the texts of refusals are those of Kafka's `ConfigDef` (3.9).

use std::fmt;

use crate::error::ConfigError;

mod valid;
mod value;

pub use valid::Valid;
pub use value::Value;
pub(crate) use value::number;

/// One key of Kafka 3.9.1, as its own `ConfigDef` has it, and what we do about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setting {
    pub name: &'static str,
    pub kind: Type,
    /// As it would stand in a properties file; none is Kafka's null.
    pub default: Option<&'static str>,
    pub valid: Valid,
    pub importance: Importance,
    pub mode: Mode,
    pub served: Served,
    pub visibility: Visibility,
    doc: &'static str,
}

/// The type of a value, with the numbers and names that DescribeConfigs and Kafka's messages give them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Boolean,
    String,
    Int,
    Short,
    Long,
    Double,
    List,
    Class,
    Password,
}

/// How much Kafka's documentation makes of a setting; nothing depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Importance {
    High,
    Medium,
    Low,
}

/// Whether and where a broker setting may be changed while the broker runs (`DynamicBrokerConfig`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    ReadOnly,
    PerBroker,
    ClusterWide,
}

/// Internal settings are left out of descriptions unless the operator set them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    Public,
    Internal,
}

/// What this broker does about a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// It has its effect.
    Acted,
    /// It is accepted and checked, and one warning names it when it is set to something else than its default.
    NotYet,
    /// Set to something else than its default it keeps the broker from starting, because ignoring it would
    /// change who may do what or what is kept. The text says what is allowed.
    Refused(&'static str),
}

impl Setting {
    pub(crate) const fn new(name: &'static str, kind: Type, valid: Valid, doc: &'static str) -> Setting {
        Setting {
            name,
            kind,
            default: None,
            valid,
            importance: Importance::Low,
            mode: Mode::ReadOnly,
            served: Served::NotYet,
            visibility: Visibility::Public,
            doc,
        }
    }

    pub(crate) const fn with(mut self, default: Option<&'static str>, importance: Importance) -> Setting {
        self.default = default;
        self.importance = importance;
        self
    }

    pub(crate) const fn acted(mut self) -> Setting {
        self.served = Served::Acted;
        self
    }

    pub(crate) const fn refused(mut self, reason: &'static str) -> Setting {
        self.served = Served::Refused(reason);
        self
    }

    pub(crate) const fn per_broker(mut self) -> Setting {
        self.mode = Mode::PerBroker;
        self
    }

    pub(crate) const fn cluster_wide(mut self) -> Setting {
        self.mode = Mode::ClusterWide;
        self
    }

    pub(crate) const fn internal(mut self) -> Setting {
        self.visibility = Visibility::Internal;
        self
    }

    /// One sentence for people who look a setting up.
    pub fn doc(&self) -> &'static str {
        self.doc.trim()
    }

    /// Whether its value is never shown.
    pub fn sensitive(&self) -> bool {
        self.kind == Type::Password
    }

    /// The value without anybody setting one; none is Kafka's null.
    pub fn default_value(&self) -> Option<Value> {
        // A test parses every default.
        self.default.and_then(|text| Value::parse(self.kind, text).ok())
    }

    /// Reads and checks a value as it stands in a file, a znode or a request.
    pub fn parse(&self, text: &str) -> Result<Value, ConfigError> {
        let value = Value::parse(self.kind, text).map_err(|allowed| self.refuse(text, allowed))?;
        match self.valid.check(self.name, &value) {
            Ok(()) => Ok(value),
            Err(problem) => Err(self.refuse(&problem.value, problem.allowed)),
        }
    }

    fn refuse(&self, value: &str, allowed: String) -> ConfigError {
        ConfigError::value(self.name, if self.sensitive() { HIDDEN } else { value }, allowed)
    }
}

/// What stands in messages where a password would.
pub(crate) const HIDDEN: &str = "[hidden]";

impl Type {
    /// The number DescribeConfigs has for it.
    pub fn code(self) -> i8 {
        match self {
            Type::Boolean => 1,
            Type::String => 2,
            Type::Int => 3,
            Type::Short => 4,
            Type::Long => 5,
            Type::Double => 6,
            Type::List => 7,
            Type::Class => 8,
            Type::Password => 9,
        }
    }
}

/// Kafka's name of the type, as its messages have it.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::Boolean => "BOOLEAN",
            Type::String => "STRING",
            Type::Int => "INT",
            Type::Short => "SHORT",
            Type::Long => "LONG",
            Type::Double => "DOUBLE",
            Type::List => "LIST",
            Type::Class => "CLASS",
            Type::Password => "PASSWORD",
        })
    }
}

/// A table of settings, one entry each:
/// `/// sentence` `"name": Type = "default" or null, Valid, Importance [attributes] refused "reason";`
macro_rules! settings {
    ($(#[doc = $doc:literal] $name:literal: $kind:ident = $default:tt, $valid:expr, $importance:ident
        $([$($attribute:ident),*])? $(refused $reason:literal)?;)*) => {{
        #[allow(unused_imports)]
        use $crate::define::Valid::*;
        &[$($crate::define::Setting::new($name, $crate::define::Type::$kind, $valid, $doc)
            .with($crate::define::settings!(@default $default), $crate::define::Importance::$importance)
            $($(.$attribute())*)? $(.refused($reason))?),*]
    }};
    (@default null) => { None };
    (@default $text:literal) => { Some($text) };
}
pub(crate) use settings;
