//! What a broker is made of, what is started in which order, and how it is stopped, in stages.
//! The binary calls `run`. Holds no rules: every part has its own file. Source of the order: Kafka's KafkaServer (3.9).

mod advertised;
pub(crate) mod assemble;
mod controller_epoch;
pub(crate) mod handles;
mod idle_threads;
mod loading;
pub(crate) mod logs;
mod reachability;
mod reconfigure;
mod start;
pub(crate) mod stop;
mod unfinished;
pub(crate) mod wiring;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use config::broker::BrokerConfig;
use storage::Disk;
use zookeeper::store::MetadataStore;

use crate::api::fetch::sessions::FetchSessions;
use crate::authorizer::Authorizer;
use crate::controller::Office;
use crate::hosted::Hosted;
use crate::log_dirs::LogDirs;
use crate::loggers::Loggers;
use crate::metadata::Metadata;
use crate::moves::Moves;
use crate::network::Seats;
use crate::producer_ids::ProducerIds;
use crate::quota::Quotas;
use crate::registration::Registration;
use crate::registration::identity::Identity;
use crate::settings::Settings;
use crate::shard::Shards;
use crate::tasks::Tasks;
use crate::upkeep::{Amendments, JobQueue};

pub(crate) use controller_epoch::ControllerEpochGate;
pub(crate) use loading::Loading;
pub use start::StartError;

use handles::Room;

/// Everything that requests and tasks share. Parts that change have an owner of their own.
#[derive(Debug)]
pub(crate) struct Broker {
    /// As it was at start; what may change while running is in `settings`.
    pub(crate) config: BrokerConfig,
    pub(crate) identity: Identity,
    pub(crate) settings: Settings,
    pub(crate) store: Arc<dyn MetadataStore>,
    pub(crate) metadata: Metadata,
    pub(crate) hosted: Arc<Hosted>,
    pub(crate) shards: Shards,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) log_dirs: LogDirs,
    /// Logs found at start that are not open yet.
    pub(crate) loading: Loading,
    pub(crate) jobs: JobQueue,
    pub(crate) amendments: Amendments,
    pub(crate) moves: Moves,
    /// How many logs may be open.
    pub(crate) room: Room,
    pub(crate) registration: Registration,
    pub(crate) office: Office,
    pub(crate) controller_epoch: ControllerEpochGate,
    pub(crate) producer_ids: ProducerIds,
    pub(crate) fetch_sessions: FetchSessions,
    pub(crate) loggers: Loggers,
    /// Who is connected, and may be.
    pub(crate) seats: Arc<Seats>,
    pub(crate) quotas: Arc<Quotas>,
    pub(crate) authorizer: Authorizer,
    pub(crate) tasks: Tasks,
    /// The epoch of the finalized features, which ApiVersions tells clients.
    feature_version: AtomicI64,
    random: AtomicU64,
}

/// What a broker is started with.
#[derive(Debug)]
pub struct Options {
    pub file: PathBuf,
    /// `key=value`, each of which replaces what the file says.
    pub overrides: Vec<String>,
    pub loggers: Loggers,
}

/// Runs a broker until it is told to stop by SIGTERM or SIGINT, or cannot go on.
pub async fn run(options: Options) -> Result<(), StartError> {
    let running = start::start(options).await?;
    let cause = running.until_stopped().await;
    stop::stop(running).await;
    cause
}

impl Broker {
    /// Whether this broker is the controller, as far as it knows.
    pub(crate) fn is_controller(&self) -> bool {
        self.office.epoch().is_some()
    }

    pub(crate) fn feature_version(&self) -> i64 {
        self.feature_version.load(Ordering::Relaxed)
    }

    pub(crate) fn set_feature_version(&self, version: i64) {
        self.feature_version.store(version, Ordering::Relaxed);
    }

    /// A number that nobody can foresee but nothing depends on: where an assignment of replicas begins.
    pub(crate) fn random(&self) -> u64 {
        let step = |mut x: u64| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^ (x << 17)
        };
        let before = self.random.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |x| Some(step(x)));
        before.unwrap_or_else(|same| same)
    }
}
