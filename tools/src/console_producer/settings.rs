//! The command line of the tool, and the producer it asks for.
//!
//! An option on the command line wins over a property, a property over the option's default, as in Kafka
//! (maybeMergeOptions). Source: ConsoleProducer.ProducerConfig.

use config::properties::Properties;

use super::line::LineFormat;
use crate::failure::Failure;
use crate::java_properties::merged;
use crate::librdkafka::{self, ProducerSettings};
use crate::options::{Grammar, Options, Spec, flag, with, with_optional};

static SPECS: &[Spec] = &[
    with("topic", "topic", "REQUIRED: where the records go."),
    with("bootstrap-server", "host:port,…", "REQUIRED: brokers to connect to."),
    with("broker-list", "host:port,…", "The old name of --bootstrap-server."),
    flag("sync", "Send one record after the other, each when the last is acknowledged."),
    with_optional("compression-codec", "codec", "none, gzip, snappy, lz4 or zstd; gzip if none is named."),
    with("batch-size", "bytes", "batch.size of the producer (default 16384)."),
    with("message-send-max-retries", "count", "retries of the producer (default 3)."),
    with("retry-backoff-ms", "ms", "retry.backoff.ms of the producer (default 100)."),
    with("timeout", "ms", "linger.ms of the producer (default 1000)."),
    with("request-required-acks", "acks", "acks of the producer (default -1)."),
    with("request-timeout-ms", "ms", "request.timeout.ms of the producer (default 1500)."),
    with("metadata-expiry-ms", "ms", "metadata.max.age.ms of the producer (default 300000)."),
    with("max-block-ms", "ms", "max.block.ms of the producer (default 60000)."),
    with("max-memory-bytes", "bytes", "buffer.memory of the producer (default 33554432)."),
    with("max-partition-memory-bytes", "bytes", "batch.size of the producer, before --batch-size."),
    with("socket-buffer-size", "bytes", "send.buffer.bytes of the producer (default 102400)."),
    with("line-reader", "class", "Only Kafka's LineMessageReader, which is the default."),
    with(
        "property",
        "name=value",
        "How lines are read: parse.key, parse.headers, ignore.error, key.separator, headers.delimiter, \
         headers.separator, headers.key.separator, null.marker; may be repeated.",
    ),
    with("reader-config", "file", "Properties of the line reader; --property wins over it."),
    with("producer-property", "name=value", "A property of the producer; may be repeated."),
    with("producer.config", "file", "Properties of the producer; --producer-property wins over it."),
];

static GRAMMAR: Grammar = Grammar { specs: SPECS };

/// Options that set a property: option, property, default.
const MERGED: &[(&str, &str, &str)] = &[
    ("timeout", "linger.ms", "1000"),
    ("request-required-acks", "acks", "-1"),
    ("request-timeout-ms", "request.timeout.ms", "1500"),
    ("message-send-max-retries", "retries", "3"),
    ("retry-backoff-ms", "retry.backoff.ms", "100"),
    ("socket-buffer-size", "send.buffer.bytes", "102400"),
    ("max-memory-bytes", "buffer.memory", "33554432"),
    ("batch-size", "batch.size", "16384"),
    ("max-partition-memory-bytes", "batch.size", "16384"),
    ("metadata-expiry-ms", "metadata.max.age.ms", "300000"),
    ("max-block-ms", "max.block.ms", "60000"),
];

const READER: &str = "LineMessageReader";

/// How records follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Batched,
    /// Each is acknowledged before the next is sent.
    OneByOne,
}

/// What the command line asks for.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) topic: String,
    pub(super) mode: Mode,
    pub(super) format: LineFormat,
    pub(super) producer: ProducerSettings,
}

impl Settings {
    pub(super) fn read(args: &[String]) -> Result<Settings, Failure> {
        let about = "This tool helps to read data from standard input and publish it to Kafka.";
        let options = GRAMMAR.read_any(args, about)?;
        if !options.has("bootstrap-server") && !options.has("broker-list") {
            return Err(GRAMMAR.usage("Missing required option(s) [bootstrap-server]"));
        }
        let topic = GRAMMAR.required(&options, "topic")?.to_owned();
        let properties = producer_properties(&options, GRAMMAR.bootstrap(&options)?)?;
        check_reader(options.text("line-reader")?)?;
        let reader = merged(options.text("reader-config")?, options.all("property"))?;
        let format = LineFormat::read(&reader).map_err(|error| Failure::Sentence(error.to_string()))?;
        let mode = if options.has("sync") { Mode::OneByOne } else { Mode::Batched };
        Ok(Settings { topic, mode, format, producer: librdkafka::producer(&properties)? })
    }
}

fn producer_properties(options: &Options, bootstrap: &str) -> Result<Properties, Failure> {
    let mut properties = merged(options.text("producer.config")?, options.all("producer-property"))?;
    properties.set("bootstrap.servers", bootstrap);
    properties.set("compression.type", compression(options)?);
    if properties.get("client.id").is_none() {
        properties.set("client.id", "console-producer");
    }
    for (option, property, default) in MERGED {
        let given = match *option == "request-required-acks" {
            true => options.text(option)?.map(str::to_owned),
            false => options.number::<i64>(option)?.map(|number| number.to_string()),
        };
        match given {
            Some(value) => properties.set(property, &value),
            None if properties.get(property).is_none() => properties.set(property, default),
            None => {}
        }
    }
    Ok(properties)
}

fn compression(options: &Options) -> Result<&str, Failure> {
    Ok(match options.text("compression-codec")? {
        Some(codec) => codec,
        None if options.has("compression-codec") => "gzip",
        None => "none",
    })
}

fn check_reader(class: Option<&str>) -> Result<(), Failure> {
    match class {
        Some(class) if !class.ends_with(READER) => Err(Failure::Sentence(format!(
            "--line-reader {class}: classes cannot be loaded here, the only reader is kafka.tools.ConsoleProducer${READER}"
        ))),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{refusal, words};

    fn read(line: &str) -> Result<Settings, Failure> {
        Settings::read(&words(line))
    }

    fn property(words: &str, name: &str) -> Option<String> {
        let words = format!("--topic t --bootstrap-server a:1 {words}");
        read(&words).unwrap().producer.config.get(name).map(str::to_owned)
    }

    #[test]
    fn options_win_over_properties_and_those_over_defaults() {
        assert_eq!(property("", "linger.ms").unwrap(), "1000");
        assert_eq!(property("--producer-property linger.ms=5", "linger.ms").unwrap(), "5");
        assert_eq!(property("--producer-property linger.ms=5 --timeout 7", "linger.ms").unwrap(), "7");
        assert_eq!(property("--request-required-acks 1", "enable.idempotence").unwrap(), "false");
        assert_eq!(property("--compression-codec --sync", "compression.type").unwrap(), "gzip");
        assert_eq!(property("--compression-codec zstd", "compression.type").unwrap(), "zstd");
        assert_eq!(property("--max-partition-memory-bytes 9", "batch.size").unwrap(), "9");
    }

    /// Recorded from Kafka 3.9.1, but for the reader, which there is a class that is not found.
    #[test]
    fn words_faults_as_kafka_does() {
        let refused = |line| refusal(read(line));
        assert_eq!(refused("--bootstrap-server a:1"), "Missing required argument \"[topic]\"");
        assert_eq!(refused("--topic t"), "Missing required option(s) [bootstrap-server]");
        assert_eq!(refused(""), "Missing required option(s) [bootstrap-server]");
        assert_eq!(
            refused("--topic t --broker-list a"),
            "Please provide valid host:port like host1:9091,host2:9092\n "
        );
        assert_eq!(
            refused("--topic t --broker-list a:1 --batch-size x"),
            "Cannot parse argument 'x' of option batch-size"
        );
        assert_eq!(
            refused("--topic t --broker-list a:1 --compression-codec bogus"),
            "Invalid value bogus for configuration compression.type: String must be one of: none, gzip, snappy, lz4, zstd"
        );
        assert!(
            refused("--topic t --broker-list a:1 --line-reader nope").starts_with("--line-reader nope: ")
        );
    }
}
