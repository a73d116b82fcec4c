//! What DescribeConfigs tells about a topic, a broker and the default of all brokers: every setting with
//! its value, where the value comes from, and all the places it could have come from, sorted by name. It
//! decides no error codes and knows no wire format. Source: `ConfigHelper` (3.9).

use crate::broker::names;
use crate::broker::reader::Reader;
use crate::broker::table;
use crate::define::{Mode, Setting, Type, Value, Visibility};
use crate::layers::{ConfigMap, Layers};
use crate::topic::{self, TopicDefaults};

/// One setting of a described topic or broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    /// None for null and for everything that is sensitive.
    pub value: Option<String>,
    pub source: Source,
    /// None, which is 0 on the wire, where the setting is not known to us.
    pub kind: Option<Type>,
    pub sensitive: bool,
    pub read_only: bool,
    /// One sentence; none where the setting is not known to us.
    pub doc: Option<&'static str>,
    /// Where a value is set, the one in force first.
    pub synonyms: Vec<Synonym>,
}

/// A place where the value of a setting is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synonym {
    pub name: String,
    pub value: Option<String>,
    pub source: Source,
}

/// Where a value comes from, with DescribeConfigs' numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub enum Source {
    Topic = 1,
    DynamicBroker = 2,
    DynamicDefaultBroker = 3,
    StaticBroker = 4,
    Default = 5,
}

/// The settings of a topic whose znode holds `overrides`.
pub fn topic(layers: &Layers, defaults: &TopicDefaults, overrides: &ConfigMap) -> Vec<Entry> {
    let values = defaults.values(overrides);
    let known = topic::SETTINGS.iter().map(|setting| {
        let value = values.get(setting.name).map(Value::text);
        let mut synonyms = topic_synonyms(layers, setting.name);
        if overrides.contains_key(setting.name) {
            synonyms.insert(0, synonym(setting.name, value.clone(), Source::Topic));
        }
        Entry { read_only: false, ..entry(setting.name, Some(setting), value, synonyms) }
    });
    let unknown = overrides.keys().filter(|name| topic::setting(name).is_none()).map(|name| {
        let synonyms = vec![synonym(name, None, Source::Topic)];
        Entry { read_only: false, ..entry(name, None, None, synonyms) }
    });
    sorted(known.chain(unknown))
}

/// All settings of the broker itself.
pub fn broker(layers: &Layers) -> Vec<Entry> {
    let effective = layers.effective();
    let reader = Reader::new(&effective);
    let public = table::settings().filter(|setting| setting.visibility == Visibility::Public);
    let known = public.map(|setting| {
        let value = reader.value(setting.name).map(Value::text);
        described(layers, setting.name, value)
    });
    let shown = |name: &&String| {
        table::setting(name).is_none_or(|setting| setting.visibility == Visibility::Internal)
    };
    let others = effective.keys().filter(shown);
    let others = others.map(|name| described(layers, name, effective.get(name).cloned()));
    sorted(known.chain(others))
}

/// What is set for all brokers while they run, and nothing else.
pub fn cluster(layers: &Layers) -> Vec<Entry> {
    let entry = |(name, text): (&String, &String)| {
        let mut entry = described(layers, name, Some(text.clone()));
        entry.synonyms.retain(|synonym| synonym.source == Source::DynamicDefaultBroker);
        entry.source = entry.synonyms.first().map_or(Source::Default, |synonym| synonym.source);
        entry
    };
    sorted(layers.cluster.iter().map(entry))
}

fn described(layers: &Layers, name: &str, value: Option<String>) -> Entry {
    let synonyms = synonyms(layers, name, &names::synonyms(name));
    entry(name, names::setting_behind(name), value, synonyms)
}

fn entry(
    name: &str,
    setting: Option<&'static Setting>,
    value: Option<String>,
    synonyms: Vec<Synonym>,
) -> Entry {
    let sensitive = setting.is_none_or(Setting::sensitive);
    Entry {
        name: name.to_owned(),
        value: value.filter(|_| !sensitive),
        source: synonyms.first().map_or(Source::Default, |synonym| synonym.source),
        kind: setting.map(|setting| setting.kind),
        sensitive,
        read_only: table::setting(name).is_none_or(|setting| setting.mode == Mode::ReadOnly),
        doc: setting.map(Setting::doc),
        synonyms,
    }
}

fn topic_synonyms(layers: &Layers, name: &str) -> Vec<Synonym> {
    let broker = topic::BROKER_SYNONYMS.iter().find(|(topic, _)| *topic == name);
    match broker.and_then(|(_, names)| names.first()) {
        Some(name) => synonyms(layers, name, &names::synonyms(name)),
        None => Vec::new(),
    }
}

/// Every place where one of the names is set, strongest first. Kafka begins with the first place that sets
/// the name itself, so that a time set in hours alone has none under its name in milliseconds.
fn synonyms(layers: &Layers, name: &str, names: &[&str]) -> Vec<Synonym> {
    let sensitive = names::sensitive(name);
    let set = |map: &ConfigMap, source| {
        let one = |name: &&str| map.get(*name).map(|text| synonym(name, Some(text.clone()), source));
        names.iter().filter_map(one).collect::<Vec<_>>()
    };
    let default = |name: &&str| {
        let value = table::setting(name)?.default_value()?;
        Some(synonym(name, Some(value.text()), Source::Default))
    };
    let mut all = set(&layers.broker, Source::DynamicBroker);
    all.extend(set(&layers.cluster, Source::DynamicDefaultBroker));
    all.extend(set(&layers.fixed, Source::StaticBroker));
    all.extend(names.iter().filter_map(default));
    let hidden = |synonym: Synonym| Synonym { value: synonym.value.filter(|_| !sensitive), ..synonym };
    all.into_iter().skip_while(|synonym| synonym.name != name).map(hidden).collect()
}

fn synonym(name: &str, value: Option<String>, source: Source) -> Synonym {
    Synonym { name: name.to_owned(), value, source }
}

fn sorted(entries: impl Iterator<Item = Entry>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = entries.collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The layers that Kafka had when it answered what is in `facts/`.
    fn layers() -> Layers {
        let fixed = "broker.id=7\nlisteners=PLAINTEXT://127.0.0.1:21101\nlog.dirs=/var/lib/logs\n\
            zookeeper.connect=127.0.0.1:21100/kafka\nlog.retention.hours=24\nlog.retention.minutes=2000\n\
            log.roll.hours=48\nnum.partitions=2\nmy.unknown.key=abc\n\
            listener.name.plaintext.max.connections=77\n\
            listener.name.plaintext.ssl.keystore.password=x\noffsets.topic.replication.factor=1\n\
            log.flush.scheduler.interval.ms=5000\nlog.cleanup.policy=compact, delete\n\
            ssl.keystore.password=x\nlog.initial.task.delay.ms=1000\nmessage.max.bytes = 2000000 \n";
        let mut layers = Layers::new(&crate::properties::Properties::parse(fixed.as_bytes()).unwrap());
        layers.broker = map(&[
            ("log.retention.ms", "7200000"),
            ("log.roll.ms", "3600000"),
            ("nosuch", "5"),
            ("log.cleanup.policy", "compact"),
        ]);
        layers.cluster = map(&[
            ("log.retention.ms", "9000000"),
            ("message.max.bytes", "3000000"),
            ("leader.replication.throttled.rate", "1000"),
            ("listener.name.plaintext.max.connections", "9"),
            ("nosuch2", "6"),
        ]);
        layers
    }

    fn map(pairs: &[(&str, &str)]) -> ConfigMap {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn check(entries: &[Entry], facts: &str) {
        let found: Vec<String> = entries.iter().map(line).collect();
        let expected: Vec<&str> = facts.lines().filter(|line| !line.starts_with('#')).collect();
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected);
        }
        assert_eq!(found.len(), expected.len());
    }

    fn line(entry: &Entry) -> String {
        let null = |value: &Option<String>| value.clone().unwrap_or_else(|| "<null>".to_owned());
        let kind = entry.kind.map_or_else(|| "UNKNOWN".to_owned(), |kind| kind.to_string());
        let one = |s: &Synonym| format!("{}:{}={};", source(s.source), s.name, null(&s.value));
        let synonyms: String = entry.synonyms.iter().map(one).collect();
        let (name, value, source) = (&entry.name, null(&entry.value), source(entry.source));
        format!("{name}\t{value}\t{source}\t{kind}\t{}\t{}\t{synonyms}", entry.sensitive, entry.read_only)
    }

    fn source(source: Source) -> &'static str {
        match source {
            Source::Topic => "DYNAMIC_TOPIC_CONFIG",
            Source::DynamicBroker => "DYNAMIC_BROKER_CONFIG",
            Source::DynamicDefaultBroker => "DYNAMIC_DEFAULT_BROKER_CONFIG",
            Source::StaticBroker => "STATIC_BROKER_CONFIG",
            Source::Default => "DEFAULT_CONFIG",
        }
    }

    #[test]
    fn describes_a_broker_as_kafka_does() {
        check(&broker(&layers()), include_str!("describe/facts/broker.tsv"));
    }

    #[test]
    fn describes_the_default_of_all_brokers_as_kafka_does() {
        check(&cluster(&layers()), include_str!("describe/facts/cluster.tsv"));
    }

    #[test]
    fn describes_topics_as_kafka_does() {
        let layers = layers();
        let defaults = layers.config().unwrap().topic_defaults;
        let own = map(&[
            ("retention.ms", " 3600000"),
            ("cleanup.policy", "compact , delete"),
            ("min.cleanable.dirty.ratio", ".3"),
        ]);
        check(&topic(&layers, &defaults, &own), include_str!("describe/facts/topic_t.tsv"));
        check(&topic(&layers, &defaults, &ConfigMap::new()), include_str!("describe/facts/topic_plain.tsv"));
    }

    #[test]
    fn an_unknown_setting_of_a_topic_is_described_without_its_value() {
        let layers = layers();
        let defaults = layers.config().unwrap().topic_defaults;
        let entries = topic(&layers, &defaults, &map(&[("future.setting", "secret")]));
        let entry = entries.iter().find(|entry| entry.name == "future.setting").unwrap();
        assert_eq!((entry.value.as_deref(), entry.sensitive, entry.source), (None, true, Source::Topic));
    }
}
