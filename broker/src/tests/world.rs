//! A broker to ask, and how to ask it.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use config::broker::BrokerConfig;
use config::layers::Layers;
use config::properties::Properties;
use protocol::batch::Codec;
use protocol::ids::{BrokerId, Millis};
use protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use protocol::messages::{CreateTopicsRequest, TopicName};
use protocol::record::{BatchBuilder, NewRecord};
use protocol::request::{self, Request, RequestHeader};
use protocol::response::{Part, Response};
use protocol::{ApiKey, Decodable, Encodable, ErrorCode, HeaderVersion, RequestMessage, StrBytes};
use storage::{Disk, DiskError};
use zookeeper::store::MetadataStore;
use zookeeper::tree::{ModelStore, ModelZooKeeper};
use zookeeper::znodes::Endpoint;

use super::bad_disk::BadDisk;
use crate::api::context::{Context, Outcome, Pending};
use crate::api::handle;
use crate::authorizer::Authorizer;
use crate::authorizer::record::Record;
use crate::broker::assemble::Materials;
use crate::broker::handles::Room;
use crate::broker::logs::{self, OpenDirs};
use crate::broker::{Broker, stop, wiring};
use crate::config_changes::ConfigChanges;
use crate::log_dirs::LogDirs;
use crate::loggers::{Level, Levels, Loggers};
use crate::network::{Doors, Limits, Seats};
use crate::registration::identity::Identity;
use crate::registration::{Registration, RegistrationSettings, create_persistent_paths};
use crate::settings::Settings;
use crate::shard::Clock;
use crate::tasks::{TaskKind, Tasks};
use crate::upkeep::Job;

/// Longer than anything here takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);
pub(super) const CLUSTER_ID: &str = "c1uster";

pub(super) struct World {
    pub(super) broker: Arc<Broker>,
    /// Of one connection.
    pub(super) context: Context,
    pub(super) asked: Record,
    pub(super) ground: Arc<Ground>,
    session: ModelStore,
}

/// What outlives a broker.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) disk: Arc<BadDisk>,
    zookeeper: ModelZooKeeper,
    /// Goes with this.
    folder: PathBuf,
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Ground {
    pub(super) fn new() -> Arc<Ground> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("ottla-broker-test-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("a")).unwrap();
        Arc::new(Ground { disk: Arc::default(), zookeeper: ModelZooKeeper::default(), folder })
    }

    /// The log directories.
    pub(super) fn dirs(&self) -> [PathBuf; 2] {
        ["a", "b"].map(|name| self.folder.join(name))
    }
}

impl World {
    /// Broker 1, alone and controller, with two log directories. `overrides` are `key=value`.
    pub(super) async fn start(overrides: &[&str]) -> World {
        World::start_over(overrides, |_| {}).await
    }

    /// The same, over what `prepare` leaves in the first log directory.
    pub(super) async fn start_over(overrides: &[&str], prepare: impl FnOnce(&Path)) -> World {
        let ground = Ground::new();
        prepare(&ground.dirs()[0]);
        World::start_on(ground, overrides).await
    }

    /// The same, where an earlier broker may have been.
    pub(super) async fn start_on(ground: Arc<Ground>, overrides: &[&str]) -> World {
        World::start_in(Room { limit: 1 << 20 }, ground, overrides).await
    }

    /// The same, where so many files may be open.
    pub(super) async fn start_in(room: Room, ground: Arc<Ground>, overrides: &[&str]) -> World {
        let (session, events) = ground.zookeeper.connect();
        let store: Arc<dyn MetadataStore> = Arc::new(session.clone());
        create_persistent_paths(&*store).await.unwrap();
        let (config, layers) = configuration(&ground, overrides);
        let (clock, tasks, asked) = (Clock::start(), Tasks::new(), Record::default());
        let settings = Settings::new(Arc::clone(&store), layers, config.clone());
        let disk: Arc<dyn Disk> = Arc::clone(&ground.disk) as Arc<dyn Disk>;
        let dirs = logs::open_dirs(&config, &disk).unwrap();
        let mut changes = ConfigChanges::new(Arc::clone(&store));
        changes.load().await.unwrap();
        let listed = logs::list(dirs, &settings, clock.now().wall, &disk).unwrap();
        let (OpenDirs { online: dirs, failed }, found) = listed;
        let failed = failed.into_iter().map(|(dir, _)| dir).collect();
        let registration =
            Registration::register(Arc::clone(&store), registered(), clock.now().wall).await.unwrap();
        let limits = Limits::resolve(&config.network).await.unwrap();
        let seats = Seats::new(limits, config.network.quota_window);
        let quotas = wiring::quotas(&config);
        let materials = Materials {
            config,
            identity: Identity { broker: BrokerId(1), cluster_id: CLUSTER_ID.to_owned() },
            settings,
            store,
            registration,
            disk,
            log_dirs: LogDirs::new(dirs, failed, found.homes),
            unopened: found.unopened,
            removals: found.removals,
            unfinished: found.unfinished,
            room,
            seats,
            quotas,
            tasks,
            clock,
            authorizer: Authorizer::Recorded(asked.clone()),
            loggers: Loggers::new(Levels::starting_at(Level::Info), Box::new(|_| {})),
        };
        let (broker, parts) = materials.assemble();
        parts.run(&broker);
        let doors = Arc::new(Doors::new(wiring::network(&broker)));
        wiring::join_controller(&broker, events, changes, doors);
        let context = Context::new(Arc::from("PLAINTEXT"), IpAddr::V4(Ipv4Addr::LOCALHOST));
        let world = World { broker, context, asked, ground, session };
        assert!(world.broker.metadata.wait_for(PATIENCE, |p| !p.brokers.is_empty()).await, "no controller");
        world.until("opening the logs", || world.broker.loading.left() == 0).await;
        world
    }

    /// Stops the broker cleanly.
    pub(super) async fn stop(self) -> Arc<Ground> {
        for kind in [TaskKind::Controller, TaskKind::Upkeep] {
            self.broker.tasks.stop(kind).await.unwrap();
        }
        self.broker.tasks.settle().await;
        stop::close_logs(&self.broker).await;
        for kind in [TaskKind::Shard, TaskKind::ZooKeeper] {
            self.broker.tasks.stop(kind).await.unwrap();
        }
        self.session.close();
        assert_eq!(Arc::strong_count(&self.broker), 1, "nobody uses the broker, so its directories are free");
        self.ground
    }

    /// The log directories.
    pub(super) fn dirs(&self) -> [PathBuf; 2] {
        self.ground.dirs()
    }

    /// Another connection to the same broker.
    pub(super) fn reconnect(&self) -> World {
        World {
            broker: Arc::clone(&self.broker),
            context: Context::new(Arc::from("PLAINTEXT"), IpAddr::V4(Ipv4Addr::LOCALHOST)),
            asked: self.asked.clone(),
            ground: Arc::clone(&self.ground),
            session: self.session.clone(),
        }
    }

    /// Asks and reads the answer.
    pub(super) async fn ask<Q: RequestMessage>(&self, version: i16, request: &Q) -> Q::Response {
        match self.outcome(version, request).await {
            Outcome::Answer(response) => decode(version, response),
            other @ (Outcome::Throttled(..) | Outcome::Silent | Outcome::Close(_)) => panic!("{other:?}"),
        }
    }

    pub(super) async fn outcome<Q: RequestMessage>(&self, version: i16, request: &Q) -> Outcome {
        let waiting = async {
            match self.begin(version, request).await {
                Pending::Ready(outcome) => outcome,
                Pending::Later(outcome) => outcome.await,
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the request is answered in time")
    }

    /// The request in the hands of its API.
    pub(super) async fn begin<Q: RequestMessage>(&self, version: i16, request: &Q) -> Pending {
        let header = RequestHeader {
            api: ApiKey::from_code(Q::KEY).unwrap(),
            version,
            correlation_id: 7,
            client_id: self.context.client_id.clone(),
        };
        let frame = request::encode(&header, request).unwrap().slice(4..);
        let request = Request::decode(frame).unwrap();
        handle(&self.broker, self.context.of(&request.header), request).await
    }

    /// Makes a topic with these settings, each `key=value`.
    pub(super) async fn topic(&self, name: &'static str, partitions: i32, settings: &[&'static str]) {
        let topic = creatable(name).with_num_partitions(partitions).with_configs(
            settings
                .iter()
                .map(|pair| {
                    let (key, value) = pair.split_once('=').unwrap();
                    CreatableTopicConfig::default().with_name(key.into()).with_value(Some(value.into()))
                })
                .collect(),
        );
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(60_000);
        let answer = self.ask(5, &request).await;
        assert_eq!(code(answer.topics[0].error_code), ErrorCode::None, "{answer:?}");
        self.asked.take();
    }

    /// Waits until `so`, as the runtime goes on.
    pub(super) async fn until(&self, what: &str, mut so: impl FnMut() -> bool) {
        let looks = async {
            let mut looks = tokio::time::interval(Duration::from_millis(5));
            while !so() {
                looks.tick().await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, looks).await.is_ok(), "{what} did not happen");
    }
}

fn configuration(ground: &Ground, overrides: &[&str]) -> (BrokerConfig, Layers) {
    let [a, b] = ground.dirs();
    let text = format!(
        "broker.id=1\nzookeeper.connect=localhost:2181\nlisteners=PLAINTEXT://localhost:9092\nlog.dirs={},{}\n\
         ottla.log.dir.reserve.bytes=0\n",
        a.display(),
        b.display()
    );
    let mut properties = Properties::parse(text.as_bytes()).unwrap();
    for pair in overrides {
        properties.add_override(pair).unwrap();
    }
    let loaded = BrokerConfig::load(&properties).unwrap();
    (loaded.config, Layers::new(&properties))
}

fn registered() -> RegistrationSettings {
    let endpoint = Endpoint {
        listener: "PLAINTEXT".to_owned(),
        host: "localhost".to_owned(),
        port: 9092,
        security_protocol: "PLAINTEXT".to_owned(),
    };
    RegistrationSettings {
        broker: BrokerId(1),
        endpoints: vec![endpoint],
        rack: Some("r1".to_owned()),
        session_timeout: Duration::from_secs(6),
    }
}

pub(super) fn creatable(name: &'static str) -> CreatableTopic {
    CreatableTopic::default().with_name(topic_name(name)).with_num_partitions(1).with_replication_factor(1)
}

pub(super) fn topic_name(name: &'static str) -> TopicName {
    TopicName(StrBytes::from_static_str(name))
}

/// The report of an error at a file of a log directory.
pub(super) fn error_in(dir: &Path, code: i32) -> Job {
    Job::Blame(DiskError::reading(&dir.join("x"), &std::io::Error::from_raw_os_error(code)))
}

pub(super) fn code(code: i16) -> ErrorCode {
    ErrorCode::from_code(code)
}

/// A batch of records with these values at time `at`, changed by `change` before it is sealed.
pub(super) fn batch(at: i64, values: &[&str], change: impl FnOnce(&mut BatchBuilder)) -> Bytes {
    let mut builder = BatchBuilder::new(Codec::None);
    for value in values {
        let value = Some(value.as_bytes());
        builder.push(&NewRecord { timestamp: Millis(at), key: Some(b"k"), value, headers: &[] });
    }
    change(&mut builder);
    builder.build().unwrap()
}

/// All bytes of the answer, those of files too.
pub(super) fn bytes(response: Response) -> Bytes {
    use std::os::unix::fs::FileExt;

    let mut all = BytesMut::from(&response.head[..]);
    for part in response.body {
        match part {
            Part::Bytes(bytes) => all.extend_from_slice(&bytes),
            Part::File(slice) => {
                let mut buffer = vec![0; slice.length as usize];
                slice.file.read_exact_at(&mut buffer, slice.position).unwrap();
                all.extend_from_slice(&buffer);
            }
        }
    }
    all.freeze()
}

pub(super) fn decode<M: Decodable + Encodable + HeaderVersion>(version: i16, response: Response) -> M {
    let mut bytes = bytes(response);
    assert_eq!(bytes.get_i32() as usize, bytes.len());
    assert_eq!(bytes.get_i32(), 7);
    if M::header_version(version) >= 1 {
        assert_eq!(bytes.get_u8(), 0);
    }
    let message = M::decode(&mut bytes, version).unwrap();
    assert!(bytes.is_empty(), "{} bytes are left", bytes.len());
    message
}
