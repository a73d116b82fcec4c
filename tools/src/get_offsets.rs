//! `kafka-get-offsets.sh`: the offsets of partitions, as `topic:partition:offset` lines.
//!
//! A partition whose offset cannot be had is a line of standard error, and one that has none is no line at all; the tool
//! ends with 0 in both cases. Source: GetOffsetShell.

mod filter;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use client::{Address, Client, OffsetQuery};
use protocol::{Millis, Offset, TopicPartition};
use tokio::runtime::Builder;

use crate::failure::Failure;
use crate::options::{Grammar, Options, Spec, flag, with};
use crate::{java_errors, java_properties};
use filter::Filter;

static SPECS: &[Spec] = &[
    with("bootstrap-server", "host:port,…", "Brokers to ask. Required."),
    with("broker-list", "host:port,…", "Old name of --bootstrap-server."),
    with("topic", "topic", "Only topics that this regular expression takes."),
    with("partitions", "number,…", "Only partitions with these numbers."),
    with(
        "topic-partitions",
        "topic:number,topic:from-to,…",
        "Only these partitions: a regular expression for the topic, then a number, or a range without its end.",
    ),
    with(
        "time",
        "time",
        "Which offset: a time in milliseconds, or -1 or latest (the default), -2 or earliest, -3 or max-timestamp, \
         -4 or earliest-local, -5 or latest-tiered.",
    ),
    with("command-config", "file", "Properties of the admin client."),
    flag("exclude-internal-topics", "Leave out internal topics."),
];

static GRAMMAR: Grammar = Grammar { specs: SPECS };

const CLIENT_ID: &str = "GetOffsetShell";
const ABOUT: &str = "An interactive shell for getting topic-partition offsets.";

/// Runs the tool.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    match list(args) {
        Err(Failure::Sentence(sentence)) => Err(Failure::Sentence(format!("Error occurred: {sentence}"))),
        other => other,
    }
}

fn list(args: &[String]) -> Result<(), Failure> {
    let options = GRAMMAR.read_tersely(args, ABOUT)?;
    let addresses = addresses(&options)?;
    let (query, filter) = (query(&options)?, Filter::read(&options)?);
    let mut settings = java_properties::admin_settings(options.text("command-config")?, CLIENT_ID)?;
    // Kafka's tool goes by its own name even where the file has another.
    settings.client_id = CLIENT_ID.to_owned();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut cluster = Client::new(addresses, settings);
    let offsets = runtime.block_on(offsets(&mut cluster, &options, &filter, query))?;
    let mut out = io::stdout();
    for (partition, offset) in offsets {
        writeln!(out, "{}:{}:{offset}", partition.topic, partition.partition)?;
    }
    Ok(out.flush()?)
}

fn addresses(options: &Options) -> Result<Vec<Address>, Failure> {
    let given = match options.text("bootstrap-server")? {
        Some(given) => given,
        None => {
            let missing = || Failure::Sentence("Missing required option(s) [bootstrap-server]".to_owned());
            options.text("broker-list")?.ok_or_else(missing)?
        }
    };
    if given.trim().is_empty() {
        return Err(GRAMMAR.usage("Error while validating the bootstrap address\n"));
    }
    let invalid = |_| GRAMMAR.usage("Please provide valid host:port like host1:9091,host2:9092\n");
    Address::list(given).map_err(invalid)
}

fn query(options: &Options) -> Result<OffsetQuery, Failure> {
    let time = options.text("time")?.unwrap_or("latest");
    let malformed = || {
        Failure::Sentence(format!(
            "Malformed time argument {time}. Please use -1 or latest / -2 or earliest / -3 or max-timestamp / \
             -4 or earliest-local / -5 or latest-tiered, or a specified long format timestamp"
        ))
    };
    Ok(match time {
        "latest" | "-1" => OffsetQuery::Latest,
        "earliest" | "-2" => OffsetQuery::Earliest,
        "max-timestamp" | "-3" => OffsetQuery::MaxTimestamp,
        "earliest-local" | "-4" => OffsetQuery::EarliestLocal,
        "latest-tiered" | "-5" => OffsetQuery::LatestTiered,
        time => OffsetQuery::At(Millis(time.parse().map_err(|_| malformed())?)),
    })
}

/// Ordered by the text of the partition's name, in which 10 comes before 2.
async fn offsets(
    cluster: &mut Client,
    options: &Options,
    filter: &Filter,
    query: OffsetQuery,
) -> Result<Vec<(TopicPartition, Offset)>, Failure> {
    let mut topics = cluster.list_topics().await?;
    topics.retain(|topic| !(topic.internal && options.has("exclude-internal-topics")));
    let all = topics.iter().flat_map(|topic| {
        let name: Arc<str> = topic.name.as_str().into();
        let partition = move |index| TopicPartition { topic: Arc::clone(&name), partition: index };
        topic.partitions.iter().map(move |known| partition(known.index))
    });
    let wanted: Vec<_> = all.filter(|partition| filter.takes(partition)).map(|p| (p, query)).collect();
    if wanted.is_empty() {
        let none = "Could not match any topic-partitions with the specified filters";
        return Err(Failure::Sentence(none.to_owned()));
    }
    let mut found = BTreeMap::new();
    for (partition, outcome) in cluster.list_offsets(&wanted).await? {
        match outcome {
            Ok(told) if told.offset == Offset::NONE => {}
            Ok(told) => drop(found.insert(partition.to_string(), (partition, told.offset))),
            Err(refusal) => eprintln!(
                "Skip getting offsets for topic-partition {partition} due to error: {}",
                java_errors::text(&refusal)
            ),
        }
    }
    Ok(found.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{refusal, words};

    fn parsed(line: &str) -> Options {
        GRAMMAR.read_tersely(&words(line), ABOUT).unwrap()
    }

    /// Recorded from Kafka 3.9.1.
    #[test]
    fn words_faults_as_kafka_does() {
        for (line, expected) in [
            ("", ABOUT),
            ("--help", ABOUT),
            ("--foo", "Error occurred: foo is not a recognized option"),
            ("--topic two", "Error occurred: Missing required option(s) [bootstrap-server]"),
            ("--bootstrap-server a", "Please provide valid host:port like host1:9091,host2:9092\n"),
            ("--bootstrap-server a:1 --topic (", "Error occurred: ( is an invalid regex."),
            (
                "--bootstrap-server a:1 --time 1 --time 2",
                "Error occurred: Found multiple arguments for option time, but you asked for only one",
            ),
            (
                "--broker-list a:1 --time x",
                "Error occurred: Malformed time argument x. Please use -1 or latest / -2 or earliest / -3 or \
                 max-timestamp / -4 or earliest-local / -5 or latest-tiered, or a specified long format timestamp",
            ),
        ] {
            assert_eq!(refusal(run(&words(line))), expected, "{line}");
        }
    }

    #[test]
    fn times_have_names() {
        let query_of = |line: &str| query(&parsed(line)).unwrap();
        assert_eq!(query_of("--broker-list a:1"), OffsetQuery::Latest);
        for (given, expected) in [
            ("earliest", OffsetQuery::Earliest),
            ("-3", OffsetQuery::MaxTimestamp),
            ("-4", OffsetQuery::EarliestLocal),
            ("latest-tiered", OffsetQuery::LatestTiered),
            ("-6", OffsetQuery::At(Millis(-6))),
            ("+5", OffsetQuery::At(Millis(5))),
        ] {
            assert_eq!(query_of(&format!("--time {given}")), expected);
        }
    }
}
