//! The cluster as a broker describes it: brokers, topics, partitions.
//!
//! Plain values taken out of Metadata and DescribeCluster answers of any version; nothing here asks anyone.

use protocol::messages::MetadataResponse;
use protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use protocol::{BrokerId, ErrorCode, LeaderEpoch, TopicId};

use crate::address::Address;

/// Who is in the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cluster {
    pub id: Option<String>,
    pub controller: Option<BrokerId>,
    pub brokers: Vec<Broker>,
}

/// A live broker, as it is reached over the listener that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    pub id: BrokerId,
    pub address: Address,
    pub rack: Option<String>,
}

/// A topic, or the reason why nothing is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    pub error: ErrorCode,
    pub name: String,
    /// The nil id where the topic has none.
    pub id: TopicId,
    pub internal: bool,
    /// Ordered by index.
    pub partitions: Vec<Partition>,
}

/// A partition and its replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    pub error: ErrorCode,
    pub index: i32,
    pub leader: Option<BrokerId>,
    pub leader_epoch: LeaderEpoch,
    pub replicas: Vec<BrokerId>,
    pub in_sync: Vec<BrokerId>,
    pub offline: Vec<BrokerId>,
}

/// A number on the wire where a negative one means nobody.
pub(crate) fn broker_id(number: i32) -> Option<BrokerId> {
    (number >= 0).then_some(BrokerId(number))
}

impl Cluster {
    pub(crate) fn from_metadata(answer: &MetadataResponse) -> Cluster {
        let mut brokers: Vec<Broker> = answer
            .brokers
            .iter()
            .filter_map(|broker| {
                let port = u16::try_from(broker.port).ok()?;
                Some(Broker {
                    id: BrokerId(broker.node_id.0),
                    address: Address { host: broker.host.to_string(), port },
                    rack: broker.rack.as_ref().map(ToString::to_string),
                })
            })
            .collect();
        brokers.sort_by_key(|broker| broker.id);
        Cluster {
            id: answer.cluster_id.as_ref().map(ToString::to_string),
            controller: broker_id(answer.controller_id.0),
            brokers,
        }
    }
}

impl Topic {
    pub(crate) fn from_metadata(topic: &MetadataResponseTopic) -> Topic {
        let mut partitions: Vec<Partition> = topic.partitions.iter().map(Partition::from_metadata).collect();
        partitions.sort_by_key(|partition| partition.index);
        Topic {
            error: ErrorCode::from_code(topic.error_code),
            name: topic.name.as_ref().map(|name| name.to_string()).unwrap_or_default(),
            id: topic.topic_id,
            internal: topic.is_internal,
            partitions,
        }
    }
}

impl Partition {
    fn from_metadata(partition: &MetadataResponsePartition) -> Partition {
        let ids = |list: &[protocol::messages::BrokerId]| list.iter().map(|id| BrokerId(id.0)).collect();
        Partition {
            error: ErrorCode::from_code(partition.error_code),
            index: partition.partition_index,
            leader: broker_id(partition.leader_id.0),
            leader_epoch: LeaderEpoch(partition.leader_epoch),
            replicas: ids(&partition.replica_nodes),
            in_sync: ids(&partition.isr_nodes),
            offline: ids(&partition.offline_replicas),
        }
    }
}
