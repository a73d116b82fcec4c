//! The one binary: `ottla broker FILE`, `ottla topics …`, `ottla zookeeper FILE`, `ottla quickstart`.
//!
//! Owns the choice of a command. Everything else is in the libraries; `bin/` has Kafka's
//! names for the same commands.

mod broker_command;
mod log;
mod memory;

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let Some((command, rest)) = args.split_first() else {
        eprint!("{}", help());
        return ExitCode::FAILURE;
    };
    match command.as_str() {
        "broker" => {
            let loggers = log::of_broker();
            broker_command::run(rest, loggers)
        }
        "--version" | "-V" | "version" => print(concat!("ottla ", env!("CARGO_PKG_VERSION"), "\n")),
        "--help" | "-h" | "help" => print(&help()),
        tool => {
            log::of_tool();
            run_tool(tool, rest)
        }
    }
}

fn run_tool(name: &str, args: &[String]) -> ExitCode {
    match name {
        "zookeeper" => tools::zookeeper_server::run(args),
        "quickstart" => tools::quickstart::run(args),
        tool => tools::run(tool, args).unwrap_or_else(|| {
            eprintln!("ottla: there is no command {tool}; `ottla --help` lists them");
            ExitCode::FAILURE
        }),
    }
}

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn help() -> String {
    let servers = [
        ("quickstart [--once] [FILE]", "start everything, show it at work, say what to type next"),
        ("broker FILE [--override KEY=VALUE]…", "serve until SIGTERM or Ctrl-C"),
        ("zookeeper FILE", "start a real Apache ZooKeeper"),
    ];
    let tools = tools::TOOLS.iter().map(|tool| (tool.name, tool.about));
    let mut text = String::from("A Kafka-compatible broker and its tools.\n\nusage: ottla COMMAND …\n\n");
    for (name, about) in servers.into_iter().chain(tools) {
        text.push_str(&format!("  {name:<38}{about}\n"));
    }
    text.push_str(
        "\n`ottla COMMAND --help` lists the options of a tool; bin/ has Kafka's names for all of them.\n",
    );
    text
}
