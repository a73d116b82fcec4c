//! README.md keeps its word: its walk-through is run line by line, its first command once; what comes out is what a reader expects.
//! How: the examples are taken from the text; only addresses and the folders of data are replaced, so that the test can run beside
//! others. A line that starts a server becomes a process of the test; every other line must end with success.
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tests::condition::until_ok;
use tests::port::Port;
use tests::process::{Process, Signal};
use tests::project;
use tests::readme::{WALK_THROUGH, examples};
use tests::run::{Finished, run};
use tests::temp::TempDir;
use tests::wire::Wire;
use tests::znode::Tree;

const STARTED: Duration = Duration::from_secs(60);

#[test]
fn the_walk_through_works_as_it_is_written() -> Result<()> {
    let place = Place::new()?;
    let (mut servers, mut said) = (Vec::new(), Vec::new());
    for line in lines()? {
        if line.contains("-server-start.sh") {
            servers.push(place.start(&line)?);
        } else {
            said.push(run(&mut place.shell(&line))?.ok()?);
        }
    }
    check_output(&said)?;
    // Ctrl-C in each terminal, the broker's first.
    for server in servers.iter_mut().rev() {
        server.signal(Signal::INT)?;
        server.await_end(STARTED)?;
    }
    Ok(())
}

#[test]
fn quickstart_shows_everything_and_leaves_nothing() -> Result<()> {
    let place = Place::new()?;
    let mut command = Command::new(project::ottla()?);
    command.args(["quickstart", "--once"]).arg(place.dir.join("server.properties"));
    let done = run(&mut command)?
        .ok()?
        .says("Ottla is up.")?
        .says("started for you")?
        .says(&place.broker.address())?;
    assert!(done.stdout.contains("\tPartition: 0\tLeader: 0\tReplicas: 0\tIsr: 0"), "{done}");
    assert!(done.lines().len() < 40, "more than a screenful: {done}");
    let left = std::fs::read_dir(place.dir.path())?.map(|entry| Ok(entry?.file_name()));
    let mut left = left.collect::<Result<Vec<_>>>()?;
    left.sort();
    assert_eq!(left, ["server.properties", "zookeeper.properties"]);
    for port in [&place.zookeeper, &place.broker] {
        assert!(std::net::TcpStream::connect(port.address()).is_err(), "{} is still served", port.address());
    }
    Ok(())
}

/// The commands of the walk-through, each on one line, as a reader types them.
fn lines() -> Result<Vec<String>> {
    let examples = examples()?;
    let text: String = examples
        .iter()
        .filter(|example| example.heading == WALK_THROUGH)
        .map(|one| one.script.as_str())
        .collect();
    Ok(text.replace("\\\n", " ").lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect())
}

/// What each command printed, found by what it does.
fn check_output(said: &[Finished]) -> Result<()> {
    let of = |parts: &[&str]| -> Result<&Finished> {
        let is = |done: &&Finished| parts.iter().all(|part| done.command.contains(part));
        said.iter().find(is).with_context(|| format!("the walk-through has no {parts:?}"))
    };
    assert_eq!(
        of(&["kafka-topics.sh", "--create", "xiaoyou", "--partitions 1"])?.stdout,
        "Created topic xiaoyou.\n"
    );
    let described = of(&["kafka-topics.sh", "--describe", "xiaoyou"])?.lines();
    let head: Vec<&str> = described[0].split('\t').collect();
    assert_eq!(
        (head[0], head[2], head[3], head[4]),
        ("Topic: xiaoyou", "PartitionCount: 1", "ReplicationFactor: 1", "Configs: ")
    );
    let partition =
        "\tTopic: xiaoyou\tPartition: 0\tLeader: 0\tReplicas: 0\tIsr: 0\tElr: N/A\tLastKnownElr: N/A";
    assert_eq!(described[1..], [partition]);
    of(&["kafka-console-producer.sh"])?;
    assert_eq!(of(&["kafka-console-consumer.sh", "--from-beginning"])?.stdout, "first\nsecond\n");
    let size = ["--num-records 1000000", "--record-size 1000", "--throughput 1000000"];
    let produced = of(&[&["kafka-producer-perf-test.sh"][..], &size].concat())?.lines();
    assert!(produced.last().context("no output")?.starts_with("1000000 records sent, "), "{produced:?}");
    let consumed = of(&["kafka-consumer-perf-test.sh"])?.lines();
    let fields: Vec<&str> = consumed.last().context("no output")?.split(", ").collect();
    assert!(fields.len() == 10 && fields[4].parse::<u64>()? >= 1_000_000, "{consumed:?}");
    assert_eq!(of(&["kafka-get-offsets.sh"])?.stdout, "xiaoyou:0:1000002\n");
    of(&["kafka-log-dirs.sh"])?;
    let setting = of(&["kafka-configs.sh", "--describe", "--topic xiaoyou"])?;
    assert!(setting.stdout.contains("\n  retention.ms=3600000 "), "{setting}");
    let quota = of(&["kafka-configs.sh", "--describe", "--client slow"])?;
    assert!(quota.stdout.contains(" are producer_byte_rate=1048576.0\n"), "{quota}");
    Ok(())
}

/// Where the walk-through runs in the test: ports and folders of its own.
struct Place {
    zookeeper: Port,
    broker: Port,
    dir: TempDir,
}

impl Place {
    fn new() -> Result<Place> {
        let place = Place { zookeeper: Port::free()?, broker: Port::free()?, dir: TempDir::new("readme")? };
        for file in ["server.properties", "zookeeper.properties"] {
            let text = std::fs::read_to_string(project::path("config").join(file))?;
            std::fs::write(place.dir.join(file), place.replaced(&text))?;
        }
        Ok(place)
    }

    /// A text with the addresses and folders of this place.
    fn replaced(&self, text: &str) -> String {
        let dir = self.dir.path().display();
        text.replace(
            "listeners=PLAINTEXT://:9092",
            &format!("listeners=PLAINTEXT://{}", self.broker.address()),
        )
        .replace("localhost:9092", &self.broker.address())
        .replace("localhost:2181", &self.zookeeper.address())
        .replace("clientPort=2181", &format!("clientPort={}", self.zookeeper.number))
        .replace("=/tmp/", &format!("={dir}/"))
        .replace("config/server.properties", &format!("{dir}/server.properties"))
        .replace("config/zookeeper.properties", &format!("{dir}/zookeeper.properties"))
    }

    fn shell(&self, line: &str) -> Command {
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", &self.replaced(line)]).current_dir(project::root());
        command
    }

    /// Starts a server as one who leaves it in a terminal of its own, and waits until it serves.
    fn start(&self, line: &str) -> Result<Process> {
        let name = line.split_whitespace().next().unwrap_or_default();
        let log = self.dir.join(Path::new(name).file_name().unwrap_or_default());
        let mut process = Process::spawn(name, &mut self.shell(&format!("exec {line}")), &log)?;
        until_ok(&format!("{line} serves"), STARTED, || {
            anyhow::ensure!(process.ended()?.is_none(), "{}", process.log_tail());
            if name.contains("zookeeper") {
                return Tree::connect(&self.zookeeper.address())?.stat("/").map(drop);
            }
            Wire::connect(&self.broker.address())?.cluster().map(drop)
        })?;
        Ok(process)
    }
}
