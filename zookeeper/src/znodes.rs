//! What Kafka writes into znodes: one type each, read and written as Kafka 3.9 does, byte for byte.
//!
//! Owns the JSON layouts; pure, and reads no znode itself. Unknown fields are ignored; missing or wrong ones are errors that
//! name the path. Kafka prints keys in the order of Scala's and Java's hash tables, which `key_order` reproduces.
//! Source: Kafka 3.9 `zk/ZkData.scala`, checked against the znodes of a running 3.9.1 cluster.

use thiserror::Error;

mod broker;
mod cluster_id;
mod config;
mod controller;
mod feature;
mod json;
mod key_order;
mod log_dir_event;
mod partition_state;
mod producer_id_block;
mod quota_entity;
mod topic;

pub use broker::{BrokerRegistration, Endpoint};
pub use cluster_id::ClusterId;
pub use config::{ConfigChange, EntityConfig};
pub use controller::{Controller, decode_controller_epoch, encode_controller_epoch};
pub use feature::{Feature, FeatureStatus};
pub use log_dir_event::LogDirEvent;
pub use partition_state::{LeaderRecovery, PartitionState};
pub use producer_id_block::ProducerIdBlock;
pub use quota_entity::{QuotaEntity, QuotaName};
pub use topic::{Assignment, Topic};

/// A znode that is not what its path promises.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("znode {path}: {problem}")]
pub struct ZnodeError {
    pub path: String,
    pub problem: String,
}
