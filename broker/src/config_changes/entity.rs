//! What can have settings in ZooKeeper: a topic, a broker, all brokers, an address, all addresses, a user, a client. Each has one znode, and
//! announcements name it.
//! Source: ConfigType, ConfigEntityName (3.9).

use protocol::BrokerId;
use zookeeper::paths;
use zookeeper::znodes::{ConfigChange, QuotaEntity};

pub(super) const TOPICS: &str = "topics";
pub(super) const BROKERS: &str = "brokers";
pub(super) const IPS: &str = "ips";
pub(super) const CLIENTS: &str = "clients";
pub(super) const USERS: &str = "users";
/// The entity whose settings hold for all others of its kind.
const DEFAULT: &str = "<default>";

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ConfigEntity {
    Topic(String),
    Broker(BrokerId),
    AllBrokers,
    /// An address, or a host's name.
    Ip(String),
    AllIps,
    /// A user, a client id, or both together.
    Quota(QuotaEntity),
}

impl ConfigEntity {
    /// `None`: of a kind that this broker has no settings of, or with an id that is none.
    pub(super) fn of(kind: &str, name: &str) -> Option<ConfigEntity> {
        match (kind, name) {
            (TOPICS, topic) => Some(ConfigEntity::Topic(topic.to_owned())),
            (BROKERS, DEFAULT) => Some(ConfigEntity::AllBrokers),
            (BROKERS, id) => id.parse().ok().map(|id| ConfigEntity::Broker(BrokerId(id))),
            (IPS, DEFAULT) => Some(ConfigEntity::AllIps),
            (IPS, ip) => Some(ConfigEntity::Ip(ip.to_owned())),
            (CLIENTS | USERS, name) => {
                let change = ConfigChange { entity_type: kind.to_owned(), entity: name.to_owned() };
                QuotaEntity::of(&change).map(ConfigEntity::Quota)
            }
            _ => None,
        }
    }

    /// What tells all brokers that it changed.
    pub(crate) fn announcement(&self) -> ConfigChange {
        let (kind, entity) = match self {
            ConfigEntity::Topic(topic) => (TOPICS, topic.clone()),
            ConfigEntity::Broker(id) => (BROKERS, id.to_string()),
            ConfigEntity::AllBrokers => (BROKERS, DEFAULT.to_owned()),
            ConfigEntity::Ip(ip) => (IPS, ip.clone()),
            ConfigEntity::AllIps => (IPS, DEFAULT.to_owned()),
            ConfigEntity::Quota(entity) => return entity.announcement(),
        };
        ConfigChange { entity_type: kind.to_owned(), entity }
    }

    pub(crate) fn path(&self) -> String {
        let ConfigChange { entity_type, entity } = self.announcement();
        paths::config(&entity_type, &entity)
    }
}
