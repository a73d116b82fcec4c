//! `ottla broker FILE [--override key=value]…`: the arguments of `kafka-server-start.sh`.
//!
//! Reads no settings; the broker does. Ends with 1 when the broker cannot start or go on.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use broker::{Loggers, Options};
use tokio::runtime::Builder;

use crate::memory;

const USAGE: &str = "usage: ottla broker FILE [--override KEY=VALUE]…";

/// Runs a broker until it is told to stop.
pub(crate) fn run(args: &[String], loggers: Loggers) -> ExitCode {
    let serve = |(file, overrides)| serve(Options { file, overrides, loggers });
    match arguments(args).and_then(serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(options: Options) -> anyhow::Result<()> {
    memory::in_small_pages();
    let mut threads = Builder::new_multi_thread();
    let runtime =
        threads.enable_all().on_thread_park(memory::give_back).build().context("cannot start the runtime")?;
    // Its errors say all there is in one message; their sources would say it again.
    runtime.block_on(broker::run(options)).map_err(|error| anyhow::anyhow!("{error}"))
}

fn arguments(args: &[String]) -> anyhow::Result<(PathBuf, Vec<String>)> {
    let mut file = None;
    let mut overrides = Vec::new();
    let mut rest = args.iter();
    while let Some(word) = rest.next() {
        match word.strip_prefix("--override") {
            Some("") => overrides.push(rest.next().with_context(|| USAGE)?.clone()),
            Some(pair) if pair.starts_with('=') => overrides.push(pair[1..].to_owned()),
            Some(_) | None if word.starts_with('-') || file.is_some() => bail!("{word}?\n{USAGE}"),
            Some(_) | None => file = Some(PathBuf::from(word)),
        }
    }
    Ok((file.with_context(|| USAGE)?, overrides))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str) -> anyhow::Result<(PathBuf, Vec<String>)> {
        let args: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        arguments(&args)
    }

    #[test]
    fn reads_a_file_and_overrides() {
        let (file, overrides) = read("--override a=1 f.properties --override=b=2=3").unwrap();
        assert_eq!(file, PathBuf::from("f.properties"));
        assert_eq!(overrides, ["a=1", "b=2=3"]);
    }

    #[test]
    fn says_how_it_is_used() {
        for words in ["", "--override a=1", "f --override", "f g", "-daemon f"] {
            assert!(read(words).unwrap_err().to_string().contains(USAGE), "{words}");
        }
    }
}
