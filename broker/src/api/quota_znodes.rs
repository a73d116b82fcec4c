//! The znodes of quotas, as DescribeClientQuotas and AlterClientQuotas read and write them. Owns no rule of what a quota may be
//! (`config::quota`), and enforces none. Source: AdminZkClient (3.9).

use std::sync::Arc;

use config::layers::ConfigMap;
use config::quota::Holder;
use zookeeper::paths;
use zookeeper::session::together;
use zookeeper::store::{Expected, MetadataStore, Node, Refusal, StoreError, Watch};
use zookeeper::znodes::{EntityConfig, QuotaEntity, QuotaName};

use super::config_resource::{announce, write};
use crate::config_changes::ConfigReadError;

pub(super) const USERS: &str = "users";
/// Client ids, at the top and below each user.
pub(super) const CLIENTS: &str = "clients";
pub(super) const IPS: &str = "ips";

/// As far as it decides what the znode may hold.
pub(super) fn holder(entity: &QuotaEntity) -> Holder {
    match entity {
        QuotaEntity::User(QuotaName::Default) => Holder::DefaultUser,
        QuotaEntity::User(QuotaName::Named(_)) => Holder::User,
        QuotaEntity::Client(_) => Holder::Client,
        QuotaEntity::UserClient { .. } => Holder::UserClient,
        QuotaEntity::Ip(_) => Holder::Ip,
    }
}

/// What an entity has; nothing where it has no znode.
pub(super) async fn read(
    store: &Arc<dyn MetadataStore>,
    entity: &QuotaEntity,
) -> Result<ConfigMap, ConfigReadError> {
    let path = entity.path();
    settings(&path, store.get(&path, Watch::None).await)
}

/// The same of many, asked for at once.
pub(super) async fn read_all(
    store: &Arc<dyn MetadataStore>,
    entities: Vec<QuotaEntity>,
) -> Result<Vec<(QuotaEntity, ConfigMap)>, ConfigReadError> {
    let nodes = together(entities.iter().map(|entity| store.get(&entity.path(), Watch::None))).await;
    let entities = entities.into_iter().zip(nodes);
    entities.map(|(entity, node)| settings(&entity.path(), node).map(|map| (entity, map))).collect()
}

fn settings(path: &str, node: Result<Node, StoreError>) -> Result<ConfigMap, ConfigReadError> {
    match node {
        Ok(node) => Ok(EntityConfig::decode(path, &node.data)?.0),
        Err(error) if error.refusal() == Some(Refusal::NoNode) => Ok(ConfigMap::new()),
        Err(error) => Err(error.into()),
    }
}

/// The names below `/config/KIND`, in ZooKeeper's order.
pub(super) async fn names(
    store: &Arc<dyn MetadataStore>,
    kind: &str,
) -> Result<Vec<QuotaName>, ConfigReadError> {
    let names = children(store.children(&paths::config_type(kind), Watch::None).await)?;
    Ok(names.iter().map(|name| QuotaName::of(name)).collect::<Result<_, _>>()?)
}

/// All client ids of all users, whether they have quotas or not.
pub(super) async fn clients_of_users(
    store: &Arc<dyn MetadataStore>,
) -> Result<Vec<(QuotaName, QuotaName)>, ConfigReadError> {
    let users = names(store, USERS).await?;
    let below = together(users.iter().map(|user| store.children(&clients_path(user), Watch::None))).await;
    let mut found = Vec::new();
    for (user, clients) in users.into_iter().zip(below) {
        for client in children(clients)? {
            found.push((user.clone(), QuotaName::of(&client)?));
        }
    }
    Ok(found)
}

/// Writes what an entity has from here on, and tells all brokers. The znode of one that has nothing is removed, unless it has children.
pub(super) async fn replace(
    store: &Arc<dyn MetadataStore>,
    entity: &QuotaEntity,
    map: ConfigMap,
) -> Result<(), ConfigReadError> {
    if !map.is_empty() || !remove(store, entity).await? {
        write(store, &entity.path(), EntityConfig(map)).await?;
    }
    Ok(announce(store, &entity.announcement()).await?)
}

/// Whether it could be removed, or was not there. What is above it goes too, where it held nothing else.
async fn remove(store: &Arc<dyn MetadataStore>, entity: &QuotaEntity) -> Result<bool, ConfigReadError> {
    let path = entity.path();
    if !children(store.children(&path, Watch::None).await)?.is_empty() {
        return Ok(false);
    }
    let mut paths = vec![path];
    if let QuotaEntity::UserClient { user, client } = entity {
        let clients = clients_path(user);
        if children(store.children(&clients, Watch::None).await)? == [client.sanitised()] {
            paths.push(clients);
            let user = QuotaEntity::User(user.clone());
            let below = children(store.children(&user.path(), Watch::None).await)?;
            if read(store, &user).await?.is_empty() && below == [CLIENTS] {
                paths.push(user.path());
            }
        }
    }
    for path in paths {
        match store.delete(&path, Expected::Any).await {
            // Somebody has put something there meanwhile.
            Err(error) if error.refusal() == Some(Refusal::NotEmpty) => break,
            Err(error) if error.refusal() == Some(Refusal::NoNode) => {}
            deleted => deleted?,
        }
    }
    Ok(true)
}

fn clients_path(user: &QuotaName) -> String {
    format!("{}/{CLIENTS}", QuotaEntity::User(user.clone()).path())
}

/// The names of the children; none where there is no node.
fn children<T>(found: Result<(Vec<String>, T), StoreError>) -> Result<Vec<String>, StoreError> {
    match found {
        Ok((names, _)) => Ok(names),
        Err(error) if error.refusal() == Some(Refusal::NoNode) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
