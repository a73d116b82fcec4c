//! What most tests begin with: a ZooKeeper, a broker on it, and the usual ways to ask it something.
//! How: both are processes that end with the scene, the broker first.
use anyhow::Result;
use std::time::Duration;
use tests::broker::{Broker, Kind, Site};
use tests::condition::{until, until_ok};
use tests::run::{Finished, kcat, run, run_with, tool};
use tests::zookeeper::Zookeeper;

pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Declared in the order in which they end.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) broker: Broker,
    pub(crate) zookeeper: Zookeeper,
}

impl Scene {
    pub(crate) fn new() -> Result<Scene> {
        Scene::with(&[])
    }

    /// A scene whose broker has these properties besides the usual ones.
    pub(crate) fn with(properties: &[(&str, &str)]) -> Result<Scene> {
        let zookeeper = Zookeeper::start()?;
        let mut site = Site::new(1, &zookeeper)?;
        for (key, value) in properties {
            site.set(key, value);
        }
        Ok(Scene { broker: site.start()?, zookeeper })
    }

    pub(crate) fn address(&self) -> String {
        self.broker.address()
    }

    /// Kafka's own `kafka-topics`, over the wire.
    pub(crate) fn topics(&self, args: &[&str]) -> Result<Finished> {
        self.admin("topics", args)
    }

    /// Kafka's own `kafka-configs`, over the wire.
    pub(crate) fn configs(&self, args: &[&str]) -> Result<Finished> {
        self.admin("configs", args)
    }

    /// Any of Kafka's own tools that take `--bootstrap-server`.
    pub(crate) fn admin(&self, name: &str, args: &[&str]) -> Result<Finished> {
        let address = self.address();
        run(&mut tool(name, &[&["--bootstrap-server", &address], args].concat()))?.ok()
    }

    pub(crate) fn create_topic(&self, topic: &str, partitions: u32) -> Result<()> {
        let partitions = partitions.to_string();
        self.topics(&[
            "--create",
            "--topic",
            topic,
            "--partitions",
            &partitions,
            "--replication-factor",
            "1",
        ])?;
        Ok(())
    }

    /// kcat, which reads `input`.
    pub(crate) fn kcat(&self, args: &[&str], input: &str) -> Result<Finished> {
        run_with(&mut kcat(&[&["-b", &self.address()], args].concat()), input.as_bytes())?.ok()
    }

    /// All records of a topic, as `PARTITION OFFSET KEY VALUE` lines in the order of the log.
    pub(crate) fn read_all(&self, topic: &str) -> Result<Vec<String>> {
        let read =
            self.kcat(&["-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%p %o %k %s\n"], "")?;
        Ok(read.lines().into_iter().map(str::to_owned).collect())
    }

    /// Starts a broker again that was killed. A real Kafka refuses to start while its old session lives; ours waits for its end.
    pub(crate) fn restart_broker(&mut self) -> Result<()> {
        if self.broker.site.kind == Kind::Kafka {
            self.await_registered(false)?;
        }
        self.broker.restart()
    }

    /// Waits until clients see a topic with all its partitions led: after its creation by others, or after a restart.
    pub(crate) fn await_topic(&self, topic: &str, partitions: usize) -> Result<()> {
        until_ok("clients see the topic with its leaders", SOON, || {
            let listed = self.kcat(&["-L", "-t", topic], "")?;
            let led = listed.stdout.matches(", leader 1, replicas: 1, isrs: 1\n").count();
            anyhow::ensure!(led == partitions, "{listed}");
            Ok(())
        })
    }

    /// Waits until the broker's znode is there, or is gone.
    pub(crate) fn await_registered(&self, there: bool) -> Result<()> {
        let path = self.registration();
        let what = if there { "the broker's registration" } else { "the end of the broker's registration" };
        let mut tree = self.zookeeper.tree()?;
        until(what, SOON, || Ok((tree.stat(&path)?.is_some() == there).then_some(())))
    }

    /// The path of the broker's znode.
    pub(crate) fn registration(&self) -> String {
        format!("/brokers/ids/{}", self.broker.site.id)
    }
}
