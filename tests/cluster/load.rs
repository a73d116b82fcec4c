//! A producer that keeps account: every record has a number, and what became of it (acknowledged where, or failed how) is kept.
//! How: librdkafka with idempotence; record `n` goes to partition `n % partitions`, so its offset must be `n / partitions`, and any
//! loss, repetition or change of order shows as another offset.
use crate::scene::Scene;
use anyhow::{Context, Result};
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tests::condition::until;

/// What the producer was told so far.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) acknowledged: usize,
    /// Acknowledged at another place than where its number belongs.
    pub(crate) misplaced: Vec<String>,
    pub(crate) failed: Vec<String>,
    /// Errors of the client as a whole, like a lost connection.
    pub(crate) errors: Vec<String>,
}

/// Receives the client's callbacks.
#[derive(Debug)]
pub(crate) struct Ledger {
    partitions: usize,
    account: Mutex<Account>,
}

impl Ledger {
    fn note<T>(&self, change: impl FnOnce(&mut Account) -> T) -> T {
        change(&mut self.account.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientContext for Ledger {
    fn error(&self, error: KafkaError, reason: &str) {
        self.note(|account| account.errors.push(format!("{error}: {reason}")));
    }
}

impl ProducerContext for Ledger {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let place = |partition: i32, offset: i64| (usize::try_from(partition), usize::try_from(offset));
        self.note(|account| match result {
            Err((error, _)) => account.failed.push(format!("{number}: {error}")),
            Ok(record) => {
                account.acknowledged += 1;
                if place(record.partition(), record.offset())
                    != (Ok(number % self.partitions), Ok(number / self.partitions))
                {
                    account.misplaced.push(format!("{number} at {}-{}", record.partition(), record.offset()));
                }
            }
        });
    }
}

/// A numbered load on one topic.
pub(crate) struct Load {
    producer: ThreadedProducer<Ledger>,
    topic: String,
    partitions: usize,
    size: usize,
    sent: usize,
}

impl Load {
    /// A producer of records of `size` bytes for an existing topic.
    pub(crate) fn new(scene: &Scene, topic: &str, partitions: usize, size: usize) -> Result<Load> {
        let ledger = Ledger { partitions, account: Mutex::default() };
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", scene.address())
            .set("enable.idempotence", "true")
            .set("linger.ms", "5");
        config.set("reconnect.backoff.max.ms", "500");
        let producer = config.create_with_context(ledger).context("a producer")?;
        Ok(Load { producer, topic: topic.to_owned(), partitions, size, sent: 0 })
    }

    /// Hands the next record to the producer, waiting while its queue is full.
    pub(crate) fn send(&mut self) -> Result<()> {
        let (key, number) = (self.sent.to_string(), self.sent);
        let value = vec![b'a' + u8::try_from(number % 26)?; self.size];
        let partition = i32::try_from(number % self.partitions)?;
        let record =
            || BaseRecord::with_opaque_to(&self.topic, number).partition(partition).key(&key).payload(&value);
        until("room in the producer's queue", Duration::from_secs(120), || {
            match self.producer.send(record()) {
                Ok(()) => Ok(Some(())),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Ok(None),
                Err((error, _)) => Err(error.into()),
            }
        })?;
        self.sent += 1;
        Ok(())
    }

    pub(crate) fn sent(&self) -> usize {
        self.sent
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.producer.context().note(|account| account.acknowledged)
    }

    /// Waits until every record sent has its answer, and returns the account.
    pub(crate) fn settle(&self) -> Result<Account> {
        self.producer.flush(Duration::from_secs(120)).context("not every record was answered")?;
        Ok(self.producer.context().note(std::mem::take))
    }
}

/// A load that goes on by itself, a record each millisecond or a little slower, until it is stopped.
pub(crate) struct SteadyLoad {
    stop: Sender<()>,
    ledger: ThreadedProducer<Ledger>,
    thread: JoinHandle<Result<Load>>,
}

impl SteadyLoad {
    pub(crate) fn start(mut load: Load) -> SteadyLoad {
        let (stop, stopped) = channel();
        let ledger = load.producer.clone();
        let thread = std::thread::spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(Duration::from_millis(1)) {
                load.send()?;
            }
            Ok(load)
        });
        SteadyLoad { stop, ledger, thread }
    }

    /// Waits until `more` records are acknowledged that were not yet.
    pub(crate) fn await_more(&self, more: usize) -> Result<()> {
        let acknowledged = || self.ledger.context().note(|account| account.acknowledged);
        let goal = acknowledged() + more;
        let limit = Duration::from_secs(60);
        until("the load goes on", limit, || Ok((acknowledged() >= goal).then_some(())))
    }

    /// Lets time pass in which records are acknowledged all along.
    pub(crate) fn go_on_for(&self, time: Duration) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < time {
            self.await_more(100)?;
        }
        Ok(())
    }

    /// Ends the load; every record sent has its answer then.
    pub(crate) fn stop(self) -> Result<(usize, Account)> {
        // The thread may have ended with an error, which the join tells.
        let _ = self.stop.send(());
        let load = self.thread.join().map_err(|_| anyhow::anyhow!("the load panicked"))??;
        Ok((load.sent(), load.settle()?))
    }
}

/// Reads a topic back: record `n` is there once, at its place, for each `n` below `sent`.
pub(crate) fn check_topic(scene: &Scene, topic: &str, partitions: usize, sent: usize) -> Result<()> {
    let format = "%p %o %k\n";
    let read = scene.kcat(
        &["-C", "-t", topic, "-o", "beginning", "-e", "-q", "-X", "check.crcs=true", "-f", format],
        "",
    )?;
    let mut found = 0;
    for line in read.stdout.lines() {
        let numbers: Vec<usize> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [partition, offset, number] = numbers[..] else { anyhow::bail!("an odd line: {line}") };
        anyhow::ensure!(
            offset * partitions + partition == number,
            "record {number} is at {partition}-{offset}"
        );
        found += 1;
    }
    anyhow::ensure!(found == sent, "{found} records in the log, {sent} were sent");
    Ok(())
}
