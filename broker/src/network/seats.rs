//! The seats of all connections: a listener waits here until there is room for who has connected, and a connection holds its seat
//! until it ends.
//!
//! The rules are `connection_quotas.rs`'s; this has the lock, the clock and the waiting. Where another broker connects and there is
//! no room, the client that was silent for longest loses its seat. Nothing here is touched per request but one atomic.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use config::broker::{self as settings, QuotaWindow};
use coordinator::deadlines::Monotonic;
use tokio::net::lookup_host;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

pub(crate) use super::connection_quotas::Limits;
use super::connection_quotas::{Admission, ConnectionQuotas};
use crate::quota;

/// A host of max.connections.per.ip.overrides, or of `/config/ips`, that has no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the address of {host} cannot be found, for which there is a limit of connections")]
pub struct UnknownHost {
    host: String,
}

/// Why somebody who has connected is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TurnedAway {
    #[error("the address has all the {max} connections that max.connections.per.ip allows it")]
    TooMany { max: u32 },
    /// Not at once, so that whoever does not wait between two attempts is slowed down.
    #[error("the address connects more often than its connection_creation_rate allows")]
    TooFast { delay: Duration },
}

#[derive(Debug)]
pub(crate) struct Seats {
    begun: Instant,
    state: Mutex<State>,
    /// Somebody has left, or the limits have changed.
    freed: Notify,
}

#[derive(Debug)]
struct State {
    quotas: ConnectionQuotas,
    taken: HashMap<u64, Arc<Place>>,
    /// Connections that have lost their seats and have not ended yet.
    leaving: usize,
    next: u64,
}

/// One connection's; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Arc<Seats>,
    number: u64,
    place: Arc<Place>,
}

#[derive(Debug)]
struct Place {
    listener: Arc<str>,
    ip: IpAddr,
    /// Since the seats were made.
    last_traffic_ms: AtomicU64,
    lost: Notify,
}

impl Seats {
    pub(crate) fn new(limits: Limits, window: QuotaWindow) -> Arc<Seats> {
        let quotas = ConnectionQuotas::new(limits, quota::window(window));
        let state = State { quotas, taken: HashMap::new(), leaving: 0, next: 0 };
        Arc::new(Seats { begun: Instant::now(), state: Mutex::new(state), freed: Notify::new() })
    }

    /// Puts other limits in force; connections that there is no room for any more are closed.
    pub(crate) fn reconfigure(&self, limits: Limits) {
        let mut state = self.lock();
        state.quotas.set_limits(limits);
        state.make_room();
        drop(state);
        self.freed.notify_waiters();
    }

    /// Closes all connections of a listener, which is told by its name's address from another of that name.
    pub(super) fn clear(&self, listener: &Arc<str>) {
        let mut state = self.lock();
        let of_it = |place: &Place| Arc::ptr_eq(&place.listener, listener);
        let gone: Vec<u64> =
            state.taken.iter().filter(|(_, place)| of_it(place)).map(|(number, _)| *number).collect();
        for number in gone {
            state.take_away(number);
        }
    }

    /// What an address may connect per second, or every address without a value of its own; none takes the value back.
    pub(crate) fn set_ip_rate(&self, ip: Option<IpAddr>, per_second: Option<u32>) {
        self.lock().quotas.set_ip_rate(ip, per_second);
    }

    /// Waits until `ip` may have a connection by this listener.
    pub(super) async fn take(self: &Arc<Seats>, listener: &Arc<str>, ip: IpAddr) -> Result<Seat, TurnedAway> {
        let delay = self.lock().quotas.arrive(listener, self.now());
        if !delay.is_zero() {
            sleep(delay).await;
        }
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            freed.as_mut().enable();
            let admission = self.lock().quotas.admit(listener, ip, self.now());
            match admission {
                Admission::Seated => return Ok(self.seat(listener, ip)),
                Admission::TooMany { max } => return Err(TurnedAway::TooMany { max }),
                Admission::TooFast { delay } => return Err(TurnedAway::TooFast { delay }),
                Admission::Full => freed.await,
            }
        }
    }

    fn seat(self: &Arc<Seats>, listener: &Arc<str>, ip: IpAddr) -> Seat {
        let place = Arc::new(Place {
            listener: Arc::clone(listener),
            ip,
            last_traffic_ms: AtomicU64::new(millis_since(self.begun, Instant::now())),
            lost: Notify::new(),
        });
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        state.taken.insert(number, Arc::clone(&place));
        state.make_room();
        Seat { seats: Arc::clone(self), number, place }
    }

    fn now(&self) -> Monotonic {
        Monotonic(self.begun.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes seats from those who have been silent for longest, until the rest fits.
    fn make_room(&mut self) {
        while self.quotas.excess() > self.leaving {
            let open = self.taken.iter().filter(|(_, place)| !self.quotas.is_protected(&place.listener));
            let longest = open.min_by_key(|(_, place)| place.last_traffic_ms.load(Ordering::Relaxed));
            let Some(number) = longest.map(|(number, _)| *number) else { return };
            self.take_away(number);
        }
    }

    fn take_away(&mut self, number: u64) {
        if let Some(place) = self.taken.remove(&number) {
            self.leaving += 1;
            place.lost.notify_one();
        }
    }
}

impl Seat {
    /// Something was read or written.
    pub(super) fn note_traffic(&self, now: Instant) {
        self.place.last_traffic_ms.store(millis_since(self.seats.begun, now), Ordering::Relaxed);
    }

    /// Done when the seat is given to somebody else, or its listener is closed.
    pub(super) fn lost(&self) -> impl Future<Output = ()> + Send + use<> {
        let place = Arc::clone(&self.place);
        async move { place.lost.notified().await }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.seats.lock();
        state.quotas.leave(&self.place.listener, self.place.ip);
        if state.taken.remove(&self.number).is_none() {
            state.leaving -= 1;
        }
        drop(state);
        self.seats.freed.notify_waiters();
    }
}

impl Limits {
    /// The limits of a configuration, with the addresses of the hosts that it names.
    pub(crate) async fn resolve(network: &settings::Network) -> Result<Limits, UnknownHost> {
        let limits = &network.connections;
        let mut per_ip_overrides = BTreeMap::new();
        for (host, max) in &limits.per_ip_overrides {
            per_ip_overrides.insert(address_of(host).await?, *max);
        }
        Ok(Limits {
            connections_max: limits.connections_max,
            creation_rate_max: limits.creation_rate_max,
            per_ip_max: limits.per_ip_max,
            per_ip_overrides,
            listeners: limits.listeners.clone(),
            inter_broker_listener: network.inter_broker_listener.clone(),
        })
    }
}

/// The first address of a host, as Kafka takes it.
pub(crate) async fn address_of(host: &str) -> Result<IpAddr, UnknownHost> {
    let unknown = || UnknownHost { host: host.to_owned() };
    let mut addresses = lookup_host((host, 0)).await.map_err(|_| unknown())?;
    addresses.next().map(|address| address.ip().to_canonical()).ok_or_else(unknown)
}

fn millis_since(begun: Instant, now: Instant) -> u64 {
    now.saturating_duration_since(begun).as_millis().try_into().unwrap_or(u64::MAX)
}
