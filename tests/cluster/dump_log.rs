//! `kafka-dump-log.sh`, ours and Kafka's, on the files that our broker wrote: both print the same, and Kafka's finds nothing wrong.
//! How: producers with every codec fill several segments; a copy of the directory is looked at while the broker runs, after `kill -9`,
//! after recovery, and after a clean stop.
use crate::scene::Scene;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use tests::broker::Kind;
use tests::run::{Finished, run, script, tool};
use tests::temp::TempDir;

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
/// Of one kcat; with the segments' size this makes several segments of each partition.
const RECORDS: usize = 3_000;

#[test]
fn both_tools_print_the_same_of_what_we_wrote() -> Result<()> {
    let mut scene = Scene::new()?;
    // Kafka's own indexes have a zero tail while it runs, which its own sanity check does not pass.
    if scene.broker.site.kind == Kind::Kafka {
        return Ok(());
    }
    let segments = ["--config", "segment.bytes=20000", "--config", "index.interval.bytes=1000"];
    let create = ["--create", "--topic", "dumped", "--partitions", "5"];
    scene.topics(&[&create[..], &segments].concat())?;
    produce(&scene, 0)?;
    check(&scene, "a running broker's")?;
    scene.broker.kill9()?;
    check(&scene, "a killed broker's")?;
    scene.restart_broker()?;
    scene.await_topic("dumped", CODECS.len())?;
    check(&scene, "a recovered broker's")?;
    produce(&scene, RECORDS)?;
    scene.broker.stop()?;
    check(&scene, "a stopped broker's")
}

/// Each codec fills a partition of its own; every second producer is idempotent. Lines differ, lest they shrink to nothing.
fn produce(scene: &Scene, first: usize) -> Result<()> {
    for (partition, codec) in CODECS.iter().enumerate() {
        let lines: String = (first..first + RECORDS)
            .map(|at| format!("key-{}:value {at} {:x}\n", at % 97, at.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
            .collect();
        let (partition, codec) = (partition.to_string(), format!("compression.codec={codec}"));
        let idempotence = format!("enable.idempotence={}", partition.as_str() < "3");
        let properties =
            ["-X", &codec, "-X", &idempotence, "-X", "batch.num.messages=50", "-X", "linger.ms=1"];
        let args = ["-P", "-t", "dumped", "-p", &partition, "-K", ":"];
        scene.kcat(&[&args[..], &properties].concat(), &lines)?;
    }
    Ok(())
}

/// Compares the tools on a copy of the broker's directory: Kafka's makes index files where it misses them.
fn check(scene: &Scene, whose: &str) -> Result<()> {
    let copy = TempDir::new("dumped")?;
    let mut files = Vec::new();
    for partition in 0..CODECS.len() {
        let name = format!("dumped-{partition}");
        let (from, to) = (scene.broker.site.path("logs").join(&name), copy.join(&name));
        files.extend(copied(&from, &to).with_context(|| format!("copy {}", from.display()))?);
    }
    let of = |kinds: &[&str]| -> Vec<PathBuf> {
        let is_wanted =
            |file: &&PathBuf| file.extension().is_some_and(|kind| kinds.iter().any(|wanted| kind == *wanted));
        files.iter().filter(is_wanted).cloned().collect()
    };
    let logs = of(&["log"]);
    assert!(logs.len() >= 3 * CODECS.len(), "{whose} files: {files:?}");
    same(&logs, &["--print-data-log"], whose)?.says("payload: value 0 ")?;
    let indexes = of(&["index", "timeindex"]);
    same(&[&indexes[..], &of(&["txnindex", "snapshot"])].concat(), &[], whose)?;
    same(&indexes, &["--verify-index-only"], whose)?;
    let sane = same(&indexes, &["--index-sanity-check"], whose)?;
    let fine = sane
        .lines()
        .iter()
        .filter(|line| line.ends_with("passed sanity check.") || line.ends_with("is empty."))
        .count();
    assert_eq!(fine, indexes.len(), "{whose} indexes: {sane}");
    Ok(())
}

/// The files of a segment, copied. Those of a running broker may grow meanwhile, but a batch is there as a whole.
fn copied(from: &Path, to: &Path) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(to)?;
    let mut names: Vec<_> = fs::read_dir(from)?.map(|entry| Ok(entry?.file_name())).collect::<Result<_>>()?;
    names.sort();
    for name in &names {
        fs::copy(from.join(name), to.join(name))?;
    }
    Ok(names.into_iter().map(|name| to.join(name)).collect())
}

/// Runs both tools on the same files; they end well, print the same, and complain of nothing.
fn same(files: &[PathBuf], options: &[&str], whose: &str) -> Result<Finished> {
    let names: Vec<_> = files.iter().map(|file| file.to_string_lossy()).collect();
    let files = names.join(",");
    let args = [&["--files", files.as_str()], options].concat();
    let kafka = run(&mut tool("dump-log", &args))?.ok()?;
    let ours = run(&mut script("kafka-dump-log.sh", &args))?.ok()?;
    assert_eq!((kafka.stderr.as_str(), ours.stderr.as_str()), ("", ""), "{whose} files: {options:?}");
    let differing = kafka.lines().into_iter().zip(ours.lines()).find(|(kafka, ours)| kafka != ours);
    assert_eq!(differing, None, "{whose} files: {options:?}");
    assert_eq!(kafka.stdout.len(), ours.stdout.len(), "{whose} files: {options:?}");
    Ok(kafka)
}
