//! What the requests about settings can name, what the authorizer is asked for it, and how a changed map is written.
//! Shared by `describe_configs.rs` and `alteration.rs`. Source: KafkaApis, AdminZkClient (3.9).

use std::sync::Arc;

use config::layers::ConfigMap;
use protocol::error_code::ErrorCode;
use zookeeper::paths;
use zookeeper::session::create_all;
use zookeeper::store::{CreateMode, Expected, MetadataStore, Refusal, StoreError, Watch, Write};
use zookeeper::znodes::{ConfigChange, Controller, EntityConfig};

use super::context::Context;
use super::error::Refused;
use crate::authorizer::{Operation, Resource};
use crate::broker::Broker;
use crate::config_changes::ConfigEntity;

/// Kafka's numbers for kinds of resources.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ConfigResource {
    Topic(String),
    /// By name: a number, or empty for all brokers.
    Broker(String),
    BrokerLogger(String),
    ClientMetrics(String),
}

impl ConfigResource {
    pub(super) fn new(kind: i8, name: &str) -> Option<Self> {
        match kind {
            TOPIC => Some(Self::Topic(name.to_owned())),
            BROKER => Some(Self::Broker(name.to_owned())),
            BROKER_LOGGER => Some(Self::BrokerLogger(name.to_owned())),
            CLIENT_METRICS => Some(Self::ClientMetrics(name.to_owned())),
            _ => None,
        }
    }

    pub(super) fn authorize(
        &self,
        broker: &Broker,
        context: &Context,
        operation: Operation,
    ) -> Result<(), Refused> {
        let (resource, denied) = match self {
            Self::Topic(name) => (Resource::topic(name), ErrorCode::TopicAuthorizationFailed),
            Self::Broker(_) | Self::BrokerLogger(_) | Self::ClientMetrics(_) => {
                (Resource::cluster(), ErrorCode::ClusterAuthorizationFailed)
            }
        };
        if broker.authorizer.allows(context, operation, &resource) { Ok(()) } else { Err(denied.into()) }
    }
}

/// Replaces an entity's map and tells all brokers. Fenced by the version of `/controller`, as Kafka's is, so that a change of
/// controller in between refuses it.
pub(super) async fn write_entity(
    store: &Arc<dyn MetadataStore>,
    entity: &ConfigEntity,
    map: ConfigMap,
) -> Result<(), Refused> {
    let content = EntityConfig(map);
    let written = match write(store, &entity.path(), content).await {
        Ok(()) => announce(store, &entity.announcement()).await,
        Err(error) => Err(error),
    };
    written.map_err(|error| {
        tracing::error!(?entity, %error, "settings could not be written");
        Refused::new(ErrorCode::UnknownServerError, format!("The settings could not be written: {error}"))
    })
}

/// Replaces the map of a znode, or makes it with what is missing above it.
pub(super) async fn write(
    store: &Arc<dyn MetadataStore>,
    path: &str,
    content: EntityConfig,
) -> Result<(), StoreError> {
    let mut writes =
        vec![Write::Set { path: path.to_owned(), data: content.encode(), expected: Expected::Any }];
    if let Some(version) = controller_version(store).await? {
        writes.insert(0, Write::Check { path: paths::CONTROLLER.to_owned(), version });
    }
    match store.multi(writes).await {
        // The check has just found its own znode, so it is the entity that is missing.
        Err(StoreError::Refused { refusal: Refusal::NoNode, .. }) => create_below(store, path, content).await,
        written => written.map(drop),
    }
}

async fn create_below(
    store: &Arc<dyn MetadataStore>,
    path: &str,
    content: EntityConfig,
) -> Result<(), StoreError> {
    let created = store.create(path, Some(content.encode()), CreateMode::Persistent).await;
    match (created, path.rsplit_once('/')) {
        (Err(StoreError::Refused { refusal: Refusal::NoNode, .. }), Some((parent, _))) => {
            create_all(&**store, parent).await?;
            store.create(path, Some(content.encode()), CreateMode::Persistent).await.map(drop)
        }
        (created, _) => created.map(drop),
    }
}

/// Tells all brokers that settings have changed.
pub(super) async fn announce(
    store: &Arc<dyn MetadataStore>,
    change: &ConfigChange,
) -> Result<(), StoreError> {
    let notice = Some(change.encode());
    store.create(&paths::config_change_prefix(), notice, CreateMode::PersistentSequential).await.map(drop)
}

/// The version of `/controller`. A KRaft controller that holds it (a migration) must not be written past.
async fn controller_version(store: &Arc<dyn MetadataStore>) -> Result<Option<i32>, StoreError> {
    let node = match store.get(paths::CONTROLLER, Watch::None).await {
        Ok(node) => node,
        Err(error) if error.refusal() == Some(Refusal::NoNode) => return Ok(None),
        Err(error) => return Err(error),
    };
    let problem = |what: String| StoreError::Unexpected { path: paths::CONTROLLER.to_owned(), what };
    let controller =
        Controller::decode(paths::CONTROLLER, &node.data).map_err(|error| problem(error.problem))?;
    if controller.kraft_controller_epoch > 0 {
        return Err(problem("a KRaft controller has taken over: settings are its to write".to_owned()));
    }
    Ok(Some(node.stat.version))
}
