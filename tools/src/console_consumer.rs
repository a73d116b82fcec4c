//! `kafka-console-consumer.sh`: records as lines on standard output.
//!
//! Reads all partitions by assignment; never joins a group. Ends after --max-messages, after --timeout-ms without a
//! record, or by Ctrl-C, each time telling how many records there were. Source: ConsoleConsumer of 3.9.

mod format;
mod settings;

use std::io::{self, BufWriter, Write};
use std::time::{Duration, Instant};

use rdkafka::consumer::BaseConsumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::failure::Failure;
use crate::librdkafka::{self, Assignment, Log};
use crate::signals::{Second, Stop};
use settings::Settings;

/// How long one poll waits, and so how soon a signal is seen.
const POLL: Duration = Duration::from_millis(100);

/// Why reading ended.
enum End {
    Enough,
    Stopped,
    TimedOut,
    OutputClosed,
    Failed(KafkaError),
}

/// Runs the tool.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let settings = Settings::read(args)?;
    let stop = Stop::on_signals(Second::Ends)?;
    let consumer: BaseConsumer<Log> =
        settings.consumer.create_with_context(Log).map_err(|error| librdkafka::failed(&error))?;
    let assignment = Assignment::new(settings.from, settings.start, settings.metadata_max_age);
    let mut reading = Reading {
        consumer: &consumer,
        assignment,
        format: settings.format,
        timeout: settings.timeout,
        max_messages: settings.max_messages,
        count: 0,
    };
    let end = reading.print(&stop, &mut BufWriter::new(io::stdout().lock()));
    match &end {
        End::Enough | End::Stopped => {}
        End::TimedOut => tracing::error!("Error processing message, terminating consumer process: time-out"),
        End::Failed(error) => {
            tracing::error!("Error processing message, terminating consumer process: {error}");
        }
        End::OutputClosed => eprintln!("Unable to write to standard out, closing consumer."),
    }
    eprintln!("Processed a total of {} messages", reading.count);
    // Like Kafka's: whatever ended it, what was read has been printed.
    Ok(())
}

struct Reading<'a> {
    consumer: &'a BaseConsumer<Log>,
    assignment: Assignment,
    format: format::Format,
    timeout: Option<Duration>,
    max_messages: Option<u64>,
    count: u64,
}

impl Reading<'_> {
    fn print(&mut self, stop: &Stop, out: &mut dyn Write) -> End {
        let mut last_record = Instant::now();
        while self.max_messages.is_none_or(|max| self.count < max) {
            if stop.wanted() {
                return flushed(out, End::Stopped);
            }
            if let Err(error) = self.assignment.keep(self.consumer) {
                return flushed(out, End::Failed(error));
            }
            match self.next_record(out) {
                Ok(Some(())) => last_record = Instant::now(),
                Ok(None) if self.timeout.is_some_and(|timeout| last_record.elapsed() > timeout) => {
                    return flushed(out, End::TimedOut);
                }
                Ok(None) => {}
                Err(end) => return flushed(out, end),
            }
        }
        flushed(out, End::Enough)
    }

    /// Prints a record if there is one. What has been printed is flushed before there is a wait.
    fn next_record(&mut self, out: &mut dyn Write) -> Result<Option<()>, End> {
        let message = match self.consumer.poll(Duration::ZERO) {
            Some(message) => message,
            None => {
                out.flush().map_err(|_| End::OutputClosed)?;
                let wait = self.timeout.map_or(POLL, |timeout| timeout.min(POLL));
                match self.consumer.poll(wait) {
                    Some(message) => message,
                    None => return Ok(None),
                }
            }
        };
        match message {
            Ok(message) => {
                self.count += 1;
                self.format.print(&message, out).map_err(|_| End::OutputClosed)?;
                Ok(Some(()))
            }
            Err(error) if passes(&error) => {
                tracing::warn!("{error}");
                Ok(None)
            }
            Err(error) => Err(End::Failed(error)),
        }
    }
}

/// Errors after which the library goes on by itself.
fn passes(error: &KafkaError) -> bool {
    let fatal = [RDKafkaErrorCode::Fatal, RDKafkaErrorCode::AutoOffsetReset, RDKafkaErrorCode::InvalidTopic];
    error.rdkafka_error_code().is_some_and(|code| !fatal.contains(&code))
}

fn flushed(out: &mut dyn Write, end: End) -> End {
    match out.flush() {
        Ok(()) => end,
        Err(_) => End::OutputClosed,
    }
}
