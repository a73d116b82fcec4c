//! Changing settings while running: the pure part of AlterConfigs and IncrementalAlterConfigs. Each
//! function takes the map a znode holds and answers the map to write, or why not, with Kafka's code and
//! text. It writes nothing itself. Source: `ConfigAdminManager`, `ZkAdminManager`, `DynamicBrokerConfig`.

use std::collections::BTreeSet;

use crate::define::{Setting, Type};
use crate::layers::{ConfigMap, Layers, Scope};
use crate::topic::{self, TopicConfigError, TopicDefaults};

mod broker;
mod list;

pub use broker::dynamic_broker_change;
use list::{appended, subtracted};

/// One operation of IncrementalAlterConfigs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub name: String,
    pub op: Op,
    pub value: Option<String>,
}

/// What is done to a setting. Appending and subtracting are for lists alone (AlterConfigOp, KIP-339).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Set,
    Delete,
    Append,
    Subtract,
}

/// Why a change is not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Kafka's code 42, INVALID_REQUEST.
    #[error("{0}")]
    InvalidRequest(String),
    /// Kafka's code 40, INVALID_CONFIG.
    #[error("{0}")]
    InvalidConfig(String),
}

impl Op {
    /// From the number in the request.
    pub fn from_code(code: i8) -> Result<Op, Refusal> {
        match code {
            0 => Ok(Op::Set),
            1 => Ok(Op::Delete),
            2 => Ok(Op::Append),
            3 => Ok(Op::Subtract),
            _ => Err(Refusal::InvalidRequest(format!("Unknown operations type {code}"))),
        }
    }
}

/// IncrementalAlterConfigs of a topic: the map to write over `stored`.
pub fn incremental_topic(
    defaults: &TopicDefaults,
    topic: &str,
    stored: &ConfigMap,
    changes: &[Change],
) -> Result<ConfigMap, Refusal> {
    check_changes(changes)?;
    let wanted = apply(stored, changes, topic::setting)?;
    check_topic(defaults, topic, &wanted)?;
    Ok(wanted)
}

/// AlterConfigs of a topic: the map to write in place of what is stored.
pub fn replace_topic(
    defaults: &TopicDefaults,
    topic: &str,
    entries: &[(String, Option<String>)],
) -> Result<ConfigMap, Refusal> {
    let wanted = replacement(entries)?;
    check_topic(defaults, topic, &wanted)?;
    Ok(wanted)
}

/// IncrementalAlterConfigs of a broker, or of all: the map to write over `stored`.
pub fn incremental_broker(
    layers: &Layers,
    scope: Scope,
    stored: &ConfigMap,
    changes: &[Change],
) -> Result<ConfigMap, Refusal> {
    check_changes(changes)?;
    let wanted = apply(stored, changes, crate::broker::table::setting)?;
    dynamic_broker_change(layers, scope, stored, &wanted)?;
    Ok(wanted)
}

/// AlterConfigs of a broker, or of all: the map to write in place of what is stored.
pub fn replace_broker(
    layers: &Layers,
    scope: Scope,
    stored: &ConfigMap,
    entries: &[(String, Option<String>)],
) -> Result<ConfigMap, Refusal> {
    let wanted = replacement(entries)?;
    dynamic_broker_change(layers, scope, stored, &wanted)?;
    Ok(wanted)
}

/// Applies operations in their order.
fn apply(
    stored: &ConfigMap,
    changes: &[Change],
    setting: fn(&str) -> Option<&'static Setting>,
) -> Result<ConfigMap, Refusal> {
    let mut wanted = stored.clone();
    for Change { name, op, value } in changes {
        let value = value.as_deref().unwrap_or_default();
        let text = match op {
            Op::Delete => {
                wanted.remove(name);
                continue;
            }
            Op::Set => value.to_owned(),
            Op::Append => appended(&present(&wanted, name, setting, "append")?, value),
            Op::Subtract => subtracted(&present(&wanted, name, setting, "subtract")?, value),
        };
        wanted.insert(name.clone(), text);
    }
    Ok(wanted)
}

/// The list that is changed: the one that is set, or else the default.
fn present(
    stored: &ConfigMap,
    name: &str,
    setting: fn(&str) -> Option<&'static Setting>,
    operation: &str,
) -> Result<String, Refusal> {
    let unknown = || Refusal::InvalidConfig(format!("Unknown config name: {name}"));
    let setting = setting(name).ok_or_else(unknown)?;
    if setting.kind != Type::List {
        let text = format!("Config value {operation} is not allowed for config key: {name}");
        return Err(Refusal::InvalidConfig(text));
    }
    Ok(stored.get(name).map(String::as_str).or(setting.default).unwrap_or_default().to_owned())
}

fn check_changes(changes: &[Change]) -> Result<(), Refusal> {
    let names: Vec<&str> = changes.iter().map(|change| change.name.as_str()).collect();
    let nulls = changes.iter().filter(|change| change.op != Op::Delete && change.value.is_none());
    check_names(&names, &nulls.map(|change| change.name.as_str()).collect::<Vec<_>>())
}

fn replacement(entries: &[(String, Option<String>)]) -> Result<ConfigMap, Refusal> {
    let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
    let nulls = entries.iter().filter(|(_, value)| value.is_none());
    check_names(&names, &nulls.map(|(name, _)| name.as_str()).collect::<Vec<_>>())?;
    Ok(entries.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?))).collect())
}

fn check_names(names: &[&str], nulls: &[&str]) -> Result<(), Refusal> {
    if names.iter().collect::<BTreeSet<_>>().len() < names.len() {
        return Err(Refusal::InvalidRequest("Error due to duplicate config keys".to_owned()));
    }
    match nulls.is_empty() {
        true => Ok(()),
        false => Err(Refusal::InvalidRequest(format!("Null value not supported for : {}", nulls.join(", ")))),
    }
}

/// Kafka puts the resource before a bad value, but not before a rule that is broken.
fn check_topic(defaults: &TopicDefaults, topic: &str, wanted: &ConfigMap) -> Result<(), Refusal> {
    if topic.is_empty() {
        return Err(Refusal::InvalidRequest("Default topic resources are not allowed.".to_owned()));
    }
    defaults.check(wanted).map_err(|error| {
        Refusal::InvalidConfig(match error {
            TopicConfigError::Value(_) | TopicConfigError::TieredStorage => format!(
                "Invalid config value for resource ConfigResource(type=TOPIC, name='{topic}'): {error}"
            ),
            TopicConfigError::UnknownName(_)
            | TopicConfigError::CompactionLag { .. }
            | TopicConfigError::RemoteInZooKeeper => error.to_string(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::properties::Properties;

    fn map(pairs: &[(&str, &str)]) -> ConfigMap {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn layers() -> Layers {
        let fixed = b"zookeeper.connect=localhost\nbroker.id=7\nlog.cleanup.policy=compact, delete\n";
        Layers::new(&Properties::parse(fixed).unwrap())
    }

    /// `SET name value`, one operation each; `-` stands for null.
    fn changes(ops: &[&str]) -> Vec<Change> {
        let change = |text: &&str| {
            let mut words = text.splitn(3, ' ');
            let op = match words.next() {
                Some("SET") => Op::Set,
                Some("DELETE") => Op::Delete,
                Some("APPEND") => Op::Append,
                _ => Op::Subtract,
            };
            let name = words.next().unwrap().to_owned();
            Change { op, name, value: words.next().filter(|value| *value != "-").map(str::to_owned) }
        };
        ops.iter().map(change).collect()
    }

    fn topic(stored: &[(&str, &str)], ops: &[&str]) -> Result<ConfigMap, Refusal> {
        let defaults = layers().config().unwrap().topic_defaults;
        incremental_topic(&defaults, "t", &map(stored), &changes(ops))
    }

    fn topic_refused(ops: &[&str], expected: Refusal) {
        assert_eq!(topic(&[], ops), Err(expected), "{ops:?}");
    }

    fn broker(scope: Scope, ops: &[&str]) -> Result<ConfigMap, Refusal> {
        incremental_broker(&layers(), scope, &ConfigMap::new(), &changes(ops))
    }

    fn broker_refused(scope: Scope, ops: &[&str], expected: &str) {
        assert_eq!(broker(scope, ops), Err(Refusal::InvalidRequest(expected.to_owned())), "{ops:?}");
    }

    // The texts below are what Kafka 3.9.1 answered to the same changes.

    #[test]
    fn lists_grow_and_shrink_as_in_kafka() {
        let policy =
            |stored: &[(&str, &str)], op: &str| topic(stored, &[op]).map(|map| map["cleanup.policy"].clone());
        let compact = [("cleanup.policy", "compact")];
        assert_eq!(policy(&compact, "APPEND cleanup.policy delete").as_deref(), Ok("compact,delete"));
        let both = [("cleanup.policy", "compact,delete")];
        assert_eq!(policy(&both, "APPEND cleanup.policy delete,compact").as_deref(), Ok("compact,delete"));
        assert_eq!(policy(&both, "SUBTRACT cleanup.policy compact").as_deref(), Ok("delete"));
        // A list that is not set starts from Kafka's default, whatever the broker's is.
        assert_eq!(policy(&[], "SUBTRACT cleanup.policy delete").as_deref(), Ok(""));
        assert_eq!(
            policy(&[("cleanup.policy", "")], "APPEND cleanup.policy compact").as_deref(),
            Ok("compact")
        );
        assert_eq!(policy(&[("cleanup.policy", "")], "APPEND cleanup.policy ").as_deref(), Ok(""));
        let throttled = "leader.replication.throttled.replicas";
        let grown = topic(&[(throttled, "0:1")], &[&format!("APPEND {throttled} 0:1,1:2")]).unwrap();
        assert_eq!(grown[throttled], "0:1,1:2");
    }

    #[test]
    fn deleting_and_setting_change_the_map_alone() {
        let stored = [("retention.ms", "5"), ("segment.bytes", "100")];
        let wanted = topic(&stored, &["DELETE retention.ms", "DELETE nosuch", "SET segment.ms +5"]);
        assert_eq!(wanted, Ok(map(&[("segment.bytes", "100"), ("segment.ms", "+5")])));
    }

    #[test]
    fn a_topic_is_refused_in_kafkas_words() {
        let request = |text: &str| Refusal::InvalidRequest(text.to_owned());
        let config = |text: &str| Refusal::InvalidConfig(text.to_owned());
        let value = |text: &str| {
            config(&format!("Invalid config value for resource ConfigResource(type=TOPIC, name='t'): {text}"))
        };
        topic_refused(
            &["SET retention.ms abc"],
            value("Invalid value abc for configuration retention.ms: Not a number of type LONG"),
        );
        topic_refused(
            &["SET segment.bytes 2"],
            value("Invalid value 2 for configuration segment.bytes: Value must be at least 14"),
        );
        topic_refused(
            &["SET cleanup.policy delete,"],
            value("Invalid value  for configuration cleanup.policy: String must be one of: compact, delete"),
        );
        topic_refused(
            &["SET remote.storage.enable true"],
            value(
                "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote \
                 log storage.",
            ),
        );
        topic_refused(&["SET nosuch 1"], config("Unknown topic config name: nosuch"));
        topic_refused(
            &["APPEND retention.ms 1"],
            config("Config value append is not allowed for config key: retention.ms"),
        );
        topic_refused(
            &["SUBTRACT retention.ms 1"],
            config("Config value subtract is not allowed for config key: retention.ms"),
        );
        topic_refused(
            &["SET min.compaction.lag.ms 10", "SET max.compaction.lag.ms 5"],
            config("conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)"),
        );
        topic_refused(
            &["SET remote.log.copy.disable true"],
            config(
                "It is invalid to set `remote.log.delete.on.disable` or `remote.log.copy.disable` under \
                 Zookeeper's mode.",
            ),
        );
        topic_refused(&["SET retention.ms -"], request("Null value not supported for : retention.ms"));
        topic_refused(
            &["SET retention.ms 1", "SET retention.ms 2"],
            request("Error due to duplicate config keys"),
        );
        let defaults = layers().config().unwrap().topic_defaults;
        let nameless = incremental_topic(&defaults, "", &ConfigMap::new(), &[]);
        assert_eq!(nameless, Err(request("Default topic resources are not allowed.")));
    }

    #[test]
    fn a_broker_is_refused_in_kafkas_words() {
        use Scope::{Broker, Cluster};
        let not_dynamic = "Cannot update these configs dynamically: ";
        broker_refused(Broker, &["SET num.partitions 3"], &format!("{not_dynamic}Set(num.partitions)"));
        broker_refused(Broker, &["SET num.partitions x"], &format!("{not_dynamic}Set(num.partitions)"));
        broker_refused(
            Broker,
            &["SET ssl.keystore.location /x"],
            "These security configs can be dynamically updated only per-listener using the listener prefix: \
             HashSet(ssl.keystore.location)",
        );
        broker_refused(
            Cluster,
            &["SET listeners PLAINTEXT://127.0.0.1:21102"],
            "Cannot update these configs at default cluster level, broker id must be specified: Set(listeners)",
        );
        broker_refused(
            Broker,
            &["SET log.retention.ms x"],
            "Invalid value x for configuration log.retention.ms: Not a number of type LONG",
        );
        broker_refused(
            Broker,
            &["SET log.retention.ms 0"],
            "requirement failed: log.retention.ms must be unlimited (-1) or, greater than or equal to 1",
        );
        broker_refused(
            Broker,
            &["SET log.roll.ms 0"],
            "requirement failed: log.roll.ms must be greater than or equal to 1",
        );
        broker_refused(
            Cluster,
            &["SET min.insync.replicas 0"],
            "Invalid value 0 for configuration min.insync.replicas: Value must be at least 1",
        );
        broker_refused(
            Cluster,
            &["SET num.recovery.threads.per.data.dir 5"],
            "Invalid value org.apache.kafka.common.config.ConfigException: Dynamic thread count update validation \
             failed for num.recovery.threads.per.data.dir=5, value should not be greater than double the current \
             value 1 for configuration Invalid dynamic configuration",
        );
    }

    #[test]
    fn what_has_no_effect_while_running_is_not_taken() {
        for name in ["num.io.threads", "log.cleaner.threads", "listener.name.a.num.network.threads"] {
            let expected = format!("Cannot update these configs dynamically: Set({name})");
            broker_refused(Scope::Broker, &[&format!("SET {name} 2")], &expected);
        }
        let listeners = "Cannot update these configs dynamically: Set(advertised.listeners)";
        broker_refused(Scope::Broker, &["SET advertised.listeners PLAINTEXT://a:1"], listeners);
        let throttle = "Cannot update these configs dynamically: Set(leader.replication.throttled.rate)";
        broker_refused(Scope::Cluster, &["SET leader.replication.throttled.rate 5"], throttle);
    }

    #[test]
    fn what_has_an_effect_is_taken_and_the_rest_of_the_map_stays() {
        let stored = map(&[("num.io.threads", "16"), ("some.plugin", "x")]);
        let ops =
            changes(&["SET log.retention.ms 7200000", "SET min.insync.replicas 2", "SET other.plugin y"]);
        let wanted = incremental_broker(&layers(), Scope::Cluster, &stored, &ops).unwrap();
        assert_eq!(wanted.len(), 5);
        let ops = changes(&["DELETE num.io.threads"]);
        let wanted = incremental_broker(&layers(), Scope::Cluster, &stored, &ops).unwrap();
        assert_eq!(wanted, map(&[("some.plugin", "x")]));
    }

    #[test]
    fn the_older_request_replaces_the_map() {
        let entries = |pairs: &[(&str, Option<&str>)]| {
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
                .collect::<Vec<_>>()
        };
        let defaults = layers().config().unwrap().topic_defaults;
        let wanted = replace_topic(&defaults, "t", &entries(&[("retention.ms", Some("5000"))]));
        assert_eq!(wanted, Ok(map(&[("retention.ms", "5000")])));
        let nulls = replace_topic(&defaults, "t", &entries(&[("retention.ms", None), ("segment.ms", None)]));
        let text = "Null value not supported for : retention.ms, segment.ms".to_owned();
        assert_eq!(nulls, Err(Refusal::InvalidRequest(text)));
        let read_only = entries(&[("num.partitions", Some("3"))]);
        let refused = replace_broker(&layers(), Scope::Broker, &ConfigMap::new(), &read_only);
        assert!(refused.is_err());
    }

    #[test]
    fn operations_have_numbers() {
        assert_eq!(Op::from_code(3), Ok(Op::Subtract));
        assert_eq!(Op::from_code(9).unwrap_err().to_string(), "Unknown operations type 9");
    }
}
