//! What can be wrong with a configuration, in words for the operator. Errors are collected, so that one
//! start shows all of them. `allowed` is worded as Kafka words it, because `alter` and CreateTopics put it
//! on the wire; the sentences around it are ours.

use std::fmt;

/// One setting whose value cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}={value}: {allowed}{}", self.rule.hint())]
pub struct ConfigError {
    pub key: String,
    /// As it was written; `null` where nothing was. Values of passwords are hidden before they get here.
    pub value: String,
    /// What is allowed instead.
    pub allowed: String,
    pub rule: Rule,
}

/// What was broken, which decides how Kafka words it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The setting's own type or range (`ConfigException`).
    Value,
    /// A condition that settings must meet together (`require` in `KafkaConfig`).
    Requirement,
    /// The same, in a sentence that names no key.
    Sentence,
    /// What a list of listeners must look like (`CoreUtils.listenerListToEndPoints`).
    Listeners,
    /// Whatever says it all by itself.
    Plain,
}

impl Rule {
    /// What an operator is told besides.
    fn hint(self) -> &'static str {
        match self {
            Rule::Listeners => "; what is wanted is a list of NAME://HOST:PORT",
            Rule::Value | Rule::Requirement | Rule::Sentence | Rule::Plain => "",
        }
    }
}

impl ConfigError {
    pub(crate) fn value(key: &str, value: &str, allowed: impl Into<String>) -> ConfigError {
        ConfigError {
            key: key.to_owned(),
            value: value.to_owned(),
            allowed: allowed.into(),
            rule: Rule::Value,
        }
    }

    /// The text that Kafka's exception has, as clients see it.
    pub fn wire_message(&self) -> String {
        match self.rule {
            Rule::Value => {
                format!("Invalid value {} for configuration {}: {}", self.value, self.key, self.allowed)
            }
            Rule::Requirement => format!("requirement failed: {} {}", self.key, self.allowed),
            Rule::Sentence => format!("requirement failed: {}", self.allowed),
            Rule::Listeners => {
                format!("Error creating broker listeners from '{}': {}", self.value, self.allowed)
            }
            Rule::Plain => self.allowed.clone(),
        }
    }
}

/// Everything that keeps a broker from starting. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl std::error::Error for ConfigErrors {}

/// One line per error.
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// A setting that this version accepts but does nothing about.
    NotActedOn { key: String, value: String },
    /// A key that Kafka 3.9 does not have.
    Unknown { key: String, nearest: Option<&'static str> },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::NotActedOn { key, value } => {
                write!(f, "{key}={value} has no effect: this version does not act on it yet")
            }
            Warning::Unknown { key, nearest: Some(nearest) } => {
                write!(f, "{key} is not a setting of Kafka 3.9; did you mean {nearest}?")
            }
            Warning::Unknown { key, nearest: None } => write!(f, "{key} is not a setting of Kafka 3.9"),
        }
    }
}
