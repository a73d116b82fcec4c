//! One of two log directories breaks under a running broker: what Kafka's tools and ZooKeeper tell of it, then, after a restart with the
//! directory still broken, and when it is repaired. How: a file takes the directory's place. A real Kafka does the same in each step.
use crate::scene::{SOON, Scene};
use anyhow::Result;
use std::path::PathBuf;
use tests::broker::Site;
use tests::condition::until_ok;
use tests::zookeeper::Zookeeper;

const NOTICES: &str = "/log_dir_event_notification";

/// A broker with topic `t` of two partitions, one in each directory.
struct Disks {
    scene: Scene,
    /// The partition in the directory that breaks, and the other.
    lost: usize,
    left: usize,
    dir: PathBuf,
    away: PathBuf,
}

impl Disks {
    fn new() -> Result<Disks> {
        let zookeeper = Zookeeper::start()?;
        let mut site = Site::new(1, &zookeeper)?;
        let [dir, away, other] = ["one", "one-away", "two"].map(|name| site.path(name));
        site.set("log.dirs", format!("{},{}", dir.display(), other.display()));
        site.set("replica.high.watermark.checkpoint.interval.ms", 500);
        let scene = Scene { broker: site.start()?, zookeeper };
        scene.create_topic("t", 2)?;
        let (lost, left) = if dir.join("t-0").exists() { (0, 1) } else { (1, 0) };
        let disks = Disks { scene, lost, left, dir, away };
        disks.write(disks.lost, "first")?;
        disks.write(disks.left, "first")?;
        Ok(disks)
    }

    fn write(&self, partition: usize, record: &str) -> Result<()> {
        let partition = partition.to_string();
        self.scene.kcat(&["-P", "-t", "t", "-p", &partition], &format!("{record}\n"))?;
        Ok(())
    }

    fn read(&self, partition: usize) -> Result<Vec<String>> {
        let partition = partition.to_string();
        let read =
            self.scene.kcat(&["-C", "-t", "t", "-p", &partition, "-o", "beginning", "-e", "-q"], "")?;
        Ok(read.lines().into_iter().map(str::to_owned).collect())
    }

    fn break_it(&mut self) -> Result<()> {
        for part in [
            "Not a directory",
            "are not served: their logs are in none of the log directories",
            "log directory is offline",
        ] {
            self.scene.broker.announce(part);
        }
        std::fs::rename(&self.dir, &self.away)?;
        Ok(std::fs::write(&self.dir, "")?)
    }

    fn repair(&self) -> Result<()> {
        std::fs::remove_file(&self.dir)?;
        Ok(std::fs::rename(&self.away, &self.dir)?)
    }

    /// Waits until clients and ZooKeeper tell that the partition has this leader, or `none`, and the other one has its own still.
    fn await_leader(&self, leader: &str) -> Result<()> {
        let mut tree = self.scene.zookeeper.tree()?;
        until_ok("the leader of the partition is told", SOON, || {
            let told = self.scene.topics(&["--describe", "--topic", "t"])?.stdout;
            for (partition, leader) in [(self.lost, leader), (self.left, "1")] {
                let line = format!("Partition: {partition}\tLeader: {leader}\tReplicas: 1\tIsr: 1");
                anyhow::ensure!(told.contains(&line), "`{line}` is not in: {told}");
            }
            let state = tree.text(&format!("/brokers/topics/t/partitions/{}/state", self.lost))?;
            let id = if leader == "none" { "-1" } else { leader };
            anyhow::ensure!(
                state.contains(&format!("\"leader\":{id},")) && state.contains("\"isr\":[1]"),
                "{state}"
            );
            let notices = tree.children(NOTICES)?;
            anyhow::ensure!(notices.is_empty(), "{notices:?}");
            Ok(())
        })?;
        let offline = self.scene.topics(&["--describe", "--unavailable-partitions"])?.stdout;
        anyhow::ensure!((offline.matches("Partition:").count() == 1) == (leader == "none"), "{offline}");
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.scene.broker.stop()?;
        self.scene.await_registered(false)?;
        self.scene.broker.restart()
    }
}

#[test]
fn a_broken_directory_costs_its_partitions_the_leader_until_it_is_repaired() -> Result<()> {
    let mut disks = Disks::new()?;
    disks.break_it()?;
    // The file is open and takes it; the next checkpoint finds that the directory is gone.
    disks.write(disks.lost, "second")?;
    disks.await_leader("none")?;
    disks.write(disks.left, "second")?;
    assert_eq!(disks.read(disks.left)?, ["first", "second"]);
    disks.scene.create_topic("new", 2)?;

    disks.restart()?;
    disks.await_leader("none")?;
    assert_eq!(disks.read(disks.left)?, ["first", "second"]);

    // Kafka has to be stopped first as well.
    disks.scene.broker.stop()?;
    disks.scene.await_registered(false)?;
    disks.repair()?;
    disks.scene.broker.announce("the last stop was not clean");
    disks.scene.broker.restart()?;
    disks.await_leader("1")?;
    assert_eq!(disks.read(disks.lost)?, ["first", "second"]);
    disks.write(disks.lost, "third")?;
    assert_eq!(disks.read(disks.lost)?, ["first", "second", "third"]);
    Ok(())
}
