//! How the parts of a broker are joined: what the controller's shell, the ZooKeeper events and the sockets call in the rest.
//! Only passes on; called once, at start.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use config::broker::BrokerConfig;
use config::layers::{ConfigMap, Scope};
use coordinator::controller::{Answer, ControlRequest};
use tokio::sync::{Notify, mpsc};
use zookeeper::events::SessionEvents;

use super::{Broker, reconfigure};
use crate::api::{self, leader_and_isr, stop_replica, update_metadata};
use crate::config_changes::{self, ConfigChanges, ConfigEntity, ConfigHint, ConfigUpdate};
use crate::controller::driver;
use crate::controller::session::{self, Listeners};
use crate::features;
use crate::network::{
    Backlog, Complaints, Doors, Limits, LongRequests, Network, Seats, Settings as SocketSettings, address_of,
};
use crate::quota::Quotas;
use crate::registration::identity::Identity;
use crate::request_log::RequestLog;
use crate::settings::Settings;
use crate::shard::{Clock, Command, Configure};
use crate::tasks::{TaskError, TaskKind};
use crate::topic_settings::TopicSettings;
use crate::upkeep::Job;

/// QuotaConfigs.IP_CONNECTION_RATE_OVERRIDE_CONFIG
const CONNECTION_CREATION_RATE: &str = "connection_creation_rate";

pub(crate) fn controller_settings(
    config: &BrokerConfig,
    identity: &Identity,
) -> coordinator::controller::Settings {
    coordinator::controller::Settings {
        broker: identity.broker,
        delete_topic_enable: config.topics.delete,
        inter_broker_listener: config.network.inter_broker_listener.clone(),
    }
}

pub(crate) fn socket_settings(config: &BrokerConfig) -> SocketSettings {
    let network = &config.network;
    SocketSettings {
        send_buffer_bytes: network.socket_send_buffer_bytes,
        receive_buffer_bytes: network.socket_receive_buffer_bytes,
        backlog: network.socket_listen_backlog,
        request_bytes_max: network.socket_request_bytes_max as usize,
        idle_max: network.connections_idle_ms_max.map(Duration::from_millis),
        slow_request: network.slow_request_ms.map(Duration::from_millis),
    }
}

/// Nothing is limited yet.
pub(crate) fn quotas(config: &BrokerConfig) -> Arc<Quotas> {
    Arc::new(Quotas::new(config.network.quota_window, config.network.controller_quota_window))
}

/// What the connections of a broker have in common.
pub(crate) fn network(broker: &Arc<Broker>) -> Network {
    let (serving, jobs) = (Arc::clone(broker), broker.jobs.clone());
    let settings = socket_settings(&broker.config);
    let log = RequestLog { slow: settings.slow_request };
    Network {
        settings,
        serve: Arc::new(move |context, request| {
            let broker = Arc::clone(&serving);
            Box::pin(async move { api::handle(&broker, context, request).await })
        }),
        report: Box::new(move |unsendable| jobs.push(Job::from(unsendable))),
        completed: Box::new(move |context, completed| log.completed(context, completed)),
        connections: AtomicU32::new(0),
        quotas: Arc::clone(&broker.quotas),
        tasks: broker.tasks.clone(),
        seats: Arc::clone(&broker.seats),
        backlog: Arc::new(Backlog::new(
            broker.config.network.queued_requests_max as usize,
            broker.config.network.queued_request_bytes_max,
        )),
        long_requests: LongRequests::new(),
        complaints: Complaints::new(),
    }
}

/// Starts the tasks that follow ZooKeeper: the session's events, the controller, settings and features.
pub(crate) fn join_controller(
    broker: &Arc<Broker>,
    events: SessionEvents,
    changes: ConfigChanges,
    doors: Arc<Doors>,
) {
    let (hint, hints) = config_changes::hints();
    let (updates, received) = mpsc::channel(config_changes::UPDATES_CAPACITY);
    let feature_changed = Arc::new(Notify::new());
    let listeners = listeners(broker, hint, Arc::clone(&feature_changed));
    let tasks = &broker.tasks;
    tasks.spawn(TaskKind::ZooKeeper, "session events", follow_session(Arc::clone(broker), events, listeners));
    tasks.spawn(TaskKind::ZooKeeper, "settings", async move {
        changes.run(hints, updates, || Clock::start().now().wall).await;
        Ok(())
    });
    tasks.spawn(TaskKind::ZooKeeper, "settings in force", apply_updates(Arc::clone(broker), received, doors));
    tasks.spawn(TaskKind::ZooKeeper, "features", features::follow(Arc::clone(broker), feature_changed));
    let office = Arc::clone(broker);
    tasks.spawn_restarting(TaskKind::Controller, "driver", move || hold_office(Arc::clone(&office)));
}

fn listeners(broker: &Arc<Broker>, hint: ConfigHint, feature_changed: Arc<Notify>) -> Listeners {
    let registering = Arc::clone(broker);
    Listeners {
        register: Box::new(move || {
            let broker = Arc::clone(&registering);
            Box::pin(async move {
                let now = broker.shards.clock().now().wall;
                broker.registration.register_again(now).await.map(drop).map_err(TaskError::from)
            })
        }),
        config_changed: Box::new(move || hint.look()),
        feature_changed: Box::new(move || feature_changed.notify_one()),
    }
}

async fn follow_session(
    broker: Arc<Broker>,
    events: SessionEvents,
    listeners: Listeners,
) -> Result<(), TaskError> {
    let stopping = broker.tasks.stopping(TaskKind::ZooKeeper);
    session::follow(events, &broker.office, listeners, stopping).await
}

async fn hold_office(broker: Arc<Broker>) -> Result<(), TaskError> {
    let stopping = broker.tasks.stopping(TaskKind::Controller);
    let (serving, asked) = (Arc::clone(&broker), Arc::clone(&broker));
    let host = driver::Host {
        deliver: Arc::new(move |request| Box::pin(deliver(Arc::clone(&serving), request))),
        unclean_election: Box::new(move || {
            asked.settings.config().topic_defaults.config.unclean_leader_election
        }),
    };
    driver::run(&broker.office, host, stopping).await
}

async fn apply_updates(
    broker: Arc<Broker>,
    mut updates: mpsc::Receiver<ConfigUpdate>,
    doors: Arc<Doors>,
) -> Result<(), TaskError> {
    while let Some(ConfigUpdate { entity, settings }) = updates.recv().await {
        let changed = match entity {
            ConfigEntity::Topic(name) => {
                vec![reconfigure::topic(&broker, name, settings)]
            }
            ConfigEntity::AllBrokers => {
                reconfigure::broker(&broker, &doors, (Scope::Cluster, &settings)).await
            }
            ConfigEntity::Broker(id) if id == broker.identity.broker => {
                reconfigure::broker(&broker, &doors, (Scope::Broker, &settings)).await
            }
            ConfigEntity::Broker(_) => Vec::new(),
            ConfigEntity::Ip(ip) => {
                limit_ip(&broker.seats, Some(&ip), &settings).await;
                Vec::new()
            }
            ConfigEntity::AllIps => {
                limit_ip(&broker.seats, None, &settings).await;
                Vec::new()
            }
            ConfigEntity::Quota(entity) => {
                broker.quotas.changed(&entity, &settings);
                Vec::new()
            }
        };
        for (topic, settings) in changed {
            configure(&broker, topic, settings).await;
        }
    }
    Ok(())
}

/// Puts the limits of connections that are configured now in force.
pub(crate) async fn limit_connections(seats: &Seats, settings: &Settings) {
    match Limits::resolve(&settings.config().network).await {
        Ok(limits) => seats.reconfigure(limits),
        Err(error) => {
            tracing::error!(%error, "the limits of connections stay as they are: give the host an address, or take its limit away")
        }
    }
}

/// Puts what `/config/ips` says of an address, or of all others, in force.
pub(crate) async fn limit_ip(seats: &Seats, host: Option<&str>, settings: &ConfigMap) {
    let ip = match host {
        None => None,
        Some(host) => match address_of(host).await {
            Ok(ip) => Some(ip),
            Err(error) => {
                tracing::error!(%error, "a limit of connections is not used");
                return;
            }
        },
    };
    let text = settings.get(CONNECTION_CREATION_RATE);
    let rate = text.map(|text| text.parse());
    match rate.transpose() {
        Ok(rate) => seats.set_ip_rate(ip, rate),
        Err(_) => tracing::error!(
            host,
            text,
            "{CONNECTION_CREATION_RATE} is no number: what was before stays in force"
        ),
    }
}

/// Tells the shards what holds for a topic's partitions from here on.
pub(crate) async fn configure(broker: &Broker, topic: String, settings: TopicSettings) {
    let command =
        || Command::Configure(Box::new(Configure { topic: topic.clone(), settings: settings.clone() }));
    // While the broker stops, settings do not matter any more.
    let _ = broker.shards.send_all(command).await;
}

/// Carries a request of the controller out on this broker.
async fn deliver(broker: Arc<Broker>, request: ControlRequest) -> Answer {
    match request {
        ControlRequest::LeaderAndIsr(request) => {
            Answer::LeaderAndIsr(leader_and_isr::apply(&broker, request).await)
        }
        ControlRequest::UpdateMetadata(request) => {
            Answer::UpdateMetadata(update_metadata::apply(&broker, &request))
        }
        ControlRequest::StopReplica(request) => {
            let response = stop_replica::apply(&broker, request.clone()).await;
            Answer::StopReplica { request, response }
        }
    }
}
