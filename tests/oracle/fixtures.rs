//! Every log directory of the fixtures opens on our broker, in place and with its znodes, and is served record for record.
//! How: the Java consumer's records are compared with what an independent decoder found in the files, kcat's with the Java consumer's.
//! Expected of a directory after `kill -9`, or of an interrupted cleaning, is what Kafka 3.9 made of it.
use crate::directories::{Directory, directory};
use crate::reading::{Read, as_kcat_prints, by_java, by_kcat};
use anyhow::{Context, Result};
use tests::broker::Broker;
use tests::zookeeper::Zookeeper;

const UNCLEAN: &str = "the last stop was not clean";

#[test]
fn a_clean_directory_with_every_kind_of_log() -> Result<()> {
    check(&[directory("main", "main", "main")])
}

#[test]
fn what_other_clients_wrote() -> Result<()> {
    check(&[Directory { broker_id: 21, ..directory("clients", "clients", "clients") }])
}

#[test]
fn after_kill_9_and_damage() -> Result<()> {
    const fn crashed(name: &'static str, golden: &'static str, said: &'static [&'static str]) -> Directory {
        Directory { said, ..directory(name, golden, "crash") }
    }
    check(&[
        crashed("crash-plain-before", "crash-plain-after", &[UNCLEAN]),
        crashed("crash-torn-before", "crash-torn-after", &[UNCLEAN, "the log was cut at offset 237"]),
        crashed("crash-crc-before", "crash-crc-after", &[UNCLEAN, "the log was cut at offset 144"]),
        crashed("crash-zeros-before", "crash-zeros-after", &[UNCLEAN, "the log was cut at offset 240"]),
        crashed("crash-noindex-before", "crash-noindex-after", &[UNCLEAN]),
        crashed("crash-badsnap-before", "crash-badsnap-after", &[UNCLEAN]),
    ])
}

#[test]
fn compacted_logs_and_an_interrupted_cleaning() -> Result<()> {
    check(&[
        directory("compact-before", "compact-before", "main"),
        // Copied while the broker ran.
        Directory { said: &[UNCLEAN], ..directory("compact-after1", "compact-after1", "main") },
        directory("swap-before", "swap-after", "main"),
    ])
}

#[test]
fn deletions_a_move_and_two_directories() -> Result<()> {
    // What Kafka has begun is done by us before anybody reads.
    let said = &["the replica has moved"];
    let misc = directory("misc-before", "misc-after", "misc");
    check(&[Directory { broker_id: 7, log_dirs: &["a", "b"], said, ..misc }])
}

#[test]
fn messages_of_formats_v0_and_v1() -> Result<()> {
    check(&[
        directory("legacy-ibp28", "legacy-ibp28", "legacy"),
        directory("legacy-after39", "legacy-after39", "legacy"),
    ])
}

/// Starts a broker on each directory and reads all of them.
fn check(directories: &[Directory]) -> Result<()> {
    let zookeeper = Zookeeper::start()?;
    let brokers: Vec<Broker> = directories.iter().map(|one| one.start(&zookeeper)).collect::<Result<_>>()?;
    let addresses: Vec<String> = brokers.iter().map(Broker::address).collect();
    let mut read = by_java(&addresses.iter().map(String::as_str).collect::<Vec<_>>())?;
    for (directory, address) in directories.iter().zip(&addresses) {
        for (partition, expected) in directory.expected()? {
            let what = format!("{} {partition}", directory.name);
            let found = read.remove(&(address.clone(), partition.clone())).with_context(|| what.clone())?;
            assert_eq!(found.seen()?, expected, "{what}");
            check_kcat(address, &partition, &found).context(what)?;
        }
    }
    let more: Vec<_> = read.into_keys().collect();
    assert!(more.is_empty(), "nobody expected anything in {more:?}");
    Ok(())
}

/// kcat prints what the Java consumer saw.
fn check_kcat(address: &str, partition: &str, read: &Read) -> Result<()> {
    for (isolation, lines) in [("read_uncommitted", &read.uncommitted), ("read_committed", &read.committed)] {
        let (found, expected) = (by_kcat(address, partition, isolation)?, as_kcat_prints(lines)?);
        if let Some((found, expected)) = first_difference(&found, &expected) {
            anyhow::bail!("kcat, {isolation}, printed\n{found}\nand not\n{expected}");
        }
    }
    Ok(())
}

/// The first lines that are not the same.
fn first_difference(found: &[u8], expected: &[u8]) -> Option<(String, String)> {
    let lines =
        |bytes: &[u8]| String::from_utf8_lossy(bytes).split('\n').map(str::to_owned).collect::<Vec<_>>();
    let (found, expected) = (lines(found), lines(expected));
    let at = (0..found.len().max(expected.len())).find(|at| found.get(*at) != expected.get(*at))?;
    let line = |lines: &[String]| lines.get(at).cloned().unwrap_or_else(|| "nothing".to_owned());
    Some((line(&found), line(&expected)))
}
