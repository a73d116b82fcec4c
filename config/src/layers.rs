//! The settings of one running broker as they lie over each other (KIP-226): the properties file it was
//! started with, what `/config/brokers/<default>` says for all brokers, and what `/config/brokers/N` says
//! for this one. The broker holds one `Layers`, replaces an upper map when its znode changes, and asks for
//! the typed configuration that results. Source: `DynamicBrokerConfig` (3.9).

use std::collections::BTreeMap;

use crate::alter::Refusal;
use crate::broker::{BrokerConfig, load, names};
use crate::define::{Mode, Setting};
use crate::error::{ConfigError, ConfigErrors};
use crate::properties::Properties;

/// Names and values as a config znode holds them.
pub type ConfigMap = BTreeMap<String, String>;

/// The three layers of broker settings; the defaults lie beneath them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layers {
    /// The properties file and the command line.
    pub fixed: ConfigMap,
    /// `/config/brokers/<default>`.
    pub cluster: ConfigMap,
    /// `/config/brokers/N`.
    pub broker: ConfigMap,
}

/// Whose settings a map holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// One broker's.
    Broker,
    /// The default of all brokers.
    Cluster,
}

/// Who asks about a broker resource: Kafka words what is wrong with its name differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wording {
    /// `ConfigHelper`
    Describe,
    /// `ConfigAdminManager`
    Alter,
}

impl Scope {
    /// What a broker resource's name stands for: the empty name for all brokers.
    pub fn of_resource(name: &str, broker_id: i32, wording: Wording) -> Result<Scope, Refusal> {
        let (subject, or_empty) = match wording {
            Wording::Describe => ("Broker id", " or empty string"),
            Wording::Alter => ("Node id", ""),
        };
        let refused = match name.parse() {
            _ if name.is_empty() => return Ok(Scope::Cluster),
            Ok(id) if broker_id == id => return Ok(Scope::Broker),
            Ok(_) => format!("Unexpected broker id, expected {broker_id}{or_empty}, but received {name}"),
            Err(_) => format!("{subject} must be an integer, but it is: {name}"),
        };
        Err(Refusal::InvalidRequest(refused))
    }
}

impl Layers {
    /// The file alone. Of broker.id and node.id each stands for the other where one is missing, as in Kafka.
    pub fn new(properties: &Properties) -> Layers {
        let mut fixed = properties.map().clone();
        for (given, other) in [("broker.id", "node.id"), ("node.id", "broker.id")] {
            if let Some(id) = fixed.get(given).cloned() {
                fixed.entry(other.to_owned()).or_insert(id);
            }
        }
        Layers { fixed, ..Layers::default() }
    }

    /// The typed configuration. It fails where the layers together make no sense; the configuration in
    /// force before then stays.
    pub fn config(&self) -> Result<BrokerConfig, ConfigErrors> {
        load::load(&self.effective())
    }

    /// Takes what a znode holds for one layer. What cannot be used is left out, as Kafka does, and returned
    /// for the log.
    pub fn replace(&mut self, scope: Scope, stored: &ConfigMap) -> Vec<ConfigError> {
        let mut usable = stored.clone();
        let mut ignored = Vec::new();
        usable.retain(|name, text| match objection(scope, name, text) {
            None => true,
            Some(error) => {
                ignored.push(error);
                false
            }
        });
        match scope {
            Scope::Broker => self.broker = usable,
            Scope::Cluster => self.cluster = usable,
        }
        ignored
    }

    /// What is in force: a higher layer replaces a setting and all other names of it below.
    pub(crate) fn effective(&self) -> ConfigMap {
        let mut merged = self.fixed.clone();
        for (name, text) in self.cluster.iter().chain(&self.broker) {
            for replaced in names::replaced(name) {
                merged.remove(replaced);
            }
            merged.insert(name.clone(), text.clone());
        }
        merged
    }
}

fn objection(scope: Scope, name: &str, text: &str) -> Option<ConfigError> {
    let ignored = |why: &str| ConfigError::value(name, "in ZooKeeper", format!("ignored: {why}"));
    let setting = names::setting_behind(name)?;
    if setting.name == name && (read_only(setting) || needs_listener(name)) {
        return Some(ignored("it cannot be changed while the broker runs"));
    }
    if scope == Scope::Cluster && per_broker(name) {
        return Some(ignored("it can be set for single brokers only"));
    }
    if setting.sensitive() {
        return Some(ignored("passwords in ZooKeeper cannot be read yet"));
    }
    setting.parse(text).err()
}

/// Settings of the properties file that Kafka does not change while running.
pub(crate) fn read_only(setting: &Setting) -> bool {
    setting.mode == Mode::ReadOnly && crate::broker::table::setting(setting.name).is_some()
}

/// Keys and certificates that change for one listener at a time (`SslConfigs.RECONFIGURABLE_CONFIGS`).
pub(crate) fn needs_listener(name: &str) -> bool {
    let stores = ["ssl.keystore.", "ssl.truststore."];
    name == "ssl.key.password" || stores.iter().any(|store| name.starts_with(store))
}

/// Settings that make no sense for all brokers at once.
pub(crate) fn per_broker(name: &str) -> bool {
    let for_all = ["max.connections", "max.connection.creation.rate", "num.network.threads"];
    match names::of_listener(name) {
        Some(rest) => !for_all.contains(&rest),
        None => names::setting_behind(name).is_some_and(|setting| setting.mode == Mode::PerBroker),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> ConfigMap {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn layers() -> Layers {
        let fixed = map(&[
            ("zookeeper.connect", "localhost:2181"),
            ("broker.id", "7"),
            ("log.retention.hours", "24"),
            ("log.retention.minutes", "2000"),
        ]);
        Layers::new(&fixed.into_iter().collect())
    }

    #[test]
    fn a_higher_layer_replaces_every_name_of_a_time() {
        let mut layers = layers();
        assert_eq!(layers.config().unwrap().topic_defaults.config.retention_ms, Some(120_000_000));
        assert_eq!(layers.replace(Scope::Cluster, &map(&[("log.retention.ms", "9000000")])), []);
        assert_eq!(layers.config().unwrap().topic_defaults.config.retention_ms, Some(9_000_000));
        layers.replace(Scope::Broker, &map(&[("log.retention.ms", "7200000")]));
        assert_eq!(layers.config().unwrap().topic_defaults.config.retention_ms, Some(7_200_000));
        assert_eq!(layers.effective().get("log.retention.minutes"), None);
        layers.replace(Scope::Broker, &ConfigMap::new());
        layers.replace(Scope::Cluster, &ConfigMap::new());
        assert_eq!(layers.config().unwrap().topic_defaults.config.retention_ms, Some(120_000_000));
    }

    #[test]
    fn what_a_znode_should_not_hold_is_left_out_and_named() {
        let mut layers = layers();
        let stored = map(&[
            ("num.partitions", "3"),
            ("log.segment.bytes", "x"),
            ("listeners", "PLAINTEXT://:1"),
            ("ssl.keystore.location", "/x"),
            ("listener.name.a.ssl.keystore.password", "x"),
            ("listener.name.a.max.connections", "5"),
            ("some.plugin", "x"),
            ("message.max.bytes", "5000"),
        ]);
        let ignored = layers.replace(Scope::Cluster, &stored);
        let ignored: Vec<&str> = ignored.iter().map(|error| error.key.as_str()).collect();
        assert_eq!(
            ignored,
            [
                "listener.name.a.ssl.keystore.password",
                "listeners",
                "log.segment.bytes",
                "num.partitions",
                "ssl.keystore.location"
            ]
        );
        assert_eq!(layers.config().unwrap().topic_defaults.config.max_message_bytes, 5000);
    }

    #[test]
    fn node_id_is_another_name_of_broker_id() {
        assert_eq!(layers().fixed.get("node.id").map(String::as_str), Some("7"));
        let only_node = Layers::new(&map(&[("node.id", "3")]).into_iter().collect());
        assert_eq!(only_node.fixed.get("broker.id").map(String::as_str), Some("3"));
    }

    #[test]
    fn a_broker_resource_is_named_by_its_id_or_by_nothing() {
        for wording in [Wording::Describe, Wording::Alter] {
            assert_eq!(Scope::of_resource("7", 7, wording), Ok(Scope::Broker));
            assert_eq!(Scope::of_resource("", 7, wording), Ok(Scope::Cluster));
        }
        let message = |name, wording| Scope::of_resource(name, 7, wording).unwrap_err().to_string();
        assert_eq!(message("8", Wording::Alter), "Unexpected broker id, expected 7, but received 8");
        assert_eq!(message("x", Wording::Alter), "Node id must be an integer, but it is: x");
        let other = "Unexpected broker id, expected 7 or empty string, but received 8";
        assert_eq!(message("8", Wording::Describe), other);
        assert_eq!(message("x", Wording::Describe), "Broker id must be an integer, but it is: x");
    }
}
