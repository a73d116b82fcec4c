//! Kafka's command line tools, one module each.
//!
//! Flags, output that scripts parse, and exit codes are those of Kafka 3.9 (and 2.8 for `--zookeeper`). Records go
//! through librdkafka, admin requests through `client`. Called by the `ottla` binary, and by nothing else.

mod broker_api_versions;
mod cluster;
mod configs;
mod console_consumer;
mod console_producer;
mod consumer_perf;
mod delete_records;
mod dump_log;
mod failure;
mod features;
mod get_offsets;
mod java_errors;
mod java_hash;
mod java_properties;
mod librdkafka;
mod log;
mod log_dirs;
mod metrics;
mod options;
mod producer_perf;
pub mod quickstart;
mod run_class;
mod signals;
mod topic_filter;
mod topics;
#[cfg(test)]
mod words;
pub mod zookeeper_server;
mod zookeeper_session;

use std::process::ExitCode;

/// A tool of Kafka's, under the name `ottla` knows it by.
#[derive(Debug)]
pub struct Tool {
    /// `ottla NAME …` is what `bin/kafka-NAME.sh …` calls.
    pub name: &'static str,
    /// One line for the list of commands.
    pub about: &'static str,
    run: fn(&[String]) -> Result<(), failure::Failure>,
}

/// All tools, in the order in which help lists them.
pub const TOOLS: &[Tool] = &[
    Tool { name: "topics", about: "create, list, describe, alter and delete topics", run: topics::run },
    Tool {
        name: "console-producer",
        about: "send lines of standard input as records",
        run: console_producer::run,
    },
    Tool { name: "console-consumer", about: "print records as lines", run: console_consumer::run },
    Tool {
        name: "producer-perf-test",
        about: "measure how fast records can be produced",
        run: producer_perf::run,
    },
    Tool {
        name: "consumer-perf-test",
        about: "measure how fast records can be consumed",
        run: consumer_perf::run,
    },
    Tool { name: "dump-log", about: "print the files of a log", run: dump_log::run },
    Tool { name: "log", about: "see what recovery cut off logs (log salvage)", run: log::run },
    Tool { name: "get-offsets", about: "print offsets of partitions", run: get_offsets::run },
    Tool {
        name: "delete-records",
        about: "delete the records of partitions below an offset",
        run: delete_records::run,
    },
    Tool { name: "log-dirs", about: "print what lies in the log directories of brokers", run: log_dirs::run },
    Tool {
        name: "configs",
        about: "show and change settings of topics and brokers, and quotas",
        run: configs::run,
    },
    Tool { name: "cluster", about: "print the id of a cluster", run: cluster::run },
    Tool {
        name: "broker-api-versions",
        about: "print which requests brokers serve, and in which versions",
        run: broker_api_versions::run,
    },
    Tool { name: "features", about: "print and change the features of a cluster", run: features::run },
    Tool { name: "run-class", about: "run a tool by the name of its Java class", run: run_class::run },
];

/// Runs a tool with the arguments after its name; `None` if there is no such tool.
pub fn run(name: &str, args: &[String]) -> Option<ExitCode> {
    let tool = TOOLS.iter().find(|tool| tool.name == name)?;
    Some(match (tool.run)(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    })
}
