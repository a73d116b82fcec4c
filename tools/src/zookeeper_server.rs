//! `ottla zookeeper FILE`: a real Apache ZooKeeper, from wherever this machine has one.
//!
//! Looks in $ZOOKEEPER_HOME, in Debian's package, in what Maven fetched before; else has Maven fetch it. Becomes the
//! Java process, so that signals reach it. Owns no setting: FILE is ZooKeeper's own.

mod jars;

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::signals;

pub use jars::Missing;

const MAIN_CLASS: &str = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
/// By this `bin/zookeeper-server-stop.sh` knows the processes that were started here.
const MARK: &str = "-Dottla.zookeeper=true";
const USAGE: &str = "usage: ottla zookeeper FILE";
const HEAP_DEFAULT: &str = "-Xmx512M";

/// Turns this process into a ZooKeeper; comes back only with a failure.
pub fn run(args: &[String]) -> ExitCode {
    let [file] = args else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    if !Path::new(file).is_file() {
        eprintln!("{file}: there is no such file\n{USAGE}");
        return ExitCode::FAILURE;
    }
    match command(Path::new(file)) {
        Ok(command) => eprintln!("{:#}", become_java(command)),
        Err(missing) => eprintln!("{missing}"),
    }
    ExitCode::FAILURE
}

/// Comes back only with what went wrong.
fn become_java(mut command: Command) -> anyhow::Error {
    if let Err(error) = signals::restored_by_exec() {
        return error.context("cannot take Ctrl-C for ZooKeeper");
    }
    anyhow::Error::new(command.exec()).context("cannot start java")
}

/// The Java process that serves what `file` says. Fetches the jars if need be, which takes seconds once.
pub fn command(file: &Path) -> Result<Command, Missing> {
    let java = jars::java()?;
    let class_path = jars::class_path()?;
    let mut command = Command::new(java);
    match std::env::var("KAFKA_HEAP_OPTS") {
        Ok(options) if !options.trim().is_empty() => drop(command.args(options.split_whitespace())),
        Ok(_) | Err(_) => drop(command.arg(HEAP_DEFAULT)),
    }
    command
        .args(["-cp", &class_path, MARK, "-Dorg.slf4j.simpleLogger.showDateTime=true"])
        .args(["-Dzookeeper.admin.enableServer=false", MAIN_CLASS])
        .arg(file);
    Ok(command)
}
