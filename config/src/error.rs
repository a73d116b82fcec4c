//! What can be wrong with a configuration, in words for the operator. Errors are collected, so that one
//! start shows all of them. `allowed` is worded as Kafka words it, because `alter` and CreateTopics put it
//! on the wire; the sentences around it are ours.

use std::fmt;

/// One setting whose value cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}={value}: {allowed}")]
pub struct ConfigError {
    pub key: String,
    /// As it was written; `null` where nothing was. Values of passwords are hidden before they get here.
    pub value: String,
    /// What is allowed instead.
    pub allowed: String,
}

impl ConfigError {
    pub fn new(key: &str, value: impl Into<String>, allowed: impl Into<String>) -> ConfigError {
        ConfigError { key: key.to_owned(), value: value.into(), allowed: allowed.into() }
    }

    /// The text that Kafka's `ConfigException` has, as clients see it.
    pub fn wire_message(&self) -> String {
        format!("Invalid value {} for configuration {}: {}", self.value, self.key, self.allowed)
    }
}

/// Everything that keeps a broker from starting, in the order of the keys. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl std::error::Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

/// One sentence for the log at start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    #[error("{key} is set to {value} but is not acted on by this version")]
    NotActedOn { key: String, value: String },
    #[error("{key} is not a setting of Kafka 3.9{}", nearest.as_ref().map(|n| format!("; did you mean {n}?")).unwrap_or_default())]
    Unknown { key: String, nearest: Option<String> },
}
