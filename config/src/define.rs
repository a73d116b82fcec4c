//! What a setting is: its name, type, default, valid values, whether it may change while running, and
//! whether this broker acts on it. It never holds a value that somebody set; the tables in `broker` and
//! `topic` are made of it. Parsing and the texts of refusals are those of Kafka's `ConfigDef` (3.9).

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
    pub doc: &'static str,
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

/// Which values of its type a setting takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Valid {
    Any,
    AtLeast(i64),
    Between(f64, f64),
    /// A level of gzip: 1 to 9, or -1 for the library's own choice.
    GzipLevel,
    OneOf(&'static [&'static str]),
    OneOfAnyCase(&'static [&'static str]),
    /// Each element of a list is one of these.
    EachOf(&'static [&'static str]),
    NonEmpty,
    /// A version of the inter-broker protocol such as `3.9` or `3.9-IV0`.
    ProtocolVersion,
    /// `*`, or replicas as `partition:broker`.
    ThrottledReplicas,
}
