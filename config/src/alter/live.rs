//! Whether a running broker can go from the settings in force to others: thread pools grow and shrink by at most
//! two, listeners that stay keep what they are. It is what Kafka's parts check when they are told of a change.
//! Source: the `Reconfigurable`s and `BrokerReconfigurable`s of 3.9, named at each rule.

use std::collections::BTreeMap;

use super::Refusal;
use crate::broker::load::topic_values;
use crate::broker::reader::Reader;
use crate::broker::table;
use crate::define::{Mode, Value};
use crate::dynamic::{self, LISTENER_LIMITS};
use crate::layers::{ConfigMap, Layers};
use crate::listeners::{self, Endpoint};
use crate::topic::BROKER_SYNONYMS;

const POOLS: &[&str] =
    &["num.io.threads", "num.replica.fetchers", "num.recovery.threads.per.data.dir", "background.threads"];
const NETWORK_THREADS: &str = "num.network.threads";
const CLEANER_THREADS: &str = "log.cleaner.threads";
const REPORTERS: &str = "metric.reporters";
const JMX_REPORTER: &str = "org.apache.kafka.common.metrics.JmxReporter";

/// The text of a rule that is broken.
type Broken = String;

pub(super) fn check(in_force: &Layers, next: &Layers) -> Result<(), Refusal> {
    let (before, after) = (in_force.effective(), next.effective());
    Step::new(&before, &after).check().map_err(|text| {
        let exception = "org.apache.kafka.common.config.ConfigException";
        Refusal::InvalidRequest(format!(
            "Invalid value {exception}: {text} for configuration Invalid dynamic configuration"
        ))
    })?;
    let first = |text: Option<String>| Refusal::InvalidRequest(text.unwrap_or_default());
    next.config().map(drop).map_err(|errors| first(errors.0.first().map(|error| error.wire_message())))
}

/// From the settings in force to those that are wanted.
struct Step<'a> {
    before: Reader<'a>,
    after: Reader<'a>,
}

impl<'a> Step<'a> {
    fn new(before: &'a ConfigMap, after: &'a ConfigMap) -> Step<'a> {
        Step { before: Reader::new(before), after: Reader::new(after) }
    }

    fn check(&self) -> Result<(), Broken> {
        let (before, after) = (endpoints(&self.before), endpoints(&self.after));
        for listener in before.iter().map(|endpoint| &*endpoint.listener) {
            self.check_own(listener)?;
        }
        self.check_reporters()?;
        for pool in POOLS {
            check_threads(pool, self.before.integer(pool), self.after.integer(pool))?;
        }
        self.check_local_retention()?;
        self.check_staying(&before, &after)?;
        self.check_cleaner()
    }

    fn has_changed(&self, name: &str) -> bool {
        self.before.given().get(name) != self.after.given().get(name)
    }

    /// What one listener has of its own: `ListenerConnectionQuota`, `DataPlaneAcceptor`.
    fn check_own(&self, listener: &str) -> Result<(), Broken> {
        for (name, text) in own_settings(&self.after, listener) {
            if let Some(setting) = table::setting(name) {
                setting.parse(text).map_err(|error| error.wire_message())?;
            }
        }
        for name in ["max.connections", "max.connection.creation.rate"] {
            let limit = own(&self.after, listener, name);
            if limit != own(&self.before, listener, name) && limit.is_some_and(|limit| limit <= 0) {
                return Err(format!("Invalid {name} {}", limit.unwrap_or_default()));
            }
        }
        let threads = |reader| own(reader, listener, NETWORK_THREADS);
        check_threads(NETWORK_THREADS, threads(&self.before), threads(&self.after))
    }

    /// Java's classes cannot be loaded here, but the one that Kafka has from the start: `DynamicMetricsReporters`.
    fn check_reporters(&self) -> Result<(), Broken> {
        let classes = self.after.given().get(REPORTERS).map(String::as_str).unwrap_or_default();
        match listeners::items(classes).any(|class| class != JMX_REPORTER) && self.has_changed(REPORTERS) {
            true => Err(format!(
                "Validation of dynamic config update of Set({REPORTERS}) failed with class class \
                 kafka.server.DynamicMetricsReporters"
            )),
            false => Ok(()),
        }
    }

    /// What stays local under tiered storage is a part of what stays: `DynamicLogConfig`.
    fn check_local_retention(&self) -> Result<(), Broken> {
        let log = |(_, names): &(&str, &'static [&'static str])| names.first().copied();
        if !BROKER_SYNONYMS.iter().filter_map(log).any(|name| self.has_changed(name)) {
            return Ok(());
        }
        let topics = topic_values(&self.after);
        for name in ["retention.ms", "retention.bytes"] {
            let (local, whole) = (format!("log.local.{name}"), format!("log.{name}"));
            let all = topics.get(name).and_then(|text| text.parse().ok()).unwrap_or(-1);
            let part = self.after.integer(&local).unwrap_or(-2);
            let allowed = match (part, all) {
                (-2, _) | (_, ..0) => continue,
                (-1, _) => format!("Value must not be -1 as {whole} value is set as {all}."),
                _ if part > all => format!("Value must not be more than {whole} property value: {all}"),
                _ => continue,
            };
            return Err(format!("Invalid value {part} for configuration {local}: {allowed}"));
        }
        Ok(())
    }

    /// A listener that stays keeps its protocol, and what of its own is not made to change: `DynamicListenerConfig`.
    fn check_staying(&self, before: &[Endpoint], after: &[Endpoint]) -> Result<(), Broken> {
        let of_listeners = |name: &str| {
            let per_broker = table::setting(name).is_some_and(|setting| setting.mode == Mode::PerBroker);
            per_broker || LISTENER_LIMITS.contains(&name)
        };
        let all = self.before.given().keys().chain(self.after.given().keys());
        if !all.into_iter().any(|name| of_listeners(name) && self.has_changed(name)) {
            return Ok(());
        }
        for endpoint in before {
            let name = &endpoint.listener;
            let Some(next) = after.iter().find(|next| next.listener == *name) else { continue };
            if kept(&self.before, name) != kept(&self.after, name) {
                return Err(format!(
                    "Configs cannot be updated dynamically for existing listener ListenerName({name}), restart broker \
                     or create a new listener for update"
                ));
            }
            if next.protocol != endpoint.protocol {
                return Err(format!(
                    "Security protocol cannot be updated for existing listener ListenerName({name})"
                ));
            }
        }
        Ok(())
    }

    /// `LogCleaner`
    fn check_cleaner(&self) -> Result<(), Broken> {
        let threads = |reader: &Reader<'_>| reader.integer(CLEANER_THREADS).unwrap_or(1);
        let (now, next) = (threads(&self.before), threads(&self.after));
        match next {
            ..1 => Err("Log cleaner threads should be at least 1".to_owned()),
            _ if next < now / 2 => Err(format!(
                "Log cleaner threads cannot be reduced to less than half the current value {now}"
            )),
            _ if next > now * 2 => Err(format!(
                "Log cleaner threads cannot be increased to more than double the current value {now}"
            )),
            _ => Ok(()),
        }
    }
}

/// A pool changes by at most half or double at once (`DynamicThreadPool`).
fn check_threads(name: &str, now: Option<i64>, next: Option<i64>) -> Result<(), Broken> {
    let (now, next) = (now.unwrap_or(1), next.unwrap_or(1));
    let limit = match next {
        _ if next == now => return Ok(()),
        ..1 => "value should be at least 1".to_owned(),
        _ if next < now / 2 => format!("value should be at least half the current value {now}"),
        _ if next > now * 2 => format!("value should not be greater than double the current value {now}"),
        _ => return Ok(()),
    };
    Err(format!("Dynamic thread count update validation failed for {name}={next}, {limit}"))
}

/// Where the broker listens; nothing where that cannot be read, which is refused elsewhere.
fn endpoints(reader: &Reader<'_>) -> Vec<Endpoint> {
    let text = |name| reader.text(name).unwrap_or_default();
    let map = listeners::parse_protocol_map(text("listener.security.protocol.map")).unwrap_or_default();
    listeners::parse_listeners(text("listeners"), &map).unwrap_or_default()
}

/// What is set under a listener's prefix.
fn own_settings<'a>(reader: &Reader<'a>, listener: &str) -> BTreeMap<&'a str, &'a str> {
    let prefix = format!("listener.name.{}.", listener.to_lowercase());
    let given = reader.given().iter();
    given.filter_map(|(name, text)| Some((name.strip_prefix(&*prefix)?, &**text))).collect()
}

fn kept<'a>(reader: &Reader<'a>, listener: &str) -> BTreeMap<&'a str, &'a str> {
    let mut own = own_settings(reader, listener);
    own.retain(|name, _| !dynamic::needs_listener(name) && !LISTENER_LIMITS.contains(name));
    own
}

/// A listener's own number, or else the broker's.
fn own(reader: &Reader<'_>, listener: &str, name: &str) -> Option<i64> {
    let own = own_settings(reader, listener).get(name).copied();
    match own.and_then(|text| table::setting(name)?.parse(text).ok()) {
        Some(Value::Integer(number)) => Some(number),
        _ => reader.integer(name),
    }
}
