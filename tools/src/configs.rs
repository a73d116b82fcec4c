//! `kafka-configs.sh`: shows and changes the settings of topics, brokers and loggers, and the quotas of users, clients and addresses.
//!
//! Asks brokers; with --zookeeper it writes znodes, which Kafka 3.9 allows for credentials of users, and for brokers that do not
//! run. Output, exit codes and errors are Kafka's, but for the frames of a Java stack. Source: ConfigCommand (3.9).

mod command;
mod credentials;
mod pairs;
mod quotas;
mod resources;
mod through_brokers;
mod through_zookeeper;
mod trouble;

use std::io::{self, Write};

use tokio::runtime::Builder;

use crate::failure::Failure;
use command::{Command, Connect};
use trouble::Trouble;

/// Runs the tool.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let mut out = io::stdout();
    let done = carry_out(args, &mut out);
    out.flush()?;
    done.map_err(|trouble| trouble.into_failure(args))
}

fn carry_out(args: &[String], out: &mut dyn Write) -> Result<(), Trouble> {
    let command = Command::read(args)?;
    let runtime = Builder::new_current_thread().enable_all().build().map_err(Failure::from)?;
    match command.connect()? {
        Connect::Brokers(bootstrap) => {
            let client = through_brokers::client(&command, bootstrap)?;
            runtime.block_on(through_brokers::run(&command, client, out))
        }
        Connect::Controllers => Err(Trouble::execution(
            "UnsupportedEndpointTypeException",
            "This Admin API is not yet supported when communicating directly with the controller quorum.",
        )),
        Connect::ZooKeeper(connect) => runtime.block_on(through_zookeeper::run(&command, connect, out)),
    }
}
