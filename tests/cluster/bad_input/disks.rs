//! A disk that is full, and log directories that cannot be written to: what lies elsewhere is served on, and what was acknowledged
//! before is there after a restart.
//! How: the broker runs in a mount namespace of its own (`unshare`), in which one of its log directories is a small or a read-only
//! tmpfs; nothing outside it is mounted, and nothing has to be cleaned up.
use super::batches::{batch, produce};
use crate::scene::{SOON, Scene};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::broker::Site;
use tests::condition::{until, until_ok};
use tests::run::run;
use tests::zookeeper::Zookeeper;

const DISK: &str = "size=24m";
const VALUE_BYTES: usize = 200_000;
const STORAGE_ERROR: i16 = 56;

#[test]
fn a_full_disk_hurts_only_what_lies_on_it() -> Result<()> {
    let zookeeper = Zookeeper::start()?;
    let mut site = site_with(&zookeeper, &["roomy", "small"])?;
    site.set("log.segment.bytes", 4 << 20).set("log.index.size.max.bytes", 65_536);
    // The records are as old as time itself, and a full disk asks for retention at once.
    site.set("ottla.log.dir.reserve.bytes", 2 << 20).set("log.retention.ms", -1);
    let (roomy, small) = (site.path("roomy"), site.path("small"));
    let command = mounted(&site, &small, DISK)?;
    let mut scene = Scene { broker: site.start_as(command)?, zookeeper };
    for part in ["small", "roomy", "No space left", "storage"] {
        scene.broker.announce(part);
    }
    // A directory with fewer partitions is preferred, so each gets one.
    for topic in ["one", "other"] {
        scene.create_topic(topic, 1)?;
    }
    let (hurt, spared) = if roomy.join("one-0").exists() { ("other", "one") } else { ("one", "other") };
    let acknowledged = fill(&scene, hurt)?;
    assert!(acknowledged > 20, "only {acknowledged} batches fit");

    // The other directory takes records and serves them, and the error stands in the log with its directory.
    let mut wire = scene.broker.connect()?;
    assert_eq!(produce(&mut wire, spared, &[(0, &batch("fine", 1)?)])?[0].error, 0);
    assert_eq!(scene.read_all(spared)?, ["0 0  fine"]);
    assert!(scene.broker.log()?.contains(&small.display().to_string()));

    // What the disk held is moved to a larger one; the broker is killed, so nothing is tidied up.
    let larger = scene.broker.site.path("larger");
    let held = inside(&mut scene, &small);
    run(Command::new("cp").arg("-r").args([&held, &larger]))?.ok()?;
    scene.broker.kill9()?;
    scene.broker.site.set("log.dirs", format!("{},{}", roomy.display(), larger.display()));
    scene.restart_broker()?;
    scene.await_topic(hurt, 1)?;
    assert_eq!(
        scene.kcat(&["-C", "-t", hurt, "-o", "beginning", "-e", "-q", "-f", "%o\n"], "")?.lines().len(),
        acknowledged
    );
    let mut wire = scene.broker.connect()?;
    assert_eq!(produce(&mut wire, hurt, &[(0, &batch("again", 1)?)])?[0].error, 0);
    Ok(())
}

/// Appends until the partition has no room; tells how many records were acknowledged.
fn fill(scene: &Scene, topic: &str) -> Result<usize> {
    let value = batch(&"x".repeat(VALUE_BYTES), 1)?;
    let mut wire = scene.broker.connect()?;
    for acknowledged in 0..1_000 {
        let answer = produce(&mut wire, topic, &[(0, &value)])?;
        if answer[0].error != 0 {
            assert_eq!(answer[0].error, STORAGE_ERROR);
            return Ok(acknowledged);
        }
    }
    anyhow::bail!("200 MB fit on a disk of {DISK}")
}

#[test]
fn a_full_disk_is_read_only_until_something_is_deleted() -> Result<()> {
    let zookeeper = Zookeeper::start()?;
    let mut site = site_with(&zookeeper, &["small"])?;
    site.set("log.segment.bytes", 4 << 20).set("log.index.size.max.bytes", 65_536);
    // The records are as old as time itself, and a full disk asks for retention at once.
    site.set("ottla.log.dir.reserve.bytes", 2 << 20).set("log.retention.ms", -1);
    let small = site.path("small");
    let command = mounted(&site, &small, DISK)?;
    let mut scene = Scene { broker: site.start_as(command)?, zookeeper };
    scene.broker.announce("log directory is full");
    for topic in ["kept", "spent"] {
        scene.create_topic(topic, 1)?;
    }
    let mut wire = scene.broker.connect()?;
    assert_eq!(produce(&mut wire, "kept", &[(0, &batch("before", 1)?)])?[0].error, 0);
    let acknowledged = fill(&scene, "spent")?;
    assert!(acknowledged > 20, "only {acknowledged} batches fit");

    // Nobody writes any more, everybody reads, and the log says it once.
    for _ in 0..20 {
        for topic in ["kept", "spent"] {
            assert_eq!(produce(&mut wire, topic, &[(0, &batch("refused", 1)?)])?[0].error, STORAGE_ERROR);
        }
    }
    assert_eq!(scene.read_all("kept")?, ["0 0  before"]);
    let offsets = scene.kcat(&["-C", "-t", "spent", "-o", "beginning", "-e", "-q", "-f", "%o\n"], "")?;
    assert_eq!(offsets.lines().len(), acknowledged);
    assert_eq!(scene.broker.log()?.matches("log directory is full").count(), 1);
    let reserve = inside(&mut scene, &small).join(".ottla-reserve");
    assert!(!reserve.exists(), "the reserve is given to deletes");

    // Topics come and go; what a deletion frees is free at once, and records are taken again by the same process.
    scene.create_topic("late", 1)?;
    scene.topics(&["--delete", "--topic", "spent"])?;
    until_ok("records are taken again", SOON, || {
        let error = produce(&mut wire, "late", &[(0, &batch("after", 1)?)])?[0].error;
        anyhow::ensure!(error == 0, "error {error}");
        Ok(())
    })?;
    assert_eq!(produce(&mut wire, "kept", &[(0, &batch("after", 1)?)])?[0].error, 0);
    assert_eq!(scene.read_all("kept")?, ["0 0  before", "0 1  after"]);
    assert!(scene.broker.log()?.contains("log directory has room again"));
    until("the reserve is back", SOON, || Ok(reserve.exists().then_some(())))?;
    scene.broker.stop()?;
    Ok(())
}

#[test]
fn a_read_only_directory_beside_a_good_one_is_left_out() -> Result<()> {
    let zookeeper = Zookeeper::start()?;
    let site = site_with(&zookeeper, &["good", "frozen"])?;
    let frozen = site.path("frozen");
    let command = mounted(&site, &frozen, "ro")?;
    let mut scene = Scene { broker: site.start_as(command)?, zookeeper };
    scene.broker.announce("frozen");
    scene.create_topic("served", 2)?;
    scene.kcat(&["-P", "-t", "served", "-p", "1"], "a\n")?;
    assert_eq!(scene.read_all("served")?, ["1 0  a"]);
    assert!(scene.broker.log()?.contains(&frozen.display().to_string()));
    Ok(())
}

#[test]
fn a_broker_whose_only_directory_is_read_only_ends() -> Result<()> {
    let zookeeper = Zookeeper::start()?;
    let site = site_with(&zookeeper, &["frozen"])?;
    let frozen = site.path("frozen");
    let (status, log) = site.end_of(&mut mounted(&site, &frozen, "ro")?)?;
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("log.dir") && log.contains(&frozen.display().to_string()), "{log}");
    Ok(())
}

fn site_with(zookeeper: &Zookeeper, folders: &[&str]) -> Result<Site> {
    let mut site = Site::new(1, zookeeper)?;
    let paths: Vec<String> = folders.iter().map(|folder| site.path(folder).display().to_string()).collect();
    site.set("log.dirs", paths.join(","));
    Ok(site)
}

/// The site's command in a mount namespace of its own, with a tmpfs at `at`.
fn mounted(site: &Site, at: &Path, options: &str) -> Result<Command> {
    std::fs::create_dir_all(at)?;
    let broker = site.command()?;
    let mut command = Command::new("unshare");
    // Without the right to mount, a user namespace gives it, where the kernel allows that.
    let probe = Command::new("unshare").args(["--mount", "true"]).status().context("run unshare")?;
    if !probe.success() {
        command.arg("--map-root-user");
    }
    command.args([
        "--mount",
        "sh",
        "-c",
        "mount -t tmpfs -o $0 tmpfs \"$1\" && shift && exec \"$@\"",
        options,
    ]);
    command.arg(at).arg(broker.get_program()).args(broker.get_args());
    command.envs(broker.get_envs().filter_map(|(key, value)| Some((key, value?))));
    Ok(command)
}

/// A path as the broker sees it.
fn inside(scene: &mut Scene, path: &Path) -> PathBuf {
    let root = format!("/proc/{}/root", scene.broker.process().id());
    Path::new(&root).join(path.strip_prefix("/").unwrap_or(path))
}
