//! How fast moves may go, all of a broker together (`replica.alter.log.dirs.io.max.bytes.per.second`). What was copied is a debt that
//! the rate pays off; the next piece waits until it is paid, by the rate that holds then.
//! Differs from Kafka's ReplicationQuotaManager, which lets eleven seconds' worth through at once.

use std::time::Duration;

use crate::deadlines::Monotonic;

/// The most that is copied in one piece.
const PIECE_MAX: u64 = 1 << 20;
/// The most that is copied while appends wait: some milliseconds.
const REST_MAX: u64 = 256 << 10;
const NANOS: u128 = 1_000_000_000;

/// See the module.
#[derive(Debug, Default)]
pub struct Throttle {
    /// Bytes as of `at`.
    owed: u64,
    at: Monotonic,
}

impl Throttle {
    /// How long the next piece has to wait.
    pub fn pause(&mut self, bytes_per_second: u64, now: Monotonic) -> Duration {
        let paid = now.since(self.at).as_nanos() * u128::from(bytes_per_second) / NANOS;
        self.owed = self.owed.saturating_sub(u64::try_from(paid).unwrap_or(u64::MAX));
        self.at = now;
        match (self.owed, bytes_per_second) {
            (0, _) => Duration::ZERO,
            (_, 0) => Duration::MAX,
            (owed, rate) => {
                let nanos = u128::from(owed) * NANOS / u128::from(rate);
                Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            }
        }
    }

    /// Notes what was copied.
    pub fn spent(&mut self, bytes: u64) {
        self.owed = self.owed.saturating_add(bytes);
    }

    /// Bytes of the next piece: no more than a second's worth.
    pub fn piece(bytes_per_second: u64) -> u32 {
        bytes_per_second.clamp(1, PIECE_MAX) as u32
    }

    /// Bytes that may be copied at once at the end, while appends wait: little even by this rate.
    pub fn rest(bytes_per_second: u64) -> u64 {
        (bytes_per_second / 10).min(REST_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(ms: u64) -> Monotonic {
        Monotonic(Duration::from_millis(ms))
    }

    #[test]
    fn pieces_keep_to_the_rate() {
        let (mut throttle, mut now, mut copied) = (Throttle::default(), after(5000), 0);
        let begun = now;
        for piece in [1000, 1, 700, 1000, 300].repeat(100) {
            now = now + throttle.pause(1000, now);
            assert_eq!(throttle.pause(1000, now), Duration::ZERO);
            throttle.spent(piece);
            copied += piece;
        }
        let seconds = now.since(begun).as_secs();
        assert!((copied / 1000 - 2..=copied / 1000).contains(&seconds), "{copied} bytes in {seconds} s");
        assert_eq!((Throttle::piece(1000), Throttle::piece(u64::MAX)), (1000, 1 << 20));
        assert_eq!((Throttle::rest(0), Throttle::rest(1000), Throttle::rest(u64::MAX)), (0, 100, 256 << 10));
    }

    #[test]
    fn another_rate_counts_at_once() {
        let mut throttle = Throttle::default();
        throttle.spent(10_000);
        assert_eq!(throttle.pause(1000, after(0)), Duration::from_secs(10));
        assert_eq!(throttle.pause(1000, after(5000)), Duration::from_secs(5));
        assert_eq!(throttle.pause(5000, after(5000)), Duration::from_secs(1));
        assert_eq!(throttle.pause(0, after(5000)), Duration::MAX);
        assert_eq!(throttle.pause(i64::MAX as u64, after(5001)), Duration::ZERO);
    }

    #[test]
    fn nobody_saves_up() {
        let mut throttle = Throttle::default();
        assert_eq!(throttle.pause(1000, after(1_000_000)), Duration::ZERO);
        throttle.spent(2000);
        assert_eq!(throttle.pause(1000, after(1_000_000)), Duration::from_secs(2));
    }
}
