//! One broker of a test as a process: ours, or a real Kafka where `OTTLA_TEST_BROKER=kafka` asks the suite to prove itself.
//! A broker of ours that logs a WARN or ERROR which the test did not announce fails the test.
//! Called by the suites.
use crate::condition::until_ok;
use crate::port::Port;
use crate::process::{Process, Signal};
use crate::project;
use crate::temp::TempDir;
use crate::wire::Wire;
use crate::zookeeper::Zookeeper;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// A real Kafka takes half a minute and more beside other suites.
const START_LIMIT: Duration = Duration::from_secs(150);
const STOP_LIMIT: Duration = Duration::from_secs(40);
/// Short, so that a test which kills a broker soon sees it gone; long enough for a machine that compiles meanwhile.
const SESSION_TIMEOUT_MS: u32 = 6_000;

/// What lets a single real broker keep groups and transactions.
const FOR_KAFKA: &str = "offsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\n\
                         transaction.state.log.min.isr=1\ngroup.initial.rebalance.delay.ms=0\n";

/// Whose broker is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Ottla,
    Kafka,
}

impl Kind {
    /// Ours, unless the environment asks for the real one.
    pub fn of_this_run() -> Kind {
        match std::env::var("OTTLA_TEST_BROKER").as_deref() {
            Ok("kafka") => Kind::Kafka,
            _ => Kind::Ottla,
        }
    }
}

/// A broker's properties file, its port and its directory, before and between its runs.
#[derive(Debug)]
pub struct Site {
    pub kind: Kind,
    pub id: i32,
    properties: BTreeMap<String, String>,
    port: Port,
    dir: TempDir,
}

impl Site {
    /// Settings of a single broker with short timeouts.
    pub fn new(id: i32, zookeeper: &Zookeeper) -> Result<Site> {
        let (port, dir) = (Port::free()?, TempDir::new("broker")?);
        let (listener, logs) = (format!("PLAINTEXT://{}", port.address()), dir.join("logs"));
        let mut site = Site { kind: Kind::of_this_run(), id, properties: BTreeMap::new(), port, dir };
        site.set("broker.id", id).set("listeners", listener);
        site.set("log.dirs", logs.display()).set("zookeeper.connect", zookeeper.address());
        site.set("zookeeper.session.timeout.ms", SESSION_TIMEOUT_MS);
        Ok(site)
    }

    /// Sets a property, in place of the one it may have.
    pub fn set(&mut self, key: &str, value: impl ToString) -> &mut Site {
        self.properties.insert(key.to_owned(), value.to_string());
        self
    }

    /// `127.0.0.1:PORT`, for `--bootstrap-server`.
    pub fn address(&self) -> String {
        self.port.address()
    }

    pub fn port(&self) -> u16 {
        self.port.number
    }

    /// A path in the broker's directory, which vanishes with the site.
    pub fn path(&self, below: &str) -> PathBuf {
        self.dir.join(below)
    }

    /// Writes the properties file and returns its path.
    pub fn write(&self) -> Result<PathBuf> {
        let file = self.dir.join("server.properties");
        let own: String = self.properties.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
        // What ours does not act on yet, it warns about.
        let text = if self.kind == Kind::Kafka { FOR_KAFKA.to_owned() + &own } else { own };
        std::fs::write(&file, text)?;
        Ok(file)
    }

    /// The command that runs this broker in the foreground.
    pub fn command(&self) -> Result<Command> {
        let file = self.write()?;
        let mut command = match self.kind {
            Kind::Ottla => Command::new(project::ottla()?),
            Kind::Kafka => Command::new(project::oracle()),
        };
        command.env("FOREGROUND", "1").arg("broker").arg(file);
        Ok(command)
    }

    /// Starts the broker and waits until it serves.
    pub fn start(self) -> Result<Broker> {
        let command = self.command()?;
        self.start_as(command)
    }

    /// Starts the broker by another command that runs it, and waits until it serves.
    pub fn start_as(self, mut command: Command) -> Result<Broker> {
        let process = self.spawn(&mut command)?;
        let mut broker = Broker { process, site: self, announced: Vec::new() };
        broker.await_serving()?;
        Ok(broker)
    }

    /// Runs a broker that is to end by itself because it cannot start; what it printed comes with its status.
    pub fn start_in_vain(&self) -> Result<(ExitStatus, String)> {
        self.end_of(&mut self.command()?)
    }

    /// Like [`Site::start_in_vain`], by another command.
    pub fn end_of(&self, command: &mut Command) -> Result<(ExitStatus, String)> {
        let mut process = self.spawn(command)?;
        let status = process.await_end(START_LIMIT)?;
        Ok((status, process.log()?))
    }

    fn spawn(&self, command: &mut Command) -> Result<Process> {
        // Where both kinds have run, only ours is held to silence.
        let log = if self.kind == Kind::Ottla { "server.log" } else { "kafka.log" };
        Process::spawn(&format!("broker {}", self.id), command, &self.path(log))
    }
}

/// A broker that serves, or did until the test stopped it.
#[derive(Debug)]
pub struct Broker {
    process: Process,
    pub site: Site,
    announced: Vec<String>,
}

impl Broker {
    /// A broker with id 1 and the usual settings.
    pub fn start(zookeeper: &Zookeeper) -> Result<Broker> {
        Site::new(1, zookeeper)?.start()
    }

    pub fn address(&self) -> String {
        self.site.address()
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    pub fn connect(&self) -> Result<Wire> {
        Wire::connect(&self.address())
    }

    /// Says that WARN or ERROR lines with this text belong to the test.
    pub fn announce(&mut self, part: &str) {
        self.announced.push(part.to_owned());
    }

    /// `kill -9`. The next start may tell of it.
    pub fn kill9(&mut self) -> Result<()> {
        self.announce("the last stop was not clean");
        // It may fall into the middle of a write.
        self.announce("the log was cut at offset");
        self.announce("a former session of this broker id is still registered");
        self.process.kill9()
    }

    /// SIGTERM, and waits for the end, which must be a clean one.
    pub fn stop(&mut self) -> Result<()> {
        self.process.signal(Signal::TERM)?;
        let status = self.process.await_end(STOP_LIMIT)?;
        // A JVM that ends on SIGTERM says 143; ours says 0.
        let clean = status.success() || (self.site.kind == Kind::Kafka && status.code() == Some(143));
        anyhow::ensure!(clean, "the broker ended with {status}; {}", self.process.log_tail());
        Ok(())
    }

    /// Starts it again on the directories it has.
    pub fn restart(&mut self) -> Result<()> {
        self.process = self.site.spawn(&mut self.site.command()?)?;
        self.await_serving()
    }

    /// Waits until clients find the broker and a controller in its metadata.
    pub fn await_serving(&mut self) -> Result<()> {
        let Broker { process, site, .. } = self;
        until_ok(&format!("broker {} serves", site.id), START_LIMIT, || {
            anyhow::ensure!(process.ended()?.is_none(), "it ended: {}", process.log_tail());
            let cluster = Wire::connect(&site.address())?.cluster()?;
            anyhow::ensure!(cluster.broker_ids.contains(&site.id), "it does not know itself: {cluster:?}");
            anyhow::ensure!(cluster.controller >= 0, "no controller yet: {cluster:?}");
            Ok(())
        })
        .with_context(|| process.log_tail())
    }

    /// All that it has logged in all its runs.
    pub fn log(&self) -> Result<String> {
        self.process.log()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.process.log_tail());
            return;
        }
        // Kafka warns of much; only ours is held to silence.
        let log = if self.site.kind == Kind::Ottla { self.log().unwrap_or_default() } else { String::new() };
        let odd = unannounced(&log, &self.announced);
        assert!(odd.is_empty(), "the broker logged what no test announced:\n{}", odd.join("\n"));
    }
}

/// Lines of a log at level WARN or ERROR, and panics, without those that have an announced text in them.
fn unannounced<'a>(log: &'a str, announced: &[String]) -> Vec<&'a str> {
    let loud = |line: &&str| {
        let level = line.split_whitespace().take(3).any(|word| matches!(word, "WARN" | "ERROR"));
        level || (line.starts_with("thread '") && line.contains("panicked"))
    };
    let expected = |line: &&str| announced.iter().any(|part| line.contains(part));
    log.lines().filter(loud).filter(|line| !expected(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_nobody_announced() {
        let log = "2025-01-01T00:00:00Z  INFO broker: an ERROR is a word here\n\
                   2025-01-01T00:00:00Z  WARN broker: key a.b is not acted on\n\
                   [2025-01-01 00:00:00,000] ERROR disk full (storage)\n\
                   thread 'main' panicked at x.rs:1:1:\n";
        let odd = unannounced(log, &["key a.b".to_owned()]);
        assert_eq!(odd.len(), 2);
        assert!(odd[0].contains("disk full") && odd[1].contains("panicked"), "{odd:?}");
    }
}
