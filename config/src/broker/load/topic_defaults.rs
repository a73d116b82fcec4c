//! What topics have without settings of their own: the broker's settings under the topic's names
//! (`KafkaConfig.extractLogConfigMap`, 3.9).

use crate::broker::reader::Reader;
use crate::broker::requirements;
use crate::define::Value;
use crate::layers::ConfigMap;
use crate::topic::BROKER_SYNONYMS;
use crate::version::ProtocolVersion;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

pub(crate) fn values(reader: &Reader<'_>) -> ConfigMap {
    let text = |(topic, broker): &(&str, &[&str])| {
        let text = match *topic {
            "message.format.version" => Some(format_version(reader)),
            "message.timestamp.before.max.ms" | "message.timestamp.after.max.ms" => {
                broker.first().and_then(|name| timestamp_limit(reader, name)).map(|ms| ms.to_string())
            }
            "retention.ms" => first(reader, broker).map(|ms| ms.max(-1).to_string()),
            _ if broker.len() > 1 => first(reader, broker).map(|ms| ms.to_string()),
            _ => broker.first().and_then(|name| reader.value(name)).map(Value::text),
        };
        text.map(|text| ((*topic).to_owned(), text))
    };
    BROKER_SYNONYMS.iter().filter_map(text).collect()
}

/// The broker's settings that a topic's setting comes from.
pub(super) fn broker_names(topic: &str) -> &'static [&'static str] {
    BROKER_SYNONYMS.iter().find(|(name, _)| *name == topic).map_or(&[], |(_, names)| names)
}

/// The first of several times that is set, in milliseconds.
fn first(reader: &Reader<'_>, names: &[&str]) -> Option<i64> {
    let ms = |name: &&str| {
        let unit = match name.rsplit_once('.') {
            Some((_, "hours")) => HOUR_MS,
            Some((_, "minutes")) => MINUTE_MS,
            _ => 1,
        };
        reader.integer(name).map(|number| number.saturating_mul(unit))
    };
    names.iter().find_map(ms)
}

/// The older setting for both limits stands in for one that has its default
/// (`KafkaConfig.logMessageTimestampBeforeMaxMs`).
fn timestamp_limit(reader: &Reader<'_>, name: &str) -> Option<i64> {
    let own = reader.integer(name).filter(|ms| *ms != i64::MAX);
    own.or_else(|| reader.integer("log.message.timestamp.difference.max.ms"))
}

/// Ignored, and shown as 3.0, where the protocol between brokers is 3.0 or later.
fn format_version(reader: &Reader<'_>) -> String {
    let format = reader.text("log.message.format.version").and_then(ProtocolVersion::parse);
    let protocol = requirements::version(reader);
    match (format, protocol) {
        (Some(format), Some(protocol)) if !protocol.is_at_least("3.0-IV1") => format.to_string(),
        _ => "3.0-IV1".to_owned(),
    }
}
