//! Servers end when they are told to, however they were started: in a terminal, below nohup, in the background of a script, as daemons.
//! How: what a shell does to a background job, to ignore Ctrl-C, is done to them; then the signal is sent to their pid. The stop scripts
//! see a `ps` that knows the test's processes alone, for they end every server of the user.
use crate::scene::SOON;
use anyhow::{Context, Result};
use std::fs::{self, Permissions};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::broker::{Kind, Site};
use tests::condition::{until, until_ok};
use tests::port::Port;
use tests::process::{Process, Signal};
use tests::project;
use tests::run::{run, script};
use tests::temp::TempDir;
use tests::wire::Wire;
use tests::znode::Tree;
use tests::zookeeper::Zookeeper;

/// How a script starts a server in its background, or somebody with nohup.
const IN_BACKGROUND: &str = "trap '' INT HUP; exec \"$@\"";

#[test]
fn zookeeper_ends_by_either_signal_wherever_it_was_started() -> Result<()> {
    for signal in [Signal::INT, Signal::TERM] {
        let place = Place::new()?;
        let mut command = Command::new("sh");
        command.args(["-c", IN_BACKGROUND, "sh"]).arg(start_script("zookeeper")).arg(&place.file);
        let mut process = Process::spawn("zookeeper", &mut command, &place.dir.join("log"))?;
        until_ok("ZooKeeper serves", SOON, || Tree::connect(&place.port.address())?.stat("/"))?;
        process.signal(signal)?;
        process.await_end(SOON)?;
        assert!(TcpStream::connect(place.port.address()).is_err(), "something is left after {signal:?}");
    }
    Ok(())
}

#[test]
fn a_daemon_is_out_of_the_terminals_reach_and_ends_by_its_stop_script() -> Result<()> {
    let place = Place::new()?;
    let zookeeper = Daemon::start("zookeeper", &place, &place.file)?;
    until_ok("ZooKeeper serves", SOON, || Tree::connect(&place.port.address())?.stat("/"))?;
    zookeeper.stop(&place)?;

    // A broker of its own ZooKeeper: the daemon is not there any more.
    let (zookeeper, dir) = (Zookeeper::start()?, Place::new()?);
    let mut site = Site::new(1, &zookeeper)?;
    site.kind = Kind::Ottla;
    let broker = Daemon::start("kafka", &dir, &site.write()?)?;
    until_ok("the broker serves", SOON, || Wire::connect(&site.address())?.cluster())?;
    broker.stop(&dir)?;
    assert!(site.path("logs/.kafka_cleanshutdown").exists(), "it did not stop cleanly");
    Ok(())
}

fn start_script(name: &str) -> PathBuf {
    project::path("bin").join(format!("{name}-server-start.sh"))
}

/// A folder with a ZooKeeper's properties, and the port they name.
struct Place {
    dir: TempDir,
    port: Port,
    file: PathBuf,
}

impl Place {
    fn new() -> Result<Place> {
        let (dir, port) = (TempDir::new("signals")?, Port::free()?);
        let file = dir.join("zookeeper.properties");
        let number = port.number;
        let text = format!(
            "dataDir={}\nclientPort={number}\nclientPortAddress=127.0.0.1\n",
            dir.join("data").display()
        );
        fs::write(&file, text)?;
        Ok(Place { dir, port, file })
    }
}

/// A server that a script left running; it ends with its value at the latest.
struct Daemon {
    name: &'static str,
    pid: u32,
}

impl Daemon {
    fn start(name: &'static str, place: &Place, file: &Path) -> Result<Daemon> {
        let mut command = script(&format!("{name}-server-start.sh"), &["-daemon"]);
        run(command.arg(file).env("LOG_DIR", place.dir.path()))?.ok()?;
        let pid = until("the daemon", SOON, || process_with(&file.to_string_lossy()))?;
        let daemon = Daemon { name, pid };
        // A terminal's Ctrl-C goes to the processes of its session.
        until("a session of its own", SOON, || Ok((daemon.session()? == Some(pid)).then_some(())))?;
        Ok(daemon)
    }

    fn session(&self) -> Result<Option<u32>> {
        let Ok(stat) = fs::read_to_string(format!("/proc/{}/stat", self.pid)) else { return Ok(None) };
        // After the name in parentheses: state, parent, group, session.
        let (_, rest) = stat.rsplit_once(')').context("an odd /proc stat")?;
        Ok(rest.split_whitespace().nth(3).map(str::parse).transpose()?)
    }

    /// By the script that has Kafka's name.
    fn stop(self, place: &Place) -> Result<()> {
        let ps = place.dir.join("ps");
        fs::write(&ps, format!("#!/bin/sh\nPATH=${{PATH#*:}} exec ps -o pid= -o args= -p {}\n", self.pid))?;
        fs::set_permissions(&ps, Permissions::from_mode(0o755))?;
        let path = format!("{}:{}", place.dir.path().display(), std::env::var("PATH")?);
        run(script(&format!("{}-server-stop.sh", self.name), &[]).env("PATH", path))?.ok()?;
        until("the daemon's end", SOON, || Ok(self.session()?.is_none().then_some(())))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It has ended, unless the test failed.
        if self.session().is_ok_and(|session| session == Some(self.pid)) {
            let _ = Command::new("kill").args(["-9", &self.pid.to_string()]).status();
        }
    }
}

/// The process of a server whose command line names `file`, which is no other's.
fn process_with(file: &str) -> Result<Option<u32>> {
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        // It may have ended since it was listed.
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        let is_server = words[0].ends_with("ottla") || words[0].ends_with("java");
        if is_server && words.iter().any(|word| word == file) {
            return Ok(Some(pid));
        }
    }
    Ok(None)
}
