//! `kafka-producer-perf-test.sh`: sends records as fast as asked and tells how fast that was.
//!
//! One thread sends, serves deliveries and prints; one buffer holds the record that is sent next.
//! Source: ProducerPerformance and ThroughputThrottler of 3.9.

mod arguments;
mod payload;
mod stats;
mod throttle;

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::statistics::Statistics;

use crate::failure::Failure;
use crate::librdkafka::{self, ProducerSettings};
use crate::metrics::{self, Latest, Metric};
use arguments::Arguments;
use payload::Payloads;
use stats::Stats;
use throttle::Throttle;

/// Deliveries are looked for at least this often, so that latencies are right to a millisecond.
const SERVE_INTERVAL: Duration = Duration::from_millis(1);
/// How often the library counts together what --print-metrics prints.
const STATISTICS_INTERVAL_MS: &str = "250";

/// Runs the tool.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let arguments = Arguments::read(args)?;
    let mut payloads = Payloads::new(&arguments.payload, &mut io::stdout())?;
    let ProducerSettings { mut config, max_block } = librdkafka::producer(&arguments.producer)?;
    if arguments.prints_metrics {
        config.set("statistics.interval.ms", STATISTICS_INTERVAL_MS);
    }
    let start = Instant::now();
    let measured = Measured {
        start,
        stats: Mutex::new(Stats::new(arguments.num_records)),
        statistics: Latest::default(),
    };
    let producer: BaseProducer<Measured> =
        config.create_with_context(measured).map_err(|error| librdkafka::failed(&error))?;
    let mut sending = Sending { producer: &producer, topic: &arguments.topic, max_block, last_served: start };
    let mut throttle = Throttle::new(arguments.throughput);
    for number in 0..arguments.num_records {
        sending.send(payloads.next(number))?;
        if let Some(rest) = throttle.rest(number, start.elapsed()) {
            sending.serve_for(rest);
        }
    }
    sending.serve_until_empty();
    producer.context().print_total(&mut io::stdout())?;
    if arguments.prints_metrics {
        print_metrics(&producer, config.get("client.id").unwrap_or_default())?;
    }
    Ok(())
}

struct Sending<'a> {
    producer: &'a BaseProducer<Measured>,
    topic: &'a str,
    max_block: Duration,
    last_served: Instant,
}

impl Sending<'_> {
    /// Hands a record over, serving deliveries while there is no room.
    fn send(&mut self, payload: &[u8]) -> Result<(), Failure> {
        let begun = Instant::now();
        if begun - self.last_served >= SERVE_INTERVAL {
            self.serve(Duration::ZERO);
        }
        let since_start = begun.duration_since(self.producer.context().start);
        // 64 bits hold the milliseconds of any run.
        let stamp = since_start.as_millis() as usize;
        let mut record = BaseRecord::<[u8], [u8], usize>::with_opaque_to(self.topic, stamp).payload(payload);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    if begun.elapsed() > self.max_block {
                        return Err(Failure::Sentence(format!(
                            "no room in the producer's buffer for {} ms (max.block.ms)",
                            self.max_block.as_millis()
                        )));
                    }
                    record = back;
                    self.serve(SERVE_INTERVAL);
                }
                Err((error, _)) => {
                    eprintln!("{error}");
                    return Ok(());
                }
            }
        }
    }

    fn serve(&mut self, wait: Duration) {
        self.producer.poll(wait);
        self.last_served = Instant::now();
    }

    fn serve_for(&mut self, rest: Duration) {
        let end = Instant::now() + rest;
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            self.serve(left);
        }
    }

    /// Every record has its delivery or its time-out in the end.
    fn serve_until_empty(&mut self) {
        while self.producer.in_flight_count() > 0 {
            self.serve(Duration::from_millis(100));
        }
    }
}

/// Where deliveries are counted. They come on the thread that serves, so the locks are never waited for.
#[derive(Debug)]
struct Measured {
    start: Instant,
    stats: Mutex<Stats>,
    statistics: Latest,
}

impl Measured {
    fn print_total(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut stats = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        stats.print_total(self.start.elapsed(), out)
    }
}

impl ClientContext for Measured {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        librdkafka::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        librdkafka::report(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        self.statistics.set(statistics);
    }
}

impl ProducerContext for Measured {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, stamp: usize) {
        match result {
            Ok(message) => {
                let now = self.start.elapsed();
                let latency_ms = (now.as_millis() as usize).saturating_sub(stamp);
                let mut stats = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
                stats.record(u32::try_from(latency_ms).unwrap_or(u32::MAX), message.payload_len());
                // Nobody reads our output any more: the run goes on, as Kafka's does.
                let _ = stats.report(now, &mut io::stdout());
            }
            Err((error, _)) => eprintln!("{error}"),
        }
    }
}

fn print_metrics(producer: &BaseProducer<Measured>, client_id: &str) -> Result<(), Failure> {
    let context = producer.context();
    // Those that are waiting were taken before the last record went out.
    context.statistics.take();
    let deadline = Instant::now() + Duration::from_secs(2);
    let statistics = loop {
        producer.poll(Duration::from_millis(50));
        match context.statistics.take() {
            Some(statistics) => break Some(statistics),
            None if Instant::now() > deadline => break None,
            None => {}
        }
    };
    let mut table = context.stats.lock().unwrap_or_else(PoisonError::into_inner).metrics(client_id);
    if let Some(statistics) = statistics {
        table.extend(metrics::network("producer-metrics", client_id, &statistics));
        table.extend(batches(client_id, &statistics));
    }
    Ok(metrics::print(table, &mut io::stdout())?)
}

fn batches(client_id: &str, statistics: &Statistics) -> Vec<Metric> {
    let name = |metric: &str| format!("producer-metrics:{metric}:{{client-id={client_id}}}");
    let retries: u64 = statistics.brokers.values().map(|broker| broker.txretries).sum();
    let mut table = vec![(name("record-retry-total"), retries as f64)];
    for topic in statistics.topics.values() {
        table.push((name("batch-size-avg"), topic.batchsize.avg as f64));
        table.push((name("batch-size-max"), topic.batchsize.max as f64));
        table.push((name("records-per-request-avg"), topic.batchcnt.avg as f64));
    }
    table
}
