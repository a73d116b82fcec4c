//! One process of a test: started with its output in a file, signalled by its own pid, reaped when its value is dropped.
//! It stays in the terminal's process group, so Ctrl-C ends it with the test; nothing is ever killed by name.
use crate::condition::until;
use anyhow::{Context, Result};
pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with nothing to read; what it prints is appended to `log`.
    pub fn spawn(name: &str, command: &mut Command, log: &Path) -> Result<Process> {
        let out = File::options().create(true).append(true).open(log)?;
        let child = command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).spawn();
        let child = child.with_context(|| format!("start {name}: {:?}", command.get_program()))?;
        Ok(Process { name: name.to_owned(), child, log: log.to_owned() })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Sends a signal, once it is sure that the process was not reaped yet (a pid is reused only after that).
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        anyhow::ensure!(self.ended()?.is_none(), "{} has ended already: {}", self.name, self.log_tail());
        let pid = Pid::from_raw(i32::try_from(self.id())?).context("a pid is above zero")?;
        Ok(kill_process(pid, signal)?)
    }

    /// `kill -9`, and waits for the end.
    pub fn kill9(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Waits for its end.
    pub fn await_end(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("the end of {}", self.name);
        until(&what, limit, || self.ended()).with_context(|| self.log_tail())
    }

    /// All it has printed.
    pub fn log(&self) -> Result<String> {
        let bytes = std::fs::read(&self.log)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The last lines it printed, for an error.
    pub fn log_tail(&self) -> String {
        let log = self.log().unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(15).collect();
        let tail: Vec<&str> = lines.into_iter().rev().collect();
        format!("{} printed last:\n{}", self.name, tail.join("\n"))
    }

    /// Bytes of memory that are resident now.
    pub fn resident_bytes(&self) -> Result<u64> {
        self.status_line("VmRSS:")
    }

    /// The most that ever were.
    pub fn resident_peak_bytes(&self) -> Result<u64> {
        self.status_line("VmHWM:")
    }

    fn status_line(&self, key: &str) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line =
            status.lines().find_map(|line| line.strip_prefix(key)).context("no such line in /proc status")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended long ago; then there is nothing to do.
        let _ = self.kill9();
    }
}
