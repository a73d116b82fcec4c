//! The broker's place in ZooKeeper: its ephemeral node under `/brokers/ids`.
//!
//! Owns the registration and its epoch. Never takes a node from a living process: it waits until ZooKeeper has ended a former
//! session of the same id. Called at start, after `identity` and `persistent_paths`, and by the driver after an expiry.
//! Source: Kafka 3.9 `KafkaZkClient.registerBroker`, `CheckedEphemeral` (KAFKA-14845), `KafkaServer.createBrokerInfo`.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::{BrokerEpoch, BrokerId, Millis};
use thiserror::Error;
use tokio::time::Instant;
use tracing::{info, warn};
use zookeeper::events::SessionId;
use zookeeper::paths;
use zookeeper::store::{
    CreateMode, Expected, MetadataStore, Refusal, Stat, StoreError, Watch, Write, WriteAnswer,
};
use zookeeper::znodes::{BrokerRegistration, Endpoint, ZnodeError};

pub(crate) mod identity;
mod others;
mod persistent_paths;

pub(crate) use others::other_brokers;
use others::{address, addresses};
pub(crate) use persistent_paths::create_persistent_paths;

/// ZooKeeper ends sessions at its own ticks, so a bit after their timeout.
const EXPIRY_MARGIN: Duration = Duration::from_secs(5);
/// Between two looks at a node that a former session still holds.
const LOOK_PAUSE: Duration = Duration::from_millis(200);
/// Between two lines in the log that say so.
const PROGRESS_PAUSE: Duration = Duration::from_secs(5);

/// JMX is Java's.
const NO_JMX: i32 = -1;

/// What of the configuration the registration goes by.
#[derive(Debug, Clone)]
pub(crate) struct RegistrationSettings {
    pub(crate) broker: BrokerId,
    /// The advertised listeners with the ports that are really bound.
    pub(crate) endpoints: Vec<Endpoint>,
    /// broker.rack
    pub(crate) rack: Option<String>,
    /// zookeeper.session.timeout.ms, or what the server granted: how long a former session can live on.
    pub(crate) session_timeout: Duration,
}

#[derive(Debug)]
pub(crate) struct Registration {
    store: Arc<dyn MetadataStore>,
    settings: RegistrationSettings,
    /// What is advertised now.
    endpoints: Mutex<Vec<Endpoint>>,
    epoch: AtomicI64,
    /// The sessions that this process had: a node of theirs is its own to replace.
    sessions: Mutex<Vec<SessionId>>,
}

#[derive(Debug, Error)]
pub(crate) enum RegistrationError {
    #[error(
        "znode {path} is held by ZooKeeper session {owner} of another process, which advertises {}: a broker with \
         broker.id={broker} is running; stop it, or give this one another broker.id",
        addresses.join(" and ")
    )]
    Held { path: String, owner: SessionId, broker: BrokerId, addresses: Vec<String> },
    #[error(
        "broker {other} is registered with the address {address} already: correct advertised.listeners of one of the two"
    )]
    SameAddress { other: BrokerId, address: String },
    #[error(transparent)]
    Znode(#[from] ZnodeError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How one attempt ended.
enum Attempt {
    Registered(Stat),
    Again,
    Held(SessionId),
}

impl Registration {
    /// Registers, waiting out a former session of the same id; refuses an address that another broker advertises.
    pub(crate) async fn register(
        store: Arc<dyn MetadataStore>,
        settings: RegistrationSettings,
        now: Millis,
    ) -> Result<Registration, RegistrationError> {
        let registration = Registration {
            store,
            endpoints: Mutex::new(settings.endpoints.clone()),
            settings,
            epoch: AtomicI64::new(BrokerEpoch::NONE.0),
            sessions: Mutex::default(),
        };
        registration.check_addresses().await?;
        registration.register_again(now).await?;
        Ok(registration)
    }

    /// Under the session that holds now: after an expiry this is a new life of the broker, with a new epoch.
    pub(crate) async fn register_again(&self, now: Millis) -> Result<BrokerEpoch, RegistrationError> {
        let stat = self.await_registration(&self.znode(now)).await?;
        let epoch = BrokerEpoch(stat.czxid);
        self.epoch.store(epoch.0, Ordering::Release);
        info!(broker = %self.settings.broker, %epoch, "registered in ZooKeeper");
        Ok(epoch)
    }

    /// Tells others of other addresses: the node is written over, and this life of the broker goes on. Where the session has ended
    /// meanwhile, the next registration has them (KafkaZkClient.updateBrokerInfo).
    pub(crate) async fn advertise(&self, endpoints: Vec<Endpoint>, now: Millis) -> Result<(), StoreError> {
        *self.endpoints.lock().unwrap_or_else(PoisonError::into_inner) = endpoints;
        loop {
            match self.store.set(&self.path(), self.znode(now).encode(), Expected::Any).await {
                Ok(_) => break,
                // Written twice it says the same.
                Err(StoreError::OutcomeUnknown { .. }) => {}
                Err(StoreError::Refused { refusal: Refusal::NoNode, .. } | StoreError::SessionExpired) => {
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        info!(broker = %self.settings.broker, "the registration in ZooKeeper has other addresses");
        Ok(())
    }

    fn znode(&self, now: Millis) -> BrokerRegistration {
        BrokerRegistration {
            endpoints: self.endpoints.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            rack: self.settings.rack.clone(),
            jmx_port: NO_JMX,
            timestamp: now,
        }
    }

    /// The creation zxid of the node: of this life of the broker.
    pub(crate) fn epoch(&self) -> BrokerEpoch {
        BrokerEpoch(self.epoch.load(Ordering::Acquire))
    }

    async fn await_registration(&self, znode: &BrokerRegistration) -> Result<Stat, RegistrationError> {
        let started = Instant::now();
        let patience = self.settings.session_timeout + EXPIRY_MARGIN;
        let mut progress = started;
        loop {
            let owner = match self.attempt(znode).await? {
                Attempt::Registered(stat) => return Ok(stat),
                Attempt::Again => continue,
                Attempt::Held(owner) => owner,
            };
            if started.elapsed() >= patience
                && let Some(held) = self.held(owner).await?
            {
                return Err(held);
            }
            if Instant::now() >= progress {
                warn!(
                    path = self.path(), %owner,
                    "a former session of this broker id is still registered: waiting until ZooKeeper ends it, at most {} s",
                    patience.saturating_sub(started.elapsed()).as_secs()
                );
                progress += PROGRESS_PAUSE;
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    async fn attempt(&self, znode: &BrokerRegistration) -> Result<Attempt, StoreError> {
        let session = self.store.session();
        self.remember(session);
        match self.store.multi(self.writes(znode)).await {
            Ok(answers) => match answers.last() {
                Some(WriteAnswer::Set { stat }) => Ok(Attempt::Registered(*stat)),
                Some(WriteAnswer::Checked | WriteAnswer::Created { .. } | WriteAnswer::Deleted) | None => {
                    Ok(Attempt::Again)
                }
            },
            Err(StoreError::Refused { refusal: Refusal::NodeExists, .. }) => self.look().await,
            // A lost answer is recognised by the owner of the node at the next attempt.
            Err(StoreError::OutcomeUnknown { .. } | StoreError::SessionExpired) => Ok(Attempt::Again),
            Err(error) => Err(error),
        }
    }

    /// Created without data and filled in the same transaction, as Kafka does: the node starts with version 1.
    fn writes(&self, znode: &BrokerRegistration) -> Vec<Write> {
        let path = self.path();
        vec![
            Write::Create { path: path.clone(), data: None, mode: CreateMode::Ephemeral },
            Write::Set { path, data: znode.encode(), expected: Expected::Version(0) },
        ]
    }

    /// Whose is the node that is there?
    async fn look(&self) -> Result<Attempt, StoreError> {
        let path = self.path();
        let stat = match self.store.exists(&path, Watch::None).await {
            Ok(Some(stat)) => stat,
            Ok(None) | Err(StoreError::SessionExpired) => return Ok(Attempt::Again),
            Err(error) => return Err(error),
        };
        if stat.ephemeral_owner == self.store.session() {
            return Ok(Attempt::Registered(stat));
        }
        if !self.had(stat.ephemeral_owner) {
            return Ok(Attempt::Held(stat.ephemeral_owner));
        }
        match self.store.delete(&path, Expected::Version(stat.version)).await {
            Ok(())
            | Err(
                StoreError::Refused { .. } | StoreError::OutcomeUnknown { .. } | StoreError::SessionExpired,
            ) => Ok(Attempt::Again),
            Err(error) => Err(error),
        }
    }

    /// Who is in the way; `None` if the node has gone since the last look.
    async fn held(&self, owner: SessionId) -> Result<Option<RegistrationError>, RegistrationError> {
        let (path, broker) = (self.path(), self.settings.broker);
        let node = match self.store.get(&path, Watch::None).await {
            Ok(node) => node,
            Err(StoreError::Refused { refusal: Refusal::NoNode, .. } | StoreError::SessionExpired) => {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let addresses = addresses(&BrokerRegistration::decode(&path, &node.data)?);
        Ok(Some(RegistrationError::Held { path, owner, broker, addresses }))
    }

    async fn check_addresses(&self) -> Result<(), RegistrationError> {
        let own: Vec<_> = self.znode(Millis(0)).endpoints.iter().map(address).collect();
        for other in other_brokers(&*self.store, self.settings.broker).await? {
            if let Some(address) = other.addresses.into_iter().find(|address| own.contains(address)) {
                return Err(RegistrationError::SameAddress { other: other.broker, address });
            }
        }
        Ok(())
    }

    fn path(&self) -> String {
        paths::broker(self.settings.broker)
    }

    fn remember(&self, session: SessionId) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if !sessions.contains(&session) {
            sessions.push(session);
        }
    }

    fn had(&self, session: SessionId) -> bool {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).contains(&session)
    }
}

#[cfg(test)]
mod tests {
    use zookeeper::store::{Answer, Operation, Pending};
    use zookeeper::tree::{ModelStore, ModelZooKeeper};

    use super::others::Registered;
    use super::*;

    fn settings(broker: i32, port: u16) -> RegistrationSettings {
        let endpoint = Endpoint {
            listener: "PLAINTEXT".into(),
            host: "localhost".into(),
            port,
            security_protocol: "PLAINTEXT".into(),
        };
        RegistrationSettings {
            broker: BrokerId(broker),
            endpoints: vec![endpoint],
            rack: None,
            session_timeout: Duration::from_secs(6),
        }
    }

    async fn broker(zookeeper: &ModelZooKeeper) -> ModelStore {
        let (store, _events) = zookeeper.connect();
        create_persistent_paths(&store).await.unwrap();
        store
    }

    async fn register(store: &ModelStore, id: i32, port: u16) -> Result<Registration, RegistrationError> {
        Registration::register(Arc::new(store.clone()), settings(id, port), Millis(5)).await
    }

    async fn owner(store: &ModelStore, id: i32) -> Option<SessionId> {
        store.exists(&paths::broker(id), Watch::None).await.unwrap().map(|stat| stat.ephemeral_owner)
    }

    #[tokio::test]
    async fn the_epoch_is_the_creation_zxid() {
        let store = broker(&ModelZooKeeper::default()).await;
        let registration = register(&store, 1, 9092).await.unwrap();
        let node = store.get("/brokers/ids/1", Watch::None).await.unwrap();
        assert_eq!((registration.epoch().0, node.stat.version), (node.stat.czxid, 1));
        let written = String::from_utf8(node.data.into()).unwrap();
        assert!(written.contains(r#""endpoints":["PLAINTEXT://localhost:9092"]"#), "{written}");
    }

    #[tokio::test]
    async fn a_lost_answer_is_recognised_as_its_own() {
        let store = broker(&ModelZooKeeper::default()).await;
        store.lose_answers(1);
        let registration = register(&store, 1, 9092).await.unwrap();
        assert_eq!(owner(&store, 1).await, Some(store.session()));
        assert_ne!(registration.epoch(), BrokerEpoch::NONE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_former_session_is_waited_out() {
        let zookeeper = ModelZooKeeper::default();
        let former = broker(&zookeeper).await;
        register(&former, 1, 9092).await.unwrap();
        let store = broker(&zookeeper).await;
        let started = Instant::now();
        let ends = async {
            tokio::time::sleep_until(started + Duration::from_secs(6)).await;
            zookeeper.end_session(former.session());
        };
        let (registration, ()) = tokio::join!(register(&store, 1, 9092), ends);
        registration.unwrap();
        assert_eq!(owner(&store, 1).await, Some(store.session()));
        assert!(started.elapsed() < Duration::from_secs(7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_living_owner_is_named() {
        let zookeeper = ModelZooKeeper::default();
        let living = broker(&zookeeper).await;
        register(&living, 1, 9092).await.unwrap();
        let error = register(&broker(&zookeeper).await, 1, 9093).await.unwrap_err().to_string();
        for part in ["/brokers/ids/1", &living.session().to_string(), "localhost:9092", "broker.id=1"] {
            assert!(error.contains(part), "{part} is not in: {error}");
        }
    }

    /// Ends a session when the data of the broker's node is read: the last look before a start is given up.
    #[derive(Debug)]
    struct LastMoment {
        store: ModelStore,
        zookeeper: ModelZooKeeper,
        former: SessionId,
    }

    impl MetadataStore for LastMoment {
        fn submit(&self, operation: Operation) -> Pending<Answer> {
            if matches!(&operation, Operation::Get { path, .. } if *path == paths::broker(BrokerId(1))) {
                self.zookeeper.end_session(self.former);
            }
            self.store.submit(operation)
        }

        fn session(&self) -> SessionId {
            self.store.session()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_goes_at_the_last_moment_is_no_longer_in_the_way() {
        let zookeeper = ModelZooKeeper::default();
        let former = broker(&zookeeper).await;
        register(&former, 1, 9092).await.unwrap();
        let store = broker(&zookeeper).await;
        let late = LastMoment { store: store.clone(), zookeeper, former: former.session() };
        Registration::register(Arc::new(late), settings(1, 9093), Millis(5)).await.unwrap();
        assert_eq!(owner(&store, 1).await, Some(store.session()));
    }

    #[tokio::test]
    async fn other_addresses_are_written_over_and_kept_for_the_next_life() {
        let store = broker(&ModelZooKeeper::default()).await;
        let registration = register(&store, 1, 9092).await.unwrap();
        let epoch = registration.epoch();
        store.lose_answers(1);
        registration.advertise(settings(1, 9099).endpoints, Millis(6)).await.unwrap();
        let written = async || {
            let node = store.get("/brokers/ids/1", Watch::None).await.unwrap();
            (String::from_utf8(node.data.into()).unwrap(), node.stat.czxid, node.stat.version)
        };
        let (text, czxid, version) = written().await;
        assert!(
            text.contains(r#""endpoints":["PLAINTEXT://localhost:9099"]"#)
                && text.contains(r#""timestamp":"6""#)
        );
        assert_eq!(
            (czxid, version, registration.epoch()),
            (epoch.0, 3, epoch),
            "once more, as an answer was lost"
        );
        store.expire();
        registration.advertise(settings(1, 9100).endpoints, Millis(7)).await.unwrap();
        registration.register_again(Millis(8)).await.unwrap();
        assert!(written().await.0.contains("localhost:9100"));
    }

    #[tokio::test]
    async fn an_expiry_begins_a_new_life() {
        let store = broker(&ModelZooKeeper::default()).await;
        let registration = register(&store, 1, 9092).await.unwrap();
        let first = registration.epoch();
        store.expire();
        assert_eq!(owner(&store, 1).await, None);
        let second = registration.register_again(Millis(6)).await.unwrap();
        assert!(second > first && registration.epoch() == second);
        // Again under the same session: the node is its own, and nothing changes.
        assert_eq!(registration.register_again(Millis(7)).await.unwrap(), second);
    }

    #[tokio::test]
    async fn a_node_of_a_former_session_of_this_process_is_replaced() {
        let zookeeper = ModelZooKeeper::default();
        let (former, store) = (broker(&zookeeper).await, broker(&zookeeper).await);
        register(&former, 1, 9092).await.unwrap();
        let registration = Registration {
            store: Arc::new(store.clone()),
            endpoints: Mutex::new(settings(1, 9092).endpoints),
            settings: settings(1, 9092),
            epoch: AtomicI64::new(0),
            sessions: Mutex::new(vec![former.session()]),
        };
        registration.register_again(Millis(6)).await.unwrap();
        assert_eq!(owner(&store, 1).await, Some(store.session()));
    }

    #[tokio::test]
    async fn others_are_listed_and_their_addresses_are_theirs() {
        let zookeeper = ModelZooKeeper::default();
        let (one, two) = (broker(&zookeeper).await, broker(&zookeeper).await);
        assert_eq!(other_brokers(&one, BrokerId(1)).await.unwrap(), []);
        register(&one, 7, 9092).await.unwrap();
        let expected = Registered { broker: BrokerId(7), addresses: vec!["localhost:9092".into()] };
        assert_eq!(other_brokers(&two, BrokerId(1)).await.unwrap(), [expected]);
        let error = register(&two, 1, 9092).await.unwrap_err().to_string();
        assert!(error.contains("broker 7") && error.contains("localhost:9092"), "{error}");
        register(&two, 1, 9093).await.unwrap();
    }

    #[tokio::test]
    async fn garbage_in_anothers_registration_is_named() {
        let store = broker(&ModelZooKeeper::default()).await;
        store.create("/brokers/ids/3", Some("x".into()), CreateMode::Persistent).await.unwrap();
        let error = register(&store, 1, 9092).await.unwrap_err().to_string();
        assert!(error.contains("/brokers/ids/3"), "{error}");
    }
}
