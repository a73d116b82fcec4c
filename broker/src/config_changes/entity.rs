//! What can have settings in ZooKeeper: a topic, a broker, all brokers. Each has one znode, and announcements name it.
//! Source: ConfigType, ConfigEntityName (3.9).

use protocol::BrokerId;
use zookeeper::paths;
use zookeeper::znodes::ConfigChange;

pub(super) const TOPICS: &str = "topics";
pub(super) const BROKERS: &str = "brokers";
/// The entity whose settings hold for all brokers.
const DEFAULT: &str = "<default>";

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ConfigEntity {
    Topic(String),
    Broker(BrokerId),
    AllBrokers,
}

impl ConfigEntity {
    /// `None`: of a kind that this broker has no settings of, or with an id that is none.
    pub(super) fn of(kind: &str, name: &str) -> Option<ConfigEntity> {
        match (kind, name) {
            (TOPICS, topic) => Some(ConfigEntity::Topic(topic.to_owned())),
            (BROKERS, DEFAULT) => Some(ConfigEntity::AllBrokers),
            (BROKERS, id) => id.parse().ok().map(|id| ConfigEntity::Broker(BrokerId(id))),
            _ => None,
        }
    }

    /// What tells all brokers that it changed.
    pub(crate) fn announcement(&self) -> ConfigChange {
        let (kind, entity) = self.kind_and_name();
        ConfigChange { entity_type: kind.to_owned(), entity }
    }

    pub(crate) fn path(&self) -> String {
        let (kind, name) = self.kind_and_name();
        paths::config(kind, &name)
    }

    fn kind_and_name(&self) -> (&'static str, String) {
        match self {
            ConfigEntity::Topic(topic) => (TOPICS, topic.clone()),
            ConfigEntity::Broker(id) => (BROKERS, id.to_string()),
            ConfigEntity::AllBrokers => (BROKERS, DEFAULT.to_owned()),
        }
    }
}
