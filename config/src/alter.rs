//! Changing settings while running: the pure part of AlterConfigs and IncrementalAlterConfigs. Each
//! function takes the map a znode holds and answers the map to write, or why not, with Kafka's code and
//! text. It writes nothing itself. Source: `ConfigAdminManager`, `ZkAdminManager`, `DynamicBrokerConfig`.

use std::collections::BTreeSet;

use crate::define::{Setting, Type};
use crate::layers::ConfigMap;
use crate::topic::{self, TopicConfigError, TopicDefaults};

mod broker;
mod list;
mod live;

pub use crate::dynamic::is_password;
pub use broker::{BrokerSettings, check_offline};
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
    /// A number that stands for none of them.
    Unknown(i8),
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
    /// Kafka's code -1, without a text: it stumbles over this by an exception that has no code.
    #[error("{0}")]
    Unexpected(String),
}

impl Op {
    /// From the number in the request.
    pub fn from_code(code: i8) -> Op {
        match code {
            0 => Op::Set,
            1 => Op::Delete,
            2 => Op::Append,
            3 => Op::Subtract,
            _ => Op::Unknown(code),
        }
    }
}

/// What holds for changes of anything: each name once, and a value wherever one is needed.
pub fn check_changes(changes: &[Change]) -> Result<(), Refusal> {
    let nulls = changes.iter().filter(|change| change.op != Op::Delete && change.value.is_none());
    check_names(changes.iter().map(|change| &*change.name), nulls.map(|change| &*change.name))
}

/// The same for a replacement of all settings.
pub fn check_entries(entries: &[(String, Option<String>)]) -> Result<(), Refusal> {
    let nulls = entries.iter().filter(|(_, value)| value.is_none());
    check_names(entries.iter().map(|(name, _)| &**name), nulls.map(|(name, _)| &**name))
}

/// IncrementalAlterConfigs of a topic: the map to write over `stored`, if `check_topic` allows it.
pub fn changed_topic(stored: ConfigMap, changes: &[Change]) -> Result<ConfigMap, Refusal> {
    apply(stored, changes, topic::setting)
}

/// AlterConfigs: the map to write in place of what is stored.
pub fn replacement(entries: &[(String, Option<String>)]) -> ConfigMap {
    entries.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?))).collect()
}

/// Applies operations in their order.
fn apply(
    stored: ConfigMap,
    changes: &[Change],
    setting: fn(&str) -> Option<&'static Setting>,
) -> Result<ConfigMap, Refusal> {
    let mut wanted = stored;
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
            Op::Unknown(code) => return Err(Refusal::Unexpected(format!("there is no operation {code}"))),
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
    let unknown = || Refusal::Unexpected(format!("no setting is called {name}"));
    let setting = setting(name).ok_or_else(unknown)?;
    if setting.kind != Type::List {
        let text = format!("Config value {operation} is not allowed for config key: {name}");
        return Err(Refusal::InvalidConfig(text));
    }
    Ok(stored.get(name).map(String::as_str).or(setting.default).unwrap_or_default().to_owned())
}

fn check_names<'a>(
    names: impl Iterator<Item = &'a str>,
    nulls: impl Iterator<Item = &'a str>,
) -> Result<(), Refusal> {
    let mut known = BTreeSet::new();
    if !names.into_iter().all(|name| known.insert(name)) {
        return Err(Refusal::InvalidRequest("Error due to duplicate config keys".to_owned()));
    }
    let nulls: Vec<&str> = nulls.collect();
    match nulls.is_empty() {
        true => Ok(()),
        false => Err(Refusal::InvalidRequest(format!("Null value not supported for : {}", nulls.join(", ")))),
    }
}

/// Whether a topic may have a map. Kafka puts the resource before a bad value, but not before a rule that is broken.
pub fn check_topic(defaults: &TopicDefaults, topic: &str, wanted: &ConfigMap) -> Result<(), Refusal> {
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

    fn layers() -> crate::layers::Layers {
        let fixed = b"zookeeper.connect=localhost\nbroker.id=7\nlog.cleanup.policy=compact, delete\n";
        crate::layers::Layers::new(&Properties::parse(fixed).unwrap())
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
        let wanted = changed_topic(map(stored), &changes(ops))?;
        check_topic(&layers().config().unwrap().topic_defaults, "t", &wanted)?;
        Ok(wanted)
    }

    fn topic_refused(ops: &[&str], expected: Refusal) {
        assert_eq!(topic(&[], ops), Err(expected), "{ops:?}");
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
        let checked = |ops: &[&str]| check_changes(&changes(ops));
        let null = Err(request("Null value not supported for : retention.ms"));
        assert_eq!(checked(&["SET retention.ms -", "DELETE segment.ms -"]), null);
        let twice = Err(request("Error due to duplicate config keys"));
        assert_eq!(checked(&["SET retention.ms 1", "SET retention.ms 2"]), twice);
        assert!(matches!(topic(&[], &["APPEND nosuch 1"]), Err(Refusal::Unexpected(_))));
    }

    #[test]
    fn the_older_request_replaces_the_map() {
        let entries = |pairs: &[(&str, Option<&str>)]| {
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
                .collect::<Vec<_>>()
        };
        let wanted = replacement(&entries(&[("retention.ms", Some("5000"))]));
        assert_eq!(wanted, map(&[("retention.ms", "5000")]));
        let nulls = check_entries(&entries(&[("retention.ms", None), ("segment.ms", None)]));
        let text = "Null value not supported for : retention.ms, segment.ms".to_owned();
        assert_eq!(nulls, Err(Refusal::InvalidRequest(text)));
    }

    #[test]
    fn operations_have_numbers() {
        assert_eq!(Op::from_code(3), Op::Subtract);
        assert_eq!(Op::from_code(9), Op::Unknown(9));
        let unknown = [Change { name: "retention.ms".to_owned(), op: Op::Unknown(9), value: None }];
        let refused = changed_topic(ConfigMap::new(), &unknown);
        assert!(matches!(refused, Err(Refusal::Unexpected(_))));
    }
}
