//! Znodes that hold garbage, lack fields or have fields that nobody knows, before the start and while the broker runs. What is
//! wrong is named in the log; other topics are served as if nothing were there.
//! How: the test writes the nodes itself and tries good topics beside them.
use crate::scene::{SOON, Scene};
use anyhow::Result;
use tests::condition::until;
use tests::znode::Tree;

/// Contents that no JSON reader takes for a node of Kafka's.
const GARBAGE: &[Option<&[u8]>] = &[
    None,
    Some(b""),
    Some(b"garbage"),
    Some(b"{"),
    Some(b"[1,2]"),
    Some(b"\xff\xfe\x00"),
    Some(b"{\"version\":\"x\"}"),
];

#[test]
fn garbage_topics_do_not_hurt_others() -> Result<()> {
    let mut scene = Scene::new()?;
    let mut tree = scene.zookeeper.tree()?;
    for (number, contents) in GARBAGE.iter().enumerate() {
        scene.broker.announce(&format!("bad-{number}"));
        tree.create(&format!("/brokers/topics/bad-{number}"), *contents)?;
    }
    let (fine, long) = (r#"{"version":1,"partitions":{"0":[1]}}"#, "x".repeat(260));
    for (name, json) in [
        ("a blank", fine),
        (&long, fine),
        ("lacking", r#"{"version":3}"#),
        ("negative", r#"{"version":3,"partitions":{"-1":[1]},"adding_replicas":{},"removing_replicas":{}}"#),
        ("empty", r#"{"version":3,"partitions":{"0":[]},"adding_replicas":{},"removing_replicas":{}}"#),
    ] {
        scene.broker.announce(name);
        tree.create(&format!("/brokers/topics/{name}"), Some(json.as_bytes()))?;
    }
    check_good_topic(&scene, "after")?;
    until("the garbage is named in the log", SOON, || {
        Ok(scene.broker.log()?.contains("bad-2").then_some(()))
    })?;

    // The same nodes are found at a start.
    scene.broker.stop()?;
    scene.broker.restart()?;
    scene.await_topic("after", 1)?;
    assert_eq!(scene.read_all("after")?, ["0 0  a"]);
    check_good_topic(&scene, "restarted")
}

#[test]
fn unknown_fields_are_ignored() -> Result<()> {
    let scene = Scene::new()?;
    let topic =
        r#"{"partitions":{"0":[1]},"colour":"blue","version":3,"adding_replicas":{},"removing_replicas":{}}"#;
    let mut tree = scene.zookeeper.tree()?;
    tree.create(
        "/config/topics/blue",
        Some(br#"{"version":1,"config":{"retention.ms":"100000"},"colour":"blue"}"#),
    )?;
    tree.create("/brokers/topics/blue", Some(topic.as_bytes()))?;
    scene.await_topic("blue", 1)?;
    scene.kcat(&["-P", "-t", "blue"], "a\n")?;
    assert_eq!(scene.read_all("blue")?, ["0 0  a"]);
    scene.topics(&["--describe", "--topic", "blue"])?.says("Configs: retention.ms=100000")?;
    Ok(())
}

#[test]
fn garbage_configs_and_notifications_do_not_hurt_others() -> Result<()> {
    let mut scene = Scene::new()?;
    let mut tree = scene.zookeeper.tree()?;
    for part in ["bad-", "config_change_", "/config/brokers/1"] {
        scene.broker.announce(part);
    }
    for (number, contents) in GARBAGE.iter().enumerate() {
        tree.create(&format!("/config/topics/bad-{number}"), *contents)?;
        let entity = format!(r#"{{"version":2,"entity_path":"topics/bad-{number}"}}"#);
        notify(&mut tree, number * 2, Some(entity.as_bytes()))?;
        notify(&mut tree, number * 2 + 1, *contents)?;
    }
    tree.create("/config/brokers/1", Some(b"garbage"))?;
    notify(&mut tree, 100, Some(br#"{"version":2,"entity_path":"brokers/1"}"#))?;
    check_good_topic(&scene, "after")?;
    let of_topic =
        ["--entity-type", "topics", "--entity-name", "after", "--alter", "--add-config", "retention.ms=5000"];
    scene.configs(&of_topic)?;
    scene.topics(&["--describe", "--topic", "after"])?.says("Configs: retention.ms=5000")?;

    scene.broker.stop()?;
    scene.broker.restart()?;
    check_good_topic(&scene, "restarted")
}

#[test]
fn a_garbage_partition_state_hurts_its_partition_only() -> Result<()> {
    let mut scene = Scene::new()?;
    for topic in ["good", "spoiled"] {
        scene.create_topic(topic, 1)?;
        scene.kcat(&["-P", "-t", topic], "a\n")?;
    }
    scene.broker.announce("spoiled");
    scene.broker.stop()?;
    scene.zookeeper.tree()?.set("/brokers/topics/spoiled/partitions/0/state", Some(b"garbage"))?;
    scene.broker.restart()?;
    scene.await_topic("good", 1)?;
    assert_eq!(scene.read_all("good")?, ["0 0  a"]);
    check_good_topic(&scene, "new")
}

#[test]
fn a_garbage_controller_node_is_waited_out() -> Result<()> {
    let mut scene = Scene::new()?;
    scene.broker.announce("/controller");
    scene.broker.stop()?;
    let mut tree = scene.zookeeper.tree()?;
    tree.create("/controller", Some(b"garbage"))?;
    let path = scene.broker.site.path("server.log");
    let mut waiting = tests::process::Process::spawn("broker", &mut scene.broker.site.command()?, &path)?;
    until("the broker registers", SOON, || tree.stat("/brokers/ids/1"))?;
    tree.delete("/controller")?;
    until("it becomes the controller", SOON, || tree.stat("/controller"))?;
    assert!(waiting.ended()?.is_none(), "{}", waiting.log_tail());
    check_good_topic(&scene, "elected")
}

/// A change notification as Kafka's tools leave one, with a number of the test's own.
fn notify(tree: &mut Tree, number: usize, contents: Option<&[u8]>) -> Result<()> {
    tree.create(&format!("/config/changes/config_change_{:010}", 1_000 + number), contents)
}

fn check_good_topic(scene: &Scene, topic: &str) -> Result<()> {
    scene.create_topic(topic, 1)?;
    scene.kcat(&["-P", "-t", topic], "a\n")?;
    assert_eq!(scene.read_all(topic)?, ["0 0  a"]);
    Ok(())
}
