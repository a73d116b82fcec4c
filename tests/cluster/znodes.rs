//! What we leave in ZooKeeper is what a real Kafka 3.9 broker leaves, to the byte: contents (null is not empty), versions, kind, access.
//! How: the same work is done on both, by Kafka's own tools, and a dump of every znode of ours stands beside the real one's; ids,
//! times and ports are named alike, nothing else is.
use crate::scene::{SOON, Scene};
use anyhow::{Context, Result};
use tests::broker::{Kind, Site};
use tests::condition::until_ok;
use tests::project;
use tests::run::{run, run_with, tool, tool28};
use tests::znode::Tree;
use tests::znode::dump::{Names, dump};
use tests::zookeeper::Zookeeper;

/// A broker that has just started, at work, and after a clean stop.
#[derive(Debug)]
struct Dumps {
    started: Vec<String>,
    worked: Vec<String>,
    stopped: Vec<String>,
}

#[test]
fn every_znode_is_as_a_real_brokers() -> Result<()> {
    let (ours, kafkas) = (dumps_of(Kind::of_this_run())?, dumps_of(Kind::Kafka)?);
    compare("after the start", &ours.started, &kafkas.started);
    compare("after the work", &ours.worked, &kafkas.worked);
    compare("after the stop", &ours.stopped, &kafkas.stopped);
    check_document(&kafkas.worked)
}

/// docs/znodes.md shows the nodes after the work; `UPDATE=1` writes them there.
fn check_document(worked: &[String]) -> Result<()> {
    let path = project::path("docs/znodes.md");
    let text = std::fs::read_to_string(&path)?;
    let (before, rest) = text.split_once("```text\n").context("docs/znodes.md has no text block")?;
    let (shown, after) = rest.split_once("```\n").context("the block in docs/znodes.md does not end")?;
    if std::env::var_os("UPDATE").is_some() {
        return Ok(std::fs::write(path, format!("{before}```text\n{}\n```\n{after}", worked.join("\n")))?);
    }
    compare(
        "in docs/znodes.md (+) and after the work (-)",
        &shown.lines().map(str::to_owned).collect::<Vec<_>>(),
        worked,
    );
    Ok(())
}

#[track_caller]
fn compare(when: &str, ours: &[String], kafkas: &[String]) {
    let only = |these: &[String], those: &[String], sign: &str| -> String {
        these.iter().filter(|line| !those.contains(line)).map(|line| format!("{sign} {line}\n")).collect()
    };
    let difference = only(kafkas, ours, "-") + &only(ours, kafkas, "+");
    assert!(difference.is_empty(), "{when}, - is Kafka, + is ours:\n{difference}");
}

fn dumps_of(kind: Kind) -> Result<Dumps> {
    let zookeeper = Zookeeper::start()?;
    let mut site = Site::new(1, &zookeeper)?;
    site.kind = kind;
    let mut scene = Scene { broker: site.start()?, zookeeper };
    let started = named_dump(&scene)?;
    work(&scene)?;
    let worked = named_dump(&scene)?;
    scene.broker.stop()?;
    Ok(Dumps { started, worked, stopped: named_dump(&scene)? })
}

/// All that leaves a trace in ZooKeeper: topics and configs made, changed and removed, over the wire and by the old tools.
fn work(scene: &Scene) -> Result<()> {
    let (address, zookeeper) = (scene.address(), scene.zookeeper.address());
    scene.topics(&["--create", "--topic", "wire", "--partitions", "2", "--config", "retention.ms=100000"])?;
    scene.topics(&["--alter", "--topic", "wire", "--partitions", "3"])?;
    for change in [["--add-config", "segment.bytes=1048576"], ["--delete-config", "retention.ms"]] {
        scene.configs(
            &[&["--alter", "--entity-type", "topics", "--entity-name", "wire"], &change[..]].concat(),
        )?;
    }
    let of_broker = ["--alter", "--entity-type", "brokers", "--entity-name", "1"];
    scene.configs(&[&of_broker[..], &["--add-config", "log.retention.ms=7200000"]].concat())?;
    scene.configs(&[&of_broker[..], &["--delete-config", "log.retention.ms"]].concat())?;
    scene.configs(&[
        "--alter",
        "--entity-type",
        "brokers",
        "--entity-default",
        "--add-config",
        "log.retention.ms=3600000",
    ])?;
    scene.create_topic("short-lived", 1)?;
    scene.topics(&["--delete", "--topic", "short-lived"])?;

    let old =
        |args: &[&str]| run(&mut tool28("topics", &[&["--zookeeper", &zookeeper], args].concat()))?.ok();
    old(&[
        "--create",
        "--topic",
        "old",
        "--partitions",
        "1",
        "--replication-factor",
        "1",
        "--config",
        "retention.ms=100000",
    ])?;
    old(&["--alter", "--topic", "old", "--partitions", "2"])?;
    old(&["--create", "--topic", "old-and-gone", "--partitions", "1", "--replication-factor", "1"])?;
    await_topics(scene, &["old", "old-and-gone"])?;
    old(&["--delete", "--topic", "old-and-gone"])?;

    // Auto creation, and the first block of producer ids.
    scene.kcat(&["-P", "-t", "automatic"], "a\n")?;
    let idempotent = [
        "--bootstrap-server",
        &address,
        "--topic",
        "automatic",
        "--producer-property",
        "enable.idempotence=true",
    ];
    run_with(&mut tool("console-producer", &idempotent), b"b\n")?.ok()?;
    await_quiet(scene)
}

fn await_topics(scene: &Scene, topics: &[&str]) -> Result<()> {
    until_ok("the topics are there", SOON, || {
        let listed = scene.kcat(&["-L"], "")?;
        let there = |topic: &&str| listed.stdout.contains(&format!("topic \"{topic}\" with "));
        anyhow::ensure!(topics.iter().all(there), "{listed}");
        Ok(())
    })
}

/// Deletions end and every partition has its state.
fn await_quiet(scene: &Scene) -> Result<()> {
    let mut tree = scene.zookeeper.tree()?;
    until_ok("the controller has nothing left to do", SOON, || {
        let deletions = tree.children("/admin/delete_topics")?;
        anyhow::ensure!(deletions.is_empty(), "still to delete: {deletions:?}");
        for (topic, partitions) in [("wire", 3), ("old", 2), ("automatic", 1)] {
            for partition in 0..partitions {
                let state = format!("/brokers/topics/{topic}/partitions/{partition}/state");
                tree.stat(&state)?.with_context(|| format!("no {state}"))?;
            }
        }
        Ok(())
    })
}

fn named_dump(scene: &Scene) -> Result<Vec<String>> {
    let mut tree = scene.zookeeper.tree()?;
    let mut names = Names::default();
    let port = scene.broker.site.port();
    names.name(&port.to_string(), "PORT");
    names.name(&field(&mut tree, "/cluster/id", "id")?, "CLUSTER");
    for topic in tree.children("/brokers/topics")? {
        let id = field(&mut tree, &format!("/brokers/topics/{topic}"), "topic_id")?;
        names.name(&id, &format!("ID-OF-{topic}"));
    }
    dump(&mut tree, "/", &names)
}

/// A text field of a znode's JSON.
fn field(tree: &mut Tree, path: &str, name: &str) -> Result<String> {
    let value: serde_json::Value =
        serde_json::from_str(&tree.text(path)?).with_context(|| path.to_owned())?;
    Ok(value[name].as_str().with_context(|| format!("{path} has no {name}"))?.to_owned())
}
