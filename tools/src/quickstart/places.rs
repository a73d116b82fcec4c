//! Where things are: the configuration file, the addresses in it, the folders; and what starts there.
//!
//! Remembers which folders were there before, since only others may be removed.

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::time::Duration;

use config::broker::BrokerConfig;
use config::properties::Properties;

use super::server::Server;
use super::tour;
use crate::failure::Failure;
use crate::signals::Stop;
use crate::zookeeper_server;

const USAGE: &str = "usage: ottla quickstart [--once] [FILE]";
const FILE_DEFAULT: &str = "config/server.properties";

/// A first start of ZooKeeper may load a hundred jars from a cold disk.
const START_PATIENCE: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Whether the tour stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Until Ctrl-C.
    Serving,
    /// No longer than it takes.
    Once,
}

/// All places of a tour.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) mode: Mode,
    pub(super) file: PathBuf,
    config: BrokerConfig,
    /// Logs of the processes.
    work: PathBuf,
    zookeeper: ZooKeeper,
    /// Folders of data that were not there when the tour began.
    new_folders: Vec<PathBuf>,
}

/// The ZooKeeper that the tour would start.
#[derive(Debug)]
struct ZooKeeper {
    /// None: they have to be written.
    properties: Option<PathBuf>,
    data: PathBuf,
    port: String,
}

impl Places {
    pub(super) fn read(args: &[String]) -> Result<Places, Failure> {
        let (mode, file) = arguments(args)?;
        let sentence = |error: String| Failure::Sentence(format!("{}: {error}", file.display()));
        let properties = Properties::read(&file).map_err(|error| Failure::Sentence(error.to_string()))?;
        let config = BrokerConfig::load(&properties).map_err(|errors| sentence(errors.to_string()))?.config;
        let work = env::temp_dir().join(format!("ottla-quickstart-{}", process::id()));
        fs::create_dir_all(&work)
            .map_err(|error| Failure::Sentence(format!("{}: {error}", work.display())))?;
        let zookeeper = ZooKeeper::beside(&file, &config);
        let folders = config.log.dirs.iter().chain([&zookeeper.data]);
        let new_folders = folders.filter_map(|folder| topmost_missing(folder)).collect();
        Ok(Places { mode, file, config, work, zookeeper, new_folders })
    }

    /// Where clients connect.
    pub(super) fn bootstrap(&self) -> String {
        let listener = self.config.network.listeners.first();
        let host = listener.and_then(|listener| listener.host.as_deref());
        let host = host.filter(|host| *host != "0.0.0.0" && *host != "::").unwrap_or("localhost");
        let port = listener.map_or(9092, |listener| listener.port);
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    pub(super) fn zookeeper_address(&self) -> String {
        self.config.zookeeper.servers.join(",")
    }

    pub(super) fn broker_log(&self) -> PathBuf {
        self.work.join("broker.log")
    }

    /// None if one answers already.
    pub(super) fn start_zookeeper(&self, stop: &Stop) -> Result<Option<Server>, Failure> {
        let servers = &self.config.zookeeper.servers;
        if servers.iter().any(|server| is_zookeeper(server)) {
            return Ok(None);
        }
        let here = |server: &&String| addresses(server).iter().any(|address| address.ip().is_loopback());
        let Some(address) = servers.iter().find(here) else {
            return Err(Failure::Sentence(format!(
                "no ZooKeeper answers at {} (zookeeper.connect), and one can be started on this machine only",
                self.zookeeper_address()
            )));
        };
        let command = zookeeper_server::command(&self.zookeeper.properties(&self.work)?);
        let command = command.map_err(|missing| Failure::Sentence(missing.to_string()))?;
        let server = Server::start("ZooKeeper", command, &self.work.join("zookeeper.log"))?;
        server.await_ready(stop, START_PATIENCE, || is_zookeeper(address))?;
        Ok(Some(server))
    }

    pub(super) fn start_broker(&self, stop: &Stop) -> Result<Server, Failure> {
        let bootstrap = self.bootstrap();
        if accepts(&bootstrap) {
            return Err(Failure::Sentence(format!(
                "something serves at {bootstrap} already; stop it, or change listeners in {}",
                self.file.display()
            )));
        }
        let program = env::current_exe().map_err(|error| Failure::Sentence(error.to_string()))?;
        let mut command = Command::new(program);
        command.arg("broker").arg(&self.file);
        let server = Server::start("broker", command, &self.broker_log())?;
        server.await_ready(stop, START_PATIENCE, || accepts(&bootstrap) && tour::is_ready(&bootstrap))?;
        Ok(server)
    }

    /// After --once nothing is left; otherwise the data stays.
    pub(super) fn clean_up(&self) -> Result<(), Failure> {
        let removed = match self.mode {
            Mode::Serving => &[][..],
            Mode::Once => &self.new_folders,
        };
        for folder in removed.iter().chain([&self.work]).filter(|folder| folder.exists()) {
            fs::remove_dir_all(folder)
                .map_err(|error| Failure::Sentence(format!("cannot remove {}: {error}", folder.display())))?;
        }
        Ok(())
    }
}

impl ZooKeeper {
    /// `zookeeper.properties` beside the broker's file if it is for the port that the broker connects to; else the
    /// tour writes one, with data beside the broker's, since the one is worth nothing without the other.
    fn beside(file: &Path, config: &BrokerConfig) -> ZooKeeper {
        let port = config.zookeeper.servers.first().and_then(|server| server.rsplit_once(':'));
        let port = port.map_or("2181", |(_, port)| port).to_owned();
        let properties = file.with_file_name("zookeeper.properties");
        if let Ok(found) = Properties::read(&properties)
            && let (Some(data), Some(served)) = (found.get("dataDir"), found.get("clientPort"))
            && served == port
        {
            return ZooKeeper { data: data.into(), properties: Some(properties), port };
        }
        let mut data = config.log.dirs.first().map(|dir| dir.as_os_str().to_owned()).unwrap_or_default();
        data.push("-zookeeper");
        ZooKeeper { data: data.into(), properties: None, port }
    }

    /// The file it is started from.
    fn properties(&self, work: &Path) -> Result<PathBuf, Failure> {
        if let Some(found) = &self.properties {
            return Ok(found.clone());
        }
        let properties = work.join("zookeeper.properties");
        let text = format!(
            "dataDir={}\nclientPort={}\nmaxClientCnxns=0\nadmin.enableServer=false\n",
            self.data.display(),
            self.port
        );
        match fs::write(&properties, text) {
            Ok(()) => Ok(properties),
            Err(error) => Err(Failure::Sentence(format!("{}: {error}", properties.display()))),
        }
    }
}

/// What nothing was written to is not left behind.
impl Drop for Places {
    fn drop(&mut self) {
        // It fails where logs are, which somebody may want to read.
        let _ = fs::remove_dir(&self.work);
    }
}

fn arguments(args: &[String]) -> Result<(Mode, PathBuf), Failure> {
    let (mut mode, mut file) = (Mode::Serving, None);
    for word in args {
        match word.as_str() {
            "--once" => mode = Mode::Once,
            word if !word.starts_with('-') && file.is_none() => file = Some(PathBuf::from(word)),
            other => return Err(Failure::Sentence(format!("{other}?\n{USAGE}"))),
        }
    }
    Ok((mode, file.unwrap_or_else(default_file)))
}

/// In the working directory, else in the folder above the build that holds this program.
fn default_file() -> PathBuf {
    let here = PathBuf::from(FILE_DEFAULT);
    let program = env::current_exe().unwrap_or_default();
    let mut above = program.ancestors().skip(1).map(|folder| folder.join(FILE_DEFAULT));
    if here.is_file() { here } else { above.find(|file| file.is_file()).unwrap_or(here) }
}

/// What has to be removed so that nothing is left of a folder that is not there yet.
fn topmost_missing(folder: &Path) -> Option<PathBuf> {
    let missing = folder.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
    missing.last().map(Path::to_owned)
}

fn addresses(server: &str) -> Vec<SocketAddr> {
    server.to_socket_addrs().map(Iterator::collect).unwrap_or_default()
}

fn accepts(server: &str) -> bool {
    addresses(server).iter().any(|address| TcpStream::connect_timeout(address, CONNECT_TIMEOUT).is_ok())
}

/// The one four-letter word that every ZooKeeper answers unless told otherwise.
fn is_zookeeper(server: &str) -> bool {
    let ask = |address: &SocketAddr| -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(address, CONNECT_TIMEOUT)?;
        stream.set_read_timeout(Some(CONNECT_TIMEOUT))?;
        stream.write_all(b"srvr")?;
        let mut answer = String::new();
        stream.take(4096).read_to_string(&mut answer)?;
        Ok(answer)
    };
    addresses(server).iter().any(|address| ask(address).is_ok_and(|answer| !answer.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::words;

    #[test]
    fn reads_its_arguments() {
        let read = |line: &str| arguments(&words(line));
        assert_eq!(read("--once f").unwrap(), (Mode::Once, PathBuf::from("f")));
        assert_eq!(read("f").unwrap(), (Mode::Serving, PathBuf::from("f")));
        assert!(read("").unwrap().1.ends_with(FILE_DEFAULT));
        assert!(read("--twice").is_err() && read("f g").is_err());
    }

    #[test]
    fn removes_no_folder_that_was_there() {
        let there = env::temp_dir();
        assert_eq!(topmost_missing(&there), None);
        assert_eq!(topmost_missing(&there.join("no/such/folder")), Some(there.join("no")));
        assert_eq!(topmost_missing(Path::new("no/such/folder")), Some(PathBuf::from("no")));
    }
}
