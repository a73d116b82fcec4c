//! Offsets, deleted records and log directories, as Kafka's Java tools see them on the broker, and as ours do.
//! How: each command runs twice, by Kafka's tool and by the script of ours, and must print the same.
use crate::scene::{SOON, Scene};
use anyhow::Result;
use std::path::Path;
use tests::condition::until_ok;
use tests::run::{Finished, run, script, tool};

/// Kafka's tool and ours with the same arguments; what they print is the same, and is returned.
pub(crate) fn alike(scene: &Scene, name: &str, args: &[&str]) -> Result<Finished> {
    let theirs = scene.admin(name, args)?;
    let address = scene.address();
    let args = [&["--bootstrap-server", &address], args].concat();
    let ours = run(&mut script(&format!("kafka-{name}.sh"), &args))?.ok()?;
    assert_eq!(ours.stdout, theirs.stdout, "{name} {args:?}");
    Ok(ours)
}

/// The same for a command that fails.
fn fail_alike(scene: &Scene, name: &str, args: &[&str]) -> Result<Finished> {
    let address = scene.address();
    let args = [&["--bootstrap-server", &address], args].concat();
    let theirs = run(&mut tool(name, &args))?.failed()?;
    let ours = run(&mut script(&format!("kafka-{name}.sh"), &args))?.failed()?;
    assert_eq!((&ours.stdout, &ours.stderr), (&theirs.stdout, &theirs.stderr), "{name} {args:?}");
    Ok(ours)
}

/// Two partitions, of which the second has three records.
fn scene_with_records(properties: &[(&str, &str)]) -> Result<Scene> {
    let scene = Scene::with(properties)?;
    scene.create_topic("two", 2)?;
    scene.kcat(&["-P", "-t", "two", "-p", "1"], "a\nb\nc\n")?;
    Ok(scene)
}

#[test]
fn offsets_of_every_kind() -> Result<()> {
    let scene = scene_with_records(&[])?;
    for (args, expected) in [
        (&[][..], "two:0:0\ntwo:1:3\n"),
        (&["--topic", "t.*", "--time", "earliest"], "two:0:0\ntwo:1:0\n"),
        (&["--topic-partitions", "two:1-", "--time", "-4"], "two:1:0\n"),
        (&["--partitions", "1", "--time", "0"], "two:1:0\n"),
        (&["--time", "latest-tiered"], ""),
    ] {
        assert_eq!(alike(&scene, "get-offsets", args)?.stdout, expected, "{args:?}");
    }
    let last = alike(&scene, "get-offsets", &["--time", "max-timestamp"])?;
    assert!(last.stdout.starts_with("two:1:"), "{last}");

    let address = scene.address();
    let class = ["kafka.tools.GetOffsetShell", "--broker-list", &address, "--topic", "two", "--time", "-1"];
    assert_eq!(run(&mut script("kafka-run-class.sh", &class))?.ok()?.stdout, "two:0:0\ntwo:1:3\n");
    run(&mut script("kafka-run-class.sh", &["kafka.tools.JmxTool"]))?
        .failed()?
        .says("kafka.tools.GetOffsetShell")?;
    Ok(())
}

#[test]
fn records_are_deleted_and_stay_so() -> Result<()> {
    let soon =
        [("log.flush.start.offset.checkpoint.interval.ms", "100"), ("log.initial.task.delay.ms", "100")];
    let mut scene = scene_with_records(&soon)?;
    scene.topics(&["--create", "--topic", "kept", "--config", "cleanup.policy=compact"])?;
    let file = scene.broker.site.path("offsets.json");
    delete(&scene, &file, &[("two", 1, 2), ("two", 0, 5), ("kept", 0, -1)])?;
    assert_eq!(scene.read_all("two")?, ["1 2  c"]);

    scene.broker.stop()?;
    scene.broker.restart()?;
    scene.await_topic("two", 2)?;
    assert_eq!(scene.read_all("two")?, ["1 2  c"], "after a clean stop");
    scene.kcat(&["-P", "-t", "two", "-p", "1"], "d\n")?;

    delete(&scene, &file, &[("two", 1, 3)])?;
    let checkpoint = scene.broker.site.path("logs/log-start-offset-checkpoint");
    until_ok("the new start is written down", SOON, || {
        let text = std::fs::read_to_string(&checkpoint)?;
        anyhow::ensure!(text.contains("two 1 3\n"), "{text}");
        Ok(())
    })?;
    scene.broker.kill9()?;
    scene.restart_broker()?;
    scene.await_topic("two", 2)?;
    assert_eq!(scene.read_all("two")?, ["1 3  d"], "after a kill");
    delete(&scene, &file, &[("two", 1, -1)])?;
    assert_eq!(scene.read_all("two")?, Vec::<String>::new());
    Ok(())
}

/// Deletes below these offsets. The second tool finds done what the first one did, and says the same.
fn delete(scene: &Scene, file: &Path, wishes: &[(&str, i32, i64)]) -> Result<Finished> {
    let wish = |(topic, partition, offset): &(&str, i32, i64)| {
        format!("{{\"topic\":\"{topic}\",\"partition\":{partition},\"offset\":{offset}}}")
    };
    let wishes: Vec<String> = wishes.iter().map(wish).collect();
    std::fs::write(file, format!("{{\"partitions\":[{}],\"version\":1}}", wishes.join(",")))?;
    alike(scene, "delete-records", &["--offset-json-file", &file.display().to_string()])
}

#[test]
fn log_directories_are_described() -> Result<()> {
    let scene = scene_with_records(&[])?;
    let all = alike(&scene, "log-dirs", &["--describe"])?;
    let lines = all.lines();
    assert_eq!(
        lines[..2],
        [
            "Querying brokers for log directories information",
            "Received log directory information from brokers 1",
        ]
    );
    let dir = scene.broker.site.path("logs");
    let size = std::fs::metadata(dir.join("two-1/00000000000000000000.log"))?.len();
    let partition = format!("{{\"partition\":\"two-1\",\"size\":{size},\"offsetLag\":0,\"isFuture\":false}}");
    let end = format!("\"error\":null,\"logDir\":\"{}\"}}]}}],\"version\":1}}", dir.display());
    assert!(size > 0 && lines[2].contains(&partition) && lines[2].ends_with(&end), "{all}");
    alike(&scene, "log-dirs", &["--describe", "--broker-list", "1", "--topic-list", "two,none"])?;
    let address = scene.address();
    let absent = ["--bootstrap-server", &address, "--describe", "--broker-list", "1,7"];
    run(&mut script("kafka-log-dirs.sh", &absent))?
        .failed()?
        .says("ERROR: The given brokers do not exist from --broker-list: 7. Current existent brokers: 1")?;
    Ok(())
}

#[test]
fn features_are_described_and_none_can_be_changed() -> Result<()> {
    let scene = Scene::new()?;
    assert_eq!(alike(&scene, "features", &["describe"])?.stdout, "");
    for args in [
        &["upgrade", "--feature", "metadata.version=5"][..],
        &["upgrade", "--metadata", "3.9"],
        &["upgrade", "--metadata", "3.9", "--dry-run"],
        &["downgrade", "--feature", "metadata.version=5"],
        &["downgrade", "--feature", "metadata.version=5", "--unsafe"],
        &["downgrade", "--feature", "a=1", "--feature", "b=2"],
        &["downgrade", "--metadata", "3.3", "--unsafe"],
        &["disable", "--feature", "metadata.version"],
        &["disable", "--feature", "nosuch", "--unsafe", "--dry-run"],
    ] {
        fail_alike(&scene, "features", args)?;
    }
    Ok(())
}
