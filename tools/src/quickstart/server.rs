//! A process that the tour started: its log, its death, its end.
//!
//! It gets a process group of its own, so that a Ctrl-C reaches only the tour, which then stops things in order.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::LOOK_INTERVAL;
use crate::failure::Failure;
use crate::signals::Stop;

/// A broker stops in stages, each of which may take its time.
const STOP_PATIENCE: Duration = Duration::from_secs(60);
/// How much of a log is shown when its process has died.
const TAIL_LINES: usize = 15;

/// A running process; dropping it ends the process and waits for that.
#[derive(Debug)]
pub(super) struct Server {
    name: &'static str,
    child: RefCell<Child>,
    log: PathBuf,
}

impl Server {
    /// Starts a process that writes to `log`.
    pub(super) fn start(name: &'static str, mut command: Command, log: &Path) -> Result<Server, Failure> {
        let failed = |error: io::Error| {
            Failure::Sentence(format!(
                "cannot start the {name} with its output in {}: {error}",
                log.display()
            ))
        };
        let file = File::create(log).map_err(failed)?;
        let errors = file.try_clone().map_err(failed)?;
        command.stdin(Stdio::null()).stdout(file).stderr(errors).process_group(0);
        let child = command.spawn().map_err(failed)?;
        Ok(Server { name, child: RefCell::new(child), log: log.to_owned() })
    }

    /// An error, with the end of the log, if the process has ended.
    pub(super) fn check(&self) -> Result<(), Failure> {
        match self.child.borrow_mut().try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(self.failure(&format!("ended by itself ({status})"))),
            Err(error) => Err(self.failure(&format!("cannot be watched: {error}"))),
        }
    }

    /// Waits until `ready` says so, the process ends, or the user has enough.
    pub(super) fn await_ready(
        &self,
        stop: &Stop,
        patience: Duration,
        mut ready: impl FnMut() -> bool,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + patience;
        while !ready() {
            self.check()?;
            if stop.wanted() {
                return Err(Failure::Told);
            }
            if Instant::now() > deadline {
                return Err(self.failure(&format!("does not answer after {} s", patience.as_secs())));
            }
            sleep(LOOK_INTERVAL);
        }
        Ok(())
    }

    fn failure(&self, what: &str) -> Failure {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
        Failure::Sentence(format!("the {} {what}; the end of {}:\n{tail}", self.name, self.log.display()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let child = self.child.get_mut();
        let deadline = Instant::now() + STOP_PATIENCE;
        // Until it has been waited for, the id is this child's and nobody else's.
        if let (Ok(None), Some(pid)) =
            (child.try_wait(), i32::try_from(child.id()).ok().and_then(Pid::from_raw))
        {
            let _ = kill_process(pid, Signal::TERM);
        }
        while let Ok(None) = child.try_wait() {
            if Instant::now() > deadline {
                eprintln!("the {} does not stop; killing it", self.name);
                let _ = child.kill();
                let _ = child.wait();
                return;
            }
            sleep(LOOK_INTERVAL);
        }
    }
}
