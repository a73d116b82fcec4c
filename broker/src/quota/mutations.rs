//! What one request may still change of the cluster's topics: partitions made and deleted count (KIP-599).
//! Lives as long as the request. Sources: ControllerMutationQuota, ControllerMutationQuotaManager.newQuotaFor (3.9).

use std::time::Duration;

use coordinator::quota::{Enforcement, Verdict};
use tokio::time::Instant;

use super::{Quotas, client};
use crate::api::context::Context;

/// How long its client is to be held back, as of a moment.
#[derive(Debug)]
pub(crate) struct Mutations<'a> {
    /// None where nothing is limited.
    quotas: Option<&'a Quotas>,
    context: &'a Context,
    enforcement: Enforcement,
    throttle: Option<(Duration, Instant)>,
}

/// A change that is not to be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QuotaExceeded;

impl Quotas {
    /// For a request of `version`, where clients know THROTTLING_QUOTA_EXCEEDED since `strict_since`.
    pub(crate) fn mutations<'a>(
        &'a self,
        context: &'a Context,
        version: i16,
        strict_since: i16,
    ) -> Mutations<'a> {
        let enforcement = if version >= strict_since { Enforcement::Strict } else { Enforcement::Permissive };
        Mutations { quotas: self.in_force().then_some(self), context, enforcement, throttle: None }
    }
}

impl Mutations<'_> {
    /// Asks for a change of so many partitions, all or none.
    pub(crate) fn take(&mut self, partitions: usize) -> Result<(), QuotaExceeded> {
        let Some(quotas) = self.quotas else { return Ok(()) };
        let (throttle, answer) =
            match quotas.take_mutations(client(self.context), partitions, self.enforcement) {
                Verdict::Allowed => return Ok(()),
                Verdict::Throttled(throttle) => (throttle, Ok(())),
                Verdict::Refused(throttle) => (throttle, Err(QuotaExceeded)),
            };
        self.throttle = Some((throttle, Instant::now()));
        answer
    }

    /// What of the throttle time is left, in milliseconds: the request may have waited for its changes meanwhile.
    pub(crate) fn throttle_time_ms(&self) -> i32 {
        let left =
            self.throttle.map_or(Duration::ZERO, |(throttle, at)| throttle.saturating_sub(at.elapsed()));
        i32::try_from(left.as_millis()).unwrap_or(i32::MAX)
    }
}
