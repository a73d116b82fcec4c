//! The one binary: `ottla broker FILE`, `ottla topics …`, `ottla zookeeper FILE`, `ottla quickstart`.
//!
//! Owns the choice of a command and where log lines go. Everything else is in the libraries; `bin/` has Kafka's
//! names for the same commands.

mod broker_command;

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let Some((command, rest)) = args.split_first() else {
        eprint!("{}", help());
        return ExitCode::FAILURE;
    };
    match command.as_str() {
        "broker" => {
            tracing_subscriber::fmt().with_env_filter(filter(LevelFilter::INFO)).init();
            broker_command::run(rest)
        }
        "--version" | "-V" | "version" => print(concat!("ottla ", env!("CARGO_PKG_VERSION"), "\n")),
        "--help" | "-h" | "help" => print(&help()),
        tool => {
            let format = tracing_subscriber::fmt().with_writer(io::stderr).with_target(false);
            format.with_env_filter(filter(LevelFilter::WARN)).init();
            tools::run(tool, rest).unwrap_or_else(|| {
                eprintln!("ottla: there is no command {tool}; `ottla --help` lists them");
                ExitCode::FAILURE
            })
        }
    }
}

/// RUST_LOG, where it is set, says which lines are wanted.
fn filter(default: LevelFilter) -> EnvFilter {
    EnvFilter::builder().with_default_directive(default.into()).from_env_lossy()
}

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn help() -> String {
    let mut lines = String::from(
        "A Kafka-compatible broker and its tools.\n\nusage: ottla COMMAND …\n\n  broker FILE [--override KEY=VALUE]…\n  \
         \x20                   serve until SIGTERM or Ctrl-C\n",
    );
    for tool in tools::TOOLS {
        lines.push_str(&format!("  {:<20}{}\n", tool.name, tool.about));
    }
    lines.push_str(
        "  --version           print the version\n\n`ottla COMMAND --help` lists a command's options.\n",
    );
    lines
}
