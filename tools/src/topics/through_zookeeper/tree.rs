//! The znodes this tool reads and writes, one method each.
//!
//! Never decides what to write. A node that is missing is an answer, not an error. Source: KafkaZkClient of 2.8.

use std::collections::BTreeMap;

use bytes::Bytes;
use coordinator::assignment::Candidate;
use protocol::BrokerId;
use zookeeper::paths;
use zookeeper::session::{Session, create_all};
use zookeeper::store::{CreateMode, Expected, MetadataStore, Refusal, StoreError, Watch};
use zookeeper::znodes::{Assignment, BrokerRegistration, ConfigChange, EntityConfig, PartitionState, Topic};

use super::sentence;
use crate::failure::Failure;

/// Kafka's metadata below the session's chroot.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    store: &'a Session,
}

/// Whether a node is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Created {
    Now,
    /// Somebody else has made it.
    Before,
}

impl<'a> Tree<'a> {
    pub(super) fn new(store: &'a Session) -> Tree<'a> {
        Tree { store }
    }

    /// The names of all topics, in no order.
    pub(super) async fn topics(&self) -> Result<Vec<String>, Failure> {
        self.children(paths::TOPICS).await
    }

    /// The live brokers, ordered by id.
    pub(super) async fn brokers(&self) -> Result<Vec<Candidate>, Failure> {
        let mut brokers = Vec::new();
        for name in self.children(paths::BROKER_IDS).await? {
            let path = paths::broker(&name);
            let (Ok(id), Some(data)) = (name.parse(), self.read(&path).await?) else { continue };
            let registration = BrokerRegistration::decode(&path, &data).map_err(sentence)?;
            brokers.push(Candidate { id: BrokerId(id), rack: registration.rack });
        }
        brokers.sort_by_key(|broker| broker.id);
        Ok(brokers)
    }

    pub(super) async fn topic(&self, name: &str) -> Result<Option<Topic>, Failure> {
        let path = paths::topic(name);
        let data = self.read(&path).await?;
        data.map(|data| Topic::decode(&path, &data).map_err(sentence)).transpose()
    }

    pub(super) async fn partition_state(
        &self,
        topic: &str,
        index: i32,
    ) -> Result<Option<PartitionState>, Failure> {
        let path = paths::partition_state(topic, index);
        let data = self.read(&path).await?;
        data.map(|data| PartitionState::decode(&path, &data).map_err(sentence)).transpose()
    }

    pub(super) async fn configs(&self, topic: &str) -> Result<BTreeMap<String, String>, Failure> {
        let path = paths::config("topics", topic);
        let data = self.read(&path).await?.unwrap_or_default();
        EntityConfig::decode(&path, &data).map(|configs| configs.0).map_err(sentence)
    }

    pub(super) async fn is_marked_for_deletion(&self, topic: &str) -> Result<bool, Failure> {
        let found = self.store.exists(&paths::delete_topic(topic), Watch::None).await;
        found.map(|stat| stat.is_some()).map_err(sentence)
    }

    /// Without an id: the controller gives it one.
    pub(super) async fn create_topic(
        &self,
        name: &str,
        replicas: BTreeMap<i32, Vec<BrokerId>>,
    ) -> Result<Created, Failure> {
        let partitions = replicas
            .into_iter()
            .map(|(index, replicas)| (index, Assignment { replicas, ..Assignment::default() }))
            .collect();
        let data = Topic { id: None, partitions }.encode();
        self.create(&paths::topic(name), Some(data)).await
    }

    /// Over whatever is there, as 2.8 does.
    pub(super) async fn write_topic(&self, name: &str, topic: &Topic) -> Result<(), Failure> {
        let written = self.store.set(&paths::topic(name), topic.encode(), Expected::Any).await;
        written.map(drop).map_err(sentence)
    }

    /// All configs of a topic; also none are written down.
    pub(super) async fn write_configs(
        &self,
        topic: &str,
        configs: BTreeMap<String, String>,
    ) -> Result<(), Failure> {
        let path = paths::config("topics", topic);
        let data = EntityConfig(configs).encode();
        match self.store.set(&path, data.clone(), Expected::Any).await {
            Err(StoreError::Refused { refusal: Refusal::NoNode, .. }) => {}
            written => return written.map(drop).map_err(sentence),
        }
        match self.create(&path, Some(data.clone())).await? {
            Created::Now => Ok(()),
            Created::Before => self.store.set(&path, data, Expected::Any).await.map(drop).map_err(sentence),
        }
    }

    /// Tells all brokers to read a topic's configs again.
    pub(super) async fn announce_configs(&self, topic: &str) -> Result<(), Failure> {
        create_all(self.store, paths::CONFIG_CHANGES).await.map_err(sentence)?;
        let change = ConfigChange { entity_type: "topics".to_owned(), entity: topic.to_owned() };
        let prefix = paths::config_change_prefix();
        let created =
            self.store.create(&prefix, Some(change.encode()), CreateMode::PersistentSequential).await;
        created.map(drop).map_err(sentence)
    }

    pub(super) async fn mark_for_deletion(&self, topic: &str) -> Result<Created, Failure> {
        self.create(&paths::delete_topic(topic), None).await
    }

    async fn children(&self, path: &str) -> Result<Vec<String>, Failure> {
        match self.store.children(path, Watch::None).await {
            Ok((names, _)) => Ok(names),
            Err(error) if error.refusal() == Some(Refusal::NoNode) => Ok(Vec::new()),
            Err(error) => Err(sentence(error)),
        }
    }

    async fn read(&self, path: &str) -> Result<Option<Bytes>, Failure> {
        match self.store.get(path, Watch::None).await {
            Ok(node) => Ok(Some(node.data)),
            Err(error) if error.refusal() == Some(Refusal::NoNode) => Ok(None),
            Err(error) => Err(sentence(error)),
        }
    }

    /// Parents that are missing are made too (createRecursive).
    async fn create(&self, path: &str, data: Option<Bytes>) -> Result<Created, Failure> {
        let mut created = self.store.create(path, data.clone(), CreateMode::Persistent).await;
        let parent = path.rsplit_once('/').map(|(parent, _)| parent).filter(|parent| !parent.is_empty());
        if let (Err(StoreError::Refused { refusal: Refusal::NoNode, .. }), Some(parent)) = (&created, parent)
        {
            create_all(self.store, parent).await.map_err(sentence)?;
            created = self.store.create(path, data, CreateMode::Persistent).await;
        }
        match created {
            Ok(_) => Ok(Created::Now),
            Err(error) if error.refusal() == Some(Refusal::NodeExists) => Ok(Created::Before),
            Err(error) => Err(sentence(error)),
        }
    }
}
