//! Runs one step: its output passes through and its tests are counted; a step that hangs is ended with all it has started.
//! Called by `ready.rs`.
use super::report::{Outcome, Tests};
use super::steps::Step;
use crate::project;
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Instant;

/// Runs `step` and adds the tests it ran to `tests`.
pub fn run_step(step: &Step, tests: &mut Tests) -> Result<Outcome> {
    writeln!(std::io::stdout(), "\n=== {}: {}", step.name, step.command)?;
    let began = Instant::now();
    let mut words = step.command.split(' ');
    let mut command = Command::new(words.next().context("a step without a command")?);
    command.args(words).envs(step.environment.iter().copied()).current_dir(project::root());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context(step.command)?;
    let in_time = pass_through(&mut child, began + step.limit(), tests)?;
    if !in_time {
        end_tree(child.id());
    }
    let passed = child.wait()?.success();
    let took = began.elapsed();
    Ok(match (in_time, passed) {
        (false, _) => Outcome::Hung(took),
        (true, true) => Outcome::Passed(took),
        (true, false) => Outcome::Failed(took),
    })
}

/// Copies the child's lines to our output until it ends; false if that is not before `end`.
fn pass_through(child: &mut Child, end: Instant, tests: &mut Tests) -> Result<bool> {
    let out = BufReader::new(child.stdout.take().context("the step's output")?);
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in out.split(b'\n').map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    loop {
        match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                let line = String::from_utf8_lossy(&line);
                tests.count(&line);
                writeln!(std::io::stdout(), "{line}")?;
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(true),
            Err(RecvTimeoutError::Timeout) => return Ok(false),
        }
    }
}

/// Ends a process and all below it, by their pids, children first found before any is gone.
fn end_tree(root: u32) {
    let mut found = vec![root];
    let mut at = 0;
    while at < found.len() {
        found.extend(children(found[at]));
        at += 1;
    }
    for pid in found {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            // It may have ended since it was found.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let files = threads.flatten().map(|thread| thread.path().join("children"));
    let texts = files.filter_map(|file| std::fs::read_to_string(file).ok());
    texts
        .flat_map(|text| text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ready::steps::Scope;
    use std::time::Duration;

    fn step(command: &'static str, budget: Duration) -> Step {
        Step { name: "a step", scope: Scope::Quick, command, environment: &[], budget }
    }

    #[test]
    fn tells_success_from_failure() {
        let mut tests = Tests::default();
        let mut run = |command| run_step(&step(command, Duration::ZERO), &mut tests).unwrap();
        assert!(matches!(run("true"), Outcome::Passed(_)));
        assert!(matches!(run("false"), Outcome::Failed(_)));
    }

    #[test]
    fn ends_what_hangs_and_its_children() {
        let mut child =
            Command::new("sh").args(["-c", "sleep 600 & wait"]).stdout(Stdio::piped()).spawn().unwrap();
        let below = crate::condition::until("a child", Duration::from_secs(10), || {
            Ok(children(child.id()).first().copied())
        });
        assert!(!pass_through(&mut child, Instant::now(), &mut Tests::default()).unwrap());
        end_tree(child.id());
        child.wait().unwrap();
        let gone = format!("/proc/{}/task", below.unwrap());
        let limit = Duration::from_secs(10);
        crate::condition::until("its end", limit, || {
            Ok((!std::path::Path::new(&gone).exists()).then_some(()))
        })
        .unwrap();
    }
}
