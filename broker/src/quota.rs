//! Client quotas in force: what requests cost is charged here, and what configs say is put in force. The rules are `coordinator::quota`'s.
//!
//! Connections call `settle` for each request that is over, Fetch and the changes of topics ask for themselves. A lock per kind, held for a
//! look-up. While nothing is limited a request costs one relaxed load. Sources: QuotaFactory, QuotaConfigHandler, RequestHandlerHelper (3.9).

mod mutations;
mod settle;

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use config::broker::QuotaWindow;
use coordinator::deadlines::Monotonic;
use coordinator::quota::{Client, Enforcement, Entity, Name, Quota, Rate, TokenBucket, Verdict, Window};
use tokio::time::Instant;
use zookeeper::znodes::{QuotaEntity, QuotaName};

use crate::api::context::Context;
pub(crate) use mutations::{Mutations, QuotaExceeded};

/// Kafka's keys (QuotaConfigs).
const PRODUCER_BYTE_RATE: &str = "producer_byte_rate";
const CONSUMER_BYTE_RATE: &str = "consumer_byte_rate";
const REQUEST_PERCENTAGE: &str = "request_percentage";
const CONTROLLER_MUTATION_RATE: &str = "controller_mutation_rate";

#[derive(Debug)]
pub(crate) struct Quotas {
    /// Whether anything is limited.
    in_force: AtomicBool,
    produce: Mutex<Quota<Rate>>,
    fetch: Mutex<Quota<Rate>>,
    /// In percent of one thread.
    request: Mutex<Quota<Rate>>,
    mutations: Mutex<Quota<TokenBucket>>,
    origin: Instant,
}

/// A quota that is no number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}={text} is no number")]
struct NotANumber {
    key: &'static str,
    text: String,
}

/// What a fetch has to know of its client's quotas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FetchCost {
    /// Of the answer.
    pub(crate) bytes: u64,
    /// Time that a thread worked on it.
    pub(crate) busy: Duration,
}

impl Quotas {
    /// Measured over `clients`, but for changes of topics, which have a window of their own.
    pub(crate) fn new(clients: QuotaWindow, controller: QuotaWindow) -> Quotas {
        Quotas {
            in_force: AtomicBool::new(false),
            produce: Mutex::new(Quota::new(window(clients))),
            fetch: Mutex::new(Quota::new(window(clients))),
            request: Mutex::new(Quota::new(window(clients)).throttling_a_window_at_most()),
            mutations: Mutex::new(Quota::new(window(controller))),
            origin: Instant::now(),
        }
    }

    /// Takes what a znode says of an entity: what it does not name is not limited there. If a value makes no sense all stays as it was.
    pub(crate) fn changed(&self, entity: &QuotaEntity, settings: &BTreeMap<String, String>) {
        let Some(limited) = limited(entity) else { return };
        if let Err(error) = self.apply(&limited, settings) {
            tracing::error!(?entity, %error, "quotas that cannot be used: those before stay in force");
        }
    }

    fn apply(&self, entity: &Entity, settings: &BTreeMap<String, String>) -> Result<(), NotANumber> {
        let produce = whole(settings, PRODUCER_BYTE_RATE)?;
        let fetch = whole(settings, CONSUMER_BYTE_RATE)?;
        let request = number::<f64>(settings, REQUEST_PERCENTAGE)?;
        let mutations = number::<f64>(settings, CONTROLLER_MUTATION_RATE)?;
        self.with(&self.produce, |quota, _| quota.set(entity, produce));
        self.with(&self.fetch, |quota, _| quota.set(entity, fetch));
        self.with(&self.request, |quota, _| quota.set(entity, request));
        self.with(&self.mutations, |quota, _| quota.set(entity, mutations));
        let in_force = [&self.produce, &self.fetch, &self.request]
            .iter()
            .any(|quota| self.with(quota, |quota, _| quota.is_configured()));
        let in_force = in_force || self.with(&self.mutations, |quota, _| quota.is_configured());
        self.in_force.store(in_force, Ordering::Relaxed);
        Ok(())
    }

    /// Whether anybody has a quota of any kind.
    pub(crate) fn in_force(&self) -> bool {
        self.in_force.load(Ordering::Relaxed)
    }

    /// The most bytes that a fetch may answer without being held back for certain: more would never get through.
    pub(crate) fn fetch_bytes_max(&self, context: &Context) -> Option<i32> {
        if !self.in_force() {
            return None;
        }
        let most = self.with(&self.fetch, |quota, _| quota.most_at_once(client(context)))?;
        Some(most as i32)
    }

    /// Charges a fetch what it cost, which is asked for only where something is limited; whoever is to be held back gets nothing, and is
    /// not charged for the bytes.
    pub(crate) fn charge_fetch(&self, context: &Context, cost: impl FnOnce() -> FetchCost) -> Duration {
        if !self.in_force() {
            return Duration::ZERO;
        }
        let (client, cost) = (client(context), cost());
        let worked = self.charge_time(client, cost.busy);
        self.with(&self.fetch, |quota, now| {
            let bytes = cost.bytes as f64;
            let throttle = worked.max(quota.charge(client, bytes, now));
            if !throttle.is_zero() {
                quota.refund(client, bytes, now);
            }
            throttle
        })
    }

    fn charge_time(&self, client: Client<'_>, busy: Duration) -> Duration {
        self.with(&self.request, |quota, now| quota.charge(client, 100.0 * busy.as_secs_f64(), now))
    }

    fn charge_produce(&self, client: Client<'_>, bytes: usize) -> Duration {
        self.with(&self.produce, |quota, now| quota.charge(client, bytes as f64, now))
    }

    fn take_mutations(&self, client: Client<'_>, count: usize, enforcement: Enforcement) -> Verdict {
        self.with(&self.mutations, |quota, now| quota.take(client, count as f64, enforcement, now))
    }

    fn with<M, R>(&self, quota: &Mutex<Quota<M>>, work: impl FnOnce(&mut Quota<M>, Monotonic) -> R) -> R {
        let mut quota = quota.lock().unwrap_or_else(PoisonError::into_inner);
        // After the lock, so that time does not go back from one charge to the next.
        let now = Monotonic(self.origin.elapsed());
        work(&mut quota, now)
    }
}

/// A window of the configuration by the rules' words.
pub(crate) fn window(window: QuotaWindow) -> Window {
    Window { samples: window.samples, size: Duration::from_secs(window.sample_seconds.into()) }
}

/// The entity by the rules' words; none for addresses, which have no quotas of this kind.
fn limited(entity: &QuotaEntity) -> Option<Entity> {
    let name = |name: &QuotaName| match name {
        QuotaName::Default => Name::Default,
        QuotaName::Named(name) => Name::Named(name.clone()),
    };
    match entity {
        QuotaEntity::User(user) => Some(Entity::User(name(user))),
        QuotaEntity::Client(client) => Some(Entity::Client(name(client))),
        QuotaEntity::UserClient { user, client } => {
            Some(Entity::UserClient { user: name(user), client: name(client) })
        }
        QuotaEntity::Ip(_) => None,
    }
}

/// Whom the request of a context is charged to.
fn client(context: &Context) -> Client<'_> {
    Client { user: &context.principal.name, id: context.client_id.as_deref().unwrap_or_default() }
}

fn number<N: FromStr>(
    settings: &BTreeMap<String, String>,
    key: &'static str,
) -> Result<Option<N>, NotANumber> {
    let Some(text) = settings.get(key) else { return Ok(None) };
    text.trim().parse().map(Some).map_err(|_| NotANumber { key, text: text.clone() })
}

fn whole(settings: &BTreeMap<String, String>, key: &'static str) -> Result<Option<f64>, NotANumber> {
    Ok(number::<i64>(settings, key)?.map(|bytes| bytes as f64))
}
