//! Settings of topics and brokers, levels of loggers, subscriptions of client metrics: described, and changed one by one but for
//! brokers, whose settings Kafka's tool replaces as a whole. Source: ConfigCommand (3.9).

use std::io::Write;

use client::{Client, ConfigChange, ConfigEntry, ConfigSource, Resource};
use coordinator::topics::check_name;
use protocol::BrokerId;

use super::command::{BROKER_LOGGERS, BROKERS, CLIENT_METRICS, Command, TOPICS};
use super::through_brokers::{Changes, singular};
use super::trouble::Trouble;
use crate::java_hash::{in_hash_order, in_map_order};

const LIST_CLIENT_METRICS_RESOURCES: i16 = 74;

pub(super) async fn alter(command: &Command, cluster: &mut Client, changes: &Changes) -> Result<(), Trouble> {
    let kind = command.kind();
    let resource = resource(kind, command.names.first().map_or("", String::as_str))?;
    let present = entries(cluster, &resource, Shown::Changed).await?;
    let has = |name: &String| present.iter().any(|entry| entry.name == *name);
    let (what, mut absent): (&str, Vec<&str>) =
        ("config", changes.deleted.iter().filter(|name| !has(name)).map(String::as_str).collect());
    let what = match kind {
        BROKER_LOGGERS => {
            absent.extend(
                changes.added.iter().map(|(name, _)| name).filter(|name| !has(name)).map(String::as_str),
            );
            "broker logger"
        }
        _ => what,
    };
    if !absent.is_empty() {
        return Trouble::told(format!("Invalid {what}(s): {}", absent.join(",")));
    }
    if kind == BROKERS {
        return replace(cluster, &resource, present, changes).await;
    }
    let set = changes
        .added
        .iter()
        .map(|(name, value)| ConfigChange::Set { name: name.clone(), value: value.clone() });
    let delete = changes.deleted.iter().map(|name| ConfigChange::Delete { name: name.clone() });
    let outcomes = cluster.alter_configs(&[(resource, set.chain(delete).collect())]).await?;
    Ok(outcomes.into_iter().collect::<Result<(), _>>()?)
}

/// The settings that were there, with those that are changed. Values that are not shown have to be given again.
async fn replace(
    cluster: &mut Client,
    resource: &Resource,
    present: Vec<ConfigEntry>,
    changes: &Changes,
) -> Result<(), Trouble> {
    let mut wanted = changes.added.clone();
    let mut hidden = Vec::new();
    for entry in present {
        if changes.deleted.contains(&entry.name) || wanted.iter().any(|(name, _)| *name == entry.name) {
            continue;
        }
        match entry.value {
            Some(value) => wanted.push((entry.name, value)),
            None => hidden.push(entry.name),
        }
    }
    wanted.retain(|(name, _)| !changes.deleted.contains(name));
    if !hidden.is_empty() {
        return Trouble::told(format!(
            "All sensitive broker config entries must be specified for --alter, missing entries: Set({})",
            hidden.join(", ")
        ));
    }
    Ok(cluster.replace_configs(resource, &wanted).await??)
}

pub(super) async fn describe(
    command: &Command,
    cluster: &mut Client,
    out: &mut dyn Write,
) -> Result<(), Trouble> {
    let kind = command.kind();
    let names = match command.names.first() {
        Some(name) => vec![name.clone()],
        None => all_names(kind, cluster).await?,
    };
    let shown = if command.has("all") { Shown::All } else { Shown::Changed };
    for name in names {
        let all = if shown == Shown::All { "All" } else { "Dynamic" };
        match name.as_str() {
            "" => writeln!(out, "Default configs for {kind} in the cluster are:")?,
            name => writeln!(out, "{all} configs for {} {name} are:", singular(kind))?,
        }
        for entry in entries(cluster, &resource(kind, &name)?, shown).await? {
            writeln!(out, "{}", line(&entry))?;
        }
    }
    Ok(())
}

fn line(entry: &ConfigEntry) -> String {
    let text = |value: &Option<String>| value.as_deref().unwrap_or("null").to_owned();
    let synonyms: Vec<String> = entry
        .synonyms
        .iter()
        .map(|synonym| format!("{}:{}={}", word(synonym.source), synonym.name, text(&synonym.value)))
        .collect();
    let (name, value, sensitive) = (&entry.name, text(&entry.value), entry.sensitive);
    format!("  {name}={value} sensitive={sensitive} synonyms={{{}}}", synonyms.join(", "))
}

/// `ConfigEntry.ConfigSource`
fn word(source: ConfigSource) -> &'static str {
    match source {
        ConfigSource::Topic => "DYNAMIC_TOPIC_CONFIG",
        ConfigSource::DynamicBroker => "DYNAMIC_BROKER_CONFIG",
        ConfigSource::DynamicDefaultBroker => "DYNAMIC_DEFAULT_BROKER_CONFIG",
        ConfigSource::DynamicBrokerLogger => "DYNAMIC_BROKER_LOGGER_CONFIG",
        ConfigSource::ClientMetrics => "DYNAMIC_CLIENT_METRICS_CONFIG",
        ConfigSource::StaticBroker => "STATIC_BROKER_CONFIG",
        ConfigSource::Default => "DEFAULT_CONFIG",
        ConfigSource::Unknown => "UNKNOWN",
    }
}

/// In the order of Java's hash tables.
async fn all_names(kind: &str, cluster: &mut Client) -> Result<Vec<String>, Trouble> {
    match kind {
        TOPICS => {
            let topics = cluster.list_topics().await?;
            let names = topics.into_iter().map(|topic| topic.name).collect();
            Ok(in_map_order(names, 16, |name: &String| name))
        }
        BROKERS => {
            let ids = cluster.describe_cluster().await?.brokers.iter().map(|broker| broker.id).collect();
            let ids = in_hash_order(ids, 16, |id: &BrokerId| id.0.cast_unsigned());
            // The empty name is the default of all.
            Ok(ids.iter().map(BrokerId::to_string).chain([String::new()]).collect())
        }
        _ => {
            let api = "LIST_CLIENT_METRICS_RESOURCES";
            Err(Trouble::not_asked(cluster, LIST_CLIENT_METRICS_RESOURCES, api).await)
        }
    }
}

fn resource(kind: &str, name: &str) -> Result<Resource, Trouble> {
    let id = || match name.parse() {
        Ok(id) => Ok(BrokerId(id)),
        Err(_) => Trouble::told(format!(
            "The entity name for {kind} must be a valid integer broker id, found: {name}"
        )),
    };
    match kind {
        TOPICS => match check_name(name) {
            Err(flaw) if !name.is_empty() => {
                let text = format!("Topic name is invalid: {flaw}");
                Err(Trouble::thrown("org.apache.kafka.common.errors.InvalidTopicException", &text))
            }
            Ok(()) | Err(_) => Ok(Resource::Topic(name.to_owned())),
        },
        BROKERS if name.is_empty() => Ok(Resource::Broker(None)),
        BROKERS => Ok(Resource::Broker(Some(id()?))),
        BROKER_LOGGERS => Ok(Resource::BrokerLogger(id()?)),
        CLIENT_METRICS => Ok(Resource::ClientMetrics(name.to_owned())),
        _ => Trouble::told(format!("Invalid entity type: {kind}")),
    }
}

/// Which settings are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    All,
    /// Those that were set for this very resource while the cluster ran.
    Changed,
}

/// Ordered by name.
async fn entries(
    cluster: &mut Client,
    resource: &Resource,
    shown: Shown,
) -> Result<Vec<ConfigEntry>, Trouble> {
    let changed = match resource {
        Resource::Topic(_) => Some(ConfigSource::Topic),
        Resource::Broker(None) => Some(ConfigSource::DynamicDefaultBroker),
        Resource::Broker(Some(_)) => Some(ConfigSource::DynamicBroker),
        Resource::BrokerLogger(_) => None,
        Resource::ClientMetrics(_) => Some(ConfigSource::ClientMetrics),
    };
    let outcomes = cluster.describe_configs(std::slice::from_ref(resource)).await?;
    let mut entries = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    entries.retain(|entry| shown == Shown::All || changed.is_none_or(|source| entry.source == source));
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}
