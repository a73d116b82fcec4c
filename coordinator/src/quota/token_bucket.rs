//! Tokens that come back at a steady rate, up to a burst. They may be overdrawn. Source: TokenBucket of the metrics in Kafka's clients (3.9).

use crate::deadlines::Monotonic;

/// Full until something is taken from it.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokenBucket(Option<Level>);

#[derive(Debug, Clone, Copy)]
struct Level {
    tokens: f64,
    at: Monotonic,
}

impl TokenBucket {
    /// Adds what came back since the last time.
    pub(super) fn refill(&mut self, per_second: f64, burst: f64, now: Monotonic) {
        let tokens = match self.0 {
            None => burst,
            Some(Level { tokens, at }) => burst.min(tokens + per_second * now.since(at).as_secs_f64()),
        };
        self.0 = Some(Level { tokens, at: now });
    }

    /// To be called after `refill`.
    pub(super) fn take(&mut self, tokens: f64) {
        if let Some(level) = &mut self.0 {
            level.tokens -= tokens;
        }
    }

    /// How far it is overdrawn.
    pub(super) fn debt(&self) -> Option<f64> {
        self.0.map(|level| -level.tokens).filter(|debt| *debt > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_begins_full_fills_up_to_the_burst_and_can_be_overdrawn() {
        let at = |s| Monotonic(Duration::from_secs(s));
        let mut bucket = TokenBucket::default();
        bucket.refill(2.0, 20.0, at(5));
        bucket.take(20.0);
        assert_eq!(bucket.debt(), None, "it is empty, but nothing is owed");
        bucket.take(7.0);
        assert_eq!(bucket.debt(), Some(7.0));
        bucket.refill(2.0, 20.0, at(8));
        assert_eq!(bucket.debt(), Some(1.0));
        bucket.refill(2.0, 20.0, at(1000));
        bucket.take(21.0);
        assert_eq!(bucket.debt(), Some(1.0), "it held no more than the burst");
    }
}
