//! Every path that Kafka keeps in ZooKeeper, one function or constant each.
//!
//! Owns the names; reads nothing. Paths are below the chroot. Called wherever a znode is named: no other file spells one.
//! Source: Kafka 3.9 `zk/ZkData.scala`.

use std::fmt::Display;

/// Where consumers of Kafka before 0.9 kept their offsets.
pub const CONSUMERS: &str = "/consumers";
/// The brokers that are alive, one ephemeral child each.
pub const BROKER_IDS: &str = "/brokers/ids";
/// Its data version numbers generated broker ids.
pub const BROKER_SEQUENCE: &str = "/brokers/seqid";
/// One child per topic, with the replicas of its partitions.
pub const TOPICS: &str = "/brokers/topics";
/// The parent of the cluster's id.
pub const CLUSTER: &str = "/cluster";
/// The cluster's id, never changed.
pub const CLUSTER_ID: &str = "/cluster/id";
/// Sequential children announce whose settings have changed.
pub const CONFIG_CHANGES: &str = "/config/changes";
/// The controller, ephemeral.
pub const CONTROLLER: &str = "/controller";
/// How many controllers there have been; its data version fences a controller's writes.
pub const CONTROLLER_EPOCH: &str = "/controller_epoch";
/// One child per topic that is to be deleted.
pub const DELETE_TOPICS: &str = "/admin/delete_topics";
/// The cluster's finalized features, of which there are none in ZooKeeper mode.
pub const FEATURE: &str = "/feature";
/// Sequential children name partitions whose ISR a leader has changed.
pub const ISR_CHANGES: &str = "/isr_change_notification";
/// Sequential children name brokers that have lost replicas with a log directory.
pub const LOG_DIR_EVENTS: &str = "/log_dir_event_notification";
/// Partitions whose preferred leader is to be elected.
pub const PREFERRED_ELECTION: &str = "/admin/preferred_replica_election";
/// The block of producer ids that was given out last.
pub const PRODUCER_ID_BLOCK: &str = "/latest_producer_id_block";
/// A reassignment as tools before KIP-455 ask for it.
pub const REASSIGN_PARTITIONS: &str = "/admin/reassign_partitions";

/// What every broker makes at every start, in Kafka's order (ZkData.PersistentZkPaths), with null data.
pub const PERSISTENT: [&str; 14] = [
    CONSUMERS,
    BROKER_IDS,
    TOPICS,
    CONFIG_CHANGES,
    DELETE_TOPICS,
    BROKER_SEQUENCE,
    ISR_CHANGES,
    PRODUCER_ID_BLOCK,
    LOG_DIR_EVENTS,
    "/config/topics",
    "/config/clients",
    "/config/users",
    "/config/brokers",
    "/config/ips",
];

/// A broker's registration.
pub fn broker(id: impl Display) -> String {
    format!("{BROKER_IDS}/{id}")
}

/// A topic's assignment.
pub fn topic(name: &str) -> String {
    format!("{TOPICS}/{name}")
}

/// The parent of a topic's partitions; null.
pub fn partitions(topic: &str) -> String {
    format!("{TOPICS}/{topic}/partitions")
}

/// The parent of a partition's state; null.
pub fn partition(topic: &str, partition: i32) -> String {
    format!("{TOPICS}/{topic}/partitions/{partition}")
}

/// Leader, epoch and ISR of a partition.
pub fn partition_state(topic: &str, partition: i32) -> String {
    format!("{TOPICS}/{topic}/partitions/{partition}/state")
}

/// The mark that a topic is to be deleted; null.
pub fn delete_topic(name: &str) -> String {
    format!("{DELETE_TOPICS}/{name}")
}

/// `entity_type` is `topics`, `brokers`, `users`, `clients` or `ips`.
pub fn config_type(entity_type: &str) -> String {
    format!("/config/{entity_type}")
}

/// `entity` is the sanitised name; `<default>` is the default entity.
pub fn config(entity_type: &str, entity: &str) -> String {
    format!("/config/{entity_type}/{entity}")
}

/// To be created as a sequential node: the server appends the number.
pub fn config_change_prefix() -> String {
    format!("{CONFIG_CHANGES}/config_change_")
}

/// One announcement, by the name that the server gave it.
pub fn config_change(name: &str) -> String {
    format!("{CONFIG_CHANGES}/{name}")
}

/// What ZooKeeper puts the number of the event behind.
pub fn new_log_dir_event() -> String {
    log_dir_event("log_dir_event_")
}

/// One event, by the name that the server gave it.
pub fn log_dir_event(name: &str) -> String {
    format!("{LOG_DIR_EVENTS}/{name}")
}

/// One notice, by the name that the server gave it.
pub fn isr_change(name: &str) -> String {
    format!("{ISR_CHANGES}/{name}")
}

/// The number that the server gave a sequential node (`config_change_0000000012` → 12).
pub fn sequence_number(name: &str) -> Option<i64> {
    name.rsplit_once('_').and_then(|(_, digits)| digits.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_kafkas() {
        assert_eq!(broker(7), "/brokers/ids/7");
        assert_eq!(partition_state("t", 3), "/brokers/topics/t/partitions/3/state");
        assert_eq!(config("brokers", "<default>"), "/config/brokers/<default>");
        assert_eq!(delete_topic("t"), "/admin/delete_topics/t");
        assert_eq!(config_change_prefix(), "/config/changes/config_change_");
    }

    #[test]
    fn sequence_numbers_are_read_from_the_end() {
        assert_eq!(sequence_number("config_change_0000000012"), Some(12));
        assert_eq!(sequence_number("config_change_"), None);
        assert_eq!(sequence_number("garbage"), None);
    }
}
