//! `kafka-delete-records.sh`: deletes the records of partitions below given offsets.
//!
//! What became of a partition is a line of standard output, also when it was refused, and the tool ends with 0 then.
//! Unlike Kafka's it does not wait a minute for a partition that does not exist. Source: DeleteRecordsCommand.

mod wishes;

use std::io::{self, Write};

use client::{Address, Client};
use tokio::runtime::Builder;

use crate::failure::Failure;
use crate::options::{Grammar, Options, Spec, with};
use crate::{java_errors, java_properties};

static SPECS: &[Spec] = &[
    with("bootstrap-server", "host:port,…", "Brokers to ask. Required."),
    with(
        "offset-json-file",
        "file",
        "The offsets below which records are deleted, -1 for the high watermark. Required. Like \
         {\"partitions\": [{\"topic\": \"foo\", \"partition\": 1, \"offset\": 1}], \"version\": 1}",
    ),
    with("command-config", "file", "Properties of the admin client."),
];

static GRAMMAR: Grammar = Grammar { specs: SPECS };

const ABOUT: &str = "This tool helps to delete records of the given partitions down to the specified offset.";

/// Runs the tool.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let options = read(args)?;
    let address = Address::list(options.text("bootstrap-server")?.unwrap_or_default())?;
    let settings = java_properties::admin_settings(options.text("command-config")?, "adminclient-1")?;
    let file = options.text("offset-json-file")?.unwrap_or_default();
    let text = std::fs::read(file).map_err(|_| Failure::Sentence(format!("Unable to read file {file}")))?;
    let wishes = wishes::read(&text)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut out = io::stdout();
    writeln!(out, "Executing records delete operation")?;
    let outcomes = runtime.block_on(Client::new(address, settings).delete_records(&wishes))?;
    writeln!(out, "Records delete operation completed:")?;
    for (partition, outcome) in wishes.iter().filter_map(|(wish, _)| outcomes.get_key_value(wish)) {
        match outcome {
            Ok(low_watermark) => writeln!(out, "partition: {partition}\tlow_watermark: {low_watermark}")?,
            Err(refusal) => writeln!(out, "partition: {partition}\terror: {}", java_errors::text(refusal))?,
        }
    }
    Ok(out.flush()?)
}

fn read(args: &[String]) -> Result<Options, Failure> {
    let options = GRAMMAR.read_tersely(args, ABOUT)?;
    for required in ["bootstrap-server", "offset-json-file"] {
        GRAMMAR.required(&options, required)?;
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{refusal, words};

    /// Recorded from Kafka 3.9.1.
    #[test]
    fn words_faults_as_kafka_does() {
        for (line, expected) in [
            ("", ABOUT),
            ("--help", ABOUT),
            ("--foo", "foo is not a recognized option"),
            ("--bootstrap-server a:1", "Missing required argument \"[offset-json-file]\""),
            ("--offset-json-file x", "Missing required argument \"[bootstrap-server]\""),
            ("--bootstrap-server a:1 --offset-json-file", "Option offset-json-file requires an argument"),
            ("--bootstrap-server a:1 --offset-json-file /none", "Unable to read file /none"),
            (
                "--bootstrap-server a:1 --offset-json-file x --offset-json-file y",
                "Found multiple arguments for option offset-json-file, but you asked for only one",
            ),
        ] {
            assert_eq!(refusal(run(&words(line))), expected, "{line}");
        }
    }
}
