//! Which settings of a broker may change while it runs, and for whom: for one broker, for all, or for one
//! listener (KIP-226). It knows names and single values; what values must be together is `alter`'s and
//! `broker::requirements`'. Source: `DynamicBrokerConfig`, `DynamicConfig` (3.9).

use crate::broker::names;
use crate::broker::table::{self, THROTTLES};
use crate::define::{Mode, Setting, Type};
use crate::error::ConfigError;
use crate::layers::{ConfigMap, Scope};

/// Passwords that may change: their values are stored encrypted, under any name that ends so.
const PASSWORDS: &[&str] = &[
    "sasl.jaas.config",
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.password",
    "ssl.truststore.certificates",
    "ssl.truststore.password",
];

/// What a listener may have of its own for all brokers at once.
pub(crate) const LISTENER_LIMITS: &[&str] =
    &["max.connections", "max.connection.creation.rate", "num.network.threads"];

/// Settings of the properties file that Kafka does not change while running.
pub(crate) fn read_only(name: &str) -> bool {
    table::setting(name).is_some_and(|setting| setting.mode == Mode::ReadOnly)
}

/// Keys and certificates that change for one listener at a time (`SslConfigs.RECONFIGURABLE_CONFIGS`).
pub(crate) fn needs_listener(name: &str) -> bool {
    let stores = ["ssl.keystore.", "ssl.truststore."];
    name == "ssl.key.password" || stores.iter().any(|store| name.starts_with(store))
}

/// Settings that make no sense for all brokers at once.
pub(crate) fn per_broker(name: &str) -> bool {
    match names::of_listener(name) {
        Some(rest) => !LISTENER_LIMITS.contains(&rest),
        None => table::setting(name).is_some_and(|setting| setting.mode == Mode::PerBroker),
    }
}

pub fn is_password(name: &str) -> bool {
    PASSWORDS.iter().any(|password| name.ends_with(password))
}

/// Checks a value by itself. Names that Kafka does not know are for plugins, and their values free.
pub(crate) fn check(name: &str, text: &str) -> Result<(), ConfigError> {
    let Some(setting) = setting(names::of_listener(name).unwrap_or(name)) else { return Ok(()) };
    let value = setting.parse(text)?;
    if setting.kind == Type::Class && Some(value) != setting.default_value() {
        return Err(ConfigError::value(setting.name, text, format!("Class {text} could not be found.")));
    }
    Ok(())
}

fn setting(name: &str) -> Option<&'static Setting> {
    let throttle = || THROTTLES.iter().find(|setting| setting.name == name);
    table::setting(name).filter(|setting| setting.mode != Mode::ReadOnly).or_else(throttle)
}

/// What of a znode's map can be used, and what not, with why: Kafka leaves out single settings, and writes
/// the map without them when it is altered next. Passwords are handed on as they are stored.
pub(crate) fn usable(scope: Scope, stored: &ConfigMap) -> (ConfigMap, Vec<ConfigError>) {
    let mut ignored = Vec::new();
    let mut usable = stored.clone();
    usable.retain(|name, text| match objection(scope, name, text) {
        None => true,
        Some(error) => {
            ignored.push(error);
            false
        }
    });
    (usable, ignored)
}

fn objection(scope: Scope, name: &str, text: &str) -> Option<ConfigError> {
    let ignored = |why: &str| Some(ConfigError::value(name, "in ZooKeeper", format!("ignored: {why}")));
    if read_only(name) || needs_listener(name) {
        return ignored("it cannot be changed while the broker runs");
    }
    if scope == Scope::Cluster && per_broker(name) {
        return ignored("it can be set for single brokers only");
    }
    check(name, text).err()
}
