//! Who may connect: the counts of connections and the rates at which they come, against their limits.
//!
//! Pure: it owns no socket and reads no clock; `seats.rs` asks it and does the waiting and closing. The listener between
//! brokers is exempt from the broker's own limits where there is another one. Source: ConnectionQuotas (3.9), KIP-402, KIP-612.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use config::broker::ListenerLimits;
use coordinator::deadlines::Monotonic;
use coordinator::quota::{Rate, Window};

/// What nobody comes near: Kafka's way to write no limit.
const UNLIMITED: u32 = i32::MAX as u32;
/// With fewer addresses whose rate is kept, those that have been silent for a window are not looked for.
const RATES_KEPT: usize = 1024;

/// The limits of a broker, host names resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) connections_max: u32,
    pub(crate) creation_rate_max: u32,
    pub(crate) per_ip_max: u32,
    pub(crate) per_ip_overrides: BTreeMap<IpAddr, u32>,
    /// Of every listener that is open.
    pub(crate) listeners: BTreeMap<String, ListenerLimits>,
    pub(crate) inter_broker_listener: String,
}

/// What becomes of somebody who has connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Seated,
    /// Once a connection has ended, or a limit has changed, it may be tried again.
    Full,
    /// The address has as many connections as it may have.
    TooMany {
        max: u32,
    },
    /// The address connects too often: the connection is closed, but not before so long.
    TooFast {
        delay: Duration,
    },
}

#[derive(Debug)]
pub(super) struct ConnectionQuotas {
    limits: Limits,
    window: Window,
    total: u32,
    rate: Rate,
    listeners: BTreeMap<Arc<str>, Taken>,
    by_ip: HashMap<IpAddr, u32>,
    ip_rate_max: u32,
    ip_rate_overrides: BTreeMap<IpAddr, u32>,
    /// Of addresses that have a limit.
    ip_rates: HashMap<IpAddr, Rate>,
    /// When there are so many of them, the silent ones are dropped.
    ip_rates_max: usize,
}

#[derive(Debug, Default)]
struct Taken {
    connections: u32,
    rate: Rate,
}

impl ConnectionQuotas {
    pub(super) fn new(limits: Limits, window: Window) -> ConnectionQuotas {
        ConnectionQuotas {
            limits,
            window,
            total: 0,
            rate: Rate::default(),
            listeners: BTreeMap::new(),
            by_ip: HashMap::new(),
            ip_rate_max: UNLIMITED,
            ip_rate_overrides: BTreeMap::new(),
            ip_rates: HashMap::new(),
            ip_rates_max: RATES_KEPT,
        }
    }

    pub(super) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Sets what one address may connect per second, or what those without a value of their own may; none takes it back.
    pub(super) fn set_ip_rate(&mut self, ip: Option<IpAddr>, per_second: Option<u32>) {
        match (ip, per_second) {
            (None, rate) => self.ip_rate_max = rate.unwrap_or(UNLIMITED),
            (Some(ip), Some(rate)) => drop(self.ip_rate_overrides.insert(ip, rate)),
            (Some(ip), None) => drop(self.ip_rate_overrides.remove(&ip)),
        }
    }

    /// Counts somebody who has connected, and says how long to leave them waiting for the rates of broker and listener.
    pub(super) fn arrive(&mut self, listener: &Arc<str>, now: Monotonic) -> Duration {
        let mut delay = None;
        if !self.is_protected(listener) {
            self.rate.record(1.0, self.window, now);
            delay = self.rate.delay(self.limits.creation_rate_max.into(), self.window, now);
        }
        let (window, rate_max) = (self.window, self.of_listener(listener).creation_rate_max);
        let rate = &mut self.taken(listener).rate;
        rate.record(1.0, window, now);
        let delay = delay.max(rate.delay(rate_max.into(), window, now));
        delay.map_or(Duration::ZERO, |delay| delay.min(window.size))
    }

    /// Takes them in, where there is room. To be asked when the delay of `arrive` is over.
    pub(super) fn admit(&mut self, listener: &Arc<str>, ip: IpAddr, now: Monotonic) -> Admission {
        if !self.has_room(listener) {
            return Admission::Full;
        }
        if let Some(delay) = self.ip_delay(ip, now) {
            self.take_back(listener, now);
            return Admission::TooFast { delay };
        }
        let max = self.limits.per_ip_overrides.get(&ip).copied().unwrap_or(self.limits.per_ip_max);
        let count = self.by_ip.get(&ip).copied().unwrap_or_default();
        if count >= max {
            return Admission::TooMany { max };
        }
        self.by_ip.insert(ip, count + 1);
        self.total += 1;
        self.taken(listener).connections += 1;
        Admission::Seated
    }

    /// A connection that was taken in has ended.
    pub(super) fn leave(&mut self, listener: &Arc<str>, ip: IpAddr) {
        self.total -= 1;
        self.taken(listener).connections -= 1;
        match self.by_ip.get_mut(&ip) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.by_ip.remove(&ip)),
        }
    }

    /// How many connections of unprotected listeners have to make room.
    pub(super) fn excess(&self) -> usize {
        self.total.saturating_sub(self.limits.connections_max) as usize
    }

    /// Whether the listener is the one between brokers, and there are others that its connections can be taken from.
    pub(super) fn is_protected(&self, listener: &str) -> bool {
        *self.limits.inter_broker_listener == *listener && self.limits.listeners.len() > 1
    }

    fn has_room(&self, listener: &Arc<str>) -> bool {
        let taken = self.listeners.get(listener).map_or(0, |taken| taken.connections);
        taken < self.of_listener(listener).connections_max
            && (self.is_protected(listener) || self.total < self.limits.connections_max)
    }

    fn ip_delay(&mut self, ip: IpAddr, now: Monotonic) -> Option<Duration> {
        let max = self.ip_rate_overrides.get(&ip).copied().unwrap_or(self.ip_rate_max);
        if max == UNLIMITED {
            return None;
        }
        let window = self.window;
        if self.ip_rates.len() >= self.ip_rates_max {
            self.ip_rates.retain(|_, rate| !rate.is_idle(window, now));
            self.ip_rates_max = RATES_KEPT.max(2 * self.ip_rates.len());
        }
        let rate = self.ip_rates.entry(ip).or_default();
        rate.record(1.0, window, now);
        let delay = rate.delay(max.into(), window, now)?;
        rate.record(-1.0, window, now);
        Some(delay.min(window.size))
    }

    /// Who is turned away for the rate of its address is not counted for broker and listener.
    fn take_back(&mut self, listener: &Arc<str>, now: Monotonic) {
        let window = self.window;
        if !self.is_protected(listener) {
            self.rate.record(-1.0, window, now);
        }
        self.taken(listener).rate.record(-1.0, window, now);
    }

    fn taken(&mut self, listener: &Arc<str>) -> &mut Taken {
        self.listeners.entry(Arc::clone(listener)).or_default()
    }

    fn of_listener(&self, listener: &str) -> ListenerLimits {
        let none = ListenerLimits { connections_max: UNLIMITED, creation_rate_max: UNLIMITED };
        self.limits.listeners.get(listener).copied().unwrap_or(none)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { samples: 11, size: Duration::from_secs(1) };
    const NOW: Monotonic = Monotonic(Duration::from_secs(1));

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn name(listener: &str) -> Arc<str> {
        Arc::from(listener)
    }

    fn limits() -> Limits {
        let own = ListenerLimits { connections_max: UNLIMITED, creation_rate_max: UNLIMITED };
        Limits {
            connections_max: UNLIMITED,
            creation_rate_max: UNLIMITED,
            per_ip_max: UNLIMITED,
            per_ip_overrides: BTreeMap::new(),
            listeners: ["BROKERS", "CLIENTS"].map(|listener| (listener.to_owned(), own)).into(),
            inter_broker_listener: "BROKERS".to_owned(),
        }
    }

    fn own<'a>(limits: &'a mut Limits, listener: &str) -> &'a mut ListenerLimits {
        limits.listeners.get_mut(listener).unwrap()
    }

    impl ConnectionQuotas {
        /// As `seats.rs` does it where nobody has to wait.
        fn connect(&mut self, listener: &str, ip: IpAddr) -> Admission {
            assert_eq!(self.arrive(&name(listener), NOW), Duration::ZERO);
            self.admit(&name(listener), ip, NOW)
        }
    }

    #[test]
    fn a_full_listener_or_broker_has_room_again_when_somebody_leaves() {
        let mut limits = limits();
        limits.connections_max = 3;
        own(&mut limits, "CLIENTS").connections_max = 2;
        let mut quotas = ConnectionQuotas::new(limits.clone(), WINDOW);
        assert_eq!(quotas.connect("CLIENTS", ip(1)), Admission::Seated);
        assert_eq!(quotas.connect("CLIENTS", ip(2)), Admission::Seated);
        assert_eq!(quotas.connect("CLIENTS", ip(3)), Admission::Full);
        quotas.leave(&name("CLIENTS"), ip(1));
        assert_eq!(quotas.admit(&name("CLIENTS"), ip(3), NOW), Admission::Seated);
        own(&mut limits, "CLIENTS").connections_max = 9;
        quotas.set_limits(limits);
        assert_eq!(quotas.admit(&name("CLIENTS"), ip(4), NOW), Admission::Seated);
        assert_eq!(quotas.admit(&name("CLIENTS"), ip(4), NOW), Admission::Full, "the broker's own limit");
        assert_eq!(quotas.excess(), 0);
    }

    #[test]
    fn other_brokers_get_in_at_the_cost_of_clients() {
        let mut limits = limits();
        limits.connections_max = 2;
        own(&mut limits, "BROKERS").connections_max = 2;
        let mut quotas = ConnectionQuotas::new(limits.clone(), WINDOW);
        assert_eq!(quotas.connect("CLIENTS", ip(1)), Admission::Seated);
        assert_eq!(quotas.connect("CLIENTS", ip(1)), Admission::Seated);
        assert_eq!(quotas.connect("BROKERS", ip(2)), Admission::Seated);
        assert_eq!(quotas.excess(), 1);
        quotas.leave(&name("CLIENTS"), ip(1));
        assert_eq!(quotas.excess(), 0);
        assert_eq!(quotas.connect("BROKERS", ip(2)), Admission::Seated);
        assert_eq!(quotas.connect("BROKERS", ip(2)), Admission::Full, "its own limit holds");

        // A listener that is alone is protected from nobody.
        limits.listeners.remove("CLIENTS");
        own(&mut limits, "BROKERS").connections_max = UNLIMITED;
        quotas.set_limits(limits);
        assert_eq!(quotas.admit(&name("BROKERS"), ip(2), NOW), Admission::Full);
    }

    #[test]
    fn an_address_has_its_own_maximum_or_that_of_all() {
        let mut limits = limits();
        limits.per_ip_max = 1;
        limits.per_ip_overrides = [(ip(1), 2), (ip(3), 0)].into();
        let mut quotas = ConnectionQuotas::new(limits, WINDOW);
        assert_eq!(quotas.connect("CLIENTS", ip(1)), Admission::Seated);
        assert_eq!(quotas.connect("BROKERS", ip(1)), Admission::Seated);
        assert_eq!(quotas.connect("CLIENTS", ip(1)), Admission::TooMany { max: 2 });
        assert_eq!(quotas.connect("CLIENTS", ip(2)), Admission::Seated);
        assert_eq!(quotas.connect("CLIENTS", ip(2)), Admission::TooMany { max: 1 });
        assert_eq!(quotas.connect("CLIENTS", ip(3)), Admission::TooMany { max: 0 });
        quotas.leave(&name("CLIENTS"), ip(2));
        assert_eq!(quotas.connect("CLIENTS", ip(2)), Admission::Seated);
    }

    #[test]
    fn who_comes_too_fast_waits_no_longer_than_a_window() {
        let mut limits = limits();
        limits.creation_rate_max = 10;
        own(&mut limits, "CLIENTS").creation_rate_max = 5;
        let mut quotas = ConnectionQuotas::new(limits, WINDOW);
        let (clients, brokers) = (name("CLIENTS"), name("BROKERS"));
        let delays: Vec<_> = (0..57).map(|_| quotas.arrive(&clients, NOW).as_millis()).collect();
        assert!(delays[..50].iter().all(|delay| *delay == 0), "{delays:?}");
        assert_eq!(delays[50..52], [200, 400]);
        assert_eq!(delays[56], 1000);
        assert_eq!(quotas.arrive(&brokers, NOW), Duration::ZERO, "it is exempt from the broker's rate");
        let later = NOW + Duration::from_secs(12);
        assert_eq!(quotas.arrive(&clients, later), Duration::ZERO);
    }

    #[test]
    fn an_address_that_comes_too_fast_is_turned_away_and_not_counted() {
        let mut limits = limits();
        limits.creation_rate_max = 4;
        let mut quotas = ConnectionQuotas::new(limits, WINDOW);
        quotas.set_ip_rate(None, Some(2));
        quotas.set_ip_rate(Some(ip(9)), Some(0));
        for _ in 0..20 {
            assert_eq!(quotas.connect("CLIENTS", ip(1)), Admission::Seated);
        }
        for _ in 0..100 {
            assert_eq!(
                quotas.connect("CLIENTS", ip(1)),
                Admission::TooFast { delay: Duration::from_millis(500) }
            );
            assert_eq!(
                quotas.connect("CLIENTS", ip(9)),
                Admission::TooFast { delay: Duration::from_secs(1) }
            );
        }
        assert_eq!(quotas.connect("CLIENTS", ip(2)), Admission::Seated, "others are not affected");
        quotas.set_ip_rate(Some(ip(1)), Some(1000));
        assert_eq!(quotas.connect("CLIENTS", ip(1)), Admission::Seated);
        quotas.set_ip_rate(Some(ip(1)), None);
        assert_eq!(quotas.connect("CLIENTS", ip(1)), Admission::TooFast { delay: Duration::from_secs(1) });
        quotas.set_ip_rate(None, None);
        assert_eq!(quotas.connect("CLIENTS", ip(1)), Admission::Seated);
        assert_eq!(quotas.total, 23);
    }

    #[test]
    fn rates_of_silent_addresses_are_dropped() {
        let mut quotas = ConnectionQuotas::new(limits(), WINDOW);
        quotas.set_ip_rate(None, Some(2));
        for address in 0..5_000_u32 {
            let now = NOW + Duration::from_millis(100) * address;
            quotas.admit(&name("CLIENTS"), IpAddr::from(address.to_be_bytes()), now);
        }
        assert!(quotas.ip_rates.len() <= RATES_KEPT, "{}", quotas.ip_rates.len());
    }
}
