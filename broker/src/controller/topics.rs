//! Topics written to ZooKeeper the way Kafka's brokers and tools do: the controller hears of them by its watches.
//! Called by CreateTopics, CreatePartitions, DeleteTopics and automatic creation. Decides nothing. Source: AdminZkClient (3.9).

use std::collections::BTreeMap;
use std::sync::Arc;

use config::layers::ConfigMap;
use coordinator::controller::cluster::Assignment;
use coordinator::topics::{Existing, TopicError};
use protocol::ids::{BrokerId, TopicId};
use zookeeper::paths;
use zookeeper::store::{CreateMode, Expected, MetadataStore, Refusal, StoreError, Watch};
use zookeeper::znodes::{Assignment as StoredAssignment, EntityConfig, Topic};

type Store = Arc<dyn MetadataStore>;

/// A topic to be written.
#[derive(Debug, Clone)]
pub(crate) struct NewTopic {
    pub(crate) name: String,
    pub(crate) id: TopicId,
    pub(crate) replicas: BTreeMap<i32, Vec<BrokerId>>,
    pub(crate) configs: ConfigMap,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum TopicWriteError {
    #[error(transparent)]
    Topic(#[from] TopicError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the checks of a new topic need to know of those there are.
pub(crate) async fn existing(store: &Store, name: &str) -> Result<Existing, TopicWriteError> {
    if coordinator::topics::check_name(name).is_err() {
        // It can be no znode either.
        return Ok(Existing::default());
    }
    let marked_for_deletion = store.exists(&paths::delete_topic(name), Watch::None).await?.is_some();
    let topics = if coordinator::topics::can_collide(name) {
        store.children(paths::TOPICS, Watch::None).await?.0.into_iter().collect()
    } else {
        let found = store.exists(&paths::topic(name), Watch::None).await?;
        found.map(|_| name.to_owned()).into_iter().collect()
    };
    Ok(Existing { topics, marked_for_deletion })
}

/// The settings first, then the topic, so that whoever hears of it finds its settings. A lost race is `Exists`.
pub(crate) async fn create(store: &Store, topic: NewTopic) -> Result<(), TopicWriteError> {
    write_config(store, &topic.name, EntityConfig(topic.configs)).await?;
    let partitions = topic
        .replicas
        .into_iter()
        .map(|(index, replicas)| (index, StoredAssignment { replicas, ..StoredAssignment::default() }));
    let content = Topic { id: Some(topic.id), partitions: partitions.collect() }.encode();
    let path = paths::topic(&topic.name);
    match store.create(&path, Some(content.clone()), CreateMode::Persistent).await {
        Ok(_) => Ok(()),
        Err(StoreError::Refused { refusal: Refusal::NodeExists, .. }) => {
            Err(TopicError::Exists { name: topic.name }.into())
        }
        // The id is random, so content equal to ours is ours.
        Err(StoreError::OutcomeUnknown { .. }) => match store.get(&path, Watch::None).await {
            Ok(node) if node.data == content => Ok(()),
            Ok(_) => Err(TopicError::Exists { name: topic.name }.into()),
            Err(error) => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// The replicas of every partition as they are written now.
pub(crate) async fn assignment(
    store: &Store,
    name: &str,
) -> Result<BTreeMap<i32, Assignment>, TopicWriteError> {
    let (topic, _) = read(store, name).await?;
    let assignment = topic.partitions.into_iter().map(|(index, stored)| {
        let StoredAssignment { replicas, adding, removing } = stored;
        (index, Assignment { replicas, adding, removing })
    });
    Ok(assignment.collect())
}

/// Adds partitions that are not there yet, whatever else changed in the topic meanwhile.
pub(crate) async fn add_partitions(
    store: &Store,
    name: &str,
    added: BTreeMap<i32, Vec<BrokerId>>,
) -> Result<(), TopicWriteError> {
    loop {
        let (mut topic, version) = read(store, name).await?;
        let before = topic.partitions.len();
        for (index, replicas) in &added {
            let fresh = StoredAssignment { replicas: replicas.clone(), ..StoredAssignment::default() };
            topic.partitions.entry(*index).or_insert(fresh);
        }
        if topic.partitions.len() == before {
            return Ok(());
        }
        match store.set(&paths::topic(name), topic.encode(), Expected::Version(version)).await {
            Ok(_) => return Ok(()),
            // Written by somebody in between, or by us without hearing of it: the next look tells.
            Err(
                StoreError::OutcomeUnknown { .. } | StoreError::Refused { refusal: Refusal::BadVersion, .. },
            ) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Marks a topic for the controller to delete. A mark that is there already is as good.
pub(crate) async fn request_deletion(store: &Store, name: &str) -> Result<(), TopicWriteError> {
    match store.create(&paths::delete_topic(name), None, CreateMode::Persistent).await {
        Ok(_) | Err(StoreError::Refused { refusal: Refusal::NodeExists, .. }) => Ok(()),
        // A mark that was made may be gone again with its topic; asking twice would leave a mark for the next of that name.
        Err(StoreError::OutcomeUnknown { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn read(store: &Store, name: &str) -> Result<(Topic, i32), TopicWriteError> {
    let path = paths::topic(name);
    let node = match store.get(&path, Watch::None).await {
        Ok(node) => node,
        Err(StoreError::Refused { refusal: Refusal::NoNode | Refusal::InvalidPath, .. }) => {
            return Err(TopicError::Unknown { name: name.to_owned() }.into());
        }
        Err(error) => return Err(error.into()),
    };
    let topic = Topic::decode(&path, &node.data)
        .map_err(|error| StoreError::Unexpected { path: error.path, what: error.problem })?;
    Ok((topic, node.stat.version))
}

/// A topic has a settings znode always, even an empty one; one left over from before is replaced.
async fn write_config(store: &Store, name: &str, content: EntityConfig) -> Result<(), StoreError> {
    let path = paths::config("topics", name);
    match store.set(&path, content.encode(), Expected::Any).await {
        Ok(_) => Ok(()),
        Err(StoreError::Refused { refusal: Refusal::NoNode, .. }) => {
            match store.create(&path, Some(content.encode()), CreateMode::Persistent).await {
                Ok(_) | Err(StoreError::Refused { refusal: Refusal::NodeExists, .. }) => Ok(()),
                Err(StoreError::OutcomeUnknown { .. }) => {
                    store.set(&path, content.encode(), Expected::Any).await.map(drop)
                }
                Err(error) => Err(error),
            }
        }
        Err(StoreError::OutcomeUnknown { .. }) => {
            store.set(&path, content.encode(), Expected::Any).await.map(drop)
        }
        Err(error) => Err(error),
    }
}
