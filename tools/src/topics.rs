//! `kafka-topics.sh`: create, list, describe, alter and delete topics.
//!
//! With --bootstrap-server it is the tool of Kafka 3.9 and asks brokers; with --zookeeper it is the one of 2.8 and
//! writes znodes. Refusals go to standard output, where scripts look for them. Source: TopicCommand of both.

mod command;
mod described;
mod through_brokers;
mod through_zookeeper;
mod wishes;

use std::io::{self, Write};

use tokio::runtime::Builder;

use crate::failure::Failure;
use command::{Cluster, Command};

/// Runs the tool.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    run_into(args, &mut io::stdout())
}

/// Runs the tool, printing to `out`.
pub(crate) fn run_into(args: &[String], out: &mut dyn Write) -> Result<(), Failure> {
    let command = Command::read(args)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let done = match command.cluster()? {
        Cluster::Brokers(bootstrap) => {
            let client = through_brokers::client(&command, bootstrap)?;
            runtime.block_on(through_brokers::run(&command, client, out))
        }
        Cluster::ZooKeeper(connect) => runtime.block_on(through_zookeeper::run(&command, connect, out)),
    };
    out.flush()?;
    match done {
        Err(Failure::Sentence(sentence)) => {
            writeln!(out, "Error while executing topic command : {sentence}")?;
            Err(Failure::Told)
        }
        other => other,
    }
}

/// What 3.9 and 2.8 say before they create a topic of that name.
fn warn_of_collision(topic: &str, out: &mut dyn Write) -> io::Result<()> {
    if !topic.contains(['.', '_']) {
        return Ok(());
    }
    writeln!(
        out,
        "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. \
         To avoid issues it is best to use either, but not both."
    )
}
