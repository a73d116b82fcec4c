//! The controller's shell: stands for election, reads and writes znodes for the pure machine, and hands its requests to this broker.
//!
//! Holds no rules: what to do is decided by `coordinator::controller`. `broker.rs` starts two tasks: `session::follow`, which reads the
//! session's events, and `driver::run`, which may be made anew at any time. APIs ask `Office` who is controller and use `topics`.

mod channel;
mod convert;
pub(crate) mod driver;
mod election;
mod inbox;
mod reads;
mod removal;
pub(crate) mod session;
pub(crate) mod topics;
mod writes;

use std::sync::Arc;

use protocol::ids::ControllerEpoch;
use tokio::sync::watch;
use zookeeper::store::MetadataStore;

use crate::shard::Clock;
use inbox::Inbox;

/// What the controller's tasks share with each other and with the APIs.
#[derive(Debug)]
pub(crate) struct Office {
    store: Arc<dyn MetadataStore>,
    settings: coordinator::controller::Settings,
    clock: Clock,
    inbox: Inbox,
    seat: watch::Sender<Option<ControllerEpoch>>,
}

impl Office {
    pub(crate) fn new(
        store: Arc<dyn MetadataStore>,
        settings: coordinator::controller::Settings,
        clock: Clock,
    ) -> Office {
        Office { store, settings, clock, inbox: Inbox::default(), seat: watch::Sender::new(None) }
    }

    /// The epoch under which this broker is the controller, as far as it knows. Requests for the controller alone are answered
    /// NOT_CONTROLLER without it.
    pub(crate) fn epoch(&self) -> Option<ControllerEpoch> {
        *self.seat.borrow()
    }
}

#[cfg(test)]
mod tests {
    //! The driver on a ZooKeeper in memory: elections, topics from birth to deletion, and every kind of trouble on the way.
    //! The broker is a recorder that agrees to everything. Nothing sleeps: a test yields until what it waits for is so.

    use std::collections::{BTreeMap, BTreeSet};
    use std::future::{Future, ready};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;
    use coordinator::controller::{Answer, ControlRequest, Settings};
    use protocol::ids::{BrokerId, ControllerEpoch, Millis, TopicId};
    use protocol::messages::leader_and_isr_response::{LeaderAndIsrPartitionError, LeaderAndIsrTopicError};
    use protocol::messages::stop_replica_response::StopReplicaPartitionError;
    use protocol::messages::{LeaderAndIsrResponse, StopReplicaResponse, UpdateMetadataResponse};
    use tokio_util::sync::CancellationToken;
    use zookeeper::events::{SessionEvents, SessionId};
    use zookeeper::paths;
    use zookeeper::session::create_all;
    use zookeeper::store::{
        Answer as StoreAnswer, CreateMode, Expected, MetadataStore, Operation, Pending, Watch, Write,
    };
    use zookeeper::tree::{ModelStore, ModelZooKeeper};
    use zookeeper::znodes::{BrokerRegistration, Controller, Endpoint, PartitionState, Topic};

    use super::Office;
    use super::channel::Deliver;
    use super::driver::{self, Host};
    use super::session::{self, Listeners};
    use super::topics::{self, NewTopic};
    use crate::shard::Clock;

    /// More turns of the runtime than anything here needs.
    const PATIENCE: usize = 20_000;

    struct World {
        zookeeper: ModelZooKeeper,
        /// The broker's session.
        store: ModelStore,
        /// Somebody else's.
        other: Arc<dyn MetadataStore>,
        office: Arc<Office>,
        told: Arc<Mutex<Vec<String>>>,
    }

    /// Makes the parents and the registration, and plays `scenario` while the driver runs on `store`.
    async fn play<F: Future<Output = ()>>(
        wrap: impl FnOnce(ModelStore) -> Arc<dyn MetadataStore>,
        scenario: impl FnOnce(Arc<World>) -> F,
    ) {
        let zookeeper = ModelZooKeeper::default();
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

    async fn register(store: &ModelStore) {
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

    fn host(told: &Arc<Mutex<Vec<String>>>) -> Host {
        let told = Arc::clone(told);
        let deliver: Deliver = Arc::new(move |request| {
            told.lock().unwrap().push(name(&request));
            Box::pin(ready(agree(request)))
        });
        Host { deliver, unclean_election: Box::new(|| false) }
    }

    fn name(request: &ControlRequest) -> String {
        let list = |names: Vec<String>| names.join(" ");
        match request {
            ControlRequest::LeaderAndIsr(request) => {
                let partitions = request.topic_states.iter().flat_map(|topic| {
                    let name = topic.topic_name.0.as_str();
                    topic
                        .partition_states
                        .iter()
                        .map(move |p| format!("{name}-{}@{}", p.partition_index, p.leader_epoch))
                });
                format!("LeaderAndIsr {} {}", request.controller_epoch, list(partitions.collect()))
            }
            ControlRequest::UpdateMetadata(request) => {
                let partitions = request.topic_states.iter().flat_map(|topic| {
                    let name = topic.topic_name.0.as_str();
                    topic
                        .partition_states
                        .iter()
                        .map(move |p| format!("{name}-{}={}", p.partition_index, p.leader.0))
                });
                format!("UpdateMetadata {} {}", request.controller_epoch, list(partitions.collect()))
            }
            ControlRequest::StopReplica(request) => {
                let partitions = request.topic_states.iter().flat_map(|topic| {
                    let name = topic.topic_name.0.as_str();
                    topic.partition_states.iter().map(move |p| {
                        format!(
                            "{name}-{}{}",
                            p.partition_index,
                            if p.delete_partition { " deleted" } else { "" }
                        )
                    })
                });
                format!("StopReplica {} {}", request.controller_epoch, list(partitions.collect()))
            }
        }
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
        async fn until(&self, what: &str, mut so: impl FnMut(&[String]) -> bool) {
            for _ in 0..PATIENCE {
                if so(&self.told.lock().unwrap()) {
                    return;
                }
                tokio::task::yield_now().await;
            }
            panic!("{what} did not happen; the broker was told: {:#?}", self.told.lock().unwrap());
        }

        async fn until_told(&self, request: &str) {
            self.until(request, |told| told.iter().any(|line| line == request)).await;
        }

        async fn until_controller(&self, epoch: i32) {
            self.until("the election", |_| self.office.epoch() == Some(ControllerEpoch(epoch))).await;
            self.until_told(&format!("UpdateMetadata {epoch} ")).await;
        }

        async fn until_gone(&self, path: &str) {
            for _ in 0..PATIENCE {
                if self.other.exists(path, Watch::None).await.unwrap().is_none() {
                    return;
                }
                tokio::task::yield_now().await;
            }
            panic!("{path} is still there");
        }

        async fn data(&self, path: &str) -> String {
            let node = self.other.get(path, Watch::None).await.unwrap_or_else(|error| panic!("{error}"));
            String::from_utf8(node.data.to_vec()).unwrap()
        }

        async fn state(&self, topic: &str, partition: i32) -> PartitionState {
            let path = paths::partition_state(topic, partition);
            PartitionState::decode(&path, self.data(&path).await.as_bytes()).unwrap()
        }

        async fn create_topic(&self, name: &str, partitions: i32) {
            let replicas = (0..partitions).map(|index| (index, vec![BrokerId(1)])).collect();
            let topic = NewTopic {
                name: name.to_owned(),
                id: TopicId::from_u128(7),
                replicas,
                configs: BTreeMap::new(),
            };
            topics::create(&self.other, topic).await.unwrap();
        }

        async fn children(&self, path: &str) -> BTreeSet<String> {
            self.other.children(path, Watch::None).await.unwrap().0.into_iter().collect()
        }
    }

    fn plain(store: ModelStore) -> Arc<dyn MetadataStore> {
        Arc::new(store)
    }

    #[tokio::test]
    async fn the_first_broker_takes_the_seat() {
        play(plain, |world| async move {
            world.until_controller(1).await;
            assert_eq!(world.data(paths::CONTROLLER_EPOCH).await, "1");
            let controller =
                Controller::decode(paths::CONTROLLER, world.data(paths::CONTROLLER).await.as_bytes())
                    .unwrap();
            assert_eq!((controller.broker, controller.kraft_controller_epoch), (BrokerId(1), -1));
            let stat = world.other.exists(paths::CONTROLLER, Watch::None).await.unwrap().unwrap();
            assert_eq!(stat.ephemeral_owner, world.store.session());
            assert_eq!(world.data(paths::FEATURE).await, r#"{"features":{},"version":2,"status":1}"#);
        })
        .await;
    }

    #[tokio::test]
    async fn a_topic_lives_and_dies() {
        play(plain, |world| async move {
            world.until_controller(1).await;
            world.create_topic("a", 2).await;
            world.until_told("LeaderAndIsr 1 a-0@0 a-1@0").await;
            world.until_told("UpdateMetadata 1 a-0=1 a-1=1").await;
            assert_eq!(
                world.data("/brokers/topics/a/partitions/1/state").await,
                r#"{"controller_epoch":1,"leader":1,"version":1,"leader_epoch":0,"isr":[1]}"#
            );
            topics::add_partitions(&world.other, "a", BTreeMap::from([(2, vec![BrokerId(1)])]))
                .await
                .unwrap();
            world.until_told("LeaderAndIsr 1 a-2@0").await;
            topics::request_deletion(&world.other, "a").await.unwrap();
            world.until_gone("/admin/delete_topics/a").await;
            world.until_told("UpdateMetadata 1 a-0=-2 a-1=-2 a-2=-2").await;
            world.until_told("StopReplica 1 a-0 deleted a-1 deleted a-2 deleted").await;
            assert_eq!(world.children(paths::TOPICS).await, BTreeSet::new());
            assert_eq!(world.children("/config/topics").await, BTreeSet::new());
            // The name is free again.
            world.create_topic("a", 1).await;
            world.until_told("LeaderAndIsr 1 a-0@0").await;
        })
        .await;
    }

    #[tokio::test]
    async fn a_topic_without_an_id_is_given_one() {
        play(plain, |world| async move {
            world.until_controller(1).await;
            let made = Bytes::from_static(br#"{"version":2,"partitions":{"0":[1]}}"#);
            world.other.create("/brokers/topics/old", Some(made), CreateMode::Persistent).await.unwrap();
            world.until_told("LeaderAndIsr 1 old-0@0").await;
            let node = world.other.get("/brokers/topics/old", Watch::None).await.unwrap();
            assert!(Topic::decode("/brokers/topics/old", &node.data).unwrap().id.is_some());
            assert_eq!(node.stat.version, 1);
        })
        .await;
    }

    #[tokio::test]
    async fn garbage_stops_nobody() {
        play(plain, |world| async move {
            world
                .other
                .create("/brokers/topics/bad", Some(Bytes::from_static(b"{")), CreateMode::Persistent)
                .await
                .unwrap();
            world.other.create("/brokers/ids/x", None, CreateMode::Persistent).await.unwrap();
            world
                .other
                .create("/feature", Some(Bytes::from_static(b"?")), CreateMode::Persistent)
                .await
                .unwrap();
            world.until_controller(1).await;
            world.create_topic("good", 1).await;
            world.until_told("LeaderAndIsr 1 good-0@0").await;
        })
        .await;
    }

    #[tokio::test]
    async fn lost_answers_change_nothing() {
        play(plain, |world| async move {
            // From the election on, every write is done and none is answered.
            world.store.lose_answers(usize::MAX);
            world.until_controller(1).await;
            world.create_topic("a", 2).await;
            world.until_told("LeaderAndIsr 1 a-0@0 a-1@0").await;
            topics::request_deletion(&world.other, "a").await.unwrap();
            world.until_gone("/admin/delete_topics/a").await;
            assert_eq!(world.children(paths::TOPICS).await, BTreeSet::new());
            assert_eq!(world.data(paths::CONTROLLER_EPOCH).await, "1");
        })
        .await;
    }

    #[tokio::test]
    async fn a_fenced_controller_starts_anew() {
        play(plain, |world| async move {
            world.until_controller(1).await;
            world.create_topic("a", 1).await;
            world.until_told("LeaderAndIsr 1 a-0@0").await;
            // Another election that this broker has not heard of: the next write finds out.
            world.other.set(paths::CONTROLLER_EPOCH, Bytes::from_static(b"5"), Expected::Any).await.unwrap();
            world.create_topic("b", 1).await;
            world.until_controller(6).await;
            world.until_told("LeaderAndIsr 6 b-0@0").await;
            assert_eq!(world.state("b", 0).await.controller_epoch, ControllerEpoch(6));
            let told = world.told.lock().unwrap();
            assert!(!told.iter().any(|line| line.starts_with("LeaderAndIsr 1 b")), "{told:?}");
        })
        .await;
    }

    #[tokio::test]
    async fn after_an_expiry_the_broker_registers_and_is_elected_again() {
        play(plain, |world| async move {
            world.until_controller(1).await;
            world.create_topic("a", 1).await;
            world.until_told("LeaderAndIsr 1 a-0@0").await;
            world.store.expire();
            world.until_controller(2).await;
            world.until_told("LeaderAndIsr 2 a-0@0").await;
            let owner = |stat: Option<zookeeper::store::Stat>| stat.map(|stat| stat.ephemeral_owner);
            let registered = world.other.exists("/brokers/ids/1", Watch::None).await.unwrap();
            assert_eq!(owner(registered), Some(world.store.session()));
        })
        .await;
    }

    #[tokio::test]
    async fn what_happened_while_the_connection_was_lost_is_found() {
        play(plain, |world| async move {
            world.until_controller(1).await;
            world.create_topic("before", 1).await;
            world.until_told("LeaderAndIsr 1 before-0@0").await;
            world.store.disconnect();
            world.create_topic("meanwhile", 1).await;
            topics::request_deletion(&world.other, "before").await.unwrap();
            topics::add_partitions(&world.other, "meanwhile", BTreeMap::from([(1, vec![BrokerId(1)])]))
                .await
                .unwrap();
            world.store.reconnect();
            world.until_told("LeaderAndIsr 1 meanwhile-0@0 meanwhile-1@0").await;
            world.until_gone("/admin/delete_topics/before").await;
            assert_eq!(world.office.epoch(), Some(ControllerEpoch(1)));
        })
        .await;
    }

    #[tokio::test]
    async fn another_controller_is_waited_out() {
        let zookeeper = ModelZooKeeper::default();
        let (rival, _events) = zookeeper.connect();
        let node = Controller { broker: BrokerId(9), timestamp: Millis(0), kraft_controller_epoch: -1 };
        rival.create(paths::CONTROLLER, Some(node.encode()), CreateMode::Ephemeral).await.unwrap();
        let (store, events) = zookeeper.connect();
        for path in paths::PERSISTENT {
            create_all(&store, path).await.unwrap();
        }
        register(&store).await;
        let settings = Settings {
            broker: BrokerId(1),
            delete_topic_enable: true,
            inter_broker_listener: "PLAINTEXT".to_owned(),
        };
        let office = Arc::new(Office::new(Arc::new(store.clone()), settings, Clock::start()));
        let world = World {
            zookeeper,
            store,
            other: Arc::new(rival.clone()),
            office: Arc::clone(&office),
            told: Arc::default(),
        };
        let scenario = async {
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
            assert_eq!(office.epoch(), None);
            rival.close();
            world.until("the election", |_| office.epoch() == Some(ControllerEpoch(1))).await;
        };
        tokio::select! {
            _ = driver::run(&office, host(&world.told), CancellationToken::new()) => panic!("the driver ended"),
            _ = follow(&world, events) => panic!("the session ended"),
            () = scenario => {}
        }
    }

    #[tokio::test]
    async fn a_seat_taken_away_by_hand_is_won_again() {
        play(plain, |world| async move {
            world.until_controller(1).await;
            world.other.delete(paths::CONTROLLER, Expected::Any).await.unwrap();
            world.until_controller(2).await;
            // Somebody else was faster: this broker stands back.
            let rival = world.zookeeper.connect().0;
            let node = Controller { broker: BrokerId(9), timestamp: Millis(0), kraft_controller_epoch: -1 };
            let swap = vec![
                Write::Delete { path: paths::CONTROLLER.to_owned(), expected: Expected::Any },
                Write::Create {
                    path: paths::CONTROLLER.to_owned(),
                    data: Some(node.encode()),
                    mode: CreateMode::Ephemeral,
                },
            ];
            rival.multi(swap).await.unwrap();
            world.until("the resignation", |_| world.office.epoch().is_none()).await;
            rival.close();
            world.until_controller(3).await;
        })
        .await;
    }

    #[tokio::test]
    async fn a_seat_left_by_an_earlier_run_is_won_anew() {
        play(plain, |world| async move {
            world.until_controller(1).await;
            let told = Arc::new(Mutex::new(Vec::new()));
            let again = async {
                for _ in 0..PATIENCE {
                    if world.office.epoch() == Some(ControllerEpoch(2)) {
                        return;
                    }
                    tokio::task::yield_now().await;
                }
                panic!("the second run was not elected");
            };
            // As after a panic: the same session, the same office, a driver that knows nothing.
            tokio::select! {
                _ = driver::run(&world.office, host(&told), CancellationToken::new()) => panic!("the driver ended"),
                () = again => {}
            }
        })
        .await;
    }

    /// Writes to a partition's state just before the driver does, once.
    #[derive(Debug)]
    struct Meddler {
        store: ModelStore,
        done: AtomicBool,
    }

    impl MetadataStore for Meddler {
        fn submit(&self, operation: Operation) -> Pending<StoreAnswer> {
            let Operation::Multi(writes) = &operation else { return self.store.submit(operation) };
            let set = writes
                .iter()
                .find(|write| matches!(write, Write::Set { path, .. } if path.ends_with("/state")));
            let Some(path) = set.map(|write| write.path().to_owned()) else {
                return self.store.submit(operation);
            };
            if self.done.swap(true, Ordering::Relaxed) {
                return self.store.submit(operation);
            }
            let store = self.store.clone();
            Box::pin(async move {
                let node = store.get(&path, Watch::None).await?;
                let state = PartitionState::decode(&path, &node.data).unwrap();
                let moved = PartitionState { leader_epoch: protocol::ids::LeaderEpoch(7), ..state };
                store.set(&path, moved.encode(), Expected::Any).await?;
                store.submit(operation).await
            })
        }

        fn session(&self) -> SessionId {
            self.store.session()
        }
    }

    #[tokio::test]
    async fn a_state_written_in_between_is_read_and_decided_on_again() {
        let meddle =
            |store| -> Arc<dyn MetadataStore> { Arc::new(Meddler { store, done: AtomicBool::new(false) }) };
        play(meddle, |world| async move {
            world.until_controller(1).await;
            world.create_topic("a", 1).await;
            world.until_told("LeaderAndIsr 1 a-0@0").await;
            // The broker bounces: its epoch is another, which costs its partitions a leader epoch.
            world.other.delete("/brokers/ids/1", Expected::Any).await.unwrap();
            register(&world.store).await;
            world.until_told("LeaderAndIsr 1 a-0@8").await;
            assert_eq!(world.state("a", 0).await.leader_epoch.0, 8);
        })
        .await;
    }
}
