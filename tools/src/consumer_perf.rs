//! `kafka-consumer-perf-test.sh`: reads records as fast as it can and tells how fast that was.
//!
//! Reads all partitions by assignment, so that there is no rebalance to time. Source: ConsumerPerformance of 3.9.

mod date;
mod report;
mod settings;

use std::io::{self, Write};
use std::time::{Duration, Instant};

use rdkafka::consumer::BaseConsumer;

use crate::failure::Failure;
use crate::librdkafka::{self, Assignment, From, Log};
use crate::metrics;
use report::{Progress, Report};
use settings::Settings;

/// How long one poll waits.
const POLL: Duration = Duration::from_millis(100);
/// Partitions added during a measurement are not looked for.
const REFRESH: Duration = Duration::from_secs(300);

/// Runs the tool.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let settings = Settings::read(args)?;
    let mut out = io::stdout();
    if settings.ignores_threads {
        writeln!(
            out,
            "WARNING: option [threads] and [num-fetch-threads] have been deprecated and will be ignored by the test"
        )?;
    }
    let report = Report { detailed: settings.detailed.is_some(), date_format: &settings.date_format };
    if settings.has_header {
        report.print_header(&mut out)?;
    }
    let consumer: BaseConsumer<Log> =
        settings.consumer.create_with_context(Log).map_err(|error| librdkafka::failed(&error))?;
    let begun = Progress::begin();
    let read = read(&settings, &consumer, &report, &mut out)?;
    if !report.detailed {
        report.print_total(&begun, &read, &mut out)?;
    }
    if settings.prints_metrics {
        let name = |metric: &str| {
            format!("consumer-fetch-manager-metrics:{metric}:{{client-id={}}}", settings.client_id)
        };
        let table = vec![
            (name("bytes-consumed-total"), read.bytes as f64),
            (name("records-consumed-total"), read.records as f64),
        ];
        metrics::print(table, &mut out)?;
    }
    Ok(())
}

fn read(
    settings: &Settings,
    consumer: &BaseConsumer<Log>,
    report: &Report<'_>,
    out: &mut dyn Write,
) -> Result<Progress, Failure> {
    let mut assignment = Assignment::new(From::Topic(settings.topic.clone()), settings.start, REFRESH);
    let mut now = Progress::begin();
    let mut reported = now.clone();
    let mut last_record = Instant::now();
    while now.records < settings.messages && last_record.elapsed() <= settings.timeout {
        assignment.keep(consumer).map_err(|error| librdkafka::failed(&error))?;
        match consumer.poll(POLL) {
            Some(Ok(message)) => {
                now.count(message.key_len() + message.payload_len());
                last_record = Instant::now();
            }
            Some(Err(error)) => tracing::warn!("{error}"),
            None => {}
        }
        now.at = last_record.max(now.at);
        if settings.detailed.is_some_and(|interval| now.at - reported.at >= interval) {
            report.print_progress(&reported, &now, out)?;
            reported = now.clone();
        }
    }
    if now.records < settings.messages {
        writeln!(
            out,
            "WARNING: Exiting before consuming the expected number of messages: timeout ({} ms) exceeded. You can use \
             the --timeout option to increase the timeout.",
            settings.timeout.as_millis()
        )?;
    }
    now.at = Instant::now();
    Ok(now)
}
