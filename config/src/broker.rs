//! All settings of a broker: the table of Kafka 3.9.1 (`table`), and the typed form of those it acts on.
//! Loading checks every value, also of settings that are only stored, and collects all that is wrong.
//! The binary calls `BrokerConfig::load` at start and `Layers` when a setting changes while running.

use std::collections::BTreeMap;
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
pub(crate) mod warnings;

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
    /// None for -1 and 0.
    pub queued_request_bytes_max: Option<u64>,
    pub connections: ConnectionLimits,
    pub quota_window: QuotaWindow,
    /// For changes of topics.
    pub controller_quota_window: QuotaWindow,
    /// Requests that take longer are logged; none where nobody asks.
    pub slow_request_ms: Option<u64>,
    pub fetch_bytes_max: u32,
    pub fetch_session_slots_max: u32,
}

/// How many connections there may be, and how many may come in a second. Kafka's `i32::MAX` stands for no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionLimits {
    pub connections_max: u32,
    pub creation_rate_max: u32,
    pub per_ip_max: u32,
    /// By host name or address.
    pub per_ip_overrides: Vec<(String, u32)>,
    /// What holds for each listener alone, by its name: the broker's limits where it has none of its own.
    pub listeners: BTreeMap<String, ListenerLimits>,
}

/// What `listener.name.NAME.` may say differently for one listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerLimits {
    pub connections_max: u32,
    pub creation_rate_max: u32,
}

/// Over how long rates are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaWindow {
    pub samples: u32,
    pub sample_seconds: u32,
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
    /// Kept back in each directory for when its disk is full.
    pub reserve_bytes: u64,
    /// What earlier starts cut off logs is kept up to this size in each directory; none sets no limit.
    pub salvage_bytes_max: Option<u64>,
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
    /// Moves between log directories at one time; none for as many as there are directories.
    pub alter_log_dirs_threads: Option<u32>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::table;

    fn load(text: &str) -> Result<Loaded, Vec<String>> {
        let text = format!("zookeeper.connect=localhost:2181\n{text}");
        let loaded = BrokerConfig::load(&Properties::parse(text.as_bytes()).unwrap());
        loaded.map_err(|errors| errors.0.iter().map(ToString::to_string).collect())
    }

    fn config(text: &str) -> BrokerConfig {
        load(text).unwrap().config
    }

    fn refused(text: &str, expected: &str) {
        assert_eq!(load(text).map(|_| ()), Err(vec![expected.to_owned()]), "{text}");
    }

    #[test]
    fn every_field_has_kafkas_default() {
        let config = config("");
        assert_eq!((config.broker_id, config.reserved_broker_id_max), (None, 1000));
        assert_eq!(config.inter_broker_protocol.to_string(), "3.9-IV0");
        let zookeeper = &config.zookeeper;
        assert_eq!((zookeeper.session_timeout_ms, zookeeper.connection_timeout_ms), (18_000, 18_000));
        assert_eq!(config.network.listeners[0].to_string(), "PLAINTEXT://:9092");
        assert_eq!(config.network.advertised_listeners, config.network.listeners);
        assert_eq!(config.network.inter_broker_listener, "PLAINTEXT");
        assert_eq!(config.network.socket_request_bytes_max, 104_857_600);
        assert_eq!(config.log.dirs, [PathBuf::from("/tmp/kafka-logs")]);
        assert_eq!(config.topics.replication_factor, 1);
        assert_eq!(config.topic_defaults.config.retention_ms, Some(604_800_000));
        assert_eq!(config.topic_defaults.config.segment_ms, 604_800_000);
        assert_eq!(config.topic_defaults.config.max_message_bytes, 1_048_588);
        assert_eq!(config.topic_defaults.config.flush_ms, None);
    }

    #[test]
    fn reads_zookeeper_with_several_hosts_and_a_chroot() {
        let zookeeper = config("zookeeper.connect=a:1, b , [::1]:3/kafka/one").zookeeper;
        assert_eq!(zookeeper.servers, ["a:1", "b:2181", "[::1]:3"]);
        assert_eq!(zookeeper.chroot, "/kafka/one");
        assert_eq!(config("zookeeper.connect=a/").zookeeper.chroot, "");
        let servers = "host:port of each ZooKeeper server, separated by commas; it has no default";
        refused("zookeeper.connect=", &format!("zookeeper.connect=: {servers}"));
        refused("zookeeper.connect=a:x", &format!("zookeeper.connect=a:x: {servers}"));
        refused(
            "zookeeper.connect=a/kafka/",
            "zookeeper.connect=a/kafka/: a chroot is an absolute path without empty parts and without a slash at \
             its end",
        );
        let missing = BrokerConfig::load(&Properties::default()).unwrap_err();
        assert_eq!(missing.to_string(), format!("zookeeper.connect=null: {servers}"));
    }

    #[test]
    fn the_finest_unit_of_a_time_counts() {
        let retention = |text: &str| config(text).topic_defaults.config.retention_ms;
        assert_eq!(retention("log.retention.hours=1"), Some(3_600_000));
        assert_eq!(retention("log.retention.hours=1\nlog.retention.minutes=2"), Some(120_000));
        assert_eq!(retention("log.retention.minutes=2\nlog.retention.ms=3"), Some(3));
        assert_eq!(retention("log.retention.ms=-1"), None);
        assert_eq!(retention("log.retention.hours=-5"), None);
        assert_eq!(config("log.roll.hours=1\nlog.roll.ms=9").topic_defaults.config.segment_ms, 9);
        assert_eq!(config("log.flush.scheduler.interval.ms=9").topic_defaults.config.flush_ms, Some(9));
    }

    #[test]
    fn the_older_limit_of_timestamps_stands_in_for_those_that_are_not_set() {
        let both = "log.message.timestamp.difference.max.ms=7\nlog.message.timestamp.after.max.ms=3";
        let defaults = config(both).topic_defaults.config;
        assert_eq!((defaults.timestamp_before_max_ms, defaults.timestamp_after_max_ms), (7, 3));
    }

    #[test]
    fn reads_several_listeners_and_directories() {
        let config = config(
            "listeners=IN://:9092,OUT://0.0.0.0:9093\nlistener.security.protocol.map=IN:PLAINTEXT,out:PLAINTEXT\n\
             advertised.listeners=IN://b1:9092,OUT://broker.example.org:19093\ninter.broker.listener.name=in\n\
             log.dirs=/a, /b\nbroker.id=3\nconnections.max.idle.ms=-1\nsocket.send.buffer.bytes=-1",
        );
        assert_eq!(config.network.listeners[1].to_string(), "OUT://0.0.0.0:9093");
        assert_eq!(config.network.advertised_listeners[1].to_string(), "OUT://broker.example.org:19093");
        assert_eq!(config.network.inter_broker_listener, "IN");
        assert_eq!(
            (config.network.connections_idle_ms_max, config.network.socket_send_buffer_bytes),
            (None, None)
        );
        assert_eq!(config.log.dirs, [PathBuf::from("/a"), PathBuf::from("/b")]);
        assert_eq!(config.broker_id, Some(3));
    }

    #[test]
    fn a_listener_has_the_brokers_limits_where_it_has_none_of_its_own() {
        let limits = config(
            "listeners=IN://:1,OUT://:2\nlistener.security.protocol.map=IN:PLAINTEXT,OUT:PLAINTEXT\n\
             inter.broker.listener.name=IN\nmax.connections=100\nlistener.name.out.max.connections=7\n\
             listener.name.in.max.connection.creation.rate=3\nmax.connections.per.ip=0\n\
             max.connections.per.ip.overrides=localhost:5, ::1:6",
        )
        .network
        .connections;
        let none = i32::MAX as u32;
        assert_eq!((limits.connections_max, limits.creation_rate_max, limits.per_ip_max), (100, none, 0));
        assert_eq!(limits.per_ip_overrides, [("localhost".to_owned(), 5), ("::1".to_owned(), 6)]);
        let own = |name: &str| limits.listeners[name];
        assert_eq!(own("IN"), ListenerLimits { connections_max: 100, creation_rate_max: 3 });
        assert_eq!(own("OUT"), ListenerLimits { connections_max: 7, creation_rate_max: none });
        refused(
            "max.connections.per.ip.overrides=localhost",
            "max.connections.per.ip.overrides=localhost: host:count pairs, separated by commas",
        );
        refused(
            "listener.name.plaintext.max.connections=x",
            "listener.name.plaintext.max.connections=x: Not a number of type INT",
        );
    }

    #[test]
    fn refuses_listeners_that_do_not_fit_together() {
        refused(
            "advertised.listeners=PLAINTEXT://0.0.0.0:9092",
            "advertised.listeners=PLAINTEXT://0.0.0.0:9092: cannot use the nonroutable meta-address 0.0.0.0. Use a \
             routable IP address.",
        );
        refused(
            "listeners=SSL://:9093,PLAINTEXT://:9092",
            "listeners=SSL://:9093,PLAINTEXT://:9092: only PLAINTEXT is served yet, and listener SSL speaks SSL",
        );
        refused(
            "listeners=PLAINTEXT://0.0.0.0:9092",
            "advertised.listeners=null: must be set to an address that clients can reach, where listeners has 0.0.0.0",
        );
        refused(
            "inter.broker.listener.name=other",
            "inter.broker.listener.name=other: must be a listener name defined in advertised.listeners. The valid \
             options based on currently configured listeners are PLAINTEXT",
        );
    }

    #[test]
    fn refuses_what_would_change_rights_or_retention() {
        let reason = |key: &str| match table::setting(key).unwrap().served {
            crate::define::Served::Refused(reason) => reason,
            crate::define::Served::Acted | crate::define::Served::NotYet => panic!("{key} is not refused"),
        };
        for (key, value) in [
            ("authorizer.class.name", "kafka.security.authorizer.AclAuthorizer"),
            ("zookeeper.set.acl", "true"),
            ("zookeeper.ssl.client.enable", "true"),
            ("zookeeper.ssl.truststore.location", "/x"),
            ("remote.log.storage.system.enable", "true"),
            ("zookeeper.metadata.migration.enable", "true"),
            ("create.topic.policy.class.name", "x.Y"),
            ("alter.config.policy.class.name", "x.Y"),
            ("client.quota.callback.class", "x.Y"),
            ("principal.builder.class", "x.Y"),
            ("process.roles", "broker"),
        ] {
            refused(&format!("{key}={value}"), &format!("{key}={value}: {}", reason(key)));
        }
        let key = "listener.name.plaintext.principal.builder.class";
        refused(&format!("{key}=x.Y"), &format!("{key}=x.Y: {}", reason("principal.builder.class")));
        refused(
            "zookeeper.ssl.keystore.password=geheim",
            "zookeeper.ssl.keystore.password=[hidden]: TLS to ZooKeeper is not served yet; leave it out",
        );
        let version = "versions 2.8 to 3.9 are served";
        refused(
            "inter.broker.protocol.version=2.7",
            &format!("inter.broker.protocol.version=2.7: {version}"),
        );
        assert_eq!(config("inter.broker.protocol.version=2.8").inter_broker_protocol.to_string(), "2.8-IV1");
        let errors = load("security.inter.broker.protocol=SASL_SSL").unwrap_err();
        assert_eq!(
            errors[0],
            "security.inter.broker.protocol=SASL_SSL: only PLAINTEXT is served yet between brokers"
        );
    }

    #[test]
    fn defaults_written_out_are_not_refused() {
        let text = "zookeeper.set.acl=false\nauthorizer.class.name=\nzookeeper.ssl.client.enable=FALSE\n\
                    security.inter.broker.protocol=PLAINTEXT\nprocess.roles=";
        assert_eq!(load(text).unwrap().warnings, []);
    }

    #[test]
    fn collects_everything_that_is_wrong() {
        let errors =
            load("num.partitions=0\nlog.segment.bytes=x\nlog.roll.ms=0\ncompression.type=foo\nbroker.id=-2");
        assert_eq!(
            errors.unwrap_err(),
            [
                "compression.type=foo: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer",
                "log.segment.bytes=x: Not a number of type INT",
                "num.partitions=0: Value must be at least 1",
                "broker.id=-2: must be greater than or equal to -1 and not greater than reserved.broker.max.id",
                "log.roll.ms=0: must be greater than or equal to 1",
            ]
        );
    }

    #[test]
    fn refuses_numbers_that_kafka_stumbles_over_later() {
        refused(
            "zookeeper.session.timeout.ms=-1",
            "zookeeper.session.timeout.ms=-1: Value must be at least 1",
        );
        refused(
            "socket.send.buffer.bytes=-7",
            "socket.send.buffer.bytes=-7: Value must be at least 1, or -1 for the size that the system chooses",
        );
        refused("default.replication.factor=0", "default.replication.factor=0: Value must be at least 1");
        refused("log.flush.interval.ms=-1", "log.flush.interval.ms=-1: Value must be at least 0");
        refused(
            "log.dirs=,",
            "log.dirs=,: At least one log directory must be defined via log.dirs or log.dir.",
        );
        refused("log.dirs=/a,/a", "log.dirs=/a,/a: each directory may be named once");
        refused("broker.id=1\nnode.id=2", "node.id=2: must be the same as broker.id, or be left out");
    }

    #[test]
    fn warns_once_about_what_has_no_effect_and_what_does_not_exist() {
        let text = "num.io.threads=16\nnum.network.threads=3\nnum.partition=3\nsuper.users=User:a\n\
                    ssl.keystore.password=geheim\nlistener.name.plaintext.num.network.threads=5\n\
                    listener.name.plaintext.max.connections=5";
        let warnings: Vec<String> = load(text).unwrap().warnings.iter().map(ToString::to_string).collect();
        assert_eq!(
            warnings,
            [
                "listener.name.plaintext.num.network.threads=5 has no effect: this version does not act on it yet",
                "num.io.threads=16 has no effect: this version does not act on it yet",
                "num.partition is not a setting of Kafka 3.9; did you mean num.partitions?",
                "ssl.keystore.password=[hidden] has no effect: this version does not act on it yet",
                "super.users is not a setting of Kafka 3.9",
            ]
        );
    }

    #[test]
    fn the_shipped_files_start_without_a_warning() {
        let files = [
            (include_str!("../server.properties"), 0, 9092),
            (include_str!("../server-1.properties"), 1, 9093),
            (include_str!("../server-2.properties"), 2, 9094),
            (include_str!("../server-3.properties"), 3, 9095),
        ];
        for (text, id, port) in files {
            let loaded = BrokerConfig::load(&Properties::parse(text.as_bytes()).unwrap()).unwrap();
            assert_eq!(loaded.warnings, []);
            assert_eq!(loaded.config.broker_id, Some(id));
            assert_eq!(loaded.config.network.listeners[0].port, port);
        }
    }

    #[test]
    fn the_live_keys_of_kafkas_own_file_start() {
        let text = "broker.id=0\nnum.network.threads=3\nnum.io.threads=8\nsocket.send.buffer.bytes=102400\n\
                    socket.receive.buffer.bytes=102400\nsocket.request.max.bytes=104857600\n\
                    log.dirs=/tmp/kafka-logs\nnum.partitions=1\nnum.recovery.threads.per.data.dir=1\n\
                    offsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\n\
                    transaction.state.log.min.isr=1\nlog.retention.hours=168\n\
                    log.retention.check.interval.ms=300000\nzookeeper.connection.timeout.ms=18000\n\
                    group.initial.rebalance.delay.ms=0";
        let unknown = |warning: &Warning| matches!(warning, Warning::Unknown { .. });
        assert!(!load(text).unwrap().warnings.iter().any(unknown));
    }

    #[test]
    fn the_shipped_zookeeper_file_has_only_known_keys() {
        let file = Properties::parse(include_str!("../zookeeper.properties").as_bytes()).unwrap();
        let keys: Vec<&str> = file.map().keys().map(String::as_str).collect();
        assert_eq!(keys, ["admin.enableServer", "clientPort", "dataDir", "maxClientCnxns"]);
    }
}
