//! A client that produces at a steady rate, one request after the other, and notes how long each took.
//! How: Produce version 7 with acks=1 by hand, one batch of one record; a thread of its own.
use anyhow::{Context, Result};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tests::wire::{Body, PRODUCE, Wire};

/// Below it a turn of the scheduler decides, and not the broker.
const FLOOR: Duration = Duration::from_millis(4);
/// 100 kB every 5 ms are 20 MB/s.
const BATCH: usize = 100_000;
const PERIOD: Duration = Duration::from_millis(5);

pub(crate) struct Producer {
    stop: Sender<()>,
    latencies: Receiver<Duration>,
    thread: JoinHandle<Result<()>>,
}

impl Producer {
    pub(crate) fn start(wire: Wire, topic: &str) -> Result<Producer> {
        let (stop, stopped) = channel();
        let (noted, latencies) = channel();
        let body = body(topic, &batch(BATCH)?)?;
        let thread = std::thread::spawn(move || run(wire, &body, &stopped, &noted));
        Ok(Producer { stop, latencies, thread })
    }

    /// What has been noted since the last time.
    pub(crate) fn take(&self) -> Latencies {
        let mut taken: Vec<Duration> = self.latencies.try_iter().collect();
        taken.sort();
        Latencies(taken)
    }

    /// The latencies of so many requests from here on.
    pub(crate) fn await_requests(&self, count: usize) -> Result<Latencies> {
        self.take();
        let next = || self.latencies.recv_timeout(crate::SOON).context("the producer has ended");
        let mut taken = (0..count).map(|_| next()).collect::<Result<Vec<_>>>()?;
        taken.sort();
        Ok(Latencies(taken))
    }

    /// Ends it; an error that it met is told.
    pub(crate) fn stop(self) -> Result<()> {
        // It may have ended with an error, which the join tells.
        let _ = self.stop.send(());
        self.thread.join().map_err(|_| anyhow::anyhow!("the producer panicked"))?
    }
}

/// In order of size.
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// What the 99th percentile may be beside hostile clients.
    pub(crate) fn twice_at_most(&self) -> Duration {
        2 * self.permille(990).max(FLOOR)
    }

    /// Of `part` of a thousand requests at least as many took no longer.
    pub(crate) fn permille(&self, part: usize) -> Duration {
        let at = self.0.len() * part / 1000;
        self.0.get(at.min(self.0.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}

fn run(mut wire: Wire, body: &[u8], stopped: &Receiver<()>, noted: &Sender<Duration>) -> Result<()> {
    let mut due = Instant::now();
    loop {
        let wait = due.saturating_duration_since(Instant::now());
        if !matches!(stopped.recv_timeout(wait), Err(RecvTimeoutError::Timeout)) {
            return Ok(());
        }
        let sent = Instant::now();
        let answer = wire.call(PRODUCE, 7, body)?;
        anyhow::ensure!(error_of(&answer)? == 0, "produce was answered with error {}", error_of(&answer)?);
        // Nobody may listen any more.
        let _ = noted.send(sent.elapsed());
        // What it is late it does not catch up with.
        due = (due + PERIOD).max(Instant::now());
    }
}

fn error_of(answer: &[u8]) -> Result<i16> {
    let mut answer = Body::new(answer);
    let (_topics, _topic, _partitions, _partition) =
        (answer.int32()?, answer.string()?, answer.int32()?, answer.int32()?);
    answer.int16()
}

fn body(topic: &str, records: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    body.extend((-1_i16).to_be_bytes());
    body.extend(1_i16.to_be_bytes());
    body.extend(30_000_i32.to_be_bytes());
    body.extend(1_i32.to_be_bytes());
    body.extend(i16::try_from(topic.len())?.to_be_bytes());
    body.extend(topic.as_bytes());
    body.extend(1_i32.to_be_bytes());
    body.extend(0_i32.to_be_bytes());
    body.extend(i32::try_from(records.len())?.to_be_bytes());
    body.extend(records);
    Ok(body)
}

/// A batch of format 2 with one record of `size` bytes and the timestamp 0.
pub(crate) fn batch(size: usize) -> Result<Vec<u8>> {
    let mut record = vec![0, 0, 0, 1];
    varint(&mut record, size);
    record.resize(record.len() + size, b'x');
    record.push(0);
    let mut records = Vec::new();
    varint(&mut records, record.len());
    records.extend(record);
    // From the attributes to the count of records; the checksum goes over these and the records.
    let mut rest = Vec::new();
    rest.extend(0_i16.to_be_bytes());
    rest.extend(0_i32.to_be_bytes());
    rest.extend(0_i64.to_be_bytes());
    rest.extend(0_i64.to_be_bytes());
    rest.extend((-1_i64).to_be_bytes());
    rest.extend((-1_i16).to_be_bytes());
    rest.extend((-1_i32).to_be_bytes());
    rest.extend(1_i32.to_be_bytes());
    rest.extend(records);
    let mut batch = vec![0; 8];
    batch.extend(i32::try_from(9 + rest.len())?.to_be_bytes());
    batch.extend((-1_i32).to_be_bytes());
    batch.push(2);
    batch.extend(crc32c::crc32c(&rest).to_be_bytes());
    batch.extend(rest);
    Ok(batch)
}

/// A non-negative number in the zigzag form of records.
fn varint(bytes: &mut Vec<u8>, number: usize) {
    let mut rest = number << 1;
    while rest >= 0x80 {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}
