//! Free TCP ports on 127.0.0.1, outside the range from which the kernel takes ports for outgoing connections.
//! A port is held by a locked file for as long as its value lives, so suites that run side by side never share one.
//! `OTTLA_TEST_PORTS=FIRST-LAST` moves the range.
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 20_000;
const LAST: u16 = 20_999;

/// A port that nobody listens on and no other test of this machine takes.
#[derive(Debug)]
pub struct Port {
    pub number: u16,
    _lock: File,
}

impl Port {
    /// Takes the next free one.
    pub fn free() -> Result<Port> {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let (first, last) = range()?;
        for _ in first..=last {
            let number = first + NEXT.fetch_add(1, Ordering::Relaxed) % (last - first + 1);
            if let Some(port) = Port::take(number)? {
                return Ok(port);
            }
        }
        bail!("no free port between {first} and {last}: set OTTLA_TEST_PORTS=FIRST-LAST")
    }

    fn take(number: u16) -> Result<Option<Port>> {
        let folder = std::env::temp_dir().join("ottla-test-ports");
        std::fs::create_dir_all(&folder)?;
        let lock = File::create(folder.join(number.to_string())).context("the lock of a port")?;
        let free = lock.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", number)).is_ok();
        Ok(free.then_some(Port { number, _lock: lock }))
    }

    /// `127.0.0.1:PORT`
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.number)
    }
}

fn range() -> Result<(u16, u16)> {
    let Ok(text) = std::env::var("OTTLA_TEST_PORTS") else { return Ok((FIRST, LAST)) };
    let (first, last) = text.split_once('-').context("OTTLA_TEST_PORTS is not FIRST-LAST")?;
    let (first, last) = (first.parse()?, last.parse()?);
    anyhow::ensure!(first <= last, "OTTLA_TEST_PORTS: {first} is above {last}");
    Ok((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ports_differ_and_are_free() {
        let (one, other) = (Port::free().unwrap(), Port::free().unwrap());
        assert_ne!(one.number, other.number);
        assert!(TcpListener::bind(one.address()).is_ok());
    }

    #[test]
    fn a_port_is_held_until_dropped() {
        let port = Port::free().unwrap();
        assert!(Port::take(port.number).unwrap().is_none());
    }
}
