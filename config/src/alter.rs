//! Changing settings while running: the pure part of AlterConfigs and IncrementalAlterConfigs. Each
//! function takes the map a znode holds and answers the map to write, or why not, with Kafka's code and
//! text. It writes nothing itself. Source: `ConfigAdminManager`, `ZkAdminManager`, `DynamicBrokerConfig`.

use crate::define::{Setting, Type};
use crate::layers::{ConfigMap, Layers, Scope};
use crate::topic::{self, TopicConfigError, TopicDefaults};

mod broker;

pub use broker::dynamic_broker_change;

/// One operation of IncrementalAlterConfigs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub name: String,
    pub op: Op,
    pub value: Option<String>,
}

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

/// What a broker resource's name stands for when it is changed: the empty name for all brokers.
pub fn broker_resource(name: &str, broker_id: i32) -> Result<Scope, Refusal> {
    if name.is_empty() {
        return Ok(Scope::Cluster);
    }
    match name.parse::<i32>() {
        Ok(id) if id == broker_id => Ok(Scope::Broker),
        Ok(_) => Err(Refusal::InvalidRequest(format!(
            "Unexpected broker id, expected {broker_id}, but received {name}"
        ))),
        Err(_) => Err(Refusal::InvalidRequest(format!("Node id must be an integer, but it is: {name}"))),
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

fn appended(present: &str, value: &str) -> String {
    let mut items = if present.is_empty() { Vec::new() } else { java_split(present) };
    let added: Vec<&str> = java_split(value).into_iter().filter(|item| !items.contains(item)).collect();
    items.extend(added);
    items.join(",")
}

fn subtracted(present: &str, value: &str) -> String {
    let mut items = java_split(present);
    for gone in java_split(value) {
        if let Some(at) = items.iter().position(|item| *item == gone) {
            items.remove(at);
        }
    }
    items.join(",")
}

/// Java's `split(",")`, which drops empty parts at the end but gives one empty part for an empty text.
fn java_split(text: &str) -> Vec<&str> {
    if text.is_empty() {
        return vec![""];
    }
    text.trim_end_matches(',').split(',').filter(|_| text.bytes().any(|b| b != b',')).collect()
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
    if names.iter().enumerate().any(|(at, name)| names[..at].contains(name)) {
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
