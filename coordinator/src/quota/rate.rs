//! How much was used per second, by samples of which the oldest are dropped, and how long it takes to be little enough.
//! Source: Rate, SampledStat and WindowedSum of the metrics in Kafka's clients, QuotaUtils (3.9).

use std::time::Duration;

use super::{Window, throttle};
use crate::deadlines::Monotonic;

/// One more sample than a window has, as the oldest may reach out of it.
#[derive(Debug, Clone, Default)]
pub struct Rate {
    samples: Vec<Sample>,
    current: usize,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    begun: Monotonic,
    last: Monotonic,
    sum: f64,
}

/// A rate, and the time that it is taken over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measured {
    pub(super) per_second: f64,
    pub(super) over: Duration,
}

impl Sample {
    fn new(now: Monotonic) -> Sample {
        Sample { begun: now, last: now, sum: 0.0 }
    }

    fn is_over(&self, window: Window, now: Monotonic) -> bool {
        now.since(self.last) >= window.size * window.samples
    }
}

impl Rate {
    /// Adds what was used; a negative amount takes back what was added before.
    pub fn record(&mut self, amount: f64, window: Window, now: Monotonic) {
        let sample = self.growing(window, now);
        sample.sum += amount;
        sample.last = now;
    }

    /// How long nothing may be used for the rate to come down to `per_second`, in whole milliseconds; none where it is not above that.
    pub fn delay(&mut self, per_second: f64, window: Window, now: Monotonic) -> Option<Duration> {
        let measured = self.measure(window, now);
        let excess = (measured.per_second - per_second) / per_second;
        (measured.per_second > per_second).then(|| throttle(excess * measured.over.as_secs_f64()))
    }

    /// Whether nothing was used within the window, so that a new rate is as good.
    pub fn is_idle(&self, window: Window, now: Monotonic) -> bool {
        self.samples.iter().all(|sample| sample.is_over(window, now))
    }

    /// The time that is not covered by samples yet counts as full windows without use, so that a first burst is not taken for a rate.
    pub(super) fn measure(&mut self, window: Window, now: Monotonic) -> Measured {
        for sample in self.samples.iter_mut().filter(|sample| sample.is_over(window, now)) {
            *sample = Sample::new(now);
        }
        let oldest = self.samples.iter().map(|sample| sample.begun).min().unwrap_or(now);
        let elapsed = now.since(oldest);
        let full = u32::try_from(elapsed.as_nanos() / window.size.as_nanos()).unwrap_or(u32::MAX);
        let missing = (window.samples - 1).saturating_sub(full);
        let over = (elapsed + window.size * missing).max(Duration::from_millis(1));
        let sum: f64 = self.samples.iter().map(|sample| sample.sum).sum();
        Measured { per_second: sum / over.as_secs_f64(), over }
    }

    /// The sample that use is noted in now.
    fn growing(&mut self, window: Window, now: Monotonic) -> &mut Sample {
        let complete = |sample: &Sample| now.since(sample.begun) >= window.size;
        if self.samples.get(self.current).is_some_and(complete) {
            self.current = (self.current + 1) % (window.samples as usize + 1);
            if let Some(oldest) = self.samples.get_mut(self.current) {
                *oldest = Sample::new(now);
            }
        }
        if self.current >= self.samples.len() {
            self.current = self.samples.len();
            self.samples.push(Sample::new(now));
        }
        &mut self.samples[self.current]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { samples: 11, size: Duration::from_secs(1) };

    fn at(ms: u64) -> Monotonic {
        Monotonic(Duration::from_millis(1_000_000 + ms))
    }

    fn measured(rate: &mut Rate, ms: u64) -> (f64, u128) {
        let Measured { per_second, over } = rate.measure(WINDOW, at(ms));
        (per_second, over.as_millis())
    }

    #[test]
    fn a_first_burst_counts_for_the_ten_seconds_before_it() {
        let mut rate = Rate::default();
        assert_eq!(measured(&mut rate, 0), (0.0, 10_000));
        rate.record(5000.0, WINDOW, at(0));
        assert_eq!(measured(&mut rate, 0), (500.0, 10_000));
        // The second that has begun comes on top; once it is full it stands in for one that is missing.
        assert_eq!(measured(&mut rate, 250), (5000.0 / 10.25, 10_250));
        assert_eq!(measured(&mut rate, 1000), (500.0, 10_000));
        assert_eq!(measured(&mut rate, 10_400), (5000.0 / 10.4, 10_400));
    }

    #[test]
    fn the_delay_brings_the_rate_down() {
        let mut rate = Rate::default();
        rate.record(100.0, WINDOW, at(0));
        assert_eq!(rate.delay(10.0, WINDOW, at(0)), None);
        assert_eq!(rate.delay(5.0, WINDOW, at(0)), Some(Duration::from_secs(10)));
        assert!(rate.delay(0.0, WINDOW, at(0)) > Some(Duration::from_secs(1 << 20)));
        rate.record(-100.0, WINDOW, at(1));
        assert_eq!(rate.delay(0.0, WINDOW, at(2)), None);
    }

    #[test]
    fn what_is_eleven_seconds_old_is_forgotten() {
        let mut rate = Rate::default();
        rate.record(5000.0, WINDOW, at(0));
        assert!(!rate.is_idle(WINDOW, at(10_999)));
        assert!(rate.is_idle(WINDOW, at(11_000)));
        assert_eq!(measured(&mut rate, 10_999).0, 5000.0 / 10.999);
        assert_eq!(measured(&mut rate, 11_000), (0.0, 10_000));
    }

    #[test]
    fn a_steady_rate_is_measured_as_such() {
        let mut rate = Rate::default();
        for ms in (0..60_000).step_by(100) {
            rate.record(70.0, WINDOW, at(ms));
        }
        let (per_second, over) = measured(&mut rate, 60_000);
        assert!((per_second / 700.0 - 1.0).abs() < 0.001, "{per_second}");
        assert!((10_000..=12_000).contains(&over), "{over}");
        assert_eq!(rate.samples.len(), 12);
    }

    #[test]
    fn one_sample_is_a_window_too() {
        let window = Window { samples: 1, size: Duration::from_secs(2) };
        let mut rate = Rate::default();
        rate.record(1.0, window, at(0));
        assert_eq!(rate.measure(window, at(0)).over, Duration::from_millis(1));
        assert_eq!(rate.measure(window, at(500)).per_second, 2.0);
    }
}
