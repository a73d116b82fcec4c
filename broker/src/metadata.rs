//! The cluster picture that requests read: brokers, topics, leaders, as the controller last told it.
//! Owned by the broker; only `api/update_metadata.rs` changes it; everyone else reads an `Arc` of it.
//! Never asks ZooKeeper or a partition. Source: Kafka's ZkMetadataCache (3.9).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use protocol::StrBytes;
use protocol::ids::{BrokerId, LeaderEpoch, TopicId};
use protocol::messages::UpdateMetadataRequest;
use protocol::messages::update_metadata_request::{UpdateMetadataBroker, UpdateMetadataPartitionState};
use tokio::sync::watch;

/// A leader of -2 in UpdateMetadata says that the topic is being deleted (Kafka's LeaderDuringDelete).
const LEADER_DURING_DELETE: i32 = -2;

/// The picture behind an `Arc` that is swapped whole: readers never wait for a writer's work.
#[derive(Debug)]
pub(crate) struct Metadata {
    picture: watch::Sender<Arc<Picture>>,
}

/// One immutable state of the cluster.
#[derive(Debug, Clone, Default)]
pub(crate) struct Picture {
    /// The broker that sent the last picture, or `None` before the first.
    pub(crate) controller: Option<BrokerId>,
    pub(crate) brokers: BTreeMap<BrokerId, LiveBroker>,
    pub(crate) topics: BTreeMap<Arc<str>, Arc<Topic>>,
    names: HashMap<TopicId, Arc<str>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LiveBroker {
    /// Listener name to the address that clients of that listener are told.
    pub(crate) endpoints: BTreeMap<String, Endpoint>,
    pub(crate) rack: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) port: i32,
}

/// Where a broker is, as answers say it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Address {
    pub(crate) broker: BrokerId,
    pub(crate) host: StrBytes,
    pub(crate) port: i32,
    pub(crate) rack: Option<StrBytes>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Topic {
    /// Zero where the controller gave none.
    pub(crate) id: TopicId,
    pub(crate) partitions: BTreeMap<i32, Partition>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Partition {
    /// -1 where there is none.
    pub(crate) leader: BrokerId,
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) isr: Vec<BrokerId>,
    pub(crate) replicas: Vec<BrokerId>,
    pub(crate) offline: Vec<BrokerId>,
}

impl LiveBroker {
    fn address(&self, broker: BrokerId, listener: &str) -> Option<Address> {
        let Endpoint { host, port } = self.endpoints.get(listener)?;
        let text = |text: &String| StrBytes::from_string(text.clone());
        Some(Address { broker, host: text(host), port: *port, rack: self.rack.as_ref().map(text) })
    }
}

impl Metadata {
    pub(crate) fn new() -> Self {
        Self { picture: watch::Sender::new(Arc::default()) }
    }

    pub(crate) fn picture(&self) -> Arc<Picture> {
        self.picture.borrow().clone()
    }

    pub(crate) fn update(&self, request: &UpdateMetadataRequest) {
        self.picture.send_modify(|picture| *picture = Arc::new(picture.updated(request)));
    }

    /// Waits until the picture satisfies `seen`; false if `patience` ran out first.
    pub(crate) async fn wait_for(&self, patience: Duration, mut seen: impl FnMut(&Picture) -> bool) -> bool {
        let mut pictures = self.picture.subscribe();
        let arrival = pictures.wait_for(|picture| seen(picture));
        matches!(tokio::time::timeout(patience, arrival).await, Ok(Ok(_)))
    }
}

impl Picture {
    pub(crate) fn partition(&self, topic: &str, partition: i32) -> Option<&Partition> {
        self.topics.get(topic)?.partitions.get(&partition)
    }

    pub(crate) fn topic_name(&self, id: TopicId) -> Option<&Arc<str>> {
        self.names.get(&id)
    }

    /// Whether clients of `listener` can reach the broker: it is alive and has that listener.
    pub(crate) fn is_reachable(&self, broker: BrokerId, listener: &str) -> bool {
        self.brokers.get(&broker).is_some_and(|live| live.endpoints.contains_key(listener))
    }

    /// What clients of `listener` are told of a broker that they can reach.
    pub(crate) fn address(&self, broker: BrokerId, listener: &str) -> Option<Address> {
        self.brokers.get(&broker)?.address(broker, listener)
    }

    /// The same for all brokers, in the order of their ids.
    pub(crate) fn addresses(&self, listener: &str) -> impl Iterator<Item = Address> {
        self.brokers.iter().filter_map(move |(id, live)| live.address(*id, listener))
    }

    /// The picture after `request`: its brokers replace all, its partitions replace those named.
    pub(crate) fn updated(&self, request: &UpdateMetadataRequest) -> Self {
        let mut next = Self {
            controller: (request.controller_id.0 >= 0).then_some(BrokerId(request.controller_id.0)),
            brokers: request.live_brokers.iter().map(live_broker).collect(),
            topics: self.topics.clone(),
            names: self.names.clone(),
        };
        for topic in &request.topic_states {
            next.set_topic_id(&topic.topic_name, topic.topic_id);
            for state in &topic.partition_states {
                next.set_partition(&topic.topic_name, state);
            }
        }
        next
    }

    fn set_topic_id(&mut self, name: &str, id: TopicId) {
        let (name, topic) = self.topic_mut(name);
        let old = std::mem::replace(&mut topic.id, id);
        if old != id {
            self.names.remove(&old);
        }
        if !id.is_nil() {
            self.names.insert(id, name);
        }
    }

    fn set_partition(&mut self, name: &str, state: &UpdateMetadataPartitionState) {
        let (name, topic) = self.topic_mut(name);
        if state.leader.0 != LEADER_DURING_DELETE {
            topic.partitions.insert(state.partition_index, partition(state));
            return;
        }
        topic.partitions.remove(&state.partition_index);
        if topic.partitions.is_empty() {
            let id = topic.id;
            self.topics.remove(&name);
            self.names.remove(&id);
        }
    }

    /// The topic to change, made if it is new, with its shared name.
    fn topic_mut(&mut self, name: &str) -> (Arc<str>, &mut Topic) {
        let name =
            self.topics.get_key_value(name).map_or_else(|| Arc::from(name), |(key, _)| Arc::clone(key));
        let topic = self.topics.entry(Arc::clone(&name)).or_default();
        (name, Arc::make_mut(topic))
    }
}

fn live_broker(broker: &UpdateMetadataBroker) -> (BrokerId, LiveBroker) {
    let endpoints = broker
        .endpoints
        .iter()
        .map(|e| (e.listener.to_string(), Endpoint { host: e.host.to_string(), port: e.port }))
        .collect();
    (BrokerId(broker.id.0), LiveBroker { endpoints, rack: broker.rack.as_ref().map(ToString::to_string) })
}

fn partition(state: &UpdateMetadataPartitionState) -> Partition {
    let ids = |brokers: &[protocol::messages::BrokerId]| brokers.iter().map(|b| BrokerId(b.0)).collect();
    Partition {
        leader: BrokerId(state.leader.0),
        leader_epoch: LeaderEpoch(state.leader_epoch),
        isr: ids(&state.isr),
        replicas: ids(&state.replicas),
        offline: ids(&state.offline_replicas),
    }
}

#[cfg(test)]
mod tests {
    use protocol::messages::update_metadata_request::{UpdateMetadataEndpoint, UpdateMetadataTopicState};
    use protocol::messages::{BrokerId as WireBrokerId, TopicName};
    use uuid::Uuid;

    use super::*;

    fn request(leader: i32, id: Uuid) -> UpdateMetadataRequest {
        let state = UpdateMetadataPartitionState::default()
            .with_partition_index(0)
            .with_leader(WireBrokerId(leader))
            .with_replicas(vec![WireBrokerId(1)])
            .with_isr(vec![WireBrokerId(1)]);
        let topic = UpdateMetadataTopicState::default()
            .with_topic_name(TopicName(StrBytes::from_static_str("t")))
            .with_topic_id(id)
            .with_partition_states(vec![state]);
        let endpoint = UpdateMetadataEndpoint::default()
            .with_host(StrBytes::from_static_str("h"))
            .with_port(9092)
            .with_listener(StrBytes::from_static_str("PLAINTEXT"));
        UpdateMetadataRequest::default()
            .with_controller_id(WireBrokerId(1))
            .with_live_brokers(vec![
                UpdateMetadataBroker::default().with_id(WireBrokerId(1)).with_endpoints(vec![endpoint]),
            ])
            .with_topic_states(vec![topic])
    }

    #[test]
    fn a_topic_appears_with_its_id_and_goes_with_its_last_partition() {
        let id = Uuid::from_u128(7);
        let made = Picture::default().updated(&request(1, id));
        assert_eq!(made.topic_name(id).map(|n| &**n), Some("t"));
        assert_eq!(made.partition("t", 0).map(|p| p.leader), Some(BrokerId(1)));
        assert_eq!(made.address(BrokerId(1), "PLAINTEXT").map(|a| a.port), Some(9092));
        assert_eq!(made.address(BrokerId(1), "SSL"), None);

        let gone = made.updated(&request(LEADER_DURING_DELETE, id));
        assert!(gone.topics.is_empty());
        assert_eq!(gone.topic_name(id), None);
    }

    #[test]
    fn a_new_incarnation_replaces_the_old_id() {
        let (old, new) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let picture = Picture::default().updated(&request(1, old)).updated(&request(1, new));
        assert_eq!(picture.topic_name(old), None);
        assert_eq!(picture.topic_name(new).map(|n| &**n), Some("t"));
    }

    #[test]
    fn a_broker_that_is_not_named_is_gone() {
        let picture = Picture::default().updated(&request(1, Uuid::nil()));
        let empty = picture.updated(&UpdateMetadataRequest::default());
        assert!(empty.brokers.is_empty());
        assert!(empty.topics.contains_key("t"), "topics stay until they are deleted by name");
    }
}
