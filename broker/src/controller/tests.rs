//! The driver through elections, topics from birth to deletion, and every kind of trouble on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use protocol::ids::{BrokerId, ControllerEpoch, LeaderEpoch, Millis};
use tokio_util::sync::CancellationToken;
use zookeeper::events::SessionId;
use zookeeper::paths;
use zookeeper::store::{
    Answer as StoreAnswer, CreateMode, Expected, MetadataStore, Operation, Pending, Stat, Watch, Write,
};
use zookeeper::tree::{ModelStore, ModelZooKeeper};
use zookeeper::znodes::{Controller, PartitionState, Topic};

use super::{driver, topics};

mod world;

use world::{PATIENCE, host, play, play_on, register};

#[tokio::test]
async fn the_first_broker_takes_the_seat() {
    play(|world| async move {
        world.until_controller(1).await;
        assert_eq!(world.data(paths::CONTROLLER_EPOCH).await, "1");
        let controller =
            Controller::decode(paths::CONTROLLER, world.data(paths::CONTROLLER).await.as_bytes()).unwrap();
        assert_eq!((controller.broker, controller.kraft_controller_epoch), (BrokerId(1), -1));
        let stat = world.other.exists(paths::CONTROLLER, Watch::None).await.unwrap().unwrap();
        assert_eq!(stat.ephemeral_owner, world.store.session());
        assert_eq!(world.data(paths::FEATURE).await, r#"{"features":{},"version":2,"status":1}"#);
    })
    .await;
}

#[tokio::test]
async fn a_topic_lives_and_dies() {
    play(|world| async move {
        world.until_controller(1).await;
        world.create_topic("a", 2).await;
        world.until_told("LeaderAndIsr 1 a-0@0 a-1@0").await;
        world.until_told("UpdateMetadata 1 a-0=1 a-1=1").await;
        assert_eq!(
            world.data("/brokers/topics/a/partitions/1/state").await,
            r#"{"controller_epoch":1,"leader":1,"version":1,"leader_epoch":0,"isr":[1]}"#
        );
        topics::add_partitions(&world.other, "a", BTreeMap::from([(2, vec![BrokerId(1)])])).await.unwrap();
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
    play(|world| async move {
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
    play(|world| async move {
        world
            .other
            .create("/brokers/topics/bad", Some(Bytes::from_static(b"{")), CreateMode::Persistent)
            .await
            .unwrap();
        world.other.create("/brokers/ids/x", None, CreateMode::Persistent).await.unwrap();
        world.other.create("/feature", Some(Bytes::from_static(b"?")), CreateMode::Persistent).await.unwrap();
        world.until_controller(1).await;
        world.create_topic("good", 1).await;
        world.until_told("LeaderAndIsr 1 good-0@0").await;
    })
    .await;
}

#[tokio::test]
async fn lost_answers_change_nothing() {
    play(|world| async move {
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
    play(|world| async move {
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
    play(|world| async move {
        world.until_controller(1).await;
        world.create_topic("a", 1).await;
        world.until_told("LeaderAndIsr 1 a-0@0").await;
        world.store.expire();
        world.until_controller(2).await;
        world.until_told("LeaderAndIsr 2 a-0@0").await;
        let owner = |stat: Option<Stat>| stat.map(|stat| stat.ephemeral_owner);
        let registered = world.other.exists("/brokers/ids/1", Watch::None).await.unwrap();
        assert_eq!(owner(registered), Some(world.store.session()));
    })
    .await;
}

#[tokio::test]
async fn what_happened_while_the_connection_was_lost_is_found() {
    play(|world| async move {
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
    play_on(
        zookeeper,
        |store| Arc::new(store),
        |world| async move {
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
            assert_eq!(world.office.epoch(), None);
            rival.close();
            world.until_controller(1).await;
        },
    )
    .await;
}

#[tokio::test]
async fn a_seat_taken_away_by_hand_is_won_again() {
    play(|world| async move {
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
    play(|world| async move {
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
        let set =
            writes.iter().find(|write| matches!(write, Write::Set { path, .. } if path.ends_with("/state")));
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
            let moved = PartitionState { leader_epoch: LeaderEpoch(7), ..state };
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
    play_on(ModelZooKeeper::default(), meddle, |world| async move {
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
