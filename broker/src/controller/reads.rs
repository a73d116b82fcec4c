//! The machine's reads: the operations, pipelined, and their outcomes as events.
//! Reads wait through a lost connection; the only errors left are about the session. Source: KafkaZkClient of 3.9.

use std::collections::BTreeMap;

use coordinator::controller::cluster::{Broker, Leadership, StoredTopic, TopicName, Version};
use coordinator::controller::{Event, ReadFault};
use protocol::ids::{BrokerEpoch, BrokerId, TopicPartition};
use zookeeper::paths;
use zookeeper::session::together;
use zookeeper::store::{MetadataStore, Node, StoreError, Watch};
use zookeeper::znodes::{self, BrokerRegistration, EntityConfig, LogDirEvent};

use super::convert;

/// A key of topics that only the controller acts on.
const UNCLEAN_ELECTION: &str = "unclean.leader.election.enable";

/// The children are watched, and each broker's znode.
pub(super) async fn brokers(store: &dyn MetadataStore) -> Result<Event, StoreError> {
    let ids: Vec<BrokerId> =
        children(store, paths::BROKER_IDS, Watch::Leave).await?.iter().filter_map(broker_id).collect();
    let nodes = together(ids.iter().map(|id| store.get(&paths::broker(id), Watch::Leave))).await;
    let mut brokers = BTreeMap::new();
    for (id, node) in ids.into_iter().zip(nodes) {
        brokers.insert(id, decoded(node, |node| broker(id, &node))?);
    }
    Ok(Event::BrokersRead(brokers))
}

fn broker_id(name: &String) -> Option<BrokerId> {
    let id = name.parse().ok().map(BrokerId);
    if id.is_none() {
        tracing::error!("{}/{name} is not named after a broker id and is ignored", paths::BROKER_IDS);
    }
    id
}

fn broker(id: BrokerId, node: &Node) -> Result<Broker, ReadFault> {
    let path = paths::broker(id);
    let registration = BrokerRegistration::decode(&path, &node.data).map_err(convert::garbage)?;
    convert::broker(&path, id, BrokerEpoch(node.stat.czxid), registration)
}

pub(super) async fn topic_list(store: &dyn MetadataStore) -> Result<Event, StoreError> {
    Ok(Event::TopicListRead(names(children(store, paths::TOPICS, Watch::Leave).await?)))
}

pub(super) async fn deletion_list(store: &dyn MetadataStore) -> Result<Event, StoreError> {
    Ok(Event::DeletionListRead(names(children(store, paths::DELETE_TOPICS, Watch::Leave).await?)))
}

/// Each topic's znode is watched.
pub(super) async fn topics(store: &dyn MetadataStore, topics: Vec<TopicName>) -> Result<Event, StoreError> {
    let nodes = together(topics.iter().map(|name| store.get(&paths::topic(name), Watch::Leave))).await;
    let read = topics.into_iter().zip(nodes).map(|(name, node)| {
        let found = decoded(node, |node| topic(&name, &node))?;
        Ok((name, found))
    });
    Ok(Event::TopicsRead(read.collect::<Result<_, StoreError>>()?))
}

fn topic(name: &str, node: &Node) -> Result<StoredTopic, ReadFault> {
    let found = znodes::Topic::decode(&paths::topic(name), &node.data).map_err(convert::garbage)?;
    Ok(StoredTopic { assignment: convert::topic(found), version: Version(node.stat.version) })
}

pub(super) async fn states(
    store: &dyn MetadataStore,
    partitions: Vec<TopicPartition>,
) -> Result<Event, StoreError> {
    let path = |name: &TopicPartition| paths::partition_state(&name.topic, name.partition);
    let nodes = together(partitions.iter().map(|name| store.get(&path(name), Watch::None))).await;
    let read = partitions.into_iter().zip(nodes).map(|(name, node)| {
        let found = decoded(node, |node| state(&path(&name), &node))?;
        Ok((name, found))
    });
    Ok(Event::PartitionStatesRead(read.collect::<Result<_, StoreError>>()?))
}

fn state(path: &str, node: &Node) -> Result<Leadership, ReadFault> {
    let found = znodes::PartitionState::decode(path, &node.data).map_err(convert::garbage)?;
    Ok(Leadership { state: convert::state(found), partition_epoch: Version(node.stat.version) })
}

/// Brokers leave notices when disks fail or are back. The list is watched.
pub(super) async fn disk_notices(store: &dyn MetadataStore) -> Result<Event, StoreError> {
    let mut names = children(store, paths::LOG_DIR_EVENTS, Watch::Leave).await?;
    names.sort();
    let nodes = together(names.iter().map(|name| store.get(&paths::log_dir_event(name), Watch::None))).await;
    let read = names.into_iter().zip(nodes).map(|(name, node)| {
        let path = paths::log_dir_event(&name);
        let found = decoded(node, |node| LogDirEvent::decode(&path, &node.data).map_err(convert::garbage))?;
        Ok((name, found.map(|event| event.broker)))
    });
    Ok(Event::DiskNoticesRead(read.collect::<Result<_, StoreError>>()?))
}

/// A topic without an override goes by the broker's setting.
pub(super) async fn unclean_election(
    store: &dyn MetadataStore,
    topics: Vec<TopicName>,
    otherwise: impl Fn() -> bool,
) -> Result<Event, StoreError> {
    let nodes =
        together(topics.iter().map(|name| store.get(&paths::config("topics", name), Watch::None))).await;
    let read = topics.into_iter().zip(nodes).map(|(name, node)| {
        let path = paths::config("topics", &name);
        let found = decoded(node, |node| EntityConfig::decode(&path, &node.data).map_err(convert::garbage))?;
        let set = match found {
            Ok(config) => config.0.get(UNCLEAN_ELECTION).map(|value| value.eq_ignore_ascii_case("true")),
            Err(ReadFault::Missing) => None,
            Err(fault) => return Ok((name, Err(fault))),
        };
        Ok((name, Ok(set.unwrap_or_else(&otherwise))))
    });
    Ok(Event::UncleanElectionRead(read.collect::<Result<_, StoreError>>()?))
}

/// Absent parents have no children: `registration.rs` makes them, but nothing stops anybody from deleting them.
pub(super) async fn children(
    store: &dyn MetadataStore,
    path: &str,
    watch: Watch,
) -> Result<Vec<String>, StoreError> {
    match store.children(path, watch).await {
        Ok((names, _)) => Ok(names),
        Err(error) => match convert::read_fault(error)? {
            ReadFault::Missing => Ok(Vec::new()),
            fault @ ReadFault::Unreadable { .. } => {
                tracing::error!("the children of {path} cannot be read: {fault}");
                Ok(Vec::new())
            }
        },
    }
}

fn names(mut children: Vec<String>) -> Vec<TopicName> {
    children.sort();
    children.into_iter().map(TopicName::from).collect()
}

fn decoded<T>(
    node: Result<Node, StoreError>,
    decode: impl FnOnce(Node) -> Result<T, ReadFault>,
) -> Result<Result<T, ReadFault>, StoreError> {
    match node {
        Ok(node) => Ok(decode(node)),
        Err(error) => convert::read_fault(error).map(Err),
    }
}
