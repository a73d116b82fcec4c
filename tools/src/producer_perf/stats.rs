//! Deliveries counted: a line every five seconds, a line with percentiles at the end.
//!
//! Latencies are kept for at most half a million records, evenly spread. Source: ProducerPerformance.Stats of 3.9.

use std::io::{self, Write};
use std::time::Duration;

use crate::metrics::{Metric, java_decimal};

const REPORT_INTERVAL: Duration = Duration::from_secs(5);
const SAMPLES_MAX: u64 = 500_000;
const MEGABYTE: f64 = 1024.0 * 1024.0;

/// Sums over a stretch of time.
#[derive(Debug, Default)]
struct Sums {
    /// Since the beginning of the run.
    begun: Duration,
    count: u64,
    bytes: u64,
    latency_ms: u64,
    latency_ms_max: u32,
}

/// Sums of the run and of the time since the last line.
#[derive(Debug)]
pub(super) struct Stats {
    total: Sums,
    window: Sums,
    sampling: u64,
    latencies_ms: Vec<u32>,
}

impl Stats {
    pub(super) fn new(num_records: u64) -> Stats {
        let sampling = num_records / num_records.clamp(1, SAMPLES_MAX);
        Stats {
            total: Sums::default(),
            window: Sums::default(),
            sampling: sampling.max(1),
            latencies_ms: Vec::new(),
        }
    }

    /// Counts a delivered record.
    pub(super) fn record(&mut self, latency_ms: u32, bytes: usize) {
        if self.total.count.is_multiple_of(self.sampling) {
            self.latencies_ms.push(latency_ms);
        }
        self.total.add(latency_ms, bytes);
        self.window.add(latency_ms, bytes);
    }

    /// Prints a line if it is time; `now` counts from the beginning of the run.
    pub(super) fn report(&mut self, now: Duration, out: &mut dyn Write) -> io::Result<()> {
        if now.saturating_sub(self.window.begun) < REPORT_INTERVAL {
            return Ok(());
        }
        let window = std::mem::replace(&mut self.window, Sums { begun: now, ..Sums::default() });
        writeln!(
            out,
            "{} records sent, {} records/sec ({} MB/sec), {} ms avg latency, {} ms max latency.",
            window.count,
            java_decimal(window.per_second(window.count as f64, now), 1),
            java_decimal(window.per_second(window.bytes as f64, now) / MEGABYTE, 2),
            java_decimal(window.latency_ms_average(), 1),
            java_decimal(f64::from(window.latency_ms_max), 1),
        )
    }

    /// Prints the last line.
    pub(super) fn print_total(&mut self, now: Duration, out: &mut dyn Write) -> io::Result<()> {
        self.latencies_ms.sort_unstable();
        let total = &self.total;
        writeln!(
            out,
            "{} records sent, {} records/sec ({} MB/sec), {} ms avg latency, {} ms max latency, {} ms 50th, {} ms \
             95th, {} ms 99th, {} ms 99.9th.",
            total.count,
            java_decimal(total.per_second(total.count as f64, now), 6),
            java_decimal(total.per_second(total.bytes as f64, now) / MEGABYTE, 2),
            java_decimal(total.latency_ms_average(), 2),
            java_decimal(f64::from(total.latency_ms_max), 2),
            self.percentile(0.5),
            self.percentile(0.95),
            self.percentile(0.99),
            self.percentile(0.999),
        )
    }

    /// What is known without the library's help.
    pub(super) fn metrics(&self, client_id: &str) -> Vec<Metric> {
        let name = |metric: &str| format!("producer-metrics:{metric}:{{client-id={client_id}}}");
        vec![(name("record-send-total"), self.total.count as f64)]
    }

    /// Of sorted latencies.
    fn percentile(&self, part: f64) -> u32 {
        let index = (part * self.latencies_ms.len() as f64) as usize;
        self.latencies_ms.get(index).copied().unwrap_or(0)
    }
}

impl Sums {
    fn add(&mut self, latency_ms: u32, bytes: usize) {
        self.count += 1;
        self.bytes += bytes as u64;
        self.latency_ms += u64::from(latency_ms);
        self.latency_ms_max = self.latency_ms_max.max(latency_ms);
    }

    fn per_second(&self, amount: f64, now: Duration) -> f64 {
        1000.0 * amount / now.saturating_sub(self.begun).as_millis() as f64
    }

    fn latency_ms_average(&self) -> f64 {
        self.latency_ms as f64 / self.count as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines have the format of Kafka 3.9.1's.
    #[test]
    fn prints_windows_and_the_total() {
        let mut stats = Stats::new(7000);
        let mut out = Vec::new();
        for latency_ms in 0..4998 {
            stats.record(latency_ms % 100, 1000);
        }
        stats.report(Duration::from_millis(4999), &mut out).unwrap();
        assert!(out.is_empty());
        stats.report(Duration::from_millis(5000), &mut out).unwrap();
        for _ in 0..2002 {
            stats.record(1845, 1000);
        }
        stats.report(Duration::from_millis(7000), &mut out).unwrap();
        stats.print_total(Duration::from_millis(7210), &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "4998 records sent, 999.6 records/sec (0.95 MB/sec), 49.5 ms avg latency, 99.0 ms max latency.\n\
             7000 records sent, 970.873786 records/sec (0.93 MB/sec), 563.00 ms avg latency, 1845.00 ms max latency, \
             70 ms 50th, 1845 ms 95th, 1845 ms 99th, 1845 ms 99.9th.\n"
        );
    }

    #[test]
    fn keeps_half_a_million_latencies_at_most() {
        let mut stats = Stats::new(2_000_000);
        (0..2_000_000).for_each(|_| stats.record(1, 1));
        assert_eq!(stats.latencies_ms.len(), 500_000);
    }
}
