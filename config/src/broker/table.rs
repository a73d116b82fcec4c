//! Every setting of a broker of Kafka 3.9.1 by subject, the few that exist only in ZooKeeper, and ours (`own`).
//! The facts are those of `KafkaConfig.configDef` and `DynamicBrokerConfig`; the sentences are ours.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::define::{Setting, settings};

mod group;
mod kraft;
mod listener;
mod log;
mod metrics;
mod own;
mod quota;
mod remote;
mod replication;
mod sasl;
mod security;
mod server;
mod ssl;
mod topics;
mod transaction;
mod zookeeper;

const SUBJECTS: &[&[Setting]] = &[
    server::SETTINGS,
    zookeeper::SETTINGS,
    listener::SETTINGS,
    topics::SETTINGS,
    log::SETTINGS,
    replication::SETTINGS,
    group::SETTINGS,
    transaction::SETTINGS,
    security::SETTINGS,
    sasl::SETTINGS,
    ssl::SETTINGS,
    quota::SETTINGS,
    metrics::SETTINGS,
    remote::SETTINGS,
    kraft::SETTINGS,
];

/// Throttles that are set only while running (`QuotaConfigs.brokerQuotaConfigs`).
pub const THROTTLES: &[Setting] = settings! {
    /// Bytes per second that a leader may send to throttled followers.
    "leader.replication.throttled.rate": Long = "9223372036854775807", AtLeast(0), Medium;
    /// Bytes per second that a follower may fetch of throttled replicas.
    "follower.replication.throttled.rate": Long = "9223372036854775807", AtLeast(0), Medium;
    /// Bytes per second that may be moved between log directories.
    "replica.alter.log.dirs.io.max.bytes.per.second": Long = "9223372036854775807", AtLeast(0), Medium [acted];
};

static BY_NAME: LazyLock<BTreeMap<&'static str, &'static Setting>> = LazyLock::new(|| {
    let all = SUBJECTS.iter().copied().chain([own::SETTINGS]).flatten();
    all.map(|setting| (setting.name, setting)).collect()
});

/// All settings that may stand in a broker's properties file, in the order of their names.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    BY_NAME.values().copied()
}

/// The setting of that very name.
pub fn setting(name: &str) -> Option<&'static Setting> {
    BY_NAME.get(name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::define::Mode;

    #[test]
    fn has_every_setting_of_kafka_once() {
        assert_eq!(SUBJECTS.iter().map(|subject| subject.len()).sum::<usize>(), 328);
        assert_eq!(settings().filter(|setting| !setting.name.starts_with("ottla.")).count(), 328);
        let count = |mode| settings().filter(|setting| setting.mode == mode).count();
        assert_eq!((count(Mode::ClusterWide), count(Mode::PerBroker)), (52, 37));
    }

    #[test]
    fn every_default_is_valid_and_every_setting_has_one_sentence() {
        for setting in settings().chain(THROTTLES).chain(crate::topic::SETTINGS) {
            let default = setting.default.map(|text| setting.parse(text).map(|value| value.text()));
            assert_eq!(default, setting.default.map(|text| Ok(text.to_owned())), "{}", setting.name);
            let doc = setting.doc();
            assert!(doc.ends_with('.') && !doc.contains(". "), "{}: {doc}", setting.name);
        }
    }
}
