//! What strangers may do to a broker that serves others: a pack of hostile connections beside a client that produces, and ten thousand
//! idle ones. What is measured is the client's latency and the broker's memory.
//! How: real sockets on loopback against the release build; one test at a time, as they measure.
mod idle;
mod long_requests;
mod pack;
mod produced;
mod stranger;

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tests::broker::{Broker, Site};
use tests::condition::until_ok;
use tests::wire::{Body, METADATA};
use tests::zookeeper::Zookeeper;

pub(crate) const SOON: Duration = Duration::from_secs(30);
pub(crate) const MEGABYTE: u64 = 1 << 20;
/// What a broker may keep of a burst: tables that have grown, and the allocator's own habits.
pub(crate) const GROWTH: u64 = 8 * MEGABYTE;

static ALONE: Mutex<()> = Mutex::new(());

/// A broker on a ZooKeeper of its own, with nobody else beside it. Declared in the order in which they end.
pub(crate) struct Ground {
    pub(crate) broker: Broker,
    _zookeeper: Zookeeper,
    _alone: MutexGuard<'static, ()>,
}

impl Ground {
    pub(crate) fn new() -> Result<Ground> {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let zookeeper = Zookeeper::start()?;
        let broker = Site::new(1, &zookeeper)?.start()?;
        Ok(Ground { broker, _zookeeper: zookeeper, _alone: alone })
    }

    /// Has a topic of one partition made, and waits until it has a leader.
    pub(crate) fn create_topic(&self, topic: &str) -> Result<()> {
        let name = [&i16::try_from(topic.len())?.to_be_bytes()[..], topic.as_bytes()].concat();
        let body = [&1_i32.to_be_bytes()[..], &name].concat();
        until_ok("the topic has a leader", SOON, || {
            let answer = self.broker.connect()?.call(METADATA, 1, &body)?;
            let mut answer = Body::new(&answer);
            for _ in 0..answer.int32()? {
                let _broker = (answer.int32()?, answer.string()?, answer.int32()?, answer.string()?);
            }
            let (_controller, topics) = (answer.int32()?, answer.int32()?);
            let error = answer.int16()?;
            anyhow::ensure!((topics, error) == (1, 0), "error {error}");
            Ok(())
        })
    }

    /// Bytes of the broker's memory that are resident.
    pub(crate) fn memory(&mut self) -> Result<u64> {
        self.broker.process().resident_bytes()
    }

    /// Waits until the broker's memory is at most `bytes`.
    pub(crate) fn await_memory(&mut self, bytes: u64) -> Result<()> {
        until_ok("memory is given back", SOON, || {
            let now = self.memory()?;
            anyhow::ensure!(now <= bytes, "{} MB are resident, and {} were expected", now >> 20, bytes >> 20);
            Ok(())
        })
    }
}

/// Lets this process, and those it starts, have so many sockets.
pub(crate) fn allow_sockets(count: u64) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    anyhow::ensure!(most >= count, "{count} open files are needed, and `ulimit -Hn` is {most}");
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).context("raise the limit of open files")
}
