//! How the names of broker settings relate: settings of one listener (`listener.name.internal.…`) to the
//! general ones, times in hours to the same in milliseconds, and misspelt keys to the nearest real one.
//! Source: `DynamicBrokerConfig.brokerConfigSynonyms` and `KafkaConfig.configType` (3.9).

use crate::broker::table::{self, THROTTLES};
use crate::define::{Setting, Type};

/// Settings of a listener and a SASL mechanism, whose names end in these.
const MECHANISM_SETTINGS: &[&str] = &[
    "sasl.jaas.config",
    "sasl.login.callback.handler.class",
    "sasl.login.class",
    "sasl.server.callback.handler.class",
    "connections.max.reauth.ms",
];

const ROLL: &[&str] = &["log.roll.ms", "log.roll.hours"];
const JITTER: &[&str] = &["log.roll.jitter.ms", "log.roll.jitter.hours"];
const RETENTION: &[&str] = &["log.retention.ms", "log.retention.minutes", "log.retention.hours"];
const FLUSH: &[&str] = &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"];

/// Settings that a listener may have of its own and that we act on (`SocketServer.ListenerReconfigurableConfigs`).
const ACTED_ON_FOR_A_LISTENER: &[&str] = &["max.connections", "max.connection.creation.rate"];

/// What follows `listener.name.<listener>.`, where a name starts so.
pub(crate) fn of_listener(name: &str) -> Option<&str> {
    let (_, rest) = name.strip_prefix("listener.name.")?.split_once('.')?;
    Some(rest)
}

/// Whether a listener's own setting has an effect.
pub(crate) fn acted_on_for_listener(name: &str) -> bool {
    of_listener(name).is_some_and(|rest| ACTED_ON_FOR_A_LISTENER.contains(&rest))
}

/// The general setting behind the setting of a listener.
pub(crate) fn general(name: &str) -> Option<&str> {
    let rest = of_listener(name)?;
    Some(MECHANISM_SETTINGS.iter().copied().find(|setting| rest.ends_with(setting)).unwrap_or(rest))
}

/// The names under which the same thing can be set, the strongest first.
pub(crate) fn synonyms(name: &str) -> Vec<&str> {
    if let Some(group) = times(name) {
        return group.to_vec();
    }
    std::iter::once(name).chain(general(name)).collect()
}

/// The same without the general setting behind a listener's: what a setting replaces when it is set in a
/// higher layer. The general setting stays, because other listeners use it.
pub(crate) fn replaced(name: &str) -> Vec<&str> {
    times(name).map_or_else(|| vec![name], <[_]>::to_vec)
}

fn times(name: &str) -> Option<&'static [&'static str]> {
    let flush = (name == FLUSH[0]).then_some(FLUSH);
    [ROLL, JITTER, RETENTION].into_iter().find(|group| group.contains(&name)).or(flush)
}

/// The setting that tells the type of a name, also of a listener's setting.
pub(crate) fn setting_behind(name: &str) -> Option<&'static Setting> {
    let throttle = || THROTTLES.iter().find(|setting| setting.name == name);
    table::setting(name).or_else(throttle).or_else(|| general(name).and_then(table::setting))
}

/// Whether the value of a name must not be shown; what is not known might be a secret.
pub(crate) fn sensitive(name: &str) -> bool {
    setting_behind(name).is_none_or(|setting| setting.kind == Type::Password)
}

/// The known key that a misspelt one most likely stands for.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    let tolerated = name.len() / 5 + 1;
    table::settings()
        .map(|setting| (edit_distance(name, setting.name), setting.name))
        .min()
        .filter(|(distance, _)| *distance <= tolerated)
        .map(|(_, name)| name)
}

/// Letters to insert, delete or replace (Levenshtein).
fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_setting_behind_a_listeners_setting() {
        assert_eq!(general("listener.name.internal.max.connections"), Some("max.connections"));
        assert_eq!(general("listener.name.x.scram-sha-256.sasl.jaas.config"), Some("sasl.jaas.config"));
        assert_eq!(general("listeners"), None);
        assert_eq!(general("listener.name.internal"), None);
    }

    #[test]
    fn orders_the_names_of_a_time() {
        assert_eq!(synonyms("log.retention.hours"), RETENTION);
        assert_eq!(synonyms("log.flush.interval.ms"), FLUSH);
        assert_eq!(synonyms("log.flush.scheduler.interval.ms"), ["log.flush.scheduler.interval.ms"]);
        assert_eq!(
            synonyms("listener.name.a.ssl.protocol"),
            ["listener.name.a.ssl.protocol", "ssl.protocol"]
        );
        assert_eq!(replaced("listener.name.a.ssl.protocol"), ["listener.name.a.ssl.protocol"]);
    }

    #[test]
    fn finds_the_key_that_was_meant() {
        assert_eq!(nearest("num.partition"), Some("num.partitions"));
        assert_eq!(nearest("log.retention.hour"), Some("log.retention.hours"));
        assert_eq!(nearest("zookeper.connect"), Some("zookeeper.connect"));
        assert_eq!(nearest("super.users"), None);
    }
}
