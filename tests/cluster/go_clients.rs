//! The two Go clients: sarama (SyncProducer with WaitForAll, partition consumer) and kafka-go (Writer with the Hash balancer and no
//! acknowledgement on a missing topic). How: the programs in `tests/go` are built and run; what they print is every record read.
use crate::scene::Scene;
use anyhow::Result;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use tests::project;
use tests::run::run;

const RECORDS: usize = 500;

#[test]
fn sarama_writes_and_reads() -> Result<()> {
    let scene = Scene::new()?;
    scene.create_topic("sarama", 3)?;
    check_program(&scene, "sarama")
}

#[test]
fn kafka_go_writes_to_a_missing_topic() -> Result<()> {
    let scene = Scene::with(&[("num.partitions", "3")])?;
    check_program(&scene, "kafkago")
}

/// Runs a program on the topic of its name: it must read every record once, from more than one partition.
fn check_program(scene: &Scene, name: &str) -> Result<()> {
    let program = build(name, ".")?;
    let done = run(Command::new(program).args([&scene.address(), name, &RECORDS.to_string()]))?.ok()?;
    let (mut pairs, mut partitions) = (BTreeSet::new(), BTreeSet::new());
    for line in done.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [partition, _offset, key, value] = words[..] else { anyhow::bail!("an odd line: {line}") };
        assert_eq!(key.strip_prefix("key-"), value.strip_prefix("value-"), "{line}");
        assert!(pairs.insert(key), "read twice: {line}");
        partitions.insert(partition);
    }
    assert_eq!((pairs.len(), partitions.len()), (RECORDS, 3));
    Ok(())
}

/// Builds a package of a module in `tests/go`.
pub(crate) fn build(module: &str, package: &str) -> Result<PathBuf> {
    let program = project::target().join("go-programs").join(module).join(package).join("program");
    let mut command = Command::new("go");
    command.args(["build", "-mod=readonly", "-o"]).arg(&program).arg(format!("./{package}"));
    run(command.current_dir(project::path("tests/go").join(module)))?.ok()?;
    Ok(program)
}
