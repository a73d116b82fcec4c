//! Replicas that move between log directories, on a real Kafka and on our broker: Kafka's admin client asks both for the same and hears
//! the same, and a move that one has half done is finished by the other, while a producer goes on.
//! How: a rate of zero bytes per second, set as a broker's dynamic setting, holds a move until the broker is killed.
use crate::reading::by_kcat;
use crate::sources::Source;
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use tests::broker::{Broker, Kind, Site};
use tests::condition::{until, until_ok};
use tests::run::{java, run, tool};
use tests::zookeeper::Zookeeper;

const SOON: Duration = Duration::from_secs(90);
const RATE: &str = "replica.alter.log.dirs.io.max.bytes.per.second";
/// The producer's topic, and its codec.
const TOPIC: &str = "none";

/// A broker with directories `a` and `b`, and one that cannot be used.
struct Mover {
    source: Source,
    broker: Broker,
    zookeeper: Zookeeper,
    dirs: [PathBuf; 2],
}

impl Mover {
    fn new(kind: Kind) -> Result<Mover> {
        let zookeeper = Zookeeper::start()?;
        let mut site = Site::new(1, &zookeeper)?;
        site.kind = kind;
        let dirs = ["a", "b"].map(|name| site.path(name));
        site.set("log.dirs", format!("{},{}", dirs[0].display(), dirs[1].display()));
        site.set("log.segment.bytes", 16_384).set("log.segment.delete.delay.ms", 100);
        let mut broker = site.start()?;
        broker.announce("the replica does not move");
        broker.announce("the last stop was not clean");
        let source = Source::new(&broker.address(), TOPIC)?;
        let mut mover = Mover { source, broker, zookeeper, dirs };
        mover.source.send(2_000)?;
        Ok(mover)
    }

    /// What Move.java prints of these wishes, with short names for the directories.
    fn java(&self, wishes: &[(&str, &str, &str)]) -> Result<Vec<String>> {
        let address = self.broker.address();
        let mut args = vec![address.as_str(), "1"];
        let paths: Vec<String> = wishes.iter().map(|(.., dir)| self.path(dir)).collect();
        for ((topic, partition, _), path) in wishes.iter().zip(&paths) {
            args.extend([topic, partition, path.as_str()]);
        }
        let done = run(&mut java("tests/oracle/Move.java", &args))?.ok()?;
        let mut text = done.stdout.clone();
        for (dir, name) in self.dirs.iter().zip(["a", "b"]) {
            text = text.replace(&format!("\t{}\t", dir.display()), &format!("\t{name}\t"));
        }
        Ok(text.lines().filter(|line| !line.starts_with("__")).map(str::to_owned).collect())
    }

    fn path(&self, dir: &str) -> String {
        match dir {
            "a" => self.dirs[0].display().to_string(),
            "b" => self.dirs[1].display().to_string(),
            other => other.to_owned(),
        }
    }

    /// Sets the rate to zero by `--add-config`, or takes it away by `--delete-config`.
    fn set_rate(&self, change: &str) -> Result<()> {
        let address = self.broker.address();
        let rate = if change == "--add-config" { format!("{RATE}=0") } else { RATE.to_owned() };
        let whom =
            ["--bootstrap-server", &address, "--entity-type", "brokers", "--entity-name", "1", "--alter"];
        run(&mut tool("configs", &[&whom[..], &[change, &rate]].concat()))?.ok()?;
        Ok(())
    }

    /// Where the producer's partition is, and where it is not.
    fn places(&self) -> Result<[&'static str; 2]> {
        let home = self.dirs.iter().position(|dir| dir.join(format!("{TOPIC}-0")).exists());
        Ok(if home.context("the partition is nowhere")? == 0 { ["a", "b"] } else { ["b", "a"] })
    }

    fn copies(&self) -> Result<usize> {
        let mut count = 0;
        for dir in &self.dirs {
            for entry in fs::read_dir(dir)? {
                count += usize::from(entry?.file_name().to_string_lossy().ends_with("-future"));
            }
        }
        Ok(count)
    }

    /// Goes on with the other broker, after a kill.
    fn on(&mut self, kind: Kind) -> Result<()> {
        self.broker.kill9()?;
        let mut tree = self.zookeeper.tree()?;
        until("the end of the old session", SOON, || {
            Ok(tree.stat("/brokers/ids/1")?.is_none().then_some(()))
        })?;
        self.broker.site.kind = kind;
        self.broker.restart()
    }

    /// All records are there, each in its place.
    fn check(&self) -> Result<()> {
        until_ok("all records are read", SOON, || {
            let read = by_kcat(&self.broker.address(), &format!("{TOPIC}-0"), "read_committed")?;
            let text = String::from_utf8(read)?;
            let mut count = 0;
            for (number, line) in text.lines().enumerate() {
                anyhow::ensure!(line.starts_with(&format!("{number}\t")), "record {number}: {line}");
                count += 1;
            }
            anyhow::ensure!(count == self.source.sent, "{count} of {} records", self.source.sent);
            Ok(())
        })
    }

    /// A move to the other directory that stands still.
    fn begin(&mut self) -> Result<&'static str> {
        let [_, to] = self.places()?;
        self.set_rate("--add-config")?;
        until_ok("a copy that stands still", SOON, || {
            self.java(&[(TOPIC, "0", to)])?;
            anyhow::ensure!(self.copies()? == 1, "there is no copy");
            Ok(())
        })?;
        self.source.send(100)?;
        Ok(to)
    }

    /// The move is done once the rate is gone.
    fn end(&mut self, to: &str) -> Result<()> {
        self.set_rate("--delete-config")?;
        until_ok("the end of the move", SOON, || {
            anyhow::ensure!(self.places()?[0] == to && self.copies()? == 0, "{:?}", self.places()?);
            Ok(())
        })?;
        self.source.send(100)?;
        self.check()
    }
}

#[test]
fn both_brokers_tell_the_same() -> Result<()> {
    let told = [Kind::Kafka, Kind::Ottla].map(|kind| told_by(kind).with_context(|| format!("{kind:?}")));
    let [kafka, ottla] = told;
    assert_eq!(ottla?, kafka?);
    Ok(())
}

/// Wishes of every kind, and what a broker answers.
fn told_by(kind: Kind) -> Result<Vec<String>> {
    let mut mover = Mover::new(kind)?;
    let [here, there] = mover.places()?;
    let long = "l".repeat(210);
    // One answer each for what cannot be done, then a replica that is made where it was wished.
    let mut told = mover.java(&[
        (TOPIC, "0", "/nowhere"),
        (TOPIC, "0", "relative"),
        (TOPIC, "7", there),
        ("unknown", "0", there),
        (&long, "0", there),
        (TOPIC, "0", here),
    ])?;
    let address = mover.broker.address();
    let make = ["--bootstrap-server", &address, "--create", "--topic", "unknown", "--partitions", "1"];
    run(&mut tool("topics", &make))?.ok()?;
    mover.set_rate("--add-config")?;
    told.extend(mover.java(&[("unknown", "0", there), (TOPIC, "0", here)])?);
    mover.set_rate("--delete-config")?;
    mover.java(&[(TOPIC, "0", there)])?;
    until_ok("the end of the move", SOON, || {
        anyhow::ensure!(mover.places()?[0] == there && mover.copies()? == 0, "it moves");
        Ok(())
    })?;
    mover.source.send(100)?;
    mover.check()?;
    told.extend(mover.java(&[(TOPIC, "0", there)])?);
    // Which of the two is first is up to the broker.
    let names = |line: &String| {
        line.replace(&format!("\t{here}\t"), "\there\t").replace(&format!("\t{there}\t"), "\tthere\t")
    };
    Ok(told.iter().map(names).collect())
}

#[test]
fn what_kafka_has_begun_we_finish() -> Result<()> {
    let mut mover = Mover::new(Kind::Kafka)?;
    let to = mover.begin()?;
    mover.on(Kind::Ottla)?;
    mover.end(to)
}

#[test]
fn what_we_have_begun_kafka_finishes() -> Result<()> {
    let mut mover = Mover::new(Kind::Ottla)?;
    let to = mover.begin()?;
    mover.on(Kind::Kafka)?;
    mover.end(to)
}
