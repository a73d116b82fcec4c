//! How long to wait between attempts to reach ZooKeeper. Owned by whoever tries; a new one starts from the shortest.

use std::time::Duration;

/// A server that is just starting is ready within milliseconds of its first refusal.
const SHORTEST: Duration = Duration::from_millis(10);
/// Short against any session timeout, so that a returning server is found in time.
const LONGEST: Duration = Duration::from_millis(200);

/// Pauses that double up to a bound.
#[derive(Debug)]
pub(super) struct Pauses {
    next: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { next: SHORTEST }
    }
}

impl Pauses {
    pub(super) async fn rest(&mut self) {
        tokio::time::sleep(self.take()).await;
    }

    fn take(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        let mut pauses = Pauses::default();
        let taken: Vec<_> = (0..7).map(|_| pauses.take().as_millis()).collect();
        assert_eq!(taken, [10, 20, 40, 80, 160, 200, 200]);
    }
}
