//! librdkafka told what Java's properties say, with the defaults of Java's clients where they matter.
//!
//! Owns the translation of names and what the library logs. A property without a counterpart is warned about by
//! name, never dropped in silence. Called by the tools that send or read records.

mod consuming;
mod names;

use std::time::Duration;

use config::properties::Properties;
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;

use crate::failure::Failure;
use crate::java_properties::require_plaintext;
pub(crate) use consuming::{Assignment, From};
use names::{Counterpart, Role};

/// `buffer.memory` of Java's producer, in bytes.
const BUFFER_MEMORY_DEFAULT: &str = "33554432";
/// `max.block.ms` of Java's producer.
const MAX_BLOCK_DEFAULT: Duration = Duration::from_secs(60);

/// Kafka's names for values that librdkafka would refuse in its own words.
const CHOICES: [(&str, &[&str]); 3] = [
    ("acks", &["all", "-1", "0", "1"]),
    ("compression.type", &["none", "gzip", "snappy", "lz4", "zstd"]),
    ("isolation.level", &["read_committed", "read_uncommitted"]),
];

/// A producer's settings.
#[derive(Debug)]
pub(crate) struct ProducerSettings {
    pub(crate) config: ClientConfig,
    /// How long a send may wait for room (`max.block.ms`).
    pub(crate) max_block: Duration,
}

/// Settings of a producer whose records go where Java's would: murmur2 over the key, and idempotent unless the
/// properties rule it out, as since Kafka 3.0.
pub(crate) fn producer(properties: &Properties) -> Result<ProducerSettings, Failure> {
    refuse_transactions(properties)?;
    let mut config = translated(properties, Role::Producer)?;
    config.set("partitioner", "murmur2_random");
    // The buffer is bounded by its bytes, as in Java; without this 100,000 small records would fill it.
    config.set("queue.buffering.max.messages", "0");
    if properties.get("buffer.memory").is_none() {
        config.set("queue.buffering.max.kbytes", kilobytes(BUFFER_MEMORY_DEFAULT)?);
    }
    if properties.get("enable.idempotence").is_none() {
        config.set("enable.idempotence", if allows_idempotence(properties) { "true" } else { "false" });
    }
    let max_block = match properties.get("max.block.ms") {
        Some(given) => Duration::from_millis(number("max.block.ms", given)?),
        None => MAX_BLOCK_DEFAULT,
    };
    Ok(ProducerSettings { config, max_block })
}

/// Settings of a consumer that is told its partitions: the group is a name that librdkafka wants and nobody joins.
pub(crate) fn consumer(properties: &Properties) -> Result<ClientConfig, Failure> {
    if let Some(group) = properties.get("group.id") {
        return Err(groups_refused(group));
    }
    let mut config = translated(properties, Role::Consumer)?;
    for (name, value) in [
        ("group.id", "ottla-assigned"),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        // When its queue is full librdkafka would rest for a second.
        ("fetch.queue.backoff.ms", "10"),
    ] {
        config.set(name, value);
    }
    for (java, default) in [("isolation.level", "read_uncommitted"), ("allow.auto.create.topics", "true")] {
        if properties.get(java).is_none() {
            config.set(java, default);
        }
    }
    Ok(config)
}

/// What is said to whoever wants a consumer group.
pub(crate) fn groups_refused(group: &str) -> Failure {
    Failure::Sentence(format!(
        "group {group}: this version has no consumer groups; without a group the tool reads all partitions itself"
    ))
}

fn refuse_transactions(properties: &Properties) -> Result<(), Failure> {
    match properties.get("transactional.id") {
        None => Ok(()),
        Some(id) => {
            Err(Failure::Sentence(format!("transactional.id={id}: this version has no transactions")))
        }
    }
}

fn translated(properties: &Properties, role: Role) -> Result<ClientConfig, Failure> {
    let mut config = ClientConfig::new();
    config.set("enable.metrics.push", "false").set("log.connection.close", "false");
    config.set_log_level(RDKafkaLogLevel::Warning);
    for (name, value) in properties.map() {
        check_choice(name, value)?;
        match names::counterpart(name, role) {
            Some(Counterpart::Same) => drop(config.set(name, value)),
            Some(Counterpart::Named(here)) => drop(config.set(here, value)),
            Some(Counterpart::Kilobytes(here)) => drop(config.set(here, kilobytes(value)?)),
            Some(Counterpart::SystemDefault(here)) => {
                config.set(here, if value == "-1" { "0" } else { value });
            }
            Some(Counterpart::Plaintext) => require_plaintext(value)?,
            Some(Counterpart::Ours | Counterpart::Meaningless) => {}
            None => tracing::warn!("the setting {name} has no effect: this {role} has none of that name"),
        }
    }
    Ok(config)
}

fn check_choice(name: &str, value: &str) -> Result<(), Failure> {
    match CHOICES.iter().find(|(choice, _)| *choice == name) {
        Some((_, allowed)) if !allowed.contains(&value) => Err(Failure::Sentence(format!(
            "Invalid value {value} for configuration {name}: String must be one of: {}",
            allowed.join(", ")
        ))),
        Some(_) | None => Ok(()),
    }
}

/// Java's producer gives idempotence up in silence where the user asked for what it cannot be had with.
fn allows_idempotence(properties: &Properties) -> bool {
    let in_flight =
        properties.get("max.in.flight.requests.per.connection").and_then(|given| given.parse().ok());
    properties.get("acks").is_none_or(|acks| matches!(acks, "all" | "-1"))
        && properties.get("retries") != Some("0")
        && in_flight.is_none_or(|in_flight: i64| in_flight <= 5)
}

fn kilobytes(bytes: &str) -> Result<String, Failure> {
    number("buffer.memory", bytes).map(|bytes| (bytes / 1024).max(1).to_string())
}

fn number(name: &str, value: &str) -> Result<u64, Failure> {
    let invalid = |_| {
        Failure::Sentence(format!(
            "Invalid value {value} for configuration {name}: Not a number of type LONG"
        ))
    };
    value.trim().parse().map_err(invalid)
}

/// The library's log lines and errors, on standard error.
#[derive(Debug, Default)]
pub(crate) struct Log;

impl ClientContext for Log {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        report(&error, reason);
    }
}

/// One line of the library's log.
pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => tracing::error!("{facility}: {message}"),
        RDKafkaLogLevel::Warning => tracing::warn!("{facility}: {message}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
            tracing::debug!("{facility}: {message}");
        }
    }
}

/// An error of the library that belongs to no record.
pub(crate) fn report(error: &KafkaError, reason: &str) {
    tracing::error!("{error}: {reason}");
}

/// A library error as the end of a tool.
pub(crate) fn failed(error: &KafkaError) -> Failure {
    if let KafkaError::ClientConfig(_, description, name, value) = error {
        return Failure::Sentence(format!("Invalid value {value} for configuration {name}: {description}"));
    }
    Failure::Sentence(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(pairs: &[(&str, &str)]) -> Properties {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn produced(pairs: &[(&str, &str)], name: &str) -> Option<String> {
        producer(&properties(pairs)).unwrap().config.get(name).map(str::to_owned)
    }

    #[test]
    fn java_names_reach_the_library() {
        assert_eq!(produced(&[("linger.ms", "7")], "linger.ms").as_deref(), Some("7"));
        assert_eq!(produced(&[("max.request.size", "9000")], "message.max.bytes").as_deref(), Some("9000"));
        assert_eq!(
            produced(&[("buffer.memory", "1048576")], "queue.buffering.max.kbytes").as_deref(),
            Some("1024")
        );
        assert_eq!(produced(&[], "queue.buffering.max.kbytes").as_deref(), Some("32768"));
        assert_eq!(
            produced(&[("send.buffer.bytes", "-1")], "socket.send.buffer.bytes").as_deref(),
            Some("0")
        );
        assert_eq!(produced(&[("nothing.known", "1")], "nothing.known"), None);
        let consumer = consumer(&properties(&[("fetch.max.wait.ms", "9")])).unwrap();
        assert_eq!(consumer.get("fetch.wait.max.ms"), Some("9"));
        assert_eq!(consumer.get("isolation.level"), Some("read_uncommitted"));
    }

    #[test]
    fn producers_are_idempotent_unless_it_is_ruled_out() {
        let idempotent = |pairs: &[(&str, &str)]| produced(pairs, "enable.idempotence").unwrap();
        assert_eq!(idempotent(&[]), "true");
        assert_eq!(idempotent(&[("acks", "-1"), ("retries", "3")]), "true");
        for pair in [("acks", "1"), ("retries", "0"), ("max.in.flight.requests.per.connection", "6")] {
            assert_eq!(idempotent(&[pair]), "false", "{pair:?}");
        }
        assert_eq!(idempotent(&[("enable.idempotence", "false")]), "false");
        assert_eq!(produced(&[], "partitioner").as_deref(), Some("murmur2_random"));
    }

    /// The first was recorded from Kafka 3.9.1.
    #[test]
    fn refuses_what_would_mean_something_else() {
        let refused = |name, value| match producer(&properties(&[(name, value)])) {
            Err(Failure::Sentence(sentence)) => sentence,
            other => panic!("{name}={value}: {other:?}"),
        };
        assert_eq!(
            refused("acks", "7"),
            "Invalid value 7 for configuration acks: String must be one of: all, -1, 0, 1"
        );
        assert!(refused("transactional.id", "t").contains("no transactions"));
        assert!(refused("security.protocol", "SSL").contains("PLAINTEXT only"));
        assert!(consumer(&properties(&[("group.id", "g")])).is_err());
    }
}
