//! `ottla log …`: work on log directories that Kafka has no tool for. Today one command, `salvage`.
//!
//! It needs no broker and minds none: what it reads and removes belongs to no log.

mod print;
mod salvage;

use crate::failure::Failure;

const USAGE: &str = "usage: ottla log salvage --dir DIR[,DIR…] [--partition TOPIC-N]… [--read | --remove]";

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    match args.split_first() {
        Some((command, rest)) if command == "salvage" => salvage::run(rest),
        _ => Err(Failure::Sentence(USAGE.to_owned())),
    }
}
