//! Topics written to ZooKeeper the way Kafka's brokers and tools do: the controller hears of them by its watches.
//! Called by CreateTopics, CreatePartitions, DeleteTopics and automatic creation. Decides nothing. Source: AdminZkClient (3.9).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use config::layers::ConfigMap;
use coordinator::controller::cluster::Assignment;
use coordinator::topics::{Existing, TopicError};
use protocol::ids::{BrokerId, TopicId};
use zookeeper::paths;
use zookeeper::store::{CreateMode, Expected, MetadataStore, Refusal, StoreError, Watch, Write};
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
    let mark = store.exists(&paths::delete_topic(name), Watch::None).await?;
    let topics = if coordinator::topics::can_collide(name) {
        store.children(paths::TOPICS, Watch::None).await?.0.into_iter().collect()
    } else {
        let found = store.exists(&paths::topic(name), Watch::None).await?;
        found.map(|_| name.to_owned()).into_iter().collect()
    };
    Ok(Existing { topics, marked_for_deletion: mark.is_some() })
}

/// Settings and topic in one write, so that whoever hears of the topic finds its settings. A lost race is `Exists`.
pub(crate) async fn create(store: &Store, topic: NewTopic) -> Result<(), TopicWriteError> {
    let NewTopic { name, id, replicas, configs } = topic;
    let partitions = replicas
        .into_iter()
        .map(|(index, replicas)| (index, StoredAssignment { replicas, ..StoredAssignment::default() }));
    let content = Topic { id: Some(id), partitions: partitions.collect() }.encode();
    // A topic has a settings znode always, even an empty one; one left over from before is replaced.
    let mut settings = SettingsNode::Missing;
    loop {
        let path = paths::topic(&name);
        let topic =
            Write::Create { path: path.clone(), data: Some(content.clone()), mode: CreateMode::Persistent };
        let config = settings.write(paths::config("topics", &name), EntityConfig(configs.clone()).encode());
        match (store.multi(vec![config, topic]).await, settings) {
            (Ok(_), _) => return Ok(()),
            (Err(StoreError::Refused { refusal: Refusal::NodeExists, at: 0, .. }), SettingsNode::Missing) => {
                settings = SettingsNode::LeftOver;
            }
            (Err(StoreError::Refused { refusal: Refusal::NoNode, at: 0, .. }), SettingsNode::LeftOver) => {
                settings = SettingsNode::Missing;
            }
            (Err(StoreError::Refused { refusal: Refusal::NodeExists, .. }), _) => {
                return Err(TopicError::Exists { name }.into());
            }
            // The id is random, so content equal to ours is ours.
            (Err(StoreError::OutcomeUnknown { .. }), _) => match store.get(&path, Watch::None).await {
                Ok(node) if node.data == content => return Ok(()),
                Ok(_) => return Err(TopicError::Exists { name }.into()),
                Err(error) => return Err(error.into()),
            },
            (Err(error), _) => return Err(error.into()),
        }
    }
}

/// What is known of the settings znode of a new topic.
#[derive(Debug, Clone, Copy)]
enum SettingsNode {
    Missing,
    LeftOver,
}

impl SettingsNode {
    fn write(self, path: String, data: Bytes) -> Write {
        match self {
            SettingsNode::Missing => Write::Create { path, data: Some(data), mode: CreateMode::Persistent },
            SettingsNode::LeftOver => Write::Set { path, data, expected: Expected::Any },
        }
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

#[cfg(test)]
mod tests {
    use zookeeper::session::create_all;
    use zookeeper::tree::ModelZooKeeper;

    use super::*;

    async fn store() -> Store {
        let (store, _events) = ModelZooKeeper::default().connect();
        for path in paths::PERSISTENT {
            create_all(&store, path).await.unwrap();
        }
        Arc::new(store)
    }

    fn new(name: &str, value: &str) -> NewTopic {
        let replicas = BTreeMap::from([(0, vec![BrokerId(1)])]);
        let configs = ConfigMap::from([("retention.ms".to_owned(), value.to_owned())]);
        NewTopic { name: name.to_owned(), id: TopicId::from_u128(value.len() as u128), replicas, configs }
    }

    async fn settings(store: &Store, name: &str) -> Option<String> {
        let path = paths::config("topics", name);
        let node = store.get(&path, Watch::None).await.ok()?;
        EntityConfig::decode(&path, &node.data).unwrap().0.get("retention.ms").cloned()
    }

    #[tokio::test]
    async fn settings_left_over_are_replaced_and_those_of_another_are_not() {
        let store = store().await;
        create(&store, new("t", "1")).await.unwrap();
        assert_eq!(settings(&store, "t").await.as_deref(), Some("1"));
        let lost = create(&store, new("t", "22")).await.unwrap_err();
        assert!(matches!(lost, TopicWriteError::Topic(TopicError::Exists { .. })), "{lost}");
        assert_eq!(settings(&store, "t").await.as_deref(), Some("1"));

        store.delete(&paths::topic("t"), Expected::Any).await.unwrap();
        create(&store, new("t", "333")).await.unwrap();
        assert_eq!(settings(&store, "t").await.as_deref(), Some("333"));
    }

    #[tokio::test]
    async fn only_names_that_can_collide_are_compared_with_all() {
        let store = store().await;
        for name in ["a.b", "c"] {
            create(&store, new(name, "1")).await.unwrap();
        }
        let found =
            async |name: &str| existing(&store, name).await.unwrap().topics.into_iter().collect::<Vec<_>>();
        assert_eq!(found("a_b").await, ["a.b", "c"]);
        assert_eq!((found("c").await, found("d").await), (vec!["c".to_owned()], vec![]));
    }
}
