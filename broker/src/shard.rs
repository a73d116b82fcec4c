//! A shard: the one writer of some partitions. Commands in, logs and replica machines driven, answers out.
//! `turn` is plain code without a runtime; `shard/host.rs` alone decides what drives it. Requests reach it through `Shards`.
//! Invariant: appends that wait in one turn become one write per partition, and no other command overtakes them.

mod command;
mod host;
mod loading;
mod moving;
mod partition;
mod produces;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use coordinator::deadlines::{Monotonic, Now};
use coordinator::replica::AppendRefused;
use protocol::ids::{BrokerId, TopicPartition};
use storage::{DiskError, Log, Retirement};

pub(crate) use command::{
    Append, AppendFailure, AppendOutcome, Appended, Assign, AssignFailure, Closing, Command, Configure,
    Damaged, DeleteFailure, DeleteRecords, Fate, Measured, MoveStep, Opening, RecordsDeleted, Standing, Stop,
    StopFailure, Whereabouts,
};
pub(crate) use host::{Clock, Shards};

use crate::hosted::Hosted;
use crate::topic_settings::TopicSettings;
use crate::upkeep::{Job, JobQueue};
use loading::Loading;
use partition::{Partition, Ticketed, Wait};
use produces::Produces;

#[derive(Debug)]
pub(crate) struct Shard {
    local: BrokerId,
    partitions: HashMap<TopicPartition, Seat>,
    /// What the checkpoint files say of partitions whose logs are not open, or could not be opened: it has to stay there.
    unopened: BTreeMap<TopicPartition, Standing>,
    /// Whether those who write the files know `unopened`.
    unopened_told: bool,
    /// Partitions that changed since the last `TakeChanged`.
    changed: Vec<TopicPartition>,
    hosted: Arc<Hosted>,
    produces: Produces,
    /// Partitions with staged batches, in the order in which the first came.
    touched: Vec<TopicPartition>,
    /// Partitions whose flush was due when the queue of jobs was full.
    unflushed: BTreeSet<TopicPartition>,
    /// Log directories without room for records.
    full: BTreeSet<PathBuf>,
    /// Log directories in which a write failed for another reason, which is being looked into.
    troubled: BTreeSet<PathBuf>,
    jobs: JobQueue,
}

/// A partition's place in its shard.
#[derive(Debug)]
enum Seat {
    /// Its log was found at start and is not open yet.
    Loading(Box<Loading>),
    /// Offline until the disk has room to open its log.
    Waiting(Box<TopicSettings>),
    Online(Box<Partition>),
    /// Its log serves nobody until the broker starts again. One that is kept is closed when the broker stops; its files
    /// are whole as far as one can tell, or another is damaged that nobody touches.
    Offline(Option<Box<Log>>),
}

impl Shard {
    pub(crate) fn new(local: BrokerId, hosted: Arc<Hosted>, jobs: JobQueue) -> Self {
        Self {
            local,
            partitions: HashMap::new(),
            unopened: BTreeMap::new(),
            unopened_told: true,
            changed: Vec::new(),
            hosted,
            produces: Produces::default(),
            touched: Vec::new(),
            unflushed: BTreeSet::new(),
            full: BTreeSet::new(),
            troubled: BTreeSet::new(),
            jobs,
        }
    }

    /// Keeps a place for a log that was found at start and is being opened; `Opened` tells the outcome.
    pub(crate) fn expect(&mut self, standing: Standing, settings: TopicSettings) {
        let name = standing.partition.clone();
        self.unopened.insert(name.clone(), standing);
        self.unopened_told = false;
        self.partitions.insert(name, Seat::Loading(Box::new(Loading::new(self.local, settings))));
    }

    /// Takes in a log. It serves nobody before a LeaderAndIsr names its role.
    pub(crate) fn adopt(&mut self, log: Log, min_insync_replicas: usize) {
        let name = log.partition.clone();
        let partition = Partition::new(log, self.local, min_insync_replicas);
        self.changed.push(name.clone());
        self.partitions.insert(name, Seat::Online(Box::new(partition)));
    }

    /// When `turn` has to be called though no command came.
    pub(crate) fn next_deadline(&self) -> Option<Monotonic> {
        self.produces.next_deadline()
    }

    /// Carries out `commands` in order.
    pub(crate) fn turn(&mut self, now: Now, commands: &mut Vec<Command>) {
        for command in commands.drain(..) {
            // Only appends may wait for their neighbours: whatever else comes finds the log as if they had come one by one.
            if !matches!(command, Command::Append(_)) {
                self.write_staged(now);
            }
            self.carry_out(now, command);
        }
        self.write_staged(now);
        self.expire(now);
    }

    fn stage(&mut self, append: Append) {
        let Append { batches, acks, timeout, reply } = append;
        let names = batches.iter().map(|(name, _)| name.clone());
        let key = self.produces.open(names, timeout, reply);
        for (place, (name, batch)) in batches.into_iter().enumerate() {
            self.stage_one(name, (Produces::ticket(key, place), acks, batch));
        }
    }

    fn stage_one(&mut self, name: TopicPartition, (ticket, acks, batch): Ticketed) {
        let staged = match self.partitions.get_mut(&name) {
            None | Some(Seat::Loading(_)) => Err(AppendFailure::Refused(AppendRefused::NotLeader)),
            Some(Seat::Offline(_) | Seat::Waiting(_)) => Err(AppendFailure::Offline),
            Some(Seat::Online(partition)) if self.full.iter().any(|dir| partition.is_in(dir)) => {
                Err(AppendFailure::Full)
            }
            Some(Seat::Online(partition)) => {
                partition.stage(ticket, acks, batch).map_err(AppendFailure::Refused)
            }
        };
        match staged {
            Ok(Wait::First) => self.touched.push(name),
            Ok(Wait::Behind) => {}
            Err(failure) => self.produces.failed(ticket, failure),
        }
    }

    fn write_staged(&mut self, now: Now) {
        for name in std::mem::take(&mut self.touched) {
            let mut trouble = None;
            self.step(&name, |partition, produces| trouble = partition.write(now, produces));
            match trouble {
                Some(error) => self.not_written(&name, error),
                None => self.troubled.clear(),
            }
            self.flush_if_due(&name, now);
        }
    }

    fn carry_out(&mut self, now: Now, command: Command) {
        match command {
            Command::Append(append) => self.stage(append),
            Command::Opened { partition, opening } => self.opened(now, &partition, opening),
            // Whoever asked is gone only while the broker stops.
            Command::OpenAgain { partition, reply } => drop(reply.send(self.open_again(&partition))),
            Command::Assign(assign) => self.assign(now, *assign),
            Command::Stop(stop) => self.stop(now, stop),
            Command::Configure(configure) => self.configure(now, &configure),
            Command::DeleteRecords(delete) => self.delete_records(now, delete),
            Command::DescribeProducers { partition, reply } => {
                if let Some(Seat::Online(partition)) = self.partitions.get(&partition) {
                    // A client that went away does not wait for its answer.
                    let _ = reply.send(partition.log.active_producers());
                }
            }
            Command::Move { partition, step } => self.move_step(&partition, step),
            Command::Measure(reply) => drop(reply.send(self.online().map(|log| log.measured()).collect())),
            Command::TakeChanged(reply) => drop(reply.send(self.take_changed())),
            Command::Retain => self.retain(now),
            Command::FlushDue => self.flush_all_due(now),
            Command::Flushed { partition, result } => self.flushed(now, &partition, result),
            Command::FailDir(dir) => self.fail_dir(now, &dir),
            Command::Damaged(damaged) => self.damaged(now, &damaged),
            Command::Freeze { dir, reply } => {
                self.freeze(dir);
                // Whoever asked goes on without the answer.
                let _ = reply.send(());
            }
            Command::Thaw(dir) => drop(self.full.remove(&dir)),
            Command::Forget(name) => self.forget(&name),
            Command::Close(reply) => drop(reply.send(self.close(now))),
        }
    }

    /// A log that was waited for is open, or cannot be opened.
    fn opened(&mut self, now: Now, name: &TopicPartition, opening: Opening) {
        // Its directory may have failed in the meantime.
        let Some(Seat::Loading(_)) = self.partitions.get(name) else { return };
        let Some(Seat::Loading(loading)) = self.partitions.remove(name) else { return };
        let (settings, assign, delete) = loading.into_waiting();
        // Without a log the controller is told by a notice, and asks again.
        let is_open = matches!(opening, Opening::Open(_));
        match opening {
            Opening::Open(mut log) => {
                log.set_settings(settings.log.clone());
                self.unopened.remove(name);
                // It was offline if this is not the first attempt.
                self.hosted.remove(name);
                self.adopt(*log, settings.min_insync_replicas);
            }
            Opening::NoRoom => {
                self.take_offline(name);
                self.partitions.insert(name.clone(), Seat::Waiting(Box::new(settings)));
            }
            Opening::Failed => self.take_offline(name),
        }
        if let Some(mut assign) = assign.filter(|_| is_open) {
            let (reply, mut result) = tokio::sync::oneshot::channel();
            assign.reply = reply;
            self.assign(now, *assign);
            if let Ok(Err(failure)) = result.try_recv() {
                tracing::error!(partition = %name, %failure, "the partition is not served, though the controller was told that it is");
            }
        }
        if let Some(delete) = delete {
            self.stop(now, delete);
        }
    }

    /// Clients hear of a failure until the log is open; the controller has to ask again then.
    fn open_again(&mut self, name: &TopicPartition) -> bool {
        // The topic may have been deleted meanwhile, or the directory have failed.
        let Some(Seat::Waiting(settings)) = self.partitions.get(name) else { return false };
        let loading = Loading::new(self.local, (**settings).clone());
        self.partitions.insert(name.clone(), Seat::Loading(Box::new(loading)));
        true
    }

    fn assign(&mut self, now: Now, mut assign: Assign) {
        let name = assign.partition.clone();
        if let Some(Seat::Loading(loading)) = self.partitions.get_mut(&name) {
            return loading.assign(assign);
        }
        if let (None, Some(log)) = (self.partitions.get(&name), assign.log.take()) {
            self.adopt(log, assign.settings.min_insync_replicas);
        }
        if !self.partitions.contains_key(&name) {
            // There is a directory, but it could not be opened when the broker started.
            self.take_offline(&name);
        }
        let (reply, unheard) = tokio::sync::oneshot::channel();
        let reply = std::mem::replace(&mut assign.reply, reply);
        drop(unheard);
        let (local, hosted) = (self.local, Arc::clone(&self.hosted));
        let mut result = Err(AssignFailure::Offline);
        let mut knew_its_topic = true;
        self.step(&name, |partition, produces| {
            knew_its_topic = partition.knows_its_topic();
            result = partition.assign(assign, (local, now), &hosted, produces);
        });
        // The sender of a LeaderAndIsr that went away asks again.
        let _ = reply.send(result);
        if !knew_its_topic {
            self.flush_if_due(&name, now);
        }
    }

    fn stop(&mut self, now: Now, stop: Stop) {
        if let Some(Seat::Loading(loading)) = self.partitions.get_mut(&stop.partition) {
            return loading.stop(stop);
        }
        let Stop { partition: name, leader_epoch, fate, reply } = stop;
        let known = match self.partitions.get(&name) {
            None => {
                self.hosted.remove(&name);
                return drop(reply.send(Ok(None)));
            }
            Some(Seat::Offline(Some(_))) if fate == Fate::Delete => {
                let log = self.take_log(&name);
                self.hosted.remove(&name);
                return drop(reply.send(Ok(log)));
            }
            // A log that is being opened was looked at above.
            Some(seat @ (Seat::Offline(_) | Seat::Loading(_) | Seat::Waiting(_))) => {
                // Its directory is about to go: nobody may open it any more.
                if matches!(seat, Seat::Waiting(_)) && fate == Fate::Delete {
                    self.partitions.insert(name, Seat::Offline(None));
                }
                return drop(reply.send(Err(StopFailure::Offline)));
            }
            Some(Seat::Online(partition)) => partition.replica.leader_epoch(),
        };
        if let (Some(asked), Some(known)) = (leader_epoch, known)
            && asked < known
        {
            return drop(reply.send(Err(StopFailure::FencedLeaderEpoch { asked, known })));
        }
        let hosted = Arc::clone(&self.hosted);
        self.step(&name, |partition, produces| partition.stop(now, &hosted, produces));
        let log = match fate {
            Fate::Keep => None,
            Fate::Delete => self.take_log(&name),
        };
        drop(reply.send(Ok(log)));
    }

    fn configure(&mut self, now: Now, configure: &Configure) {
        let names: Vec<_> =
            self.partitions.keys().filter(|name| *name.topic == *configure.topic).cloned().collect();
        for name in names {
            match self.partitions.get_mut(&name) {
                Some(Seat::Loading(loading)) => loading.settings = configure.settings.clone(),
                Some(Seat::Waiting(settings)) => **settings = configure.settings.clone(),
                None | Some(Seat::Online(_) | Seat::Offline(_)) => {}
            }
            self.step(&name, |partition, produces| partition.configure(&configure.settings, produces, now));
        }
    }

    fn delete_records(&mut self, now: Now, delete: DeleteRecords) {
        let DeleteRecords { partition: name, before, reply } = delete;
        let mut result = match self.partitions.get(&name) {
            None | Some(Seat::Loading(_)) => Err(DeleteFailure::NotLeader),
            Some(Seat::Online(_) | Seat::Offline(_) | Seat::Waiting(_)) => Err(DeleteFailure::Offline),
        };
        self.step(&name, |partition, _| result = partition.delete_records(before));
        // Without a place for the job the next round of retention does it.
        if result.is_ok() && self.jobs.has_room() {
            let mut retired = Ok(None);
            self.step(&name, |partition, _| retired = partition.retire_below_start(now));
            self.push_retired(retired);
        }
        // A client that went away does not wait for its answer.
        let _ = reply.send(result);
    }

    fn take_changed(&mut self) -> Vec<Standing> {
        let told = std::mem::replace(&mut self.unopened_told, true);
        let mut standings: Vec<_> = self.unopened.values().filter(|_| !told).cloned().collect();
        for name in std::mem::take(&mut self.changed) {
            let Some(Seat::Online(partition)) = self.partitions.get_mut(&name) else { continue };
            if std::mem::take(&mut partition.changed) {
                standings.push(partition.standing());
            }
        }
        standings
    }

    fn retain(&mut self, now: Now) {
        for name in self.names() {
            if !self.jobs.has_room() {
                // The next round goes on.
                return;
            }
            let mut retired = Ok(None);
            self.step(&name, |partition, _| retired = partition.retain(now));
            self.push_retired(retired);
            self.flush_if_due(&name, now);
        }
    }

    fn push_retired(&mut self, retired: Result<Option<Retirement>, DiskError>) {
        match retired {
            Ok(Some(retirement)) => self.jobs.push(Job::Retire(retirement)),
            Ok(None) => {}
            Err(error) => self.jobs.push(Job::Blame(error)),
        }
    }

    fn flush_all_due(&mut self, now: Now) {
        for name in self.names() {
            self.flush_if_due(&name, now);
        }
    }

    fn flush_if_due(&mut self, name: &TopicPartition, now: Now) {
        if !self.jobs.has_room() {
            self.unflushed.insert(name.clone());
            return;
        }
        let mut plan = None;
        self.step(name, |partition, _| plan = partition.flush_due(now));
        if let Some(plan) = plan {
            self.jobs.push(Job::Flush { partition: name.clone(), plan });
        }
    }

    fn flushed(&mut self, now: Now, name: &TopicPartition, result: Result<storage::Flushed, DiskError>) {
        match result {
            Ok(flushed) => self.step(name, |partition, _| partition.flushed(flushed)),
            Err(error) => {
                if error.blames_disk() {
                    tracing::error!(partition = %name, %error, "a flush failed: what was written since the last one may be lost in a power cut");
                    self.step(name, |partition, _| partition.sync_failed());
                } else {
                    self.step(name, |partition, _| partition.not_flushed());
                }
                self.jobs.push(Job::Blame(error));
            }
        }
        // A place in the queue of jobs has become free.
        if let Some(name) = self.unflushed.pop_first() {
            self.flush_if_due(&name, now);
        }
    }

    /// A full disk still serves what is on it; any other failure puts the whole directory in doubt. Producers try
    /// again and again, so it is told once.
    fn not_written(&mut self, name: &TopicPartition, error: DiskError) {
        let Some(Seat::Online(partition)) = self.partitions.get(name) else { return };
        let Some(dir) = partition.log.dir.parent().map(Path::to_path_buf) else { return };
        let is_news = if error.is_full() { self.full.insert(dir) } else { self.troubled.insert(dir) };
        if is_news {
            if !error.is_full() {
                tracing::error!(partition = %name, %error, "records are refused, since they cannot be written");
            }
            self.jobs.push(Job::Blame(error));
        }
    }

    /// Also gives back what the directory's logs took ahead of their writes.
    fn freeze(&mut self, dir: PathBuf) {
        for name in self.names_in(&dir) {
            self.step(&name, |partition, _| partition.release_reserved());
        }
        self.full.insert(dir);
    }

    fn fail_dir(&mut self, now: Now, dir: &Path) {
        for name in self.names_in(dir) {
            let hosted = Arc::clone(&self.hosted);
            self.step(&name, |partition, produces| partition.stop(now, &hosted, produces));
            self.take_offline(&name);
        }
        self.full.remove(dir);
    }

    /// The partitions of a log directory that serve or would serve.
    fn names_in(&self, dir: &Path) -> Vec<TopicPartition> {
        let inside = self.partitions.iter().filter(|(name, seat)| match seat {
            Seat::Online(partition) => partition.is_in(dir),
            Seat::Loading(_) | Seat::Waiting(_) => {
                self.unopened.get(*name).is_some_and(|found| found.dir.parent() == Some(dir))
            }
            Seat::Offline(kept) => kept.as_ref().is_some_and(|log| log.dir.parent() == Some(dir)),
        });
        inside.map(|(name, _)| name.clone()).collect()
    }

    fn damaged(&mut self, now: Now, damaged: &Damaged) {
        let Damaged { partition: name, file, damage } = damaged;
        if !matches!(self.partitions.get(name), Some(Seat::Online(_))) {
            return;
        }
        tracing::error!(
            partition = %name, file = %file.display(), position = damage.position, offset = damage.offset.map_or(-1, |offset| offset.0),
            "the partition is offline: its disk gave back other bytes than were written ({}). Nothing is served of it and \
             nothing on disk was changed. Check the disk, put the partition's directory right from another replica or a \
             backup, or move it away, and restart the broker",
            damage.flaw
        );
        let hosted = Arc::clone(&self.hosted);
        self.step(name, |partition, produces| partition.stop(now, &hosted, produces));
        let log = self.take_log(name);
        self.take_offline(name);
        self.partitions.insert(name.clone(), Seat::Offline(log.map(Box::new)));
    }

    /// Only who is offline can be forgotten: a log that is open is handed out by `stop`.
    fn forget(&mut self, name: &TopicPartition) {
        if let Some(Seat::Offline(None)) = self.partitions.get(name) {
            self.partitions.remove(name);
            self.hosted.remove(name);
        }
    }

    fn close(&mut self, now: Now) -> Closing {
        let names = self.names();
        for name in &names {
            let hosted = Arc::clone(&self.hosted);
            self.step(name, |partition, produces| partition.stop(now, &hosted, produces));
        }
        let logs = names.iter().filter_map(|name| self.take_log(name)).collect();
        Closing { logs, unopened: self.unopened.values().cloned().collect() }
    }

    fn expire(&mut self, now: Now) {
        for (name, ticket) in self.produces.expired(now.monotonic) {
            self.step(&name, |partition, produces| partition.expire(ticket, now, produces));
        }
    }

    /// Runs one partition's step. If it panics the partition goes offline, so that one poison record cannot take the broker down.
    fn step(&mut self, name: &TopicPartition, step: impl FnOnce(&mut Partition, &mut Produces)) {
        let Some(Seat::Online(partition)) = self.partitions.get_mut(name) else { return };
        let (produces, was_changed) = (&mut self.produces, partition.changed);
        // Nobody looks at the partition after a panic, so no broken invariant of it is seen.
        if catch_unwind(AssertUnwindSafe(|| step(partition, produces))).is_err() {
            tracing::error!(
                partition = %name,
                "the partition is taken offline after an internal error (see the panic above); its files are untouched. \
                 Restart the broker to try again, and please report it"
            );
            self.take_offline(name);
            self.jobs.push(Job::TellController);
        } else if partition.changed && !was_changed {
            self.changed.push(name.clone());
        }
    }

    fn take_offline(&mut self, name: &TopicPartition) {
        self.partitions.insert(name.clone(), Seat::Offline(None));
        self.produces.fail_all(name);
        self.hosted.take_offline(name);
    }

    fn take_log(&mut self, name: &TopicPartition) -> Option<Log> {
        match self.partitions.remove(name)? {
            Seat::Online(partition) => Some(partition.log),
            Seat::Offline(Some(log)) => Some(*log),
            seat @ (Seat::Offline(None) | Seat::Loading(_) | Seat::Waiting(_)) => {
                self.partitions.insert(name.clone(), seat);
                None
            }
        }
    }

    fn names(&self) -> Vec<TopicPartition> {
        self.partitions.keys().cloned().collect()
    }

    fn online(&mut self) -> impl Iterator<Item = &mut Partition> {
        self.partitions.values_mut().filter_map(|seat| match seat {
            Seat::Online(partition) => Some(&mut **partition),
            Seat::Loading(_) | Seat::Waiting(_) | Seat::Offline(_) => None,
        })
    }
}

#[cfg(test)]
mod tests;
