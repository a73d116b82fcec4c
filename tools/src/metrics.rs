//! The table that --print-metrics prints: Kafka's names for what librdkafka counts.
//!
//! Only what can be had is listed. Source: ToolsUtils.printMetrics.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use rdkafka::statistics::Statistics;

/// A metric's full name and value.
pub(crate) type Metric = (String, f64);

/// The statistics that came last.
#[derive(Debug, Default)]
pub(crate) struct Latest(Mutex<Option<Statistics>>);

impl Latest {
    pub(crate) fn set(&self, statistics: Statistics) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(statistics);
    }

    pub(crate) fn take(&self) -> Option<Statistics> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What every client counts.
pub(crate) fn network(group: &str, client_id: &str, statistics: &Statistics) -> Vec<Metric> {
    let name = |metric: &str| format!("{group}:{metric}:{{client-id={client_id}}}");
    let round_trips = statistics.brokers.values().filter_map(|broker| broker.rtt.as_ref());
    let (mut sum, mut count, mut max) = (0.0, 0.0, 0i64);
    for window in round_trips.filter(|window| window.cnt > 0) {
        sum += window.sum as f64;
        count += window.cnt as f64;
        max = max.max(window.max);
    }
    let micros = |micros: f64| micros / 1000.0;
    vec![
        (name("incoming-byte-total"), statistics.rx_bytes as f64),
        (name("outgoing-byte-total"), statistics.tx_bytes as f64),
        (name("request-latency-avg"), if count > 0.0 { micros(sum / count) } else { f64::NAN }),
        (name("request-latency-max"), if count > 0.0 { micros(max as f64) } else { f64::NAN }),
        (name("request-total"), statistics.tx as f64),
        (name("response-total"), statistics.rx as f64),
    ]
}

/// Prints a table ordered by name.
pub(crate) fn print(mut metrics: Vec<Metric>, out: &mut dyn Write) -> io::Result<()> {
    metrics.sort_by(|a, b| a.0.cmp(&b.0));
    let width = metrics.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    writeln!(out, "\n{:width$}   Value", "Metric Name")?;
    for (name, value) in metrics {
        writeln!(out, "{name:width$} : {}", java_decimal(value, 3))?;
    }
    Ok(())
}

/// `%.Nf` as Java prints it, which has words for what is no number.
pub(crate) fn java_decimal(value: f64, digits: usize) -> String {
    match value {
        value if value.is_nan() => "NaN".to_owned(),
        value if value.is_infinite() => if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        value => format!("{value:.digits$}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The layout of Kafka 3.9.1.
    #[test]
    fn prints_a_table() {
        let metrics =
            vec![("producer-metrics:b".to_owned(), f64::NAN), ("producer-metrics:aa".to_owned(), 231.0)];
        let mut out = Vec::new();
        print(metrics, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\nMetric Name           Value\nproducer-metrics:aa : 231.000\nproducer-metrics:b  : NaN\n"
        );
    }
}
