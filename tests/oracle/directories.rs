//! Log directories that Apache Kafka 3.9.1 wrote, with the znodes that belong to them, as a broker is to find them.
//! How: files are copied from `tests/storage/fixtures`, znodes go below a chroot of their own, so that one ZooKeeper serves many.
use crate::expected::{Seen, of};
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tests::broker::{Broker, Site};
use tests::condition::until;
use tests::project;
use tests::zookeeper::Zookeeper;

const SOON: Duration = Duration::from_secs(30);

/// A directory, or two of one broker, of the fixtures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Directory {
    pub(crate) name: &'static str,
    /// Where the decoder described what is to be seen of it.
    pub(crate) golden: &'static str,
    pub(crate) znodes: &'static str,
    pub(crate) broker_id: i32,
    /// The `log.dirs` below `name`.
    pub(crate) log_dirs: &'static [&'static str],
    /// What the broker says of the damage that it finds.
    pub(crate) said: &'static [&'static str],
}

/// A directory of broker 1.
pub(crate) const fn directory(name: &'static str, golden: &'static str, znodes: &'static str) -> Directory {
    Directory { name, golden, znodes, broker_id: 1, log_dirs: &[""], said: &[] }
}

fn fixture(below: &str) -> PathBuf {
    project::path("tests/storage/fixtures").join(below)
}

impl Directory {
    /// A broker on a copy of it, which has said what it must say of it.
    pub(crate) fn start(&self, zookeeper: &Zookeeper) -> Result<Broker> {
        let mut broker = self.site(zookeeper)?.start()?;
        for part in self.said {
            broker.announce(part);
        }
        for part in self.said {
            let what = format!("{part}, of {}", self.name);
            until(&what, SOON, || Ok(broker.log()?.contains(part).then_some(())))?;
        }
        Ok(broker)
    }

    fn site(&self, zookeeper: &Zookeeper) -> Result<Site> {
        load(zookeeper, self.name, &fixture(&format!("zk/{}.json", self.znodes)))?;
        let mut site = Site::new(self.broker_id, zookeeper)?;
        site.set("zookeeper.connect", format!("{}/{}", zookeeper.address(), self.name));
        let mut log_dirs = Vec::new();
        for log_dir in self.log_dirs {
            let to = site.path(&format!("logs-{log_dir}"));
            copy(&fixture("logdir").join(self.name).join(log_dir), &to)?;
            log_dirs.push(to.display().to_string());
        }
        // The records are of 2023.
        site.set("log.dirs", log_dirs.join(",")).set("log.retention.ms", -1);
        Ok(site)
    }

    /// What is to be seen of each partition in which there is anything.
    pub(crate) fn expected(&self) -> Result<BTreeMap<String, Seen>> {
        let mut expected = BTreeMap::new();
        for log_dir in self.log_dirs {
            let starts = fixture("logdir").join(self.name).join(log_dir).join("log-start-offset-checkpoint");
            let starts = fs::read_to_string(starts).unwrap_or_default();
            for entry in fs::read_dir(fixture("golden").join(self.golden).join(log_dir))? {
                let file = entry?.path();
                let partition = file.file_stem().context("a nameless file")?.to_string_lossy().into_owned();
                // What is being deleted or moved away has a suffix.
                if partition.contains('.') {
                    continue;
                }
                let golden: Value = serde_json::from_slice(&fs::read(&file)?)?;
                let seen = of(&golden, log_start(&starts, &partition)?)?;
                if seen != Seen::default() {
                    expected.insert(partition, seen);
                }
            }
        }
        Ok(expected)
    }
}

fn log_start(checkpoint: &str, partition: &str) -> Result<i64> {
    let (topic, number) = partition.rsplit_once('-').context("not a partition")?;
    let line = checkpoint.lines().find_map(|line| line.strip_prefix(&format!("{topic} {number} ")));
    line.map_or(Ok(0), |offset| Ok(offset.parse()?))
}

/// Makes the persistent znodes of a dump below `/chroot`.
fn load(zookeeper: &Zookeeper, chroot: &str, dump: &Path) -> Result<()> {
    let mut tree = zookeeper.tree()?;
    let nodes: BTreeMap<String, Value> = serde_json::from_slice(&fs::read(dump)?)?;
    tree.create(&format!("/{chroot}"), None)?;
    // Parents sort before their children.
    for (path, node) in nodes {
        if path == "/" || path.starts_with("/zookeeper") || node["ephemeral"] == true {
            continue;
        }
        let contents = node["data"].as_str().filter(|text| !text.is_empty()).map(str::as_bytes);
        tree.create(&format!("/{chroot}{path}"), contents).with_context(|| path.clone())?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() { copy(&from, &to)? } else { fs::write(&to, fs::read(&from)?)? }
    }
    Ok(())
}
