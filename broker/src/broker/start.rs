//! Starting a broker, in order: configuration, ZooKeeper, identity, logs listed, sockets, registration, controller. What fails is fatal and
//! said in one sentence. Sockets are bound before the registration, so that nobody is sent to a port that cannot be had; logs are opened
//! after it, while the broker serves (docs/decisions/0010).
//! Source of the order: KafkaServer.startup (3.9).

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use config::broker::BrokerConfig;
use config::error::ConfigErrors;
use config::layers::{Layers, Scope};
use config::properties::{Properties, PropertiesError};
use protocol::ids::{BrokerId, TopicPartition};
use storage::{CheckpointError, Disk, DiskError, LogDir, LogDirError, MetaProperties, OsDisk};
use tokio::signal::unix::{SignalKind, signal};
use zookeeper::connect_string::{ConnectString, ConnectStringError};
use zookeeper::session::{ConnectError, Session, SessionSettings};
use zookeeper::store::{MetadataStore, StoreError, Watch};

use super::advertised::advertised;
use super::assemble::Materials;
use super::handles::{Room, TooFewHandles};
use super::logs::{self, OpenDirs};
use super::{Broker, Options, idle_threads, reachability, wiring};
use crate::authorizer::Authorizer;
use crate::config_changes::{ConfigChanges, ConfigEntity, ConfigUpdate};
use crate::features::{self, FeaturesError};
use crate::log_dirs::LogDirs;
use crate::network::{BindError, Doors, Limits, Seats, UnknownHost};
use crate::quota::Quotas;
use crate::registration::identity::{
    Identity, IdentityError, IdentitySettings, StoredIdentity, settle_identity,
};
use crate::registration::{
    Registration, RegistrationError, RegistrationSettings, create_persistent_paths, other_brokers,
};
use crate::settings::Settings;
use crate::shard::Clock;
use crate::tasks::{TaskFailed, Tasks};

/// Why a broker does not run. Each is for an operator, who is told what and where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Properties(#[from] PropertiesError),
    #[error("the configuration cannot be used:\n{0}")]
    Config(#[from] ConfigErrors),
    #[error("zookeeper.connect: {0}")]
    ConnectString(#[from] ConnectStringError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("ZooKeeper: {0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Identity(String),
    #[error("{0}")]
    Registration(String),
    #[error("{0}")]
    Features(String),
    #[error(transparent)]
    LogDir(#[from] LogDirError),
    #[error("no directory of log.dirs can be used: {0}")]
    NoLogDir(LogDirError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("{partition} is in two log directories, {} and {}: move one of the two away", one.display(), other.display())]
    SamePartition { partition: TopicPartition, one: PathBuf, other: PathBuf },
    #[error(transparent)]
    Handles(#[from] TooFewHandles),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    UnknownHost(#[from] UnknownHost),
    #[error(
        "broker {other} ({addresses}) is registered in this ZooKeeper: this version serves clusters of one broker. \
         Stop it, or use a zookeeper.connect with a chroot of its own"
    )]
    NotAlone { other: BrokerId, addresses: String },
    #[error("signals cannot be received: {0}")]
    Signals(std::io::Error),
    #[error("the broker stopped by itself: {0}")]
    Failed(String),
}

/// A broker that serves.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) broker: Arc<Broker>,
    pub(super) session: Session,
}

impl Running {
    /// Returns when an operator stops the broker, or with the failure that it cannot go on after.
    pub(super) async fn until_stopped(&self) -> Result<(), StartError> {
        let mut terminate = signal(SignalKind::terminate()).map_err(StartError::Signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::Signals)?;
        // Each branch is only looked at once: nothing is lost with the others.
        tokio::select! {
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
            failure = self.broker.tasks.failed() => Err(failure.into()),
        }
    }
}

pub(super) async fn start(options: Options) -> Result<Running, StartError> {
    let begun = std::time::Instant::now();
    let (config, layers) = configuration(&options)?;
    let clock = Clock::start();
    let tasks = Tasks::new();
    idle_threads::wake(&tasks);
    let room = Room::make();
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    let dirs = logs::open_dirs(&config, &disk)?;
    let (session, events) = Session::connect(session_settings(&config)?).await?;
    let store: Arc<dyn MetadataStore> = Arc::new(session.clone());
    create_persistent_paths(&*store).await?;
    let identity = identify(&*store, &config, &dirs.online).await?;
    features::epoch(&*store, Watch::None).await?;
    let settings = Settings::new(Arc::clone(&store), layers, config.clone());
    let mut changes = ConfigChanges::new(Arc::clone(&store));
    let seats = Seats::new(Limits::resolve(&config.network).await?, config.network.quota_window);
    let quotas = wiring::quotas(&config);
    for update in changes.load().await? {
        apply_at_start(&settings, (&seats, &quotas), identity.broker, update).await;
    }
    wiring::limit_connections(&seats, &settings).await;
    let (OpenDirs { online: dirs, failed }, found) = logs::list(dirs, &settings, clock.now().wall, &disk)?;
    let logs = found.homes.len() + found.unfinished.len();
    room.check(logs)?;
    room.warn_if_little(logs);
    // Listeners are the first that go by what ZooKeeper has for this broker.
    let config = BrokerConfig::clone(&settings.config());
    let mut bound = Vec::with_capacity(config.network.listeners.len());
    for endpoint in &config.network.listeners {
        bound.push(Doors::bind(endpoint, &wiring::socket_settings(&config)).await?);
    }
    let port = |name: &str| Some(bound.iter().find(|(_, open)| *open.name == *name)?.1.address.port());
    let endpoints = advertised(&config.network, port);
    alone(&*store, identity.broker).await?;
    let registration_settings = RegistrationSettings {
        broker: identity.broker,
        endpoints,
        rack: config.rack.clone(),
        session_timeout: Duration::from_millis(u64::from(config.zookeeper.session_timeout_ms)),
    };
    let registration =
        Registration::register(Arc::clone(&store), registration_settings, clock.now().wall).await?;
    let failed = failed.into_iter().map(|(dir, _)| dir).collect();
    let log_dirs = LogDirs::new(dirs, failed, found.homes);
    let (unopened, removals, authorizer) = (found.unopened, found.removals, Authorizer::AllowAll);
    let unfinished = found.unfinished;
    let materials = Materials {
        config,
        identity,
        settings,
        store,
        registration,
        disk,
        log_dirs,
        unopened,
        removals,
        unfinished,
        room,
        seats,
        quotas,
        tasks,
        clock,
        authorizer,
        loggers: options.loggers,
    };
    let (broker, parts) = materials.assemble();
    parts.run(&broker);
    let doors = Arc::new(Doors::new(wiring::network(&broker)));
    bound.into_iter().for_each(|bound| doors.serve(bound));
    wiring::join_controller(&broker, events, changes, doors);
    reachability::check(&broker.config.network.advertised_listeners).await;
    tracing::info!(
        id = %broker.identity.broker, cluster = broker.identity.cluster_id, ms = begun.elapsed().as_millis(), "started"
    );
    Ok(Running { broker, session })
}

fn configuration(options: &Options) -> Result<(BrokerConfig, Layers), StartError> {
    let mut properties = Properties::read(&options.file)?;
    for pair in &options.overrides {
        properties.add_override(pair)?;
    }
    let loaded = BrokerConfig::load(&properties)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    Ok((loaded.config, Layers::new(&properties)))
}

fn session_settings(config: &BrokerConfig) -> Result<SessionSettings, StartError> {
    let zookeeper = &config.zookeeper;
    let text = format!("{}{}", zookeeper.servers.join(","), zookeeper.chroot);
    Ok(SessionSettings {
        connect: ConnectString::parse(&text)?,
        session_timeout: Duration::from_millis(u64::from(zookeeper.session_timeout_ms)),
        connection_timeout: Duration::from_millis(u64::from(zookeeper.connection_timeout_ms)),
        in_flight_max: NonZeroUsize::new(zookeeper.in_flight_requests_max as usize)
            .unwrap_or(NonZeroUsize::MIN),
    })
}

/// Settles the ids, and has every log directory remember them.
async fn identify(
    store: &dyn MetadataStore,
    config: &BrokerConfig,
    dirs: &[LogDir],
) -> Result<Identity, StartError> {
    let mut stored = Vec::with_capacity(dirs.len());
    for dir in dirs {
        if let Some(meta) = dir.read_meta()? {
            let file = dir.path.join("meta.properties");
            stored.push(StoredIdentity { file, broker: meta.broker_id, cluster_id: meta.cluster_id });
        }
    }
    let settings = IdentitySettings {
        broker: config.broker_id.map(BrokerId),
        reserved_max: BrokerId(config.reserved_broker_id_max),
    };
    let identity = settle_identity(store, settings, &stored).await?;
    for dir in dirs {
        let known = dir.read_meta()?;
        let directory_id = known.as_ref().and_then(|meta| meta.directory_id.clone());
        let (broker_id, cluster_id) = (Some(identity.broker), Some(identity.cluster_id.clone()));
        let meta = MetaProperties { broker_id, cluster_id, directory_id };
        if known.as_ref() != Some(&meta) {
            dir.write_meta(&meta)?;
        }
    }
    Ok(identity)
}

async fn apply_at_start(
    settings: &Settings,
    (seats, quotas): (&Seats, &Quotas),
    own: BrokerId,
    update: ConfigUpdate,
) {
    match update.entity {
        ConfigEntity::Topic(name) => drop(settings.topic_changed(&name, update.settings)),
        ConfigEntity::Broker(id) if id == own => {
            drop(settings.broker_changed(Scope::Broker, &update.settings))
        }
        ConfigEntity::AllBrokers => drop(settings.broker_changed(Scope::Cluster, &update.settings)),
        ConfigEntity::Broker(_) => {}
        ConfigEntity::Ip(ip) => wiring::limit_ip(seats, Some(&ip), &update.settings).await,
        ConfigEntity::AllIps => wiring::limit_ip(seats, None, &update.settings).await,
        ConfigEntity::Quota(entity) => quotas.changed(&entity, &update.settings),
    }
}

/// More brokers need replication between them, which this version does not have: better no start than a silent loss.
async fn alone(store: &dyn MetadataStore, own: BrokerId) -> Result<(), StartError> {
    match other_brokers(store, own).await?.first() {
        None => Ok(()),
        Some(other) => {
            Err(StartError::NotAlone { other: other.broker, addresses: other.addresses.join(", ") })
        }
    }
}

impl From<IdentityError> for StartError {
    fn from(error: IdentityError) -> Self {
        Self::Identity(error.to_string())
    }
}

impl From<RegistrationError> for StartError {
    fn from(error: RegistrationError) -> Self {
        Self::Registration(error.to_string())
    }
}

impl From<FeaturesError> for StartError {
    fn from(error: FeaturesError) -> Self {
        Self::Features(error.to_string())
    }
}

impl From<TaskFailed> for StartError {
    fn from(failure: TaskFailed) -> Self {
        Self::Failed(failure.to_string())
    }
}
