//! The settings of one running broker as they lie over each other (KIP-226): the properties file it was
//! started with, what `/config/brokers/<default>` says for all brokers, and what `/config/brokers/N` says
//! for this one. The broker holds one `Layers`, replaces the two upper maps when their znodes change, and
//! asks it for the typed configuration that results. Source: `DynamicBrokerConfig` (3.9).

use std::collections::BTreeMap;

use crate::properties::Properties;

/// Names and values as a config znode holds them.
pub type ConfigMap = BTreeMap<String, String>;

/// The three layers of broker settings; the defaults lie beneath them.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    pub fixed: Properties,
    /// `/config/brokers/<default>`.
    pub cluster: ConfigMap,
    /// `/config/brokers/N`.
    pub broker: ConfigMap,
}
