//! `cargo ready [--quick | --long]`: runs every check of the project; see `tests/src/ready.rs`.
use std::process::ExitCode;
use tests::ready::{run, steps::Scope};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let scope = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Scope::Whole,
        ["--quick"] => Scope::Quick,
        ["--long"] => Scope::Long,
        _ => {
            eprintln!("usage: cargo ready [--quick | --long]");
            return ExitCode::from(2);
        }
    };
    match run(scope) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ready: {error:#}");
            ExitCode::FAILURE
        }
    }
}
