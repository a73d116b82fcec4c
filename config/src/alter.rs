//! Changing settings while running: the pure part of AlterConfigs and IncrementalAlterConfigs. Each
//! function takes the map a znode holds and answers the map to write, or why not, with Kafka's code and
//! text. It writes nothing itself. Source: `ConfigAdminManager`, `ZkAdminManager`, `DynamicBrokerConfig`.

/// One operation of IncrementalAlterConfigs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub name: String,
    pub op: Op,
    pub value: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Set,
    Delete,
    Append,
    Subtract,
}

/// Why a change is not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Kafka's code 42, INVALID_REQUEST.
    #[error("{0}")]
    InvalidRequest(String),
    /// Kafka's code 40, INVALID_CONFIG.
    #[error("{0}")]
    InvalidConfig(String),
}

/// Whose settings are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// One broker's.
    Broker,
    /// The default of all brokers.
    Cluster,
}
