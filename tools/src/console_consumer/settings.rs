//! The command line of the tool, and the consumer it asks for.
//!
//! Checks run in Kafka's order. Source: ConsoleConsumerOptions of 3.9.

use std::time::Duration;

use config::properties::Properties;
use rdkafka::Offset;
use rdkafka::config::ClientConfig;

use super::format::Format;
use crate::failure::Failure;
use crate::java_properties::merged;
use crate::librdkafka::{self, From};
use crate::options::{Grammar, Options, Spec, flag, with};
use crate::topic_filter::TopicFilter;

static SPECS: &[Spec] = &[
    with("topic", "topic", "The topic to read."),
    with("include", "regex,…", "Read all topics whose names match."),
    with("whitelist", "regex,…", "The old name of --include."),
    with("bootstrap-server", "host:port,…", "REQUIRED: brokers to connect to."),
    with("partition", "partition", "Read only this partition, from its end unless --offset says otherwise."),
    with("offset", "offset", "Where to begin: a number, earliest or latest (default); needs --partition."),
    flag("from-beginning", "Begin with the first record instead of the next one to be written."),
    with("max-messages", "count", "End after so many records."),
    with("timeout-ms", "ms", "End when no record came for so long."),
    with("isolation-level", "level", "read_committed or read_uncommitted (default)."),
    with(
        "property",
        "name=value",
        "How records are printed: print.timestamp, print.key, print.offset, print.partition, print.headers, \
         print.value, key.separator, line.separator, headers.separator, null.literal; may be repeated.",
    ),
    with("formatter-config", "file", "Properties of the formatter; --property wins over it."),
    with("formatter", "class", "Only Kafka's DefaultMessageFormatter, which is the default."),
    with("key-deserializer", "class", "Only Kafka's StringDeserializer and ByteArrayDeserializer."),
    with("value-deserializer", "class", "Only Kafka's StringDeserializer and ByteArrayDeserializer."),
    with("consumer-property", "name=value", "A property of the consumer; may be repeated."),
    with("consumer.config", "file", "Properties of the consumer; --consumer-property wins over it."),
    flag("skip-message-on-error", "Accepted for Kafka's sake: every record can be printed here."),
    with("group", "group", "Refused: this version has no consumer groups."),
];

static GRAMMAR: Grammar = Grammar { specs: SPECS };

const METADATA_MAX_AGE_DEFAULT: Duration = Duration::from_secs(300);

/// What the command line asks for.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) from: From,
    pub(super) start: Offset,
    pub(super) metadata_max_age: Duration,
    pub(super) max_messages: Option<u64>,
    /// End when no record comes for so long.
    pub(super) timeout: Option<Duration>,
    pub(super) format: Format,
    pub(super) consumer: ClientConfig,
}

impl Settings {
    pub(super) fn read(args: &[String]) -> Result<Settings, Failure> {
        let about = "This tool helps to read data from Kafka topics and outputs it to standard output.";
        let options = GRAMMAR.read(args, about)?;
        check_combinations(&options)?;
        let properties = consumer_properties(&options)?;
        let start = start(&options, &properties)?;
        check_classes(&options)?;
        let millis =
            |name| properties.get(name).and_then(|value: &str| value.parse().ok()).map(Duration::from_millis);
        Ok(Settings {
            from: from(&options)?,
            start,
            metadata_max_age: millis("metadata.max.age.ms").unwrap_or(METADATA_MAX_AGE_DEFAULT),
            max_messages: options.number::<i32>("max-messages")?.and_then(|max| u64::try_from(max).ok()),
            timeout: options
                .number::<i64>("timeout-ms")?
                .and_then(|timeout| u64::try_from(timeout).ok())
                .map(Duration::from_millis),
            format: Format::read(&merged(options.text("formatter-config")?, options.all("property"))?),
            consumer: librdkafka::consumer(&properties)?,
        })
    }
}

fn check_combinations(options: &Options) -> Result<(), Failure> {
    let filtered = options.has("include") || options.has("whitelist");
    if options.has("topic") == filtered {
        return Err(GRAMMAR.usage("Exactly one of --include/--topic is required. "));
    }
    match options.has("partition") {
        true if !options.has("topic") => {
            return Err(GRAMMAR.usage("The topic is required when partition is specified."));
        }
        true if options.has("from-beginning") && options.has("offset") => {
            return Err(GRAMMAR.usage("Options from-beginning and offset cannot be specified together."));
        }
        false if options.has("offset") => {
            return Err(GRAMMAR.usage("The partition is required when offset is specified."));
        }
        true | false => {}
    }
    GRAMMAR.required(options, "bootstrap-server")?;
    if let Some(group) = options.text("group")? {
        return Err(match options.has("partition") {
            true => GRAMMAR.usage("Options group and partition cannot be specified together."),
            false => librdkafka::groups_refused(group),
        });
    }
    Ok(())
}

fn consumer_properties(options: &Options) -> Result<Properties, Failure> {
    let mut properties = merged(options.text("consumer.config")?, options.all("consumer-property"))?;
    properties.set("bootstrap.servers", GRAMMAR.bootstrap(options)?);
    if properties.get("client.id").is_none() {
        properties.set("client.id", "console-consumer");
    }
    match options.text("isolation-level")? {
        Some(level) => properties.set("isolation.level", level),
        None if properties.get("isolation.level").is_none() => {
            properties.set("isolation.level", "read_uncommitted");
        }
        None => {}
    }
    let from_beginning = options.has("from-beginning");
    match properties.get("auto.offset.reset") {
        Some(reset) if from_beginning && reset != "earliest" => Err(Failure::Sentence(format!(
            "Can't simultaneously specify --from-beginning and 'auto.offset.reset={reset}', please remove one option"
        ))),
        Some(_) => Ok(properties),
        None => {
            properties.set("auto.offset.reset", if from_beginning { "earliest" } else { "latest" });
            Ok(properties)
        }
    }
}

/// Where each partition is read from.
fn start(options: &Options, properties: &Properties) -> Result<Offset, Failure> {
    let Some(given) = options.text("offset")? else {
        let earliest = match options.has("partition") {
            true => options.has("from-beginning"),
            false => properties.get("auto.offset.reset") == Some("earliest"),
        };
        return Ok(if earliest { Offset::Beginning } else { Offset::End });
    };
    match given.to_ascii_lowercase().as_str() {
        "earliest" => Ok(Offset::Beginning),
        "latest" => Ok(Offset::End),
        number => number.parse().ok().filter(|offset| *offset >= 0).map(Offset::Offset).ok_or_else(|| {
            GRAMMAR.usage(format!(
                "The provided offset value '{given}' is incorrect. Valid values are 'earliest', 'latest', or a \
                 non-negative long."
            ))
        }),
    }
}

fn from(options: &Options) -> Result<From, Failure> {
    if let Some(topic) = options.text("topic")? {
        return Ok(match options.number("partition")? {
            Some(partition) => From::Partition(topic.to_owned(), partition),
            None => From::Topic(topic.to_owned()),
        });
    }
    let pattern = match options.text("include")? {
        Some(pattern) => pattern,
        None => options.text("whitelist")?.unwrap_or_default(),
    };
    TopicFilter::new(pattern).map(From::Matching).map_err(|error| Failure::Sentence(error.to_string()))
}

/// Java classes cannot be loaded; those that do what is done anyway are fine.
fn check_classes(options: &Options) -> Result<(), Failure> {
    let known = [
        ("formatter", &["DefaultMessageFormatter"][..]),
        ("key-deserializer", &["StringDeserializer", "ByteArrayDeserializer"]),
        ("value-deserializer", &["StringDeserializer", "ByteArrayDeserializer"]),
    ];
    for (option, classes) in known {
        if let Some(given) = options.text(option)?
            && !classes.iter().any(|class| given.rsplit('.').next() == Some(class))
        {
            return Err(GRAMMAR.usage(format!(
                "--{option} {given}: classes cannot be loaded here, only {} is there",
                classes.join(" or ")
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{refusal, words};

    fn read(line: &str) -> Result<Settings, Failure> {
        Settings::read(&words(line))
    }

    fn refused(line: &str) -> String {
        refusal(read(line))
    }

    #[test]
    fn begins_where_it_is_told() {
        let start = |words: &str| read(&format!("--bootstrap-server a:1 --topic t {words}")).unwrap().start;
        assert_eq!(start(""), Offset::End);
        assert_eq!(start("--from-beginning"), Offset::Beginning);
        assert_eq!(start("--consumer-property auto.offset.reset=earliest"), Offset::Beginning);
        assert_eq!(start("--partition 0"), Offset::End);
        assert_eq!(start("--partition 0 --offset EARLIEST"), Offset::Beginning);
        assert_eq!(start("--partition 0 --offset 12"), Offset::Offset(12));
    }

    /// Recorded from Kafka 3.9.1, but for groups and classes, which are there.
    #[test]
    fn words_faults_as_kafka_does() {
        let base = "--bootstrap-server a:1 --topic t";
        assert_eq!(refused("--bootstrap-server a:1"), "Exactly one of --include/--topic is required. ");
        assert_eq!(refused("--topic t"), "Missing required argument \"[bootstrap-server]\"");
        assert_eq!(
            refused(&format!("{base} --partition 0 --offset -3")),
            "The provided offset value '-3' is incorrect. Valid values are 'earliest', 'latest', or a non-negative long."
        );
        assert_eq!(
            refused(&format!("{base} --offset 3")),
            "The partition is required when offset is specified."
        );
        assert_eq!(
            refused(&format!("{base} --partition 0 --from-beginning --offset 3")),
            "Options from-beginning and offset cannot be specified together."
        );
        assert_eq!(
            refused(&format!("{base} --partition 0 --group g")),
            "Options group and partition cannot be specified together."
        );
        assert_eq!(
            refused(&format!("{base} --from-beginning --consumer-property auto.offset.reset=latest")),
            "Can't simultaneously specify --from-beginning and 'auto.offset.reset=latest', please remove one option"
        );
        assert_eq!(
            refused(&format!("{base} --isolation-level foo")),
            "Invalid value foo for configuration isolation.level: String must be one of: read_committed, read_uncommitted"
        );
        assert!(refused(&format!("{base} --group g")).contains("no consumer groups"));
        assert!(refused(&format!("{base} --formatter nope")).contains("--formatter nope: "));
    }
}
