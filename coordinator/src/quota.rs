//! Client quotas: who may use how much, and how long whoever used more is held back.
//!
//! One machine per kind of quota. Time is passed in; nothing is kept of clients without a quota. Called by `broker/src/quota.rs`.
//! Sources: ClientQuotaManager, ClientRequestQuotaManager, ControllerMutationQuotaManager, QuotaUtils (3.9), KIP-13, KIP-124, KIP-599.

use std::time::Duration;

mod limits;
mod meters;
mod rate;
mod token_bucket;

use crate::deadlines::Monotonic;
use limits::{Limit, Limits};
use meters::{Bucket, Meters};

pub use limits::{Entity, Name};
pub use rate::Rate;
pub use token_bucket::TokenBucket;

/// Over what a rate is measured: so many samples of a size, of which the newest is still growing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// quota.window.num; at least 1.
    pub samples: u32,
    /// quota.window.size.seconds; longer than nothing.
    pub size: Duration,
}

/// Who uses: the name of an authenticated user, and what the client calls itself, which may be nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client<'a> {
    pub user: &'a str,
    pub id: &'a str,
}

/// One kind of quota: its limits, and what was used by those who have one.
#[derive(Debug, Clone)]
pub struct Quota<M> {
    window: Window,
    throttle_max: Duration,
    limits: Limits,
    meters: Meters<M>,
}

/// What becomes of a change of topics that its client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    /// It is carried out, and the client is held back.
    Throttled(Duration),
    /// It is not carried out, and the client is held back.
    Refused(Duration),
}

/// What is done about a client whose tokens are used up (KIP-599).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enforcement {
    /// Its changes are refused.
    Strict,
    /// They are carried out: it asked in a version that does not know the refusal.
    Permissive,
}

impl<M: Default> Quota<M> {
    pub fn new(window: Window) -> Quota<M> {
        let window =
            Window { samples: window.samples.max(1), size: window.size.max(Duration::from_millis(1)) };
        Quota { window, throttle_max: THROTTLE_MAX, limits: Limits::default(), meters: Meters::default() }
    }

    /// Holds nobody back for longer than one window at a time, as is done for request time.
    pub fn throttling_a_window_at_most(mut self) -> Quota<M> {
        self.throttle_max = self.window.size;
        self
    }

    /// Limits an entity to so much per second, or takes its limit away.
    pub fn set(&mut self, entity: &Entity, per_second: Option<f64>) {
        self.limits.set(entity, per_second);
    }

    /// Whether anybody has a limit.
    pub fn is_configured(&self) -> bool {
        !self.limits.is_empty()
    }

    /// The meter of those who share the limit that counts for `client`, and what it may show.
    fn metered(&mut self, client: Client<'_>, now: Monotonic) -> Option<(&mut M, f64)> {
        let Limit { scope, per_second } = self.limits.find(client)?;
        Some((self.meters.of(Bucket::of(client, scope), now), per_second))
    }
}

impl Quota<Rate> {
    /// Notes what a client used; says how long it has to be held back for its rate to be within its limit again.
    pub fn charge(&mut self, client: Client<'_>, amount: f64, now: Monotonic) -> Duration {
        let (window, longest) = (self.window, self.throttle_max);
        let Some((rate, limit)) = self.metered(client, now) else { return Duration::ZERO };
        rate.record(amount, window, now);
        rate.delay(limit, window, now).map_or(Duration::ZERO, |delay| delay.min(longest))
    }

    /// Takes back what was charged at `now` and not used after all.
    pub fn refund(&mut self, client: Client<'_>, amount: f64, now: Monotonic) {
        let window = self.window;
        if let Some((rate, _)) = self.metered(client, now) {
            rate.record(-amount, window, now);
        }
    }

    /// The most that can be charged to a client at once which used nothing before, without holding it back.
    pub fn most_at_once(&self, client: Client<'_>) -> Option<f64> {
        let limit = self.limits.find(client)?;
        Some(limit.per_second * f64::from(self.window.samples - 1) * self.window.size.as_secs_f64())
    }
}

impl Quota<TokenBucket> {
    /// Asks for so many changes at once. Whoever has a token left gets all, and may owe some afterwards.
    pub fn take(
        &mut self,
        client: Client<'_>,
        tokens: f64,
        enforcement: Enforcement,
        now: Monotonic,
    ) -> Verdict {
        let window = self.window;
        let Some((bucket, limit)) = self.metered(client, now) else { return Verdict::Allowed };
        let burst = limit * f64::from(window.samples) * window.size.as_secs_f64();
        bucket.refill(limit, burst, now);
        if enforcement == Enforcement::Strict {
            match bucket.debt() {
                Some(debt) => return Verdict::Refused(throttle(debt / limit)),
                None => bucket.take(tokens),
            }
            return Verdict::Allowed;
        }
        bucket.take(tokens);
        match bucket.debt() {
            Some(debt) => Verdict::Throttled(throttle(debt / limit)),
            None => Verdict::Allowed,
        }
    }
}

/// The longest that the wire can say.
const THROTTLE_MAX: Duration = Duration::from_millis(i32::MAX as u64);

/// Whole milliseconds, as they are sent. A limit of nothing asks for an infinity.
fn throttle(seconds: f64) -> Duration {
    Duration::from_millis((seconds * 1000.0).round() as u64).min(THROTTLE_MAX)
}

#[cfg(test)]
mod tests;
