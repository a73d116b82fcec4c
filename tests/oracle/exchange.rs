//! Our log directories on a real Kafka 3.9, and then on our broker again: Kafka's dump-log finds nothing wrong, its broker serves the same
//! records, and producers go on where they were. How: idempotent producers, one for each codec, live through it all; small segments and
//! a small retention make many files; somewhere on the way the broker is killed. Record `n` of a topic must be at offset `n`.
use crate::reading::by_kcat;
use crate::sources::Source;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;
use tests::broker::{Broker, Kind, Site};
use tests::condition::{until, until_ok};
use tests::run::{run, tool};
use tests::zookeeper::Zookeeper;

const SOON: Duration = Duration::from_secs(60);
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
/// The topic that outgrows the retention.
const LONG: &str = "none";
const RETENTION_BYTES: u64 = 200_000;

#[test]
fn after_a_clean_stop() -> Result<()> {
    let mut exchange = Exchange::new()?;
    exchange.broker.stop()?;
    exchange.check_dump()?;
    exchange.on(Kind::Kafka)?;
    exchange.broker.stop()?;
    exchange.on(Kind::Ottla)?;
    exchange.broker.stop()?;
    exchange.check_dump()
}

#[test]
fn after_kill_9() -> Result<()> {
    let mut exchange = Exchange::new()?;
    exchange.broker.kill9()?;
    exchange.on(Kind::Kafka)?;
    exchange.broker.kill9()?;
    exchange.on(Kind::Ottla)?;
    exchange.broker.stop()?;
    exchange.check_dump()
}

/// Producers, a directory with a history, and whoever serves it. Declared in the order in which they end.
struct Exchange {
    sources: Vec<Source>,
    broker: Broker,
    zookeeper: Zookeeper,
    /// What was served when this was last looked at.
    seen: BTreeMap<String, Vec<u8>>,
}

impl Exchange {
    /// A history on our broker: every codec, rolled segments, a retention that has removed some, and a `kill -9` between.
    fn new() -> Result<Exchange> {
        let zookeeper = Zookeeper::start()?;
        let mut site = Site::new(1, &zookeeper)?;
        site.kind = Kind::Ottla;
        site.set("log.segment.bytes", 16_384).set("log.index.interval.bytes", 512);
        site.set("log.retention.bytes", RETENTION_BYTES).set("log.retention.check.interval.ms", 300);
        site.set("log.segment.delete.delay.ms", 100);
        let broker = site.start()?;
        let address = broker.address();
        let sources = CODECS.iter().map(|codec| Source::new(&address, codec)).collect::<Result<_>>()?;
        let mut exchange = Exchange { sources, broker, zookeeper, seen: BTreeMap::new() };
        exchange.produce()?;
        until_ok("the retention removes the oldest segments", SOON, || exchange.look())?;
        exchange.broker.kill9()?;
        // From now on nothing vanishes between two looks.
        exchange.broker.site.set("log.retention.bytes", -1);
        exchange.broker.restart()?;
        exchange.produce()?;
        exchange.seen = exchange.look()?;
        Ok(exchange)
    }

    /// Every source sends some hundred records more, and the long one enough to outgrow the retention.
    fn produce(&mut self) -> Result<()> {
        let count = |source: &Source| if source.topic == LONG { 2_000 } else { 300 };
        self.sources.iter_mut().try_for_each(|source| source.send(count(source)))
    }

    /// Serves the directory with the other broker, which must serve all that was there, and take what comes.
    fn on(&mut self, kind: Kind) -> Result<()> {
        let session = format!("/brokers/ids/{}", self.broker.site.id);
        let mut tree = self.zookeeper.tree()?;
        until("the end of the old session", SOON, || Ok(tree.stat(&session)?.is_none().then_some(())))?;
        self.broker.site.kind = kind;
        self.broker.restart()?;
        let found = self.look().with_context(|| format!("on {kind:?}"))?;
        for (topic, records) in &self.seen {
            anyhow::ensure!(found[topic] == *records, "{topic} is not the same on {kind:?}");
        }
        self.produce()?;
        self.seen = self.look().with_context(|| format!("on {kind:?}, with more records"))?;
        let log = self.broker.log()?;
        let complaints: Vec<&str> = log.lines().filter(|line| is_about_logs(line)).collect();
        anyhow::ensure!(complaints.is_empty(), "Kafka had to mend something: {complaints:#?}");
        Ok(())
    }

    /// All records of each topic, as kcat prints them; none is missing, none is out of its place.
    fn look(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        let mut seen = BTreeMap::new();
        for Source { topic, sent, .. } in &self.sources {
            let partition = format!("{topic}-0");
            let records = until_ok("the partition is led", SOON, || {
                let records = by_kcat(&self.broker.address(), &partition, "read_committed")?;
                anyhow::ensure!(!records.is_empty(), "{topic} is empty");
                Ok(records)
            })?;
            let numbers = places(&records).with_context(|| topic.clone())?;
            let from = numbers[0];
            anyhow::ensure!(
                numbers == (from..*sent).collect::<Vec<_>>(),
                "{topic}: {numbers:?}, {sent} were sent"
            );
            anyhow::ensure!((from > 0) == (topic == LONG), "{topic} begins at {from}");
            seen.insert(topic.clone(), records);
        }
        Ok(seen)
    }

    /// Kafka's dump-log has nothing to say against any file. The broker is stopped: a growing index has a tail of zeros.
    fn check_dump(&self) -> Result<()> {
        let mut files = Vec::new();
        for codec in CODECS {
            for entry in fs::read_dir(self.broker.site.path("logs").join(format!("{codec}-0")))? {
                files.push(entry?.path().display().to_string());
            }
        }
        let with = |ending: &str| files.iter().filter(|file| file.ends_with(ending)).count();
        let segments = with(".log");
        assert!(segments > 20 && with(".snapshot") > 5, "{files:?}");
        files.retain(|file| {
            [".log", ".index", ".timeindex", ".snapshot"].iter().any(|kind| file.ends_with(kind))
        });
        let files = files.join(",");
        for (how, passes) in [("--index-sanity-check", 2 * segments), ("--verify-index-only", 0)] {
            let dumped = run(&mut tool("dump-log", &["--files", &files, "--deep-iteration", how]))?.ok()?;
            // What is wrong goes to standard error.
            let sound = dumped.stderr.is_empty() && !dumped.stdout.contains("isvalid: false");
            assert!(sound && dumped.stdout.contains("isvalid: true"), "{dumped}");
            assert_eq!(dumped.stdout.matches(" passed sanity check.").count(), passes, "{dumped}");
        }
        Ok(())
    }
}

/// Whether Kafka warns of what it found in a log directory. Ours ends its test by any warning.
fn is_about_logs(line: &str) -> bool {
    let loud = line.contains("] WARN ") || line.contains("] ERROR ");
    loud && ["(kafka.log.", "(org.apache.kafka.storage."].iter().any(|class| line.contains(class))
}

/// The numbers of the records that kcat printed; each is its offset and its key.
fn places(records: &[u8]) -> Result<Vec<usize>> {
    let text = std::str::from_utf8(records)?;
    let number = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [offset, _, _, key, ..] = fields[..] else { anyhow::bail!("an odd line: {line}") };
        anyhow::ensure!(offset == key, "record {key} is at {offset}");
        Ok(offset.parse()?)
    };
    text.lines().map(number).collect()
}
