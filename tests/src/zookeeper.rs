//! A real Apache ZooKeeper as a process of a test: started, killed, started again on the same data, reaped with its value.
//! Called by the suites; the jars come from `tests/oracle/oracle`.
use crate::condition::until_ok;
use crate::port::Port;
use crate::process::Process;
use crate::project;
use crate::temp::TempDir;
use crate::znode::Tree;
use anyhow::Result;
use std::process::Command;
use std::time::Duration;

const START_LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Zookeeper {
    process: Option<Process>,
    port: Port,
    dir: TempDir,
}

impl Zookeeper {
    /// Starts one on an empty directory and waits until it serves.
    pub fn start() -> Result<Zookeeper> {
        let mut zookeeper = Zookeeper { process: None, port: Port::free()?, dir: TempDir::new("zookeeper")? };
        zookeeper.restart()?;
        Ok(zookeeper)
    }

    /// `127.0.0.1:PORT`, for `zookeeper.connect` and `--zookeeper`.
    pub fn address(&self) -> String {
        self.port.address()
    }

    /// Starts it, again after [`Zookeeper::kill9`], on the data it has.
    pub fn restart(&mut self) -> Result<()> {
        let mut command = Command::new(project::oracle());
        command.env("FOREGROUND", "1").env("JVM", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC");
        command.arg("zookeeper").arg(self.port.number.to_string()).arg(self.dir.path());
        let process = self.process.insert(Process::spawn("zookeeper", &mut command, &self.dir.join("log"))?);
        let address = self.port.address();
        until_ok("ZooKeeper serves", START_LIMIT, || {
            anyhow::ensure!(process.ended()?.is_none(), "{}", process.log_tail());
            Tree::connect(&address)?.stat("/zookeeper")
        })?;
        Ok(())
    }

    /// `kill -9`.
    pub fn kill9(&mut self) -> Result<()> {
        match &mut self.process {
            Some(process) => process.kill9(),
            None => Ok(()),
        }
    }

    /// A connection of the test's own, to look at znodes and to spoil them.
    pub fn tree(&self) -> Result<Tree> {
        Tree::connect(&self.address())
    }
}
