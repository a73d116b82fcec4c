//! What the controller knows of brokers, topics and partitions, as plain values.
//! The shapes follow the znodes, not their JSON: the `zookeeper` crate reads and writes that.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use protocol::ids::{BrokerEpoch, BrokerId, ControllerEpoch, LeaderEpoch, TopicId};

/// Shared by all partitions of the topic.
pub type TopicName = Arc<str>;

/// The data version of a znode. Of a partition's `state` znode it is what Kafka calls the partition epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub i32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A registered broker. Its epoch is the czxid of `/brokers/ids/N`: another one means another life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    pub id: BrokerId,
    pub epoch: BrokerEpoch,
    pub endpoints: Vec<Endpoint>,
    pub rack: Option<String>,
}

/// Where a broker can be reached by the name of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub listener: String,
    pub security_protocol: SecurityProtocol,
    pub host: String,
    pub port: u16,
}

/// The numbers are those of UpdateMetadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i16)]
pub enum SecurityProtocol {
    Plaintext = 0,
    Ssl = 1,
    SaslPlaintext = 2,
    SaslSsl = 3,
}

/// `/brokers/topics/T`. The id is missing when a tool older than 2.8-IV1 made the topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicAssignment {
    pub id: Option<TopicId>,
    pub partitions: BTreeMap<i32, Assignment>,
}

/// A topic's assignment with the version of its znode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTopic {
    pub assignment: TopicAssignment,
    pub version: Version,
}

/// Who is to keep a partition: the first replica is the preferred leader. `adding` and `removing` name those of
/// `replicas` that a reassignment brings in or takes out (KIP-455).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assignment {
    pub replicas: Vec<BrokerId>,
    pub adding: Vec<BrokerId>,
    pub removing: Vec<BrokerId>,
}

impl Assignment {
    /// Replicas without a reassignment under way.
    pub fn of(replicas: impl Into<Vec<BrokerId>>) -> Assignment {
        Assignment { replicas: replicas.into(), ..Assignment::default() }
    }
}

/// `/brokers/topics/T/partitions/N/state`. No leader is -1 in the znode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionState {
    pub leader: Option<BrokerId>,
    pub leader_epoch: LeaderEpoch,
    pub isr: Vec<BrokerId>,
    pub recovery: Recovery,
    /// Of the controller that wrote it.
    pub controller_epoch: ControllerEpoch,
}

/// Whether the leader came from outside the ISR and has not yet said that it is fit (KIP-704).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub enum Recovery {
    Recovered = 0,
    Recovering = 1,
}

/// A partition's state with the version of its znode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leadership {
    pub state: PartitionState,
    pub partition_epoch: Version,
}
