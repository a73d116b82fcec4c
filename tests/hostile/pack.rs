//! Ten thousand malformed and hostile connections beside a client that produces 20 MB/s: the client sees no error and is not held up,
//! and the broker's memory returns to where it was.
//! How: the same producer is measured before, in calm, and while the pack runs; a third of the strangers stay to the end.
use crate::produced::{Latencies, Producer};
use crate::stranger::{After, Stranger, stranger};
use crate::{GROWTH, Ground, allow_sockets};
use anyhow::{Context, Result};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

const STRANGERS: usize = 10_000;
/// They come at a rate that leaves the producer its share of a machine which both use.
const PER_SECOND: u32 = 400;
const CALM_REQUESTS: usize = 1_500;
const TOPIC: &str = "besieged";

#[test]
fn a_pack_of_hostile_connections_costs_a_producer_nothing() -> Result<()> {
    allow_sockets(STRANGERS as u64)?;
    let mut ground = Ground::new()?;
    ground.broker.announce("connection closed: ");
    ground.create_topic(TOPIC)?;
    let producer = Producer::start(ground.broker.connect()?, TOPIC)?;
    producer.await_requests(CALM_REQUESTS / 3)?;
    let calm = producer.await_requests(CALM_REQUESTS)?;
    let before = ground.memory()?;

    producer.take();
    let (_end, ended) = channel();
    let pack = Pack::attack(&ground.broker.address(), &ended)?;
    let besieged = producer.take();
    let during = ground.memory()?;
    assert!(pack.open() > STRANGERS / 5, "only {} of the strangers could stay", pack.open());
    drop(pack);
    producer.stop().context("the client saw an error")?;
    say(&calm, &besieged, [before, during]);

    assert!(besieged.count() >= CALM_REQUESTS, "the producer stood still: {} requests", besieged.count());
    let p99 = besieged.permille(990);
    assert!(p99 <= calm.twice_at_most(), "p99 went from {:?} to {p99:?}", calm.permille(990));
    ground.await_memory(before + GROWTH)?;
    ground.broker.await_serving()
}

fn say(calm: &Latencies, besieged: &Latencies, [before, during]: [u64; 2]) {
    let line = |latencies: &Latencies| {
        format!(
            "{} requests, p50 {:?}, p99 {:?}",
            latencies.count(),
            latencies.permille(500),
            latencies.permille(990)
        )
    };
    eprintln!("calm: {}, {} MB\nbesieged: {}, {} MB", line(calm), before >> 20, line(besieged), during >> 20);
}

/// Those who stay.
struct Pack {
    staying: Vec<TcpStream>,
    dripping: Vec<(TcpStream, Stranger)>,
}

impl Pack {
    /// Lets all of them come. `pace` is never sent anything.
    fn attack(address: &str, pace: &Receiver<()>) -> Result<Pack> {
        let mut pack = Pack { staying: Vec::new(), dripping: Vec::new() };
        let mut due = Instant::now();
        for number in 0..STRANGERS {
            let wait = due.saturating_duration_since(Instant::now());
            if !matches!(pace.recv_timeout(wait), Err(RecvTimeoutError::Timeout)) {
                break;
            }
            due += Duration::from_secs(1) / PER_SECOND;
            pack.send(address, number).with_context(|| format!("stranger {number}"))?;
        }
        Ok(pack)
    }

    fn open(&self) -> usize {
        self.staying.len() + self.dripping.len()
    }

    fn send(&mut self, address: &str, number: usize) -> Result<()> {
        self.drip(number);
        let stranger = stranger(number, TOPIC);
        let mut stream = TcpStream::connect(address).context("the broker does not accept")?;
        if stranger.after == After::Drip {
            self.dripping.push((stream, stranger));
            return Ok(());
        }
        // Who is never read from in return may not get rid of all it has to say.
        stream.set_write_timeout(Some(crate::SOON))?;
        // An end of the connection on the broker's side is an answer too.
        let _ = stream.write_all(&stranger.bytes);
        match stranger.after {
            After::Leave | After::Drip => {}
            After::Stay => self.staying.push(stream),
            After::AwaitEnd => await_end(stream)?,
        }
        Ok(())
    }

    /// One byte more of each, a hundredth of them at a time.
    fn drip(&mut self, number: usize) {
        for (stream, stranger) in self.dripping.iter_mut().skip(number % 100).step_by(100) {
            if !stranger.bytes.is_empty() {
                let byte = stranger.bytes.remove(0);
                // Nothing is wrong with it yet, and if the broker thought so it would not matter here.
                let _ = stream.write_all(&[byte]);
            }
        }
    }
}

/// The broker says nothing and closes.
fn await_end(mut stream: TcpStream) -> Result<()> {
    stream.set_read_timeout(Some(crate::SOON))?;
    // Whatever length it seems to announce, no more comes. It may have been closed already.
    let _ = stream.shutdown(Shutdown::Write);
    match stream.read(&mut [0; 64]) {
        Ok(0) => Ok(()),
        Ok(_) => anyhow::bail!("garbage was answered"),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(()),
        Err(error) => Err(error).context("the broker keeps a connection that sent garbage"),
    }
}
