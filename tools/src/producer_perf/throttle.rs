//! When to rest so that no more records go out in a second than asked.
//!
//! Rests are saved up until they are worth it. Source: ThroughputThrottler of 3.9.

use std::time::Duration;

/// Shorter rests are not kept to by the system.
const REST_MIN: Duration = Duration::from_millis(2);

/// The pace of a run.
#[derive(Debug)]
pub(super) struct Throttle {
    /// Records a second; negative for no limit.
    target: f64,
    owed: Duration,
}

impl Throttle {
    pub(super) fn new(target: f64) -> Throttle {
        Throttle { target, owed: Duration::ZERO }
    }

    /// How long to rest after `sent` records in this time, if at all.
    pub(super) fn rest(&mut self, sent: u64, elapsed: Duration) -> Option<Duration> {
        if self.target <= 0.0 || sent as f64 <= self.target * elapsed.as_secs_f64() {
            return None;
        }
        self.owed += Duration::from_secs_f64((1.0 / self.target).min(3600.0));
        (self.owed >= REST_MIN).then(|| std::mem::take(&mut self.owed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_pace() {
        let mut throttle = Throttle::new(10_000.0);
        let mut now = Duration::ZERO;
        for sent in 0..30_000 {
            now += throttle.rest(sent, now).unwrap_or_default() + Duration::from_micros(1);
        }
        assert!((now.as_secs_f64() - 3.0).abs() < 0.05, "{now:?}");
    }

    #[test]
    fn does_not_rest_without_a_limit_or_behind_it() {
        assert_eq!(Throttle::new(-1.0).rest(1_000_000, Duration::from_millis(1)), None);
        assert_eq!(Throttle::new(10.0).rest(5, Duration::from_secs(1)), None);
    }
}
