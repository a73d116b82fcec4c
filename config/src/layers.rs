//! The settings of one running broker as they lie over each other (KIP-226): the properties file it was
//! started with, what `/config/brokers/<default>` says for all brokers, and what `/config/brokers/N` says
//! for this one. The broker holds one `Layers`, replaces an upper map when its znode changes, and asks for
//! the typed configuration that results. Source: `DynamicBrokerConfig` (3.9).

use std::collections::BTreeMap;

use crate::alter::Refusal;
use crate::broker::{BrokerConfig, load, names, warnings};
use crate::dynamic;
use crate::error::{ConfigError, ConfigErrors, Warning};
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

/// Bytes per second that replication and moves may take; none sets no limit. They are set while running only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Throttles {
    /// leader.replication.throttled.rate
    pub leader: Option<u64>,
    /// follower.replication.throttled.rate
    pub follower: Option<u64>,
    /// replica.alter.log.dirs.io.max.bytes.per.second
    pub alter_log_dirs: Option<u64>,
}

/// Whose settings a map holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// One broker's.
    Broker,
    /// The default of all brokers.
    Cluster,
}

impl Scope {
    /// What a broker resource that is to be altered stands for: the empty name for all brokers.
    pub fn altered(name: &str, broker_id: i32) -> Result<Scope, Refusal> {
        match name.parse() {
            _ if name.is_empty() => Ok(Scope::Cluster),
            Ok(id) if broker_id == id => Ok(Scope::Broker),
            Ok(_) => refused(format!("Unexpected broker id, expected {broker_id}, but received {name}")),
            Err(_) => refused(format!("Node id must be an integer, but it is: {name}")),
        }
    }

    /// The same for one that is to be described, where Kafka has other words.
    pub fn described(name: &str, broker_id: i32) -> Result<Scope, Refusal> {
        match name.parse() {
            _ if name.is_empty() => Ok(Scope::Cluster),
            Ok(id) if broker_id == id => Ok(Scope::Broker),
            Ok(_) => refused(format!(
                "Unexpected broker id, expected {broker_id} or empty string, but received {name}"
            )),
            Err(_) => refused(format!("Broker id must be an integer, but it is: {name}")),
        }
    }
}

fn refused<T>(text: String) -> Result<T, Refusal> {
    Err(Refusal::InvalidRequest(text))
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

    /// What of replication and moves is throttled: the broker's own values, or else those of all.
    pub fn throttles(&self) -> Throttles {
        let rate = |name: &str| self.broker.get(name).or_else(|| self.cluster.get(name))?.trim().parse().ok();
        Throttles {
            leader: rate("leader.replication.throttled.rate"),
            follower: rate("follower.replication.throttled.rate"),
            alter_log_dirs: rate("replica.alter.log.dirs.io.max.bytes.per.second"),
        }
    }

    /// Takes what a znode holds for one layer. What cannot be used is left out, as Kafka does, and returned
    /// for the log.
    pub fn replace(&mut self, scope: Scope, stored: &ConfigMap) -> Vec<ConfigError> {
        let (mut usable, mut ignored) = dynamic::usable(scope, stored);
        usable.retain(|name, _| {
            let password = dynamic::is_password(name);
            if password {
                ignored.push(ConfigError::value(
                    name,
                    "in ZooKeeper",
                    "passwords in ZooKeeper cannot be read yet",
                ));
            }
            !password
        });
        match scope {
            Scope::Broker => self.broker = usable,
            Scope::Cluster => self.cluster = usable,
        }
        ignored
    }

    /// What is set while running that was not so in `before`, and has no effect.
    pub fn changed_in_vain(&self, before: &Layers) -> Vec<Warning> {
        let of = |now: &ConfigMap, before: &ConfigMap| {
            let changed = now.iter().filter(|(name, text)| before.get(*name) != Some(*text));
            changed.filter_map(|(name, text)| warnings::in_vain(name, text)).collect::<Vec<_>>()
        };
        [of(&self.cluster, &before.cluster), of(&self.broker, &before.broker)].concat()
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
        let message = |scope: Result<Scope, Refusal>| scope.unwrap_err().to_string();
        for (name, scope) in [("7", Scope::Broker), ("+07", Scope::Broker), ("", Scope::Cluster)] {
            assert_eq!((Scope::altered(name, 7), Scope::described(name, 7)), (Ok(scope), Ok(scope)));
        }
        assert_eq!(message(Scope::altered("8", 7)), "Unexpected broker id, expected 7, but received 8");
        assert_eq!(message(Scope::altered(" 7", 7)), "Node id must be an integer, but it is:  7");
        let other = "Unexpected broker id, expected 7 or empty string, but received 8";
        assert_eq!(message(Scope::described("8", 7)), other);
        assert_eq!(message(Scope::described("x", 7)), "Broker id must be an integer, but it is: x");
    }

    #[test]
    fn throttles_are_the_brokers_own_or_else_those_of_all() {
        let (leader, dirs) =
            ("leader.replication.throttled.rate", "replica.alter.log.dirs.io.max.bytes.per.second");
        let mut layers = layers();
        assert_eq!(layers.throttles(), Throttles::default());
        layers.replace(Scope::Cluster, &map(&[(leader, "5"), (dirs, "6")]));
        layers.replace(Scope::Broker, &map(&[(leader, "7")]));
        assert_eq!(
            layers.throttles(),
            Throttles { leader: Some(7), follower: None, alter_log_dirs: Some(6) }
        );
    }
}
