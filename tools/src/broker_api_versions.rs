//! `kafka-broker-api-versions.sh`: which requests each broker serves, and in which versions.
//!
//! Source: BrokerApiVersionsCommand, NodeApiVersions (3.9).

mod known;

use std::collections::BTreeMap;
use std::io::{self, Write};

use client::{Address, Broker, Client, ServedApi};
use tokio::runtime::Builder;

use crate::failure::Failure;
use crate::java_properties;
use crate::options::{Grammar, OptionError, Spec, with};
use known::{KNOWN, Known};

static SPECS: &[Spec] = &[
    with("bootstrap-server", "host:port,…", "Brokers to ask. Required."),
    with("command-config", "file", "Properties of the admin client."),
];

static GRAMMAR: Grammar = Grammar { specs: SPECS };

const CLIENT_ID: &str = "admin-1";
const ABOUT: &str = "This tool helps to retrieve broker version information.";

/// Runs the tool.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    if !args.is_empty() {
        GRAMMAR.parse(args).map_err(uncaught)?;
    }
    let options = GRAMMAR.read_tersely(args, ABOUT)?;
    let bootstrap = GRAMMAR.required(&options, "bootstrap-server")?;
    let settings = java_properties::admin_settings(options.text("command-config")?, CLIENT_ID)?;
    let addresses = Address::list(bootstrap).map_err(|_| {
        let class = "org.apache.kafka.common.config.ConfigException";
        thrown(class, &format!("Invalid url in bootstrap.servers: {bootstrap}"))
    })?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let nodes: Vec<String> =
        addresses.iter().map(|address| format!("{address} (id: -1 rack: null)")).collect();
    let mut cluster = Client::new(addresses, settings);
    let described = runtime.block_on(cluster.describe_cluster()).map_err(|_| {
        let failed = format!("Request METADATA failed on brokers List({})", nodes.join(", "));
        thrown("java.lang.RuntimeException", &failed)
    })?;
    let mut out = io::stdout();
    for broker in described.brokers {
        match runtime.block_on(cluster.api_versions(broker.id)) {
            Ok(served) => writeln!(out, "{} -> {}", node(&broker), table(&served))?,
            Err(error) => writeln!(out, "{} -> ERROR: {error}", node(&broker))?,
        }
    }
    Ok(out.flush()?)
}

/// Kafka's tool catches nothing.
fn thrown(class: &str, message: &str) -> Failure {
    Failure::Sentence(format!("Exception in thread \"main\" {class}: {message}"))
}

fn uncaught(error: OptionError) -> Failure {
    let class = match error {
        OptionError::Unrecognized(_) => "UnrecognizedOptionException",
        OptionError::MissingArgument(_) => "OptionMissingRequiredArgumentException",
        OptionError::Multiple(_) => "MultipleArgumentsForOptionException",
        OptionError::Unparsable { .. } => "OptionArgumentConversionException",
    };
    thrown(&format!("joptsimple.{class}"), &error.to_string())
}

/// `Node.toString`.
fn node(broker: &Broker) -> String {
    let rack = broker.rack.as_deref().unwrap_or("null");
    format!("{} (id: {} rack: {rack})", broker.address, broker.id)
}

/// What is served and what a broker could serve, ordered by number.
fn table(served: &[ServedApi]) -> String {
    let mut lines: BTreeMap<i16, String> = BTreeMap::new();
    for (key, known) in (0..).zip(KNOWN).filter(|(_, known)| !known.of_controllers) {
        lines.insert(key, format!("{}({key}): UNSUPPORTED", known.name));
    }
    lines.extend(served.iter().map(|api| (api.key, line(api))));
    let lines: Vec<String> = lines.into_values().collect();
    format!("(\n\t{}\n)", lines.join(",\n\t"))
}

fn line(ServedApi { key, min, max }: &ServedApi) -> String {
    let versions = if min == max { min.to_string() } else { format!("{min} to {max}") };
    match usize::try_from(*key).ok().and_then(|key| KNOWN.get(key)) {
        None => format!("UNKNOWN({key}): {versions}"),
        Some(Known { name, latest, .. }) if latest < min => {
            format!("{name}({key}): {versions} [unusable: node too new]")
        }
        Some(Known { name, .. }) if *max < 0 => format!("{name}({key}): {versions} [unusable: node too old]"),
        Some(Known { name, latest, .. }) => {
            format!("{name}({key}): {versions} [usable: {}]", latest.min(max))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{refusal, words};

    /// The words are those of Kafka 3.9.1.
    #[test]
    fn apis_are_told_as_by_kafka() {
        let told = |key, min, max| line(&ServedApi { key, min, max });
        assert_eq!(told(0, 0, 11), "Produce(0): 0 to 11 [usable: 11]");
        assert_eq!(told(0, 3, 13), "Produce(0): 3 to 13 [usable: 11]");
        assert_eq!(told(0, 12, 13), "Produce(0): 12 to 13 [unusable: node too new]");
        assert_eq!(told(45, 0, 0), "AlterPartitionReassignments(45): 0 [usable: 0]");
        assert_eq!(told(99, 0, 3), "UNKNOWN(99): 0 to 3");
        let all = table(&[ServedApi { key: 52, min: 0, max: 0 }]);
        assert!(all.starts_with("(\n\tProduce(0): UNSUPPORTED,\n\tFetch(1): UNSUPPORTED,\n"), "{all}");
        assert!(all.contains("\tVote(52): 0 [usable: 0],\n\tDescribeQuorum(55): UNSUPPORTED,"), "{all}");
        assert!(all.ends_with("\tReadShareGroupStateSummary(87): UNSUPPORTED\n)"), "{all}");
    }

    /// Recorded from Kafka 3.9.1.
    #[test]
    fn words_faults_as_kafka_does() {
        let main = "Exception in thread \"main\"";
        for (line, expected) in [
            ("", ABOUT.to_owned()),
            ("--help", ABOUT.to_owned()),
            (
                "--nosuch",
                format!("{main} joptsimple.UnrecognizedOptionException: nosuch is not a recognized option"),
            ),
            ("--command-config x", "Missing required argument \"[bootstrap-server]\"".to_owned()),
            (
                "--bootstrap-server nonsense",
                format!(
                    "{main} org.apache.kafka.common.config.ConfigException: Invalid url in bootstrap.servers: nonsense"
                ),
            ),
        ] {
            assert_eq!(refusal(run(&words(line))), expected, "{line}");
        }
    }
}
