//! A small Kafka client: connections, metadata, admin requests.
//!
//! Never produces or fetches records, never spawns a task: a call runs in its caller's future. Versions are agreed
//! with each broker when a connection opens; every response passes the shape walker before it is decoded.
//! Called by the tools and the tests.

pub mod address;
pub mod admin;
#[cfg(test)]
mod arbitrary;
pub mod cluster;
pub mod connection;
pub mod error;
#[cfg(test)]
mod fake_broker;
pub mod session;

pub use address::Address;
pub use admin::{
    ConfigChange, ConfigEntry, ConfigSource, ConfigSynonym, DescribedLogDir, DescribedQuotas,
    DescribedReplica, Effect, FeatureUpgrade, Features, FoundOffset, NewPartitions, NewTopic, OffsetQuery,
    Outcome, Placement, QuotaEntity, QuotaMatch, Resource, ServedApi,
};
pub use cluster::{Broker, Cluster, Partition, Topic};
pub use connection::{Connection, Ticket};
pub use error::{ClientError, Refusal};
pub use session::{Client, Settings};
