//! Runs a program to its end with a deadline and keeps what it printed: Kafka's Java tools, ours in `bin/`, kcat, Go programs.
//! Called by the suites.
use crate::condition::until;
use crate::project;
use anyhow::{Context, Result};
use std::fmt;
use std::io::{Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

/// Long enough for a JVM tool on a machine that compiles something at the same time.
const LIMIT: Duration = Duration::from_secs(180);

/// What a program left when it ended.
#[derive(Debug)]
pub struct Finished {
    pub command: String,
    pub status: ExitStatus,
    /// Its standard output as it came.
    pub raw: Vec<u8>,
    /// The same as text.
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// Itself, if the program ended with 0.
    pub fn ok(self) -> Result<Finished> {
        anyhow::ensure!(self.status.success(), "{self}");
        Ok(self)
    }

    /// Itself, if the program ended with something else.
    pub fn failed(self) -> Result<Finished> {
        anyhow::ensure!(!self.status.success(), "should have failed: {self}");
        Ok(self)
    }

    /// The lines of its standard output.
    pub fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }

    /// Itself, if it printed `part` somewhere.
    pub fn says(self, part: &str) -> Result<Finished> {
        let said = self.stdout.contains(part) || self.stderr.contains(part);
        anyhow::ensure!(said, "`{part}` was not said: {self}");
        Ok(self)
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finished { command, status, stdout, stderr, .. } = self;
        write!(f, "`{command}` ended with {status}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// Runs a command with nothing to read.
pub fn run(command: &mut Command) -> Result<Finished> {
    run_with(command, b"")
}

/// Runs a command that reads `input` from its standard input.
pub fn run_with(command: &mut Command, input: &[u8]) -> Result<Finished> {
    let text = format!("{command:?}");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("start {text}"))?;
    let writer = child.stdin.take().map(|pipe| feed(pipe, input.to_vec()));
    let (stdout, stderr) = (child.stdout.take().map(drain), child.stderr.take().map(drain));
    let status = until(&format!("the end of {text}"), LIMIT, || Ok(child.try_wait()?));
    if status.is_err() {
        child.kill()?;
        child.wait()?;
    }
    if let Some(writer) = writer {
        // A program may end without having read everything.
        let _ = writer.join();
    }
    let (raw, stderr) = (collect(stdout), text_of(&collect(stderr)));
    let stdout = text_of(&raw);
    let status = status.with_context(|| format!("--- stdout\n{stdout}\n--- stderr\n{stderr}"))?;
    Ok(Finished { command: text, status, raw, stdout, stderr })
}

fn feed(mut pipe: impl Write + Send + 'static, input: Vec<u8>) -> JoinHandle<std::io::Result<()>> {
    std::thread::spawn(move || pipe.write_all(&input))
}

fn drain(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is still worth showing.
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}

fn collect(reader: Option<JoinHandle<Vec<u8>>>) -> Vec<u8> {
    reader.and_then(|thread| thread.join().ok()).unwrap_or_default()
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A tool of Kafka 3.9, not yet run: `tool("topics", &["--list", …])`.
pub fn tool(name: &str, args: &[&str]) -> Command {
    java_tool("tool", name, args)
}

/// A tool of Kafka 2.8, the last that take `--zookeeper`.
pub fn tool28(name: &str, args: &[&str]) -> Command {
    java_tool("tool28", name, args)
}

fn java_tool(generation: &str, name: &str, args: &[&str]) -> Command {
    let mut command = Command::new(project::oracle());
    // The tools live for a second: the second compiler and a parallel collector would cost more than they give.
    command.env("JVM", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC");
    command.arg(generation).arg(name).args(args);
    command
}

/// A Java program of ours, one source file with Kafka 3.9 on its class path.
pub fn java(source: &str, args: &[&str]) -> Command {
    let source = project::path(source);
    java_tool("java", &source.to_string_lossy(), args)
}

/// A script of ours in `bin/`, run from the repository's root.
pub fn script(name: &str, args: &[&str]) -> Command {
    let mut command = Command::new(project::path("bin").join(name));
    command.current_dir(project::root()).args(args);
    command
}

pub fn kcat(args: &[&str]) -> Command {
    let mut command = Command::new("kcat");
    // Where cargo runs a suite, this leads to the librdkafka that was built for our tools, not to kcat's own.
    command.env_remove("LD_LIBRARY_PATH").args(args);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feeds_and_collects() {
        let done = run_with(Command::new("cat").arg("-"), b"one\ntwo\n").unwrap().ok().unwrap();
        assert_eq!(done.lines(), ["one", "two"]);
    }

    #[test]
    fn a_failure_shows_everything() {
        let done = run(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"])).unwrap();
        let text = done.ok().unwrap_err().to_string();
        assert!(
            text.contains("exit status: 3") && text.contains("out\n") && text.contains("err\n"),
            "{text}"
        );
    }
}
