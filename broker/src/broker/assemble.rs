//! Putting a broker together from what its start has found; nothing runs before `Parts::run`.
//! Called by `start.rs`, and by the tests with a ZooKeeper in memory.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};

use config::broker::BrokerConfig;
use storage::{Disk, OpenOptions, Removal};
use tokio::sync::mpsc;
use uuid::Uuid;
use zookeeper::store::MetadataStore;

use super::handles::Room;
use super::logs::Unopened;
use super::{Broker, ControllerEpochGate, Loading, loading, wiring};
use crate::api::fetch::sessions::FetchSessions;
use crate::authorizer::Authorizer;
use crate::controller::Office;
use crate::features;
use crate::hosted::Hosted;
use crate::log_dirs::LogDirs;
use crate::loggers::Loggers;
use crate::metadata::Metadata;
use crate::moves::{self, Ask, Moves};
use crate::network::Seats;
use crate::producer_ids::ProducerIds;
use crate::quota::Quotas;
use crate::registration::Registration;
use crate::registration::identity::Identity;
use crate::settings::Settings;
use crate::shard::{Clock, Command, Shard, Shards};
use crate::tasks::{TaskKind, Tasks};
use crate::upkeep::{self, Amendment, Amendments, Job, JobQueue};

/// What a broker is made of.
pub(crate) struct Materials {
    pub(crate) config: BrokerConfig,
    pub(crate) identity: Identity,
    pub(crate) settings: Settings,
    pub(crate) store: Arc<dyn MetadataStore>,
    pub(crate) registration: Registration,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) log_dirs: LogDirs,
    /// The logs of each directory, to be opened while the broker serves.
    pub(crate) unopened: Vec<VecDeque<Unopened>>,
    pub(crate) removals: Vec<Removal>,
    /// Copies of moves that are not finished.
    pub(crate) unfinished: Vec<OpenOptions>,
    pub(crate) room: Room,
    pub(crate) seats: Arc<Seats>,
    pub(crate) quotas: Arc<Quotas>,
    pub(crate) tasks: Tasks,
    pub(crate) clock: Clock,
    pub(crate) authorizer: Authorizer,
    pub(crate) loggers: Loggers,
}

/// What is started once the broker is assembled.
pub(crate) struct Parts {
    shards: Vec<(Shard, mpsc::Receiver<Command>)>,
    jobs: mpsc::Receiver<Job>,
    amendments: mpsc::Receiver<Amendment>,
    removals: Vec<Removal>,
    unopened: Vec<VecDeque<Unopened>>,
    asks: mpsc::Receiver<Ask>,
    unfinished: Vec<OpenOptions>,
}

impl Parts {
    pub(crate) fn run(self, broker: &Arc<Broker>) {
        broker.shards.run(self.shards, &broker.tasks);
        upkeep::start(broker, (self.jobs, self.amendments), self.removals);
        broker.tasks.spawn(
            TaskKind::Upkeep,
            "opening logs",
            loading::load(Arc::clone(broker), self.unopened),
        );
        let moving = moves::drive(Arc::clone(broker), self.asks, self.unfinished);
        broker.tasks.spawn(TaskKind::Upkeep, "moves between log directories", moving);
    }
}

impl Materials {
    pub(crate) fn assemble(self) -> (Arc<Broker>, Parts) {
        let Self { config, identity, settings, store, clock, .. } = self;
        let hosted = Arc::new(Hosted::default());
        let (jobs, job_receiver) = JobQueue::new();
        let (amendments, asked) = Amendments::new();
        let (moves, asks) = Moves::new();
        let count = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let (shards, mailboxes) = Shards::open(count, clock);
        let mut parts: Vec<_> = mailboxes
            .into_iter()
            .map(|m| (Shard::new(identity.broker, Arc::clone(&hosted), jobs.clone()), m))
            .collect();
        for unopened in self.unopened.iter().flatten() {
            let standing = unopened.standing();
            parts[shards.index_of(&standing.partition)].0.expect(standing, unopened.settings.clone());
        }
        let seed = Uuid::new_v4().as_u64_pair();
        let office = Office::new(Arc::clone(&store), wiring::controller_settings(&config, &identity), clock);
        let broker = Broker {
            metadata: Metadata::new(),
            hosted,
            shards,
            disk: self.disk,
            log_dirs: self.log_dirs,
            loading: Loading::of(&self.unopened),
            jobs,
            amendments,
            moves,
            room: self.room,
            registration: self.registration,
            office,
            controller_epoch: ControllerEpochGate::default(),
            producer_ids: ProducerIds::new(Arc::clone(&store), identity.broker),
            fetch_sessions: FetchSessions::new(config.network.fetch_session_slots_max as usize, seed.0),
            loggers: self.loggers,
            seats: self.seats,
            quotas: self.quotas,
            authorizer: self.authorizer,
            tasks: self.tasks,
            feature_version: AtomicI64::new(features::NO_EPOCH),
            random: AtomicU64::new(seed.1 | 1),
            config,
            identity,
            settings,
            store,
        };
        (
            Arc::new(broker),
            Parts {
                shards: parts,
                jobs: job_receiver,
                amendments: asked,
                removals: self.removals,
                unopened: self.unopened,
                asks,
                unfinished: self.unfinished,
            },
        )
    }
}
