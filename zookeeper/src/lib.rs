//! The znodes of Kafka and the session that reads and writes them.
//!
//! Owns every path, every JSON layout and the one ZooKeeper session of a broker; decides nothing about brokers or topics.
//! The broker calls it through `store::MetadataStore`. `async` lives in `session` alone; the rest is pure.
//! Source: Kafka 3.9 `zk/ZkData.scala`, `zk/KafkaZkClient.scala`; ZooKeeper 3.8's wire protocol.

pub mod connect_string;
pub mod events;
pub mod paths;
pub mod session;
pub mod store;
pub mod tree;
pub mod znodes;
