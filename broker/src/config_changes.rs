//! Settings kept in ZooKeeper: all of them at start, then every change that `/config/changes` announces.
//!
//! Owns the child watch on the announcements and the number seen last; interprets no setting. Whole maps go out, as an
//! announcement says only which entity to read again. Started by `broker.rs`; the driver forwards what it hears of the path.
//! Source: Kafka 3.9 `ZkConfigManager`, `ZkNodeChangeNotificationListener`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use protocol::Millis;
use thiserror::Error;
use tokio::sync::mpsc;
use tracing::{debug, info, warn};
use zookeeper::paths;
use zookeeper::session::together;
use zookeeper::store::{Expected, MetadataStore, Node, Refusal, Stat, StoreError, Watch};
use zookeeper::znodes::{ConfigChange, EntityConfig, ZnodeError};

mod entity;

pub(crate) use entity::ConfigEntity;
use entity::{BROKERS, CLIENTS, IPS, TOPICS, USERS};

/// ZkNodeChangeNotificationListener.changeExpirationMs: any broker that was away for less finds its announcements.
const KEPT_MS: i64 = 15 * 60 * 1000;
/// Updates on their way to whoever applies them; when it is full, reading waits.
pub(crate) const UPDATES_CAPACITY: usize = 64;
/// After a failure, which a hint may end earlier.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// All settings that an entity has now; none where it is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigUpdate {
    pub(crate) entity: ConfigEntity,
    pub(crate) settings: BTreeMap<String, String>,
}

#[derive(Debug)]
pub(crate) struct ConfigChanges {
    store: Arc<dyn MetadataStore>,
    last_seen: i64,
}

/// The driver's end: says that the announcements may have changed, or that the watch on them is gone.
#[derive(Debug, Clone)]
pub(crate) struct ConfigHint(mpsc::Sender<()>);

/// The end of the task that reads them.
#[derive(Debug)]
pub(crate) struct ConfigHints(mpsc::Receiver<()>);

#[derive(Debug, Error)]
pub(crate) enum ConfigReadError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Znode(#[from] ZnodeError),
}

/// One hint that waits says as much as many.
pub(crate) fn hints() -> (ConfigHint, ConfigHints) {
    let (sender, receiver) = mpsc::channel(1);
    (ConfigHint(sender), ConfigHints(receiver))
}

impl ConfigHint {
    /// To be called when the children of `/config/changes` changed, and after `Reconnected` and `Expired`. Never waits.
    pub(crate) fn look(&self) {
        // An error means that a hint waits already, or that nobody reads any more.
        let _ = self.0.try_send(());
    }
}

/// The settings of one entity, straight from ZooKeeper; none where it does not exist.
pub(crate) async fn read_config(
    store: &dyn MetadataStore,
    entity: &ConfigEntity,
) -> Result<BTreeMap<String, String>, ConfigReadError> {
    let path = entity.path();
    settings(&path, store.get(&path, Watch::None).await)
}

/// The settings of many, asked for at once.
pub(crate) async fn read_configs(
    store: &dyn MetadataStore,
    entities: &[ConfigEntity],
) -> Vec<Result<BTreeMap<String, String>, ConfigReadError>> {
    let nodes = together(entities.iter().map(|entity| store.get(&entity.path(), Watch::None))).await;
    entities.iter().zip(nodes).map(|(entity, node)| settings(&entity.path(), node)).collect()
}

impl ConfigChanges {
    pub(crate) fn new(store: Arc<dyn MetadataStore>) -> ConfigChanges {
        ConfigChanges { store, last_seen: -1 }
    }

    /// Leaves the watch, then reads every entity: what changes from here on is announced above the number seen now.
    pub(crate) async fn load(&mut self) -> Result<Vec<ConfigUpdate>, StoreError> {
        let announced = self.list().await?;
        self.last_seen = announced.last().map_or(self.last_seen, |(number, _)| *number);
        let mut entities = Vec::new();
        for kind in [TOPICS, BROKERS, IPS, CLIENTS, USERS] {
            let names = in_order(self.store.children(&paths::config_type(kind), Watch::None).await)?;
            entities.extend(names.iter().filter_map(|name| ConfigEntity::of(kind, name)));
            if kind == USERS {
                entities.extend(self.clients_of(&names).await?);
            }
        }
        self.read(entities).await
    }

    /// The clients that have quotas of their own with one of these users.
    async fn clients_of(&self, users: &[String]) -> Result<Vec<ConfigEntity>, StoreError> {
        let parents: Vec<_> = users.iter().map(|user| format!("{user}/{CLIENTS}")).collect();
        let children = |parent: &String| self.store.children(&paths::config(USERS, parent), Watch::None);
        let listed = together(parents.iter().map(children)).await;
        let mut entities = Vec::new();
        for (parent, names) in parents.iter().zip(listed) {
            let of = |name: &String| ConfigEntity::of(USERS, &format!("{parent}/{name}"));
            entities.extend(in_order(names)?.iter().filter_map(of));
        }
        Ok(entities)
    }

    /// Leaves the watch again and reads what was announced since; removes announcements that have had their time.
    pub(crate) async fn catch_up(&mut self, now: Millis) -> Result<Vec<ConfigUpdate>, StoreError> {
        let announced = self.list().await?;
        let nodes = together(announced.iter().map(|(_, path)| self.store.get(path, Watch::None))).await;
        let (mut entities, mut named) = (Vec::new(), BTreeSet::new());
        let mut outdated = Vec::new();
        let mut last_seen = self.last_seen;
        for ((number, path), node) in announced.into_iter().zip(nodes) {
            let node = match node {
                Ok(node) => node,
                Err(StoreError::Refused { refusal: Refusal::NoNode, .. }) => continue,
                Err(error) => return Err(error),
            };
            if number > self.last_seen {
                let entity = announced_entity(&path, &node.data);
                entities.extend(entity.filter(|entity| named.insert(entity.clone())));
                last_seen = number;
            }
            if now.0 - node.stat.ctime > KEPT_MS {
                outdated.push(path);
            }
        }
        let updates = self.read(entities).await?;
        self.last_seen = last_seen;
        self.purge(outdated).await;
        Ok(updates)
    }

    /// The task: catches up at every hint and hands the updates on, until either end is gone.
    pub(crate) async fn run(
        mut self,
        mut hints: ConfigHints,
        updates: mpsc::Sender<ConfigUpdate>,
        clock: fn() -> Millis,
    ) {
        while hints.0.recv().await.is_some() {
            while let Err(error) = self.pass_on(&updates, clock()).await {
                if error == StoreError::Closed {
                    return;
                }
                warn!(%error, "the changes of settings in {} could not be read; trying again", paths::CONFIG_CHANGES);
                // A hint ends the pause; both branches lose nothing, as the next round reads all there is.
                tokio::select! {
                    () = tokio::time::sleep(RETRY_PAUSE) => {}
                    hint = hints.0.recv() => if hint.is_none() {
                        return;
                    },
                }
            }
            if updates.is_closed() {
                return;
            }
        }
    }

    async fn pass_on(&mut self, updates: &mpsc::Sender<ConfigUpdate>, now: Millis) -> Result<(), StoreError> {
        for update in self.catch_up(now).await? {
            info!(entity = ?update.entity, settings = update.settings.len(), "settings changed in ZooKeeper");
            if updates.send(update).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// The announcements with their numbers, in order. Leaves the watch.
    async fn list(&self) -> Result<Vec<(i64, String)>, StoreError> {
        let (names, _) = self.store.children(paths::CONFIG_CHANGES, Watch::Leave).await?;
        let numbered = |name: &String| Some((paths::sequence_number(name)?, paths::config_change(name)));
        let mut announced: Vec<_> = names.iter().filter_map(numbered).collect();
        announced.sort();
        Ok(announced)
    }

    async fn read(&self, entities: Vec<ConfigEntity>) -> Result<Vec<ConfigUpdate>, StoreError> {
        let stored = read_configs(&*self.store, &entities).await;
        let mut updates = Vec::new();
        for (entity, stored) in entities.into_iter().zip(stored) {
            match stored {
                Ok(settings) => updates.push(ConfigUpdate { entity, settings }),
                // What was in force stays so.
                Err(ConfigReadError::Znode(error)) => {
                    warn!(%error, "settings that cannot be read are ignored")
                }
                Err(ConfigReadError::Store(error)) => return Err(error),
            }
        }
        Ok(updates)
    }

    /// Any broker may do this, and none need; what remains is for the next time.
    async fn purge(&self, outdated: Vec<String>) {
        for result in together(outdated.iter().map(|path| self.store.delete(path, Expected::Any))).await {
            if let Err(error) = result {
                debug!(%error, "an old announcement was not removed");
            }
        }
    }
}

/// The names that were listed, in order; none where there was nothing to list.
fn in_order(listed: Result<(Vec<String>, Stat), StoreError>) -> Result<Vec<String>, StoreError> {
    match listed {
        Ok((mut names, _)) => {
            names.sort();
            Ok(names)
        }
        Err(StoreError::Refused { refusal: Refusal::NoNode, .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn settings(path: &str, node: Result<Node, StoreError>) -> Result<BTreeMap<String, String>, ConfigReadError> {
    match node {
        Ok(node) => Ok(EntityConfig::decode(path, &node.data)?.0),
        Err(StoreError::Refused { refusal: Refusal::NoNode, .. }) => Ok(BTreeMap::new()),
        Err(error) => Err(error.into()),
    }
}

fn announced_entity(path: &str, data: &[u8]) -> Option<ConfigEntity> {
    let change = match ConfigChange::decode(path, data) {
        Ok(change) => change,
        Err(error) => {
            warn!(%error, "an announcement that cannot be read is skipped");
            return None;
        }
    };
    let entity = ConfigEntity::of(&change.entity_type, &change.entity);
    if entity.is_none() {
        debug!(?change, "settings of this kind are not used");
    }
    entity
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use protocol::BrokerId;
    use zookeeper::events::{Change, SessionEvent, SessionEvents};
    use zookeeper::session::create_all;
    use zookeeper::store::CreateMode;
    use zookeeper::tree::{ModelStore, ModelZooKeeper};
    use zookeeper::znodes::{QuotaEntity, QuotaName};

    use super::*;

    const NOW: Millis = Millis(1_000_000_000);

    struct Fixture {
        zookeeper: ModelZooKeeper,
        /// Another client, which changes settings.
        admin: ModelStore,
        store: ModelStore,
        events: SessionEvents,
        changes: ConfigChanges,
    }

    impl Fixture {
        async fn new() -> Fixture {
            let zookeeper = ModelZooKeeper::default();
            zookeeper.set_time(NOW);
            let (admin, _) = zookeeper.connect();
            for path in paths::PERSISTENT {
                create_all(&admin, path).await.unwrap();
            }
            let (store, events) = zookeeper.connect();
            let changes = ConfigChanges::new(Arc::new(store.clone()));
            Fixture { zookeeper, admin, store, events, changes }
        }

        async fn set(&self, entity: &ConfigEntity, key: &str, value: &str) {
            let config = EntityConfig(BTreeMap::from([(key.to_owned(), value.to_owned())])).encode();
            let created =
                self.admin.create(&entity.path(), Some(config.clone()), CreateMode::Persistent).await;
            if created.is_err() {
                self.admin.set(&entity.path(), config, Expected::Any).await.unwrap();
            }
        }

        async fn announce(&self, data: &str) {
            let data = Some(Bytes::copy_from_slice(data.as_bytes()));
            let prefix = paths::config_change_prefix();
            self.admin.create(&prefix, data, CreateMode::PersistentSequential).await.unwrap();
        }

        async fn announced(&self) -> usize {
            self.admin.children(paths::CONFIG_CHANGES, Watch::None).await.unwrap().0.len()
        }
    }

    fn topic(name: &str) -> ConfigEntity {
        ConfigEntity::Topic(name.to_owned())
    }

    fn update(entity: ConfigEntity, settings: &[(&str, &str)]) -> ConfigUpdate {
        let settings = settings.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        ConfigUpdate { entity, settings }
    }

    fn changed() -> Option<SessionEvent> {
        let path = paths::CONFIG_CHANGES.to_owned();
        Some(SessionEvent::NodeChanged { path, change: Change::Children })
    }

    #[tokio::test]
    async fn everything_is_read_at_start_and_announcements_from_there_on() {
        let mut at = Fixture::new().await;
        at.set(&topic("t"), "retention.ms", "1").await;
        at.set(&ConfigEntity::AllBrokers, "message.max.bytes", "2").await;
        at.set(&ConfigEntity::Broker(BrokerId(7)), "num.io.threads", "3").await;
        at.set(&ConfigEntity::AllIps, "connection_creation_rate", "5").await;
        at.set(&ConfigEntity::Ip("::1".to_owned()), "connection_creation_rate", "6").await;
        at.announce(r#"{"version":2,"entity_path":"topics/t"}"#).await;
        let loaded = at.changes.load().await.unwrap();
        let expected = [
            update(topic("t"), &[("retention.ms", "1")]),
            update(ConfigEntity::Broker(BrokerId(7)), &[("num.io.threads", "3")]),
            update(ConfigEntity::AllBrokers, &[("message.max.bytes", "2")]),
            update(ConfigEntity::Ip("::1".to_owned()), &[("connection_creation_rate", "6")]),
            update(ConfigEntity::AllIps, &[("connection_creation_rate", "5")]),
        ];
        assert_eq!(loaded, expected);

        at.set(&topic("t"), "retention.ms", "9").await;
        at.announce(r#"{"version":2,"entity_path":"topics/t"}"#).await;
        at.announce(r#"{"version":1,"entity_type":"topics","entity_name":"gone"}"#).await;
        at.announce(r#"{"version":2,"entity_path":"topics/t"}"#).await;
        assert_eq!(at.events.try_recv(), changed());
        let updates = at.changes.catch_up(NOW).await.unwrap();
        assert_eq!(updates, [update(topic("t"), &[("retention.ms", "9")]), update(topic("gone"), &[])]);
        assert_eq!(at.changes.catch_up(NOW).await.unwrap(), []);
    }

    #[tokio::test]
    async fn users_and_clients_are_found_wherever_they_have_quotas() {
        let named = |name: &str| QuotaName::Named(name.to_owned());
        let both = |user, client| ConfigEntity::Quota(QuotaEntity::UserClient { user, client });
        let entities = [
            ConfigEntity::Quota(QuotaEntity::Client(named("a b"))),
            ConfigEntity::Quota(QuotaEntity::Client(QuotaName::Default)),
            ConfigEntity::Quota(QuotaEntity::User(named("CN=u/x"))),
            ConfigEntity::Quota(QuotaEntity::User(QuotaName::Default)),
            both(named("CN=u/x"), named("c")),
            both(QuotaName::Default, QuotaName::Default),
        ];
        let mut at = Fixture::new().await;
        for parent in ["CN%3Du%2Fx", "CN%3Du%2Fx/clients", "<default>", "<default>/clients"] {
            let path = format!("/config/users/{parent}");
            at.admin.create(&path, None, CreateMode::Persistent).await.unwrap();
        }
        for entity in &entities {
            at.set(entity, "producer_byte_rate", "1024").await;
        }
        let expected = entities.map(|entity| update(entity, &[("producer_byte_rate", "1024")]));
        let mut loaded = at.changes.load().await.unwrap();
        loaded.sort_by_key(|update| expected.iter().position(|known| known == update));
        assert_eq!(loaded, expected);
        at.announce(r#"{"version":2,"entity_path":"users/CN%3Du%2Fx/clients/c"}"#).await;
        at.announce(r#"{"version":2,"entity_path":"clients/gone"}"#).await;
        let gone = ConfigEntity::Quota(QuotaEntity::Client(named("gone")));
        assert_eq!(at.changes.catch_up(NOW).await.unwrap(), [expected[4].clone(), update(gone, &[])]);
    }

    #[tokio::test]
    async fn garbage_is_skipped_and_does_not_hold_up_the_rest() {
        let mut at = Fixture::new().await;
        at.admin.create("/config/topics/bad", Some("x".into()), CreateMode::Persistent).await.unwrap();
        at.admin.create("/config/brokers/x", None, CreateMode::Persistent).await.unwrap();
        assert_eq!(at.changes.load().await.unwrap(), []);
        for data in ["", "garbage", r#"{"version":9}"#, r#"{"version":2,"entity_path":"users/u/clients"}"#] {
            at.announce(data).await;
        }
        at.announce(r#"{"version":2,"entity_path":"topics/bad"}"#).await;
        at.admin.create("/config/changes/foreign", None, CreateMode::Persistent).await.unwrap();
        at.set(&topic("t"), "a", "b").await;
        at.announce(r#"{"version":2,"entity_path":"topics/t"}"#).await;
        assert_eq!(at.changes.catch_up(NOW).await.unwrap(), [update(topic("t"), &[("a", "b")])]);
    }

    #[tokio::test]
    async fn announcements_are_removed_after_a_quarter_of_an_hour() {
        let mut at = Fixture::new().await;
        at.announce(r#"{"version":2,"entity_path":"topics/old"}"#).await;
        at.zookeeper.set_time(NOW + KEPT_MS);
        at.announce(r#"{"version":2,"entity_path":"topics/new"}"#).await;
        at.changes.catch_up(NOW + KEPT_MS).await.unwrap();
        assert_eq!(at.announced().await, 2);
        at.changes.catch_up(NOW + KEPT_MS + 1).await.unwrap();
        assert_eq!(at.announced().await, 1);
    }

    #[tokio::test]
    async fn the_task_hands_on_what_it_finds_after_a_hint() {
        let mut at = Fixture::new().await;
        at.changes.load().await.unwrap();
        let (hint, hints) = hints();
        let (sender, mut updates) = mpsc::channel(UPDATES_CAPACITY);
        // The watch is lost with the session; what was announced meanwhile is found all the same.
        at.store.disconnect();
        at.set(&topic("t"), "a", "b").await;
        at.announce(r#"{"version":2,"entity_path":"topics/t"}"#).await;
        at.store.expire();
        hint.look();
        hint.look();
        let fresh = ConfigChanges::new(Arc::new(at.store.clone()));
        let task = std::mem::replace(&mut at.changes, fresh).run(hints, sender, || NOW);
        let consumer = async {
            assert_eq!(updates.recv().await, Some(update(topic("t"), &[("a", "b")])));
            drop(hint);
        };
        tokio::join!(task, consumer);
        assert_eq!(updates.recv().await, None);
        at.events.try_recv();
        at.announce("{}").await;
        assert_eq!(at.events.try_recv(), changed());
    }

    #[tokio::test]
    async fn an_entity_can_be_read_alone() {
        let at = Fixture::new().await;
        at.set(&topic("t"), "a", "b").await;
        assert_eq!(read_config(&at.store, &topic("t")).await.unwrap()["a"], "b");
        assert!(read_config(&at.store, &topic("none")).await.unwrap().is_empty());
    }
}
