//! `kafka-console-producer.sh`: each line of standard input is sent as a record.
//!
//! Delivery failures are told on standard error and, unless --sync, do not change the exit code, as in Kafka.
//! Source: ConsoleProducer of 3.9.

mod line;
mod reader;
mod settings;

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::util::Timeout;

use crate::failure::Failure;
use crate::librdkafka;
use line::Record;
use reader::Lines;
use settings::{Mode, Settings};

/// How long a send waits before it asks again for room in the buffer.
const ROOM_INTERVAL: Duration = Duration::from_millis(5);

/// Runs the tool.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let settings = Settings::read(args)?;
    let producer: ThreadedProducer<Deliveries> = settings
        .producer
        .config
        .create_with_context(Deliveries::default())
        .map_err(|error| librdkafka::failed(&error))?;
    let sent = send_lines(&settings, &producer);
    // What was read before a faulty line is delivered all the same; each record has its own time-out.
    let flushed = producer.flush(Timeout::Never).map_err(|error| librdkafka::failed(&error));
    sent.and(flushed)
}

fn send_lines(settings: &Settings, producer: &ThreadedProducer<Deliveries>) -> Result<(), Failure> {
    // Java's System.console() is there only if both ends are a terminal.
    let prompts = io::stdin().is_terminal() && io::stdout().is_terminal();
    let mut lines = Lines::new(io::stdin().lock());
    for number in 1.. {
        if prompts {
            print_prompt()?;
        }
        let line = lines
            .next()
            .map_err(|error| Failure::Sentence(format!("cannot read standard input: {error}")))?;
        let Some(line) = line else { break };
        let record =
            settings.format.parse(&line, number).map_err(|error| Failure::Sentence(error.to_string()))?;
        send(settings, producer, &record)?;
        if settings.mode == Mode::OneByOne {
            producer.flush(Timeout::Never).map_err(|error| librdkafka::failed(&error))?;
            if producer.context().failed.load(Ordering::Relaxed) {
                return Err(Failure::Told);
            }
        }
    }
    Ok(())
}

fn print_prompt() -> io::Result<()> {
    let mut out = io::stdout();
    out.write_all(b">")?;
    out.flush()
}

/// Hands a record over, waiting for room as long as `max.block.ms` allows.
fn send(
    settings: &Settings,
    producer: &ThreadedProducer<Deliveries>,
    record: &Record<'_>,
) -> Result<(), Failure> {
    let deadline = Instant::now() + settings.producer.max_block;
    let mut unsent = base_record(&settings.topic, record);
    loop {
        match producer.send(unsent) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                if Instant::now() < deadline =>
            {
                unsent = back;
                std::thread::sleep(ROOM_INTERVAL);
            }
            Err((error, _)) if settings.mode == Mode::OneByOne => return Err(librdkafka::failed(&error)),
            Err((error, _)) => {
                report(&settings.topic, record.key, record.value, &error);
                return Ok(());
            }
        }
    }
}

fn base_record<'a>(topic: &'a str, record: &'a Record<'_>) -> BaseRecord<'a, [u8], [u8]> {
    let mut base = BaseRecord::to(topic);
    if let Some(key) = record.key {
        base = base.key(key);
    }
    if let Some(value) = record.value {
        base = base.payload(value);
    }
    if record.headers.is_empty() {
        return base;
    }
    let headers = record
        .headers
        .iter()
        .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: *value }));
    base.headers(headers)
}

/// Tells of failures as they come in.
#[derive(Debug, Default)]
struct Deliveries {
    /// Whether any record could not be delivered.
    failed: AtomicBool,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        librdkafka::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        librdkafka::report(&error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = result {
            self.failed.store(true, Ordering::Relaxed);
            report(message.topic(), message.key(), message.payload(), error);
        }
    }
}

/// Kafka's ErrorLoggingCallback.
fn report(topic: &str, key: Option<&[u8]>, value: Option<&[u8]>, error: &KafkaError) {
    let size =
        |bytes: Option<&[u8]>| bytes.map_or("null".to_owned(), |bytes| format!("{} bytes", bytes.len()));
    tracing::error!(
        "Error when sending message to topic {topic} with key: {}, value: {} with error: {error}",
        size(key),
        size(value)
    );
}
