//! All settings of a broker: the table of Kafka 3.9.1 (`table`), and the typed form of those it acts on.
//! Loading checks every value, also of settings that are only stored, and collects all that is wrong.
//! The binary calls `BrokerConfig::load` at start and `Layers` when a setting changes while running.

use std::path::PathBuf;

use crate::error::{ConfigErrors, Warning};
use crate::layers::Layers;
use crate::listeners::Endpoint;
use crate::properties::Properties;
use crate::topic::TopicDefaults;
use crate::version::ProtocolVersion;

pub(crate) mod load;
pub(crate) mod names;
pub(crate) mod reader;
pub(crate) mod requirements;
pub mod table;
mod warnings;

/// What a broker does, as configured. Plain values; bytes, counts and milliseconds as the names say.
#[derive(Debug, Clone, PartialEq)]
pub struct BrokerConfig {
    /// `broker.id`; none means that one is taken from ZooKeeper, above `reserved_broker_id_max`.
    pub broker_id: Option<i32>,
    pub reserved_broker_id_max: i32,
    pub rack: Option<String>,
    pub inter_broker_protocol: ProtocolVersion,
    pub zookeeper: ZooKeeper,
    pub network: Network,
    pub log: Log,
    pub topics: Topics,
    pub replication: Replication,
    pub controlled_shutdown: ControlledShutdown,
    /// What a topic without settings of its own has.
    pub topic_defaults: TopicDefaults,
}

/// How to reach ZooKeeper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZooKeeper {
    /// `host:port` of each server, in the order given; the port is 2181 where none was.
    pub servers: Vec<String>,
    /// Empty, or an absolute path without a slash at its end.
    pub chroot: String,
    pub session_timeout_ms: u32,
    /// The session's time-out where it is not set.
    pub connection_timeout_ms: u32,
    pub in_flight_requests_max: u32,
}

/// Listeners, sockets and the limits of connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    pub listeners: Vec<Endpoint>,
    /// What clients and other brokers are told; the listeners where nothing else is set.
    pub advertised_listeners: Vec<Endpoint>,
    /// The name of one of the advertised listeners.
    pub inter_broker_listener: String,
    /// None leaves the system's own size, which Kafka writes as -1.
    pub socket_send_buffer_bytes: Option<u32>,
    pub socket_receive_buffer_bytes: Option<u32>,
    pub socket_request_bytes_max: u32,
    pub socket_listen_backlog: u32,
    /// None for a negative value: idle connections stay.
    pub connections_idle_ms_max: Option<u64>,
    pub queued_requests_max: u32,
    pub fetch_bytes_max: u32,
    pub fetch_session_slots_max: u32,
}

/// Where logs are and how they are kept; what a topic may override is in `topic_defaults`.
#[derive(Debug, Clone, PartialEq)]
pub struct Log {
    /// Absolute or relative to the working directory; at least one, each once.
    pub dirs: Vec<PathBuf>,
    pub recovery_threads_per_dir: u32,
    pub retention_check_interval_ms: u64,
    /// How often flushes that are due by time are looked for.
    pub flush_scheduler_interval_ms: u64,
    pub flush_offset_checkpoint_interval_ms: u64,
    pub flush_start_offset_checkpoint_interval_ms: u64,
    /// How long the regular work on logs waits after start.
    pub initial_task_delay_ms: u64,
    pub producer_id_expiration_ms: u64,
    pub producer_id_expiration_check_interval_ms: u64,
    pub cleaner: Cleaner,
}

/// The log cleaner.
#[derive(Debug, Clone, PartialEq)]
pub struct Cleaner {
    pub enable: bool,
    pub threads: u32,
    pub backoff_ms: u64,
    pub dedupe_buffer_bytes: u64,
    pub io_buffer_bytes: u32,
    pub io_buffer_load_factor: f64,
    pub io_bytes_per_second_max: f64,
}

/// How topics come and go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    pub partitions: u32,
    pub replication_factor: i16,
    pub auto_create: bool,
    pub delete: bool,
}

/// Followers and the in-sync set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replication {
    pub lag_time_ms_max: u64,
    pub high_watermark_checkpoint_interval_ms: u64,
    pub fetchers: u32,
    pub fetch_bytes_min: u32,
    pub fetch_bytes_max: u32,
    pub fetch_response_bytes_max: u32,
    pub fetch_wait_ms_max: u32,
    pub fetch_backoff_ms: u32,
    pub socket_timeout_ms: u32,
    pub socket_receive_buffer_bytes: Option<u32>,
    pub controller_socket_timeout_ms: u32,
    pub request_timeout_ms: u32,
}

/// Leaving in good order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlledShutdown {
    pub enable: bool,
    pub retries_max: u32,
    pub retry_backoff_ms: u64,
}

/// A configuration that can be started with, and what the operator should know about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    pub config: BrokerConfig,
    pub warnings: Vec<Warning>,
}

impl BrokerConfig {
    /// Reads, checks and types the settings of a properties file.
    pub fn load(properties: &Properties) -> Result<Loaded, ConfigErrors> {
        let config = Layers::new(properties).config()?;
        Ok(Loaded { config, warnings: warnings::warnings(properties.map()) })
    }
}
