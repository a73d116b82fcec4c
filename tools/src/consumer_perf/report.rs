//! The lines of the tool: a header, one line per interval or one at the end.
//!
//! Columns are Kafka's; the time for rebalancing is 0, since there is none. Source: ConsumerPerformance of 3.9.

use std::io::{self, Write};
use std::time::{Duration, Instant, SystemTime};

use super::date::DateFormat;
use crate::metrics::java_decimal;

const MEGABYTE: f64 = 1024.0 * 1024.0;

/// How far reading has come.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    /// When reading began, by both clocks.
    begun: (Instant, SystemTime),
    pub(super) at: Instant,
    pub(super) records: u64,
    pub(super) bytes: u64,
}

impl Progress {
    pub(super) fn begin() -> Progress {
        let now = Instant::now();
        Progress { begun: (now, SystemTime::now()), at: now, records: 0, bytes: 0 }
    }

    pub(super) fn count(&mut self, bytes: usize) {
        self.records += 1;
        self.bytes += bytes as u64;
    }

    fn megabytes(&self) -> f64 {
        self.bytes as f64 / MEGABYTE
    }

    fn wall_clock(&self) -> SystemTime {
        self.begun.1 + (self.at - self.begun.0)
    }
}

/// How lines look.
#[derive(Debug)]
pub(super) struct Report<'a> {
    pub(super) detailed: bool,
    pub(super) date_format: &'a DateFormat,
}

impl Report<'_> {
    pub(super) fn print_header(&self, out: &mut dyn Write) -> io::Result<()> {
        let first = if self.detailed { "time, threadId" } else { "start.time, end.time" };
        writeln!(
            out,
            "{first}, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, \
             fetch.MB.sec, fetch.nMsg.sec"
        )
    }

    /// The line of an interval.
    pub(super) fn print_progress(
        &self,
        last: &Progress,
        now: &Progress,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let rates = Rates {
            megabytes: now.megabytes() - last.megabytes(),
            records: now.records - last.records,
            time: now.at - last.at,
        };
        writeln!(
            out,
            "{}, 0, {}, {}, {}, {}, {}",
            self.date_format.print(now.wall_clock()),
            java_decimal(now.megabytes(), 4),
            rates.megabytes_per_second(),
            now.records,
            rates.records_per_second(),
            rates.fetch_columns(),
        )
    }

    /// The one line of a run.
    pub(super) fn print_total(
        &self,
        begun: &Progress,
        end: &Progress,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let rates = Rates { megabytes: end.megabytes(), records: end.records, time: end.at - begun.at };
        writeln!(
            out,
            "{}, {}, {}, {}, {}, {}, {}",
            self.date_format.print(begun.wall_clock()),
            self.date_format.print(end.wall_clock()),
            java_decimal(end.megabytes(), 4),
            rates.megabytes_per_second(),
            end.records,
            rates.records_per_second(),
            rates.fetch_columns(),
        )
    }
}

/// Amounts over a time.
struct Rates {
    megabytes: f64,
    records: u64,
    time: Duration,
}

impl Rates {
    fn per_second(&self, amount: f64) -> String {
        java_decimal(1000.0 * amount / self.time.as_millis() as f64, 4)
    }

    fn megabytes_per_second(&self) -> String {
        self.per_second(self.megabytes)
    }

    fn records_per_second(&self) -> String {
        self.per_second(self.records as f64)
    }

    /// All time is spent fetching.
    fn fetch_columns(&self) -> String {
        let (megabytes, records) = (self.megabytes_per_second(), self.records_per_second());
        format!("0, {}, {megabytes}, {records}", self.time.as_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_kafkas_columns() {
        let date_format = DateFormat::new("SSS").unwrap();
        let begun = Progress { begun: (Instant::now(), SystemTime::UNIX_EPOCH), ..Progress::begin() };
        let begun = Progress { begun: (begun.at, SystemTime::UNIX_EPOCH), ..begun };
        let at = |ms, records, bytes| Progress {
            at: begun.at + Duration::from_millis(ms),
            records,
            bytes,
            ..begun.clone()
        };
        let (first, second) = (at(200, 30_208, 30_208_000), at(400, 44_544, 44_544_000));
        let lines = |detailed| {
            let report = Report { detailed, date_format: &date_format };
            let mut out = Vec::new();
            report.print_header(&mut out).unwrap();
            match detailed {
                true => report.print_progress(&first, &second, &mut out).unwrap(),
                false => report.print_total(&begun, &second, &mut out).unwrap(),
            }
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            lines(true),
            "time, threadId, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, \
             fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec\n\
             400, 0, 42.4805, 68.3594, 44544, 71680.0000, 0, 200, 68.3594, 71680.0000\n"
        );
        assert_eq!(
            lines(false),
            "start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, \
             fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec\n\
             000, 400, 42.4805, 106.2012, 44544, 111360.0000, 0, 400, 106.2012, 111360.0000\n"
        );
    }
}
