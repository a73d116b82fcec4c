//! Settings of brokers and levels of loggers changed while the broker runs, by Kafka's own kafka-configs tool.
//! How: the same commands go to a real Kafka and to us; what the tool prints and what the znodes hold afterwards must be the same, with
//! ports named alike. What a change does is then seen from outside: a port opens, a record is too large, a request is logged.
use crate::scene::{SOON, Scene};
use anyhow::{Context, Result, ensure};
use std::net::TcpStream;
use tests::broker::{Kind, Site};
use tests::condition::{until, until_ok};
use tests::port::Port;
use tests::run::{kcat, run, run_with, tool};
use tests::zookeeper::Zookeeper;

const OWN: &[&str] = &["--entity-type", "brokers", "--entity-name", "1"];
const ALL: &[&str] = &["--entity-type", "brokers", "--entity-default"];
const LOGGERS: &[&str] = &["--entity-type", "broker-loggers", "--entity-name", "1"];

/// What a real single broker needs, and what differs between two machines' worth of directories.
const NOT_COMPARED: &[&str] = &[
    "offsets.topic.",
    "transaction.state.log.",
    "group.initial.rebalance.delay.ms",
    "log.dirs",
    "zookeeper.connect",
];

/// A broker of one kind, and what the commands told of it.
struct Story {
    scene: Scene,
    second: Port,
    told: Vec<String>,
}

impl Story {
    fn new(kind: Kind) -> Result<Story> {
        let zookeeper = Zookeeper::start()?;
        let mut site = Site::new(1, &zookeeper)?;
        site.kind = kind;
        site.set("num.io.threads", 4);
        let mut broker = site.start()?;
        broker.announce("has no effect: this version does not act on it yet");
        Ok(Story { scene: Scene { broker, zookeeper }, second: Port::free()?, told: Vec::new() })
    }

    /// Runs the tool, whatever comes of it, and notes what it says.
    fn configs(&mut self, entity: &[&str], change: &[&str]) -> Result<()> {
        let address = self.scene.address();
        let finished =
            run(&mut tool("configs", &[&["--bootstrap-server", &address], entity, change].concat()))?;
        let text = format!("{}{}", finished.stdout, finished.stderr);
        let lines = text.lines().filter(|line| !line.starts_with("\tat ") && !line.contains(" WARN "));
        let shown = lines.filter(|line| NOT_COMPARED.iter().all(|key| !line.trim_start().starts_with(key)));
        self.told.push(format!("{entity:?} {change:?}"));
        let (first, second) = (self.scene.broker.site.port().to_string(), self.second.number.to_string());
        let named = |line: &str| line.replace(&first, "FIRST").replace(&second, "SECOND");
        self.told.extend(shown.map(named));
        Ok(())
    }

    fn alter(&mut self, entity: &[&str], changes: &[&str]) -> Result<()> {
        changes.iter().try_for_each(|change| self.configs(entity, &["--alter", "--add-config", change]))
    }

    fn delete(&mut self, entity: &[&str], name: &str) -> Result<()> {
        self.configs(entity, &["--alter", "--delete-config", name])
    }

    fn note_znodes(&mut self) -> Result<()> {
        let mut tree = self.scene.zookeeper.tree()?;
        for path in ["/config/brokers/1", "/config/brokers/<default>"] {
            self.told.push(format!("{path}: {}", tree.text(path)?));
        }
        Ok(())
    }

    fn all(&mut self) -> Result<()> {
        self.configs(OWN, &["--describe", "--all"])?;
        self.alter(
            ALL,
            &[
                "message.max.bytes=2000,log.retention.ms=7200000",
                "log.cleanup.policy=[delete,compact]",
                "num.io.threads=8,background.threads=12",
            ],
        )?;
        // The next is judged by the number in force.
        self.await_value("num.io.threads=8")?;
        self.alter(
            ALL,
            &["num.io.threads=17", "log.retention.ms=never", "listeners=PLAINTEXT://:1", "some.plugin=x"],
        )?;
        self.alter(
            OWN,
            &[
                "message.max.bytes=3000",
                "broker.id=2",
                "ssl.keystore.location=/x",
                "listener.name.plaintext.ssl.keystore.location=/x",
                "listener.name.plaintext.ssl.keystore.password=x",
                "leader.replication.throttled.rate=1000",
            ],
        )?;
        self.await_value("leader.replication.throttled.rate=1000")?;
        for entity in [OWN, ALL] {
            self.configs(entity, &["--describe"])?;
        }
        self.configs(OWN, &["--describe", "--all"])?;
        self.note_znodes()?;
        for name in ["message.max.bytes", "nosuch", "listener.name.plaintext.ssl.keystore.location"] {
            self.delete(OWN, name)?;
        }
        self.delete(ALL, "log.cleanup.policy,some.plugin")?;
        self.note_znodes()
    }

    /// The tool knows only what the broker has read from ZooKeeper.
    fn await_value(&self, setting: &str) -> Result<()> {
        until_ok(setting, SOON, || {
            let described = self.scene.configs(&[OWN, &["--describe", "--all"]].concat())?;
            let there =
                described.stdout.lines().any(|line| line.trim_start().starts_with(&format!("{setting} ")));
            ensure!(there, "{described}");
            Ok(())
        })
    }

    fn loggers(&mut self) -> Result<()> {
        let logger = "kafka.request.logger";
        self.alter(
            LOGGERS,
            &[
                "kafka.request.logger=DEBUG",
                "kafka.request.logger=OFF",
                "nosuch.logger=INFO",
                "kafka.server.KafkaApis=TRACE,kafka=WARN",
            ],
        )?;
        self.delete(LOGGERS, logger)?;
        self.delete(LOGGERS, "root")
    }
}

#[test]
fn the_tool_and_the_znodes_say_what_they_say_of_kafka() -> Result<()> {
    let (mut ours, mut kafkas) = (Story::new(Kind::of_this_run())?, Story::new(Kind::Kafka)?);
    for story in [&mut ours, &mut kafkas] {
        story.all()?;
        story.loggers()?;
    }
    let missing = kafkas.told.iter().filter(|line| !ours.told.contains(line)).map(|line| format!("- {line}"));
    let added = ours.told.iter().filter(|line| !kafkas.told.contains(line)).map(|line| format!("+ {line}"));
    let difference: Vec<String> = missing.chain(added).collect();
    assert!(difference.is_empty(), "- is Kafka, + is ours:\n{}", difference.join("\n"));
    assert_eq!(ours.told.len(), kafkas.told.len());
    Ok(())
}

#[test]
fn what_is_changed_takes_effect_at_once() -> Result<()> {
    let mut story = Story::new(Kind::of_this_run())?;
    story.scene.create_topic("t", 1)?;
    let produce = |story: &Story, bytes: usize| {
        let args = ["-b", &story.scene.address(), "-P", "-t", "t", "-X", "message.timeout.ms=3000"];
        run_with(&mut kcat(&args), "x".repeat(bytes).as_bytes())
    };
    produce(&story, 5000)?.ok()?;
    story.alter(ALL, &["message.max.bytes=2000"])?;
    until_ok("a record is too large", SOON, || produce(&story, 5000)?.failed().map(drop))?;
    story.delete(ALL, "message.max.bytes")?;
    until_ok("it is not any more", SOON, || produce(&story, 5000)?.ok().map(drop))?;

    let (first, second) = (story.scene.address(), story.second.address());
    let mut tree = story.scene.zookeeper.tree()?;
    let before = tree.stat("/brokers/ids/1")?.context("the broker is registered")?;
    let map = "listener.security.protocol.map=[PLAINTEXT:PLAINTEXT,SECOND:PLAINTEXT]";
    let both = format!("{map},listeners=[PLAINTEXT://{first},SECOND://{second}]");
    story.alter(OWN, &[&both])?;
    until("the second port is open", SOON, || Ok(TcpStream::connect(&second).ok().map(drop)))?;
    until_ok("the registration has both", SOON, || {
        let text = tree.text("/brokers/ids/1")?;
        ensure!(text.contains(&format!("\"SECOND://{second}\"")), "{text}");
        Ok(())
    })?;
    until_ok("clients of the second port are led to it", SOON, || {
        let listed = run(&mut kcat(&["-b", &second, "-L"]))?.ok()?;
        ensure!(listed.stdout.contains(&format!("broker 1 at {second}")), "{listed}");
        Ok(())
    })?;
    let after = tree.stat("/brokers/ids/1")?.context("the broker is registered")?;
    assert_eq!(
        (after.creation_zxid, after.version),
        (before.creation_zxid, before.version + 1),
        "the broker lives on"
    );
    story.configs(OWN, &["--alter", "--delete-config", "listeners,listener.security.protocol.map"])?;
    until("the second port is closed", SOON, || Ok(TcpStream::connect(&second).is_err().then_some(())))?;
    run(&mut kcat(&["-b", &first, "-L"]))?.ok()?;

    let is_request = |line: &&str| {
        line.contains(" DEBUG ") && line.contains("kafka.request.logger") && !line.contains("log level")
    };
    let requests =
        |story: &Story| Ok::<_, anyhow::Error>(story.scene.broker.log()?.lines().filter(is_request).count());
    assert_eq!(requests(&story)?, 0);
    story.alter(LOGGERS, &["kafka.request.logger=DEBUG"])?;
    run(&mut kcat(&["-b", &first, "-L"]))?.ok()?;
    until("requests are logged", SOON, || Ok((requests(&story)? > 0).then_some(())))?;
    story.scene.broker.stop()?;
    Ok(())
}
