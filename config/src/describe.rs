//! What DescribeConfigs tells about a topic, a broker and the default of all brokers: every setting with
//! its value, where the value comes from, and all the places it could have come from. It decides no error
//! codes and knows no wire format. Source: `ConfigHelper` (3.9).

use crate::define::Type;

/// One setting of a described topic or broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    /// None for null and for everything that is sensitive.
    pub value: Option<String>,
    pub source: Source,
    /// None where the setting is not known to us.
    pub kind: Option<Type>,
    pub sensitive: bool,
    pub read_only: bool,
    /// One sentence; none where the setting is not known to us.
    pub doc: Option<&'static str>,
    /// Where a value is set, the one in force first.
    pub synonyms: Vec<Synonym>,
}

/// A place where the value of a setting is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synonym {
    pub name: String,
    pub value: Option<String>,
    pub source: Source,
}

/// Where a value comes from, with DescribeConfigs' numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub enum Source {
    Topic = 1,
    DynamicBroker = 2,
    DynamicDefaultBroker = 3,
    StaticBroker = 4,
    Default = 5,
}
