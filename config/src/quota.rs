//! Quotas of users, client ids and addresses: their names and types, and the pure part of AlterClientQuotas and
//! DescribeClientQuotas. Each function takes the map that a znode holds. It writes nothing, and enforces none of them.
//! Source: `ZkAdminManager`, `DynamicConfig`, `QuotaConfigs` (3.9).

use crate::define::{Setting, Type, Value, number, settings};
use crate::layers::ConfigMap;

/// Ordered as Kafka's hash table lists them in DescribeClientQuotas.
const USERS_AND_CLIENTS: &[Setting] = settings! {
    /// Share of the time of network and request threads, in percent of one thread.
    "request_percentage": Double = "2.147483647E9", Any, Medium;
    /// Bytes per second that may be produced.
    "producer_byte_rate": Long = "9223372036854775807", Any, Medium;
    /// Bytes per second that may be fetched.
    "consumer_byte_rate": Long = "9223372036854775807", Any, Medium;
    /// Partitions per second that may be created and deleted.
    "controller_mutation_rate": Double = "2.147483647E9", Any, Medium;
};

const IPS: &[Setting] = settings! {
    /// Connections per second that are accepted from the address.
    "connection_creation_rate": Int = "2147483647", AtLeast(0), Medium;
};

/// What else the znode of a user may hold.
const SCRAM_MECHANISMS: [&str; 2] = ["SCRAM-SHA-256", "SCRAM-SHA-512"];

/// How near to a whole number the value of an integer quota has to be.
const EPSILON: f64 = 1e-6;

/// Whose quotas a map holds, as far as that decides what else may be in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    User,
    /// Not the credentials of a user, as every other client-related entity.
    DefaultUser,
    Client,
    UserClient,
    Ip,
}

/// One operation of AlterClientQuotas: sets a quota, or removes it.
#[derive(Debug, Clone, PartialEq)]
pub struct QuotaChange {
    pub name: String,
    pub value: Option<f64>,
}

/// Why quotas are not changed, or cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuotaRefusal {
    /// Kafka's code 42, INVALID_REQUEST, with this text.
    #[error("{0}")]
    InvalidRequest(String),
    /// Kafka's code -1, UNKNOWN_SERVER_ERROR, which goes out without a text.
    #[error("{0}")]
    Unexpected(String),
}

impl Holder {
    fn quotas(self) -> &'static [Setting] {
        match self {
            Holder::User | Holder::DefaultUser | Holder::Client | Holder::UserClient => USERS_AND_CLIENTS,
            Holder::Ip => IPS,
        }
    }

    fn quota(self, name: &str) -> Option<&'static Setting> {
        self.quotas().iter().find(|quota| quota.name == name)
    }

    fn takes_credentials(self) -> bool {
        match self {
            Holder::User | Holder::DefaultUser | Holder::UserClient => true,
            Holder::Client | Holder::Ip => false,
        }
    }
}

/// The map with the changes made to it, in their order.
pub fn altered(
    holder: Holder,
    stored: &ConfigMap,
    changes: &[QuotaChange],
) -> Result<ConfigMap, QuotaRefusal> {
    let mut wanted = stored.clone();
    for QuotaChange { name, value } in changes {
        match value {
            None => drop(wanted.remove(name)),
            Some(value) => drop(wanted.insert(name.clone(), written(holder, name, *value)?)),
        }
    }
    Ok(wanted)
}

/// The value as it is stored: integers without a fraction, doubles with one.
fn written(holder: Holder, name: &str, value: f64) -> Result<String, QuotaRefusal> {
    let Some(quota) = holder.quota(name) else {
        return Err(match holder.takes_credentials() && SCRAM_MECHANISMS.contains(&name) {
            true => QuotaRefusal::Unexpected(format!("{name} is no quota")),
            false => QuotaRefusal::InvalidRequest(format!("Invalid configuration key {name}")),
        });
    };
    if quota.kind == Type::Double {
        return Ok(Value::Double(value).text());
    }
    // Casts saturate, and make 0 of what is no number, as Java's.
    let raised = value + EPSILON;
    let whole = if quota.kind == Type::Int { i64::from(raised as i32) } else { raised as i64 };
    match (whole as f64 - value).abs() > EPSILON {
        true => {
            Err(QuotaRefusal::InvalidRequest(format!("Configuration {name} must be a {} value", quota.kind)))
        }
        false => Ok(whole.to_string()),
    }
}

/// Whether a map may be written. Kafka asks this only when it is about to write.
pub fn check(holder: Holder, map: &ConfigMap) -> Result<(), QuotaRefusal> {
    for (name, text) in map {
        match holder.quota(name) {
            Some(quota) if quota.kind == Type::Double => drop(double(name, text)?),
            Some(quota) => {
                let wrong = |error: crate::error::ConfigError| QuotaRefusal::Unexpected(error.wire_message());
                quota.parse(text).map_err(wrong)?;
            }
            None if holder == Holder::User && SCRAM_MECHANISMS.contains(&name.as_str()) => {}
            None => return Err(QuotaRefusal::Unexpected(format!("{name} is no quota of this entity"))),
        }
    }
    Ok(())
}

/// The quotas among what is stored, in Kafka's order.
pub fn quotas(holder: Holder, stored: &ConfigMap) -> Result<Vec<(&'static str, f64)>, QuotaRefusal> {
    let set = holder.quotas().iter().filter_map(|quota| Some((quota.name, stored.get(quota.name)?)));
    set.map(|(name, text)| Ok((name, double(name, text)?))).collect()
}

fn double(name: &str, text: &str) -> Result<f64, QuotaRefusal> {
    number(text).ok_or_else(|| QuotaRefusal::Unexpected(format!("{name}={text} is no number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> ConfigMap {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn set(holder: Holder, name: &str, value: f64) -> Result<String, QuotaRefusal> {
        let change = QuotaChange { name: name.to_owned(), value: Some(value) };
        altered(holder, &ConfigMap::new(), &[change]).map(|map| map[name].clone())
    }

    /// Read from the znodes of Kafka 3.9.1.
    #[test]
    fn numbers_are_written_as_by_kafka() {
        let written = |name, value| set(Holder::User, name, value).unwrap();
        assert_eq!(written("producer_byte_rate", 1024.0), "1024");
        assert_eq!(written("producer_byte_rate", 1024.0000009), "1024");
        assert_eq!(written("producer_byte_rate", 0.0), "0");
        assert_eq!(written("consumer_byte_rate", 1e18), "1000000000000000000");
        assert_eq!(written("consumer_byte_rate", f64::NAN), "0");
        assert_eq!(written("request_percentage", 200.0), "200.0");
        assert_eq!(written("request_percentage", 12_345_678.9), "1.23456789E7");
        assert_eq!(written("request_percentage", f64::NAN), "NaN");
        assert_eq!(written("request_percentage", f64::NEG_INFINITY), "-Infinity");
        assert_eq!(written("controller_mutation_rate", 0.000_1), "1.0E-4");
        assert_eq!(set(Holder::Ip, "connection_creation_rate", 10.0).unwrap(), "10");
    }

    #[test]
    fn what_is_refused_is_refused_in_kafkas_words() {
        let refused = |holder, name: &str, value| match set(holder, name, value) {
            Err(QuotaRefusal::InvalidRequest(text)) => text,
            other => panic!("{other:?}"),
        };
        let key = "Invalid configuration key";
        assert_eq!(refused(Holder::User, "nosuch", 1.0), format!("{key} nosuch"));
        assert_eq!(refused(Holder::Client, "SCRAM-SHA-256", 1.0), format!("{key} SCRAM-SHA-256"));
        assert_eq!(refused(Holder::Ip, "producer_byte_rate", 1.0), format!("{key} producer_byte_rate"));
        let must = "Configuration producer_byte_rate must be a LONG value";
        assert_eq!(refused(Holder::UserClient, "producer_byte_rate", 1.5), must);
        assert_eq!(refused(Holder::UserClient, "producer_byte_rate", f64::INFINITY), must);
        // What is negative is cut off towards zero, as in Java.
        assert_eq!(refused(Holder::UserClient, "producer_byte_rate", -1.0), must);
        let must = "Configuration connection_creation_rate must be a INT value";
        assert_eq!(refused(Holder::Ip, "connection_creation_rate", 3e9), must);
        assert!(matches!(set(Holder::User, "SCRAM-SHA-256", 1.0), Err(QuotaRefusal::Unexpected(_))));
    }

    #[test]
    fn what_is_not_named_stays_and_removing_nothing_is_fine() {
        let stored =
            map(&[("SCRAM-SHA-256", "salt=x"), ("producer_byte_rate", "1"), ("request_percentage", "2.0")]);
        let remove = |name: &str| QuotaChange { name: name.to_owned(), value: None };
        let changes = [remove("producer_byte_rate"), remove("nosuch")];
        let wanted = altered(Holder::User, &stored, &changes).unwrap();
        assert_eq!(wanted, map(&[("SCRAM-SHA-256", "salt=x"), ("request_percentage", "2.0")]));
    }

    #[test]
    fn a_map_is_checked_as_a_whole() {
        let credentials = map(&[("SCRAM-SHA-512", "x")]);
        assert_eq!(check(Holder::User, &credentials), Ok(()));
        for holder in [Holder::DefaultUser, Holder::UserClient, Holder::Client, Holder::Ip] {
            assert!(check(holder, &credentials).is_err(), "{holder:?}");
        }
        assert_eq!(check(Holder::Client, &map(&[("request_percentage", "NaN")])), Ok(()));
        assert!(check(Holder::Client, &map(&[("producer_byte_rate", "abc")])).is_err());
        let negative =
            check(Holder::Ip, &map(&[("connection_creation_rate", "-1")])).unwrap_err().to_string();
        let expected =
            "Invalid value -1 for configuration connection_creation_rate: Value must be at least 0";
        assert_eq!(negative, expected);
    }

    #[test]
    fn quotas_are_told_without_credentials_and_in_kafkas_order() {
        let stored = map(&[
            ("SCRAM-SHA-256", "x"),
            ("consumer_byte_rate", "2"),
            ("controller_mutation_rate", "1.5"),
            ("producer_byte_rate", "1"),
        ]);
        let told = quotas(Holder::User, &stored).unwrap();
        let expected =
            [("producer_byte_rate", 1.0), ("consumer_byte_rate", 2.0), ("controller_mutation_rate", 1.5)];
        assert_eq!(told, expected);
        assert_eq!(quotas(Holder::Ip, &stored), Ok(Vec::new()));
        assert!(quotas(Holder::User, &map(&[("producer_byte_rate", "abc")])).is_err());
    }
}
