//! Every path that Kafka keeps in ZooKeeper, one function or constant each.
//!
//! Owns the names; reads nothing. Paths are below the chroot. Called wherever a znode is named: no other file spells one.
//! Source: Kafka 3.9 `zk/ZkData.scala`.

use std::fmt::Display;

pub const CONSUMERS: &str = "/consumers";
pub const BROKER_IDS: &str = "/brokers/ids";
pub const BROKER_SEQUENCE: &str = "/brokers/seqid";
pub const TOPICS: &str = "/brokers/topics";
pub const CLUSTER: &str = "/cluster";
pub const CLUSTER_ID: &str = "/cluster/id";
pub const CONFIG_CHANGES: &str = "/config/changes";
pub const CONTROLLER: &str = "/controller";
pub const CONTROLLER_EPOCH: &str = "/controller_epoch";
pub const DELETE_TOPICS: &str = "/admin/delete_topics";
pub const FEATURE: &str = "/feature";
pub const ISR_CHANGES: &str = "/isr_change_notification";
pub const LOG_DIR_EVENTS: &str = "/log_dir_event_notification";
pub const PREFERRED_ELECTION: &str = "/admin/preferred_replica_election";
pub const PRODUCER_ID_BLOCK: &str = "/latest_producer_id_block";
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

pub fn broker(id: impl Display) -> String {
    format!("{BROKER_IDS}/{id}")
}

pub fn topic(name: &str) -> String {
    format!("{TOPICS}/{name}")
}

pub fn partitions(topic: &str) -> String {
    format!("{TOPICS}/{topic}/partitions")
}

pub fn partition(topic: &str, partition: i32) -> String {
    format!("{TOPICS}/{topic}/partitions/{partition}")
}

pub fn partition_state(topic: &str, partition: i32) -> String {
    format!("{TOPICS}/{topic}/partitions/{partition}/state")
}

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

pub fn config_change(name: &str) -> String {
    format!("{CONFIG_CHANGES}/{name}")
}

/// What ZooKeeper puts the number of the event behind.
pub fn new_log_dir_event() -> String {
    log_dir_event("log_dir_event_")
}

pub fn log_dir_event(name: &str) -> String {
    format!("{LOG_DIR_EVENTS}/{name}")
}

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
