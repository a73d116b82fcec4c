//! What is configured now: the broker's own layers and each hosted topic's map, changed while running.
//! Filled from ZooKeeper by `config_changes.rs` and at a topic's first LeaderAndIsr; read by everyone. Source: KIP-226, ZkConfigManager.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use config::alter::BrokerSettings;
use config::broker::BrokerConfig;
use config::layers::{ConfigMap, Layers, Scope, Throttles};
use zookeeper::store::MetadataStore;

use crate::config_changes::{ConfigEntity, ConfigReadError, read_config, read_configs};
use crate::topic_settings::TopicSettings;

#[derive(Debug)]
pub(crate) struct Settings {
    store: Arc<dyn MetadataStore>,
    /// The lock guards maps that change when an operator changes them; nobody holds it across an await.
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    /// As ZooKeeper has them, together with what the broker was started with.
    stored: Layers,
    /// What is in force: the stored ones, unless those make no sense together.
    layers: Layers,
    config: Arc<BrokerConfig>,
    topics: BTreeMap<String, ConfigMap>,
}

/// What a change of the broker's settings has changed.
#[derive(Debug)]
pub(crate) struct Reconfigured {
    pub(crate) before: Arc<BrokerConfig>,
    pub(crate) after: Arc<BrokerConfig>,
    /// The new settings of every known topic, where they may be others.
    pub(crate) topics: Vec<(String, TopicSettings)>,
}

impl Settings {
    pub(crate) fn new(store: Arc<dyn MetadataStore>, layers: Layers, config: BrokerConfig) -> Self {
        let state =
            State { stored: layers.clone(), layers, config: Arc::new(config), topics: BTreeMap::new() };
        Self { store, state: RwLock::new(state) }
    }

    pub(crate) fn config(&self) -> Arc<BrokerConfig> {
        Arc::clone(&self.read().config)
    }

    /// Bytes per second that replication and moves may take.
    pub(crate) fn throttles(&self) -> Throttles {
        self.read().layers.throttles()
    }

    /// The layers that are in force.
    pub(crate) fn layers(&self) -> Layers {
        self.read().layers.clone()
    }

    /// What a change of the broker's settings is judged against.
    pub(crate) fn of_broker(&self) -> BrokerSettings {
        let state = self.read();
        BrokerSettings { in_force: state.layers.clone(), stored: state.stored.clone() }
    }

    /// The settings of topics as their znodes have them now. Where one cannot be read the last known map counts, and a warning says so.
    pub(crate) async fn topics(&self, names: &[Arc<str>]) -> Vec<TopicSettings> {
        let entities: Vec<_> = names.iter().map(|name| ConfigEntity::Topic(name.to_string())).collect();
        let stored = read_configs(&*self.store, &entities).await;
        let settings = names.iter().zip(stored).map(|(name, stored)| match stored {
            Ok(map) => self.topic_changed(name, map),
            Err(error) => {
                tracing::warn!(topic = %name, %error, "the topic's settings cannot be read: the last known ones stay in force");
                self.known_topic(name)
            }
        });
        settings.collect()
    }

    /// The map of one entity as its znode has it now; an absent znode is an empty map.
    pub(crate) async fn stored(&self, entity: &ConfigEntity) -> Result<ConfigMap, ConfigReadError> {
        read_config(&*self.store, entity).await
    }

    /// Takes a topic's map; what cannot be used of it is warned about and left out.
    pub(crate) fn topic_changed(&self, name: &str, map: ConfigMap) -> TopicSettings {
        let mut state = self.write();
        let settings = state.topic_settings(name, &map);
        state.topics.insert(name.to_owned(), map);
        settings
    }

    /// Takes a layer of the broker's map. Where the layers make no sense together nothing changes.
    pub(crate) fn broker_changed(&self, scope: Scope, map: &ConfigMap) -> Option<Reconfigured> {
        let mut state = self.write();
        for ignored in state.stored.replace(scope, map) {
            tracing::warn!(%ignored, "a broker setting in ZooKeeper is not used");
        }
        let after = match state.stored.config() {
            Ok(config) => Arc::new(config),
            Err(errors) => {
                tracing::error!(%errors, "the broker settings in ZooKeeper make no sense together: those before stay in force");
                return None;
            }
        };
        for warning in state.stored.changed_in_vain(&state.layers) {
            tracing::warn!("{warning}");
        }
        let before = std::mem::replace(&mut state.config, Arc::clone(&after));
        state.layers = state.stored.clone();
        let for_topics =
            |config: &BrokerConfig| (config.topic_defaults.clone(), config.log.producer_id_expiration_ms);
        let topics = match for_topics(&before) != for_topics(&after) {
            true => {
                let all = state.topics.iter();
                all.map(|(name, map)| (name.clone(), state.topic_settings(name, map))).collect()
            }
            false => Vec::new(),
        };
        Some(Reconfigured { before, after, topics })
    }

    /// The topic is deleted; one of its name that is made later has settings of its own.
    pub(crate) fn forget_topic(&self, name: &str) {
        self.write().topics.remove(name);
    }

    /// The settings of a topic by the map that was read last.
    pub(crate) fn known_topic(&self, name: &str) -> TopicSettings {
        let state = self.read();
        let map = state.topics.get(name).cloned().unwrap_or_default();
        state.topic_settings(name, &map)
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn topic_settings(&self, name: &str, map: &ConfigMap) -> TopicSettings {
        let (config, ignored) = self.config.topic_defaults.topic(map);
        for error in ignored {
            tracing::warn!(topic = name, %error, "a topic setting in ZooKeeper is not used");
        }
        TopicSettings::new(&config, self.config.log.producer_id_expiration_ms)
    }
}

#[cfg(test)]
mod tests {
    use config::properties::Properties;
    use zookeeper::tree::ModelZooKeeper;

    use super::*;

    fn map(name: &str, value: &str) -> ConfigMap {
        ConfigMap::from([(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn a_layer_that_makes_no_sense_is_neither_in_force_nor_shown() {
        let properties = Properties::parse(b"zookeeper.connect=localhost\nlog.retention.ms=9\n").unwrap();
        let (fixed, config) = (Layers::new(&properties), BrokerConfig::load(&properties).unwrap().config);
        let (store, _events) = ModelZooKeeper::default().connect();
        let settings = Settings::new(Arc::new(store), fixed.clone(), config);
        let retention_ms = || settings.config().topic_defaults.config.retention_ms;

        settings.broker_changed(Scope::Broker, &map("log.retention.ms", "0"));
        assert_eq!((settings.layers(), retention_ms()), (fixed.clone(), Some(9)));
        settings.broker_changed(Scope::Cluster, &map("message.max.bytes", "100"));
        assert_eq!((settings.layers(), retention_ms()), (fixed, Some(9)));

        // Both count as soon as they make sense together.
        settings.broker_changed(Scope::Broker, &map("log.retention.ms", "8"));
        assert_eq!((settings.layers().cluster, retention_ms()), (map("message.max.bytes", "100"), Some(8)));
        assert_eq!(settings.layers(), settings.of_broker().stored);
    }
}
