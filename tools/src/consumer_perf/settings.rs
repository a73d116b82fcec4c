//! The command line of the tool, and the consumer it asks for.
//!
//! Source: ConsumerPerformance.ConsumerPerfOptions of 3.9.

use std::time::Duration;

use config::properties::Properties;
use rdkafka::Offset;
use rdkafka::config::ClientConfig;

use super::date::DateFormat;
use crate::failure::Failure;
use crate::java_properties::merged;
use crate::librdkafka;
use crate::options::{Grammar, Options, Spec, flag, with, with_optional};

static SPECS: &[Spec] = &[
    with("bootstrap-server", "host:port,…", "REQUIRED: brokers to connect to."),
    with("broker-list", "host:port,…", "The old name of --bootstrap-server."),
    with("topic", "topic", "REQUIRED: the topic to read."),
    with("messages", "count", "REQUIRED: end after so many records."),
    with("fetch-size", "bytes", "The most to fetch of a partition at once (default 1048576)."),
    with("socket-buffer-size", "bytes", "The socket's receive buffer (default 2097152)."),
    flag("from-latest", "Begin with the next record to be written instead of the first."),
    with_optional("timeout", "ms", "End when no record came for so long (default 10000)."),
    flag("show-detailed-stats", "Print a line per interval instead of one at the end."),
    with("reporting-interval", "ms", "The interval (default 5000)."),
    with(
        "date-format",
        "pattern",
        "How times are printed, in Java's letters (default yyyy-MM-dd HH:mm:ss:SSS).",
    ),
    flag("hide-header", "Print no header."),
    flag("print-metrics", "Print the client's metrics at the end."),
    with("consumer.config", "file", "Properties of the consumer."),
    with("threads", "count", "Ignored, as in Kafka."),
    with("num-fetch-threads", "count", "Ignored, as in Kafka."),
    with("group", "group", "Refused: this version has no consumer groups."),
];

static GRAMMAR: Grammar = Grammar { specs: SPECS };

/// What the command line asks for.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) topic: String,
    pub(super) messages: u64,
    pub(super) start: Offset,
    pub(super) timeout: Duration,
    /// The interval of lines, if there is to be more than one.
    pub(super) detailed: Option<Duration>,
    pub(super) date_format: DateFormat,
    pub(super) has_header: bool,
    pub(super) ignores_threads: bool,
    pub(super) prints_metrics: bool,
    pub(super) client_id: String,
    pub(super) consumer: ClientConfig,
}

impl Settings {
    pub(super) fn read(args: &[String]) -> Result<Settings, Failure> {
        let options = GRAMMAR.read_any(args, "This tool is used to verify the consumer performance.")?;
        let bootstrap = GRAMMAR.bootstrap(&options)?;
        let topic = GRAMMAR.required(&options, "topic")?.to_owned();
        GRAMMAR.required(&options, "messages")?;
        if let Some(group) = options.text("group")? {
            return Err(librdkafka::groups_refused(group));
        }
        let properties = consumer_properties(&options, bootstrap)?;
        let interval = options.number("reporting-interval")?.unwrap_or(5000);
        if interval == 0 {
            return Err(Failure::Sentence("Reporting interval must be greater than 0.".to_owned()));
        }
        let pattern = options.text("date-format")?.unwrap_or("yyyy-MM-dd HH:mm:ss:SSS");
        Ok(Settings {
            topic,
            messages: options.number("messages")?.unwrap_or(0),
            start: if options.has("from-latest") { Offset::End } else { Offset::Beginning },
            timeout: Duration::from_millis(options.number("timeout")?.unwrap_or(10_000)),
            detailed: options.has("show-detailed-stats").then(|| Duration::from_millis(interval)),
            date_format: DateFormat::new(pattern).map_err(Failure::Sentence)?,
            has_header: !options.has("hide-header"),
            ignores_threads: options.has("threads") || options.has("num-fetch-threads"),
            prints_metrics: options.has("print-metrics"),
            client_id: properties.get("client.id").unwrap_or_default().to_owned(),
            consumer: librdkafka::consumer(&properties)?,
        })
    }
}

fn consumer_properties(options: &Options, bootstrap: &str) -> Result<Properties, Failure> {
    let mut properties = merged(options.text("consumer.config")?, &[])?;
    let number = |name, default: u32| options.number(name).map(|given| given.unwrap_or(default).to_string());
    properties.set("bootstrap.servers", bootstrap);
    properties.set("receive.buffer.bytes", &number("socket-buffer-size", 2 << 20)?);
    properties.set("max.partition.fetch.bytes", &number("fetch-size", 1 << 20)?);
    properties.set("auto.offset.reset", if options.has("from-latest") { "latest" } else { "earliest" });
    properties.set("check.crcs", "false");
    if properties.get("client.id").is_none() {
        properties.set("client.id", "perf-consumer-client");
    }
    Ok(properties)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{refusal, words};

    fn read(line: &str) -> Result<Settings, Failure> {
        Settings::read(&words(line))
    }

    #[test]
    fn reads_its_options() {
        let settings = read("--broker-list a:1 --topic t --messages 3 --timeout --fetch-size 77").unwrap();
        assert_eq!(settings.timeout, Duration::from_secs(10));
        assert_eq!(settings.consumer.get("max.partition.fetch.bytes"), Some("77"));
        assert!(settings.detailed.is_none() && settings.has_header && settings.start == Offset::Beginning);
        let detailed =
            read("--broker-list a:1 --topic t --messages 3 --show-detailed-stats --threads 2").unwrap();
        assert!(detailed.detailed == Some(Duration::from_secs(5)) && detailed.ignores_threads);
    }

    /// Recorded from Kafka 3.9.1.
    #[test]
    fn words_faults_as_kafka_does() {
        let refused = |line| refusal(read(line));
        assert_eq!(refused("--bootstrap-server a:1 --topic t"), "Missing required argument \"[messages]\"");
        assert_eq!(refused("--topic t --messages 3"), "Missing required option(s) [bootstrap-server]");
        assert_eq!(
            refused("--bootstrap-server a:1 --topic t --messages 3 --reporting-interval x"),
            "Cannot parse argument 'x' of option reporting-interval"
        );
    }
}
