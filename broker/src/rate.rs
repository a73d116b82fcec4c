//! How fast something happens, over sliding samples, and how long to wait until it is slow enough again.
//!
//! Pure: time is passed in. Samples are made as things happen, not by the clock, so a pause makes them longer; what happened
//! before the window is forgotten. Source: Rate, SampledStat, QuotaUtils (3.9).

use protocol::Millis;

/// quota.window.num samples of quota.window.size.seconds each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) samples: u32,
    pub(crate) sample_ms: i64,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Rate {
    samples: Vec<Sample>,
    current: usize,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    begun: Millis,
    last: Millis,
    sum: f64,
}

impl Rate {
    /// Adds `amount`; a negative one takes back what was added before.
    pub(crate) fn record(&mut self, window: Window, amount: f64, now: Millis) {
        let sample = self.current(window, now);
        sample.sum += amount;
        sample.last = now;
    }

    /// How many milliseconds without anything bring the rate down to `per_second`; none where it is not above that.
    pub(crate) fn delay_ms(&mut self, window: Window, per_second: f64, now: Millis) -> Option<i64> {
        let (rate, size_ms) = self.measure(window, now);
        let excess = rate - per_second;
        // Without any allowance it is as long as an i64 takes; whoever waits has a bound.
        (excess > 0.0).then(|| (excess / per_second * size_ms as f64).round() as i64)
    }

    /// Whether nothing happened within the window, so that a new rate is as good.
    pub(crate) fn is_idle(&self, window: Window, now: Millis) -> bool {
        self.samples.iter().all(|sample| sample.is_obsolete(window, now))
    }

    /// The rate per second, and the time that it was taken over.
    pub(crate) fn measure(&mut self, window: Window, now: Millis) -> (f64, i64) {
        for sample in self.samples.iter_mut().filter(|sample| sample.is_obsolete(window, now)) {
            *sample = Sample::new(now);
        }
        let oldest = self.samples.iter().map(|sample| sample.begun).min().unwrap_or(now);
        let elapsed = now.0 - oldest.0;
        // The time counts as whole windows but one, and what of that one has passed: a first second is not the whole truth.
        let missing = i64::from(window.samples) - 1 - elapsed / window.sample_ms;
        let size_ms = (elapsed + missing.max(0) * window.sample_ms).max(1);
        let sum: f64 = self.samples.iter().map(|sample| sample.sum).sum();
        (sum / (size_ms as f64 / 1000.0), size_ms)
    }

    fn current(&mut self, window: Window, now: Millis) -> &mut Sample {
        if self.samples.is_empty() {
            self.samples.push(Sample::new(now));
        }
        if now.0 - self.samples[self.current].begun.0 >= window.sample_ms {
            // One more than the window has, for the sample that begins before it and ends in it.
            self.current = (self.current + 1) % (window.samples as usize + 1);
            match self.samples.get_mut(self.current) {
                Some(sample) => *sample = Sample::new(now),
                None => {
                    self.samples.push(Sample::new(now));
                    self.current = self.samples.len() - 1;
                }
            }
        }
        &mut self.samples[self.current]
    }
}

impl Sample {
    fn new(now: Millis) -> Sample {
        Sample { begun: now, last: now, sum: 0.0 }
    }

    fn is_obsolete(&self, window: Window, now: Millis) -> bool {
        now.0 - self.last.0 >= i64::from(window.samples) * window.sample_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { samples: 11, sample_ms: 1000 };

    #[test]
    fn the_first_samples_count_as_if_the_window_were_full() {
        let mut rate = Rate::default();
        rate.record(WINDOW, 100.0, Millis(0));
        assert_eq!(rate.measure(WINDOW, Millis(0)), (10.0, 10_000));
        assert_eq!(rate.measure(WINDOW, Millis(500)), (100.0 / 10.5, 10_500));
        assert_eq!(rate.delay_ms(WINDOW, 10.0, Millis(0)), None);
        assert_eq!(rate.delay_ms(WINDOW, 5.0, Millis(0)), Some(10_000));
        assert_eq!(rate.delay_ms(WINDOW, 0.0, Millis(0)), Some(i64::MAX));
    }

    #[test]
    fn what_happened_before_the_window_is_forgotten() {
        let mut rate = Rate::default();
        for second in 0..30 {
            rate.record(WINDOW, 7.0, Millis(second * 1000));
        }
        let (per_second, _) = rate.measure(WINDOW, Millis(29_999));
        assert!((6.9..7.7).contains(&per_second), "{per_second}");
        assert!(!rate.is_idle(WINDOW, Millis(29_999)));
        assert!(rate.is_idle(WINDOW, Millis(41_000)));
        assert_eq!(rate.measure(WINDOW, Millis(41_000)), (0.0, 10_000));
    }

    #[test]
    fn what_is_taken_back_does_not_count() {
        let mut rate = Rate::default();
        rate.record(WINDOW, 1.0, Millis(5));
        rate.record(WINDOW, -1.0, Millis(6));
        assert_eq!(rate.measure(WINDOW, Millis(7)).0, 0.0);
    }
}
