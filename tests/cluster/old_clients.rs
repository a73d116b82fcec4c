//! franz-go, sarama and librdkafka at their defaults and pinned to versions of Kafka from 0.8.2 to 3.6: each creates a topic, writes, reads,
//! asks about the topic, changes it and deletes it, as far as its version has the requests. How: the programs in `tests/go` and
//! `old_clients/librdkafka.rs` do the steps and say of each "ok", or "none" where the client itself knows that there is no such request.
mod librdkafka;

use crate::go_clients::build;
use crate::scene::Scene;
use anyhow::{Context, Result};
use std::process::Command;
use tests::run::run;

/// A step of a client, and the first version of Kafka for which the client has the request.
type Steps<'a> = &'a [(&'a str, &'a str)];

#[test]
fn franz_go_of_every_version() -> Result<()> {
    let steps = [
        ("create", "0.10.1"),
        ("produce", "0.8"),
        ("fetch", "0.8"),
        ("list", "0.8"),
        ("alter", "0.11"),
        ("describe", "0.11"),
        ("grow", "1.0"),
        ("delete", "0.10.1"),
    ];
    check_program("franzgo", ".", 25, &steps)
}

#[test]
fn sarama_of_every_version() -> Result<()> {
    let steps = [
        ("create", "0.10.1"),
        ("produce", "0.8"),
        ("fetch", "0.8"),
        ("list", "0.10"),
        ("alter", "0.11"),
        ("describe", "0.11"),
        ("grow", "1.0"),
        ("delete", "0.10.1"),
    ];
    check_program("sarama", "versions", 25, &steps)
}

#[test]
fn librdkafka_of_every_version() -> Result<()> {
    let scene = Scene::new()?;
    let lines = librdkafka::run(&scene.address())?;
    let steps = [
        ("create", "0.11"),
        ("produce", "0.8"),
        ("fetch", "0.8"),
        ("list", "0.8"),
        ("alter", "0.11"),
        ("describe", "0.11"),
        ("grow", "0.11"),
        ("delete", "0.11"),
    ];
    check(&lines, 5, &steps)
}

fn check_program(module: &str, package: &str, versions: usize, steps: Steps<'_>) -> Result<()> {
    let scene = Scene::new()?;
    let program = build(module, package)?;
    let done = run(Command::new(program).arg(scene.address()))?.ok()?;
    let lines: Vec<String> = done.lines().into_iter().map(str::to_owned).collect();
    check(&lines, versions, steps)
}

/// A line for each version: its name, then the steps.
fn check(lines: &[String], versions: usize, steps: Steps<'_>) -> Result<()> {
    anyhow::ensure!(lines.len() == versions, "{} versions: {lines:#?}", lines.len());
    for line in lines {
        let version = line.split(' ').next().context("an empty line")?;
        let mut expected = version.to_owned();
        for (step, since) in steps {
            let has = version == "default" || numbers(version)? >= numbers(since)?;
            expected += &format!(" {step}={}", if has { "ok" } else { "none" });
        }
        assert_eq!(line, &expected);
    }
    Ok(())
}

fn numbers(version: &str) -> Result<Vec<u32>> {
    version.split('.').map(|number| number.parse().with_context(|| version.to_owned())).collect()
}
