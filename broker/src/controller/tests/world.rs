//! One broker's controller on a ZooKeeper in memory: the driver runs, a recorder in the broker's place agrees to everything.
//! Nothing sleeps: a test yields until what it waits for is so.

use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, ready};
use std::sync::{Arc, Mutex};

use coordinator::controller::{Answer, ControlRequest, Settings};
use protocol::ids::{BrokerId, ControllerEpoch, Millis, TopicId};
use protocol::messages::leader_and_isr_response::{LeaderAndIsrPartitionError, LeaderAndIsrTopicError};
use protocol::messages::stop_replica_response::StopReplicaPartitionError;
use protocol::messages::{LeaderAndIsrResponse, StopReplicaResponse, UpdateMetadataResponse};
use tokio_util::sync::CancellationToken;
use zookeeper::events::SessionEvents;
use zookeeper::paths;
use zookeeper::session::create_all;
use zookeeper::store::{CreateMode, MetadataStore, Watch};
use zookeeper::tree::{ModelStore, ModelZooKeeper};
use zookeeper::znodes::{BrokerRegistration, Endpoint, PartitionState};

use crate::controller::Office;
use crate::controller::channel::Deliver;
use crate::controller::driver::{self, Host};
use crate::controller::session::{self, Listeners};
use crate::controller::topics::{self, NewTopic};
use crate::shard::Clock;

/// More turns of the runtime than anything here needs.
pub(super) const PATIENCE: usize = 20_000;

pub(super) struct World {
    pub(super) zookeeper: ModelZooKeeper,
    /// The broker's session.
    pub(super) store: ModelStore,
    /// Somebody else's.
    pub(super) other: Arc<dyn MetadataStore>,
    pub(super) office: Arc<Office>,
    pub(super) told: Arc<Mutex<Vec<String>>>,
}

/// Plays `scenario` on a ZooKeeper of its own while the driver runs.
pub(super) async fn play<F: Future<Output = ()>>(scenario: impl FnOnce(Arc<World>) -> F) {
    play_on(ModelZooKeeper::default(), |store| Arc::new(store), scenario).await;
}

/// The same on `zookeeper`, where the driver sees its store through what `wrap` makes of it.
pub(super) async fn play_on<F: Future<Output = ()>>(
    zookeeper: ModelZooKeeper,
    wrap: impl FnOnce(ModelStore) -> Arc<dyn MetadataStore>,
    scenario: impl FnOnce(Arc<World>) -> F,
) {
    let (store, events) = zookeeper.connect();
    let (other, _) = zookeeper.connect();
    for path in paths::PERSISTENT {
        create_all(&store, path).await.unwrap();
    }
    register(&store).await;
    let settings = Settings {
        broker: BrokerId(1),
        delete_topic_enable: true,
        inter_broker_listener: "PLAINTEXT".to_owned(),
    };
    let office = Arc::new(Office::new(wrap(store.clone()), settings, Clock::start()));
    let told = Arc::new(Mutex::new(Vec::new()));
    let world = Arc::new(World { zookeeper, store, other: Arc::new(other), office, told });
    tokio::select! {
        // The scenario begins before the driver does.
        biased;
        () = scenario(Arc::clone(&world)) => {}
        result = driver::run(&world.office, host(&world.told), CancellationToken::new()) => {
            panic!("the driver ended: {:?}", result.map_err(|error| error.to_string()));
        }
        result = follow(&world, events) => panic!("the session ended: {:?}", result.map_err(|error| error.to_string())),
    }
}

async fn follow(world: &World, events: SessionEvents) -> Result<(), crate::tasks::TaskError> {
    let store = world.store.clone();
    let register = move || -> std::pin::Pin<Box<dyn Future<Output = _> + Send>> {
        let store = store.clone();
        Box::pin(async move {
            register(&store).await;
            Ok(())
        })
    };
    let listeners = Listeners {
        register: Box::new(register),
        config_changed: Box::new(|| {}),
        feature_changed: Box::new(|| {}),
    };
    session::follow(events, &world.office, listeners, CancellationToken::new()).await
}

pub(super) async fn register(store: &ModelStore) {
    let endpoint = Endpoint {
        listener: "PLAINTEXT".to_owned(),
        host: "h".to_owned(),
        port: 9092,
        security_protocol: "PLAINTEXT".to_owned(),
    };
    let registration =
        BrokerRegistration { endpoints: vec![endpoint], rack: None, jmx_port: -1, timestamp: Millis(0) };
    let path = paths::broker(BrokerId(1));
    store.create(&path, Some(registration.encode()), CreateMode::Ephemeral).await.unwrap();
}

pub(super) fn host(told: &Arc<Mutex<Vec<String>>>) -> Host {
    let told = Arc::clone(told);
    let deliver: Deliver = Arc::new(move |request| {
        told.lock().unwrap().push(line(&request));
        Box::pin(ready(agree(request)))
    });
    Host { deliver, unclean_election: Box::new(|| false) }
}

/// The request as one line: its kind, the controller's epoch, and what it says of each partition.
fn line(request: &ControlRequest) -> String {
    let mut line = String::new();
    match request {
        ControlRequest::LeaderAndIsr(request) => {
            line += &format!("LeaderAndIsr {}", request.controller_epoch);
            for topic in &request.topic_states {
                for partition in &topic.partition_states {
                    let (index, epoch) = (partition.partition_index, partition.leader_epoch);
                    line += &format!(" {}-{index}@{epoch}", &**topic.topic_name);
                }
            }
        }
        ControlRequest::UpdateMetadata(request) => {
            line += &format!("UpdateMetadata {}", request.controller_epoch);
            for topic in &request.topic_states {
                for partition in &topic.partition_states {
                    let (index, leader) = (partition.partition_index, partition.leader.0);
                    line += &format!(" {}-{index}={leader}", &**topic.topic_name);
                }
            }
        }
        ControlRequest::StopReplica(request) => {
            line += &format!("StopReplica {}", request.controller_epoch);
            for topic in &request.topic_states {
                for partition in &topic.partition_states {
                    let fate = if partition.delete_partition { " deleted" } else { "" };
                    line += &format!(" {}-{}{fate}", &**topic.topic_name, partition.partition_index);
                }
            }
        }
    }
    line
}

fn agree(request: ControlRequest) -> Answer {
    match request {
        ControlRequest::LeaderAndIsr(request) => {
            let topics = request.topic_states.iter().map(|topic| {
                let errors = topic.partition_states.iter().map(|state| {
                    LeaderAndIsrPartitionError::default().with_partition_index(state.partition_index)
                });
                LeaderAndIsrTopicError::default()
                    .with_topic_id(topic.topic_id)
                    .with_partition_errors(errors.collect())
            });
            Answer::LeaderAndIsr(LeaderAndIsrResponse::default().with_topics(topics.collect()))
        }
        ControlRequest::UpdateMetadata(_) => Answer::UpdateMetadata(UpdateMetadataResponse::default()),
        ControlRequest::StopReplica(request) => {
            let errors = request.topic_states.iter().flat_map(|topic| {
                topic.partition_states.iter().map(|state| {
                    StopReplicaPartitionError::default()
                        .with_topic_name(topic.topic_name.clone())
                        .with_partition_index(state.partition_index)
                })
            });
            let response = StopReplicaResponse::default().with_partition_errors(errors.collect());
            Answer::StopReplica { request, response }
        }
    }
}

impl World {
    pub(super) async fn until(&self, what: &str, mut so: impl FnMut(&[String]) -> bool) {
        for _ in 0..PATIENCE {
            if so(&self.told.lock().unwrap()) {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("{what} did not happen; the broker was told: {:#?}", self.told.lock().unwrap());
    }

    pub(super) async fn until_told(&self, request: &str) {
        self.until(request, |told| told.iter().any(|line| line == request)).await;
    }

    pub(super) async fn until_controller(&self, epoch: i32) {
        self.until("the election", |_| self.office.epoch() == Some(ControllerEpoch(epoch))).await;
        self.until_told(&format!("UpdateMetadata {epoch}")).await;
    }

    pub(super) async fn until_gone(&self, path: &str) {
        for _ in 0..PATIENCE {
            if self.other.exists(path, Watch::None).await.unwrap().is_none() {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("{path} is still there");
    }

    pub(super) async fn data(&self, path: &str) -> String {
        let node = self.other.get(path, Watch::None).await.unwrap_or_else(|error| panic!("{error}"));
        String::from_utf8(node.data.to_vec()).unwrap()
    }

    pub(super) async fn state(&self, topic: &str, partition: i32) -> PartitionState {
        let path = paths::partition_state(topic, partition);
        PartitionState::decode(&path, self.data(&path).await.as_bytes()).unwrap()
    }

    pub(super) async fn create_topic(&self, name: &str, partitions: i32) {
        let replicas = (0..partitions).map(|index| (index, vec![BrokerId(1)])).collect();
        let topic =
            NewTopic { name: name.to_owned(), id: TopicId::from_u128(7), replicas, configs: BTreeMap::new() };
        topics::create(&self.other, topic).await.unwrap();
    }

    pub(super) async fn children(&self, path: &str) -> BTreeSet<String> {
        self.other.children(path, Watch::None).await.unwrap().0.into_iter().collect()
    }
}
