//! The one task of the controller: takes notices of ZooKeeper and answers of the broker, feeds the machine, carries its actions out.
//!
//! One action at a time, its operations pipelined; outcomes come back as events in the order of the actions. Whatever ends a tenure
//! (a fenced write, another's `/controller`, a lost session) drops everything that is under way, and the seat is stood for again.

use std::collections::VecDeque;

use coordinator::controller::{Action, Actions, ControlRequest, Controller, Event};
use protocol::ids::{BrokerEpoch, BrokerId};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use zookeeper::paths;
use zookeeper::store::StoreError;

use super::channel::{self, Answered, Channel, Deliver};
use super::election::{Candidate, ElectionError, Seat, Standing};
use super::inbox::Notice;
use super::writes::{Fenced, Lost};
use super::{Office, reads};
use crate::tasks::TaskError;

/// What the driver needs of the broker that it runs on.
pub(crate) struct Host {
    pub(crate) deliver: Deliver,
    /// unclean.leader.election.enable of the broker, for topics without an override.
    pub(crate) unclean_election: Box<dyn Fn() -> bool + Send + Sync>,
}

/// Runs until `stopping`; the broker must be registered. An error is something that ZooKeeper should never answer: the task is made
/// anew, and wins a new seat if it held one.
pub(crate) async fn run(office: &Office, host: Host, stopping: CancellationToken) -> Result<(), TaskError> {
    let _vacated = Vacated(office);
    let (channel, delivery) = channel::pair();
    let deliver = host.deliver.clone();
    let machine = Controller::new(office.settings.clone(), Uuid::new_v4().as_u128());
    let mut driver =
        Driver { office, host, machine, channel, seat: None, events: VecDeque::new(), answered: Vec::new() };
    // Whichever ends first, the others are dropped: what they do is meaningless without it.
    tokio::select! {
        result = driver.follow() => result.map_err(TaskError::from),
        () = delivery.run(deliver) => Ok(()),
        () = stopping.cancelled() => Ok(()),
    }
}

/// However a run ends, the seat is not held without one.
struct Vacated<'a>(&'a Office);

impl Drop for Vacated<'_> {
    fn drop(&mut self) {
        self.0.seat.send_replace(None);
    }
}

struct Driver<'a> {
    office: &'a Office,
    host: Host,
    machine: Controller,
    channel: Channel,
    seat: Option<Seat>,
    /// To be fed to the machine, oldest first.
    events: VecDeque<Event>,
    /// Answers that came while a request waited for room.
    answered: Vec<Answered>,
}

impl Driver<'_> {
    async fn follow(&mut self) -> Result<(), ElectionError> {
        self.stand().await?;
        loop {
            self.work().await?;
            // Neither branch loses anything when the other is taken: notices and answers stay queued.
            tokio::select! {
                notice = self.office.inbox.next() => self.noticed(notice).await?,
                answered = self.channel.answered() => self.events.push_back(event(self.office.settings.broker, answered)),
            }
        }
    }

    /// Until the machine has nothing left to do. Notices go first, so that a deposed controller stops within one event.
    async fn work(&mut self) -> Result<(), ElectionError> {
        loop {
            while let Some(notice) = self.office.inbox.try_next() {
                self.noticed(notice).await?;
            }
            let Some(event) = self.events.pop_front() else { return Ok(()) };
            let mut actions = Actions::new();
            self.machine.handle(self.office.clock.now(), event, &mut actions);
            for action in actions {
                match self.carry_out(action).await {
                    Ok(outcome) => self.events.extend(outcome),
                    Err(lost) => {
                        self.tenure_lost(lost).await?;
                        break;
                    }
                }
            }
        }
    }

    async fn noticed(&mut self, notice: Notice) -> Result<(), ElectionError> {
        match notice {
            Notice::SessionLost => self.depose(),
            Notice::Registered => self.stand().await?,
            Notice::WatchesLost => {
                self.stand().await?;
                self.events.push_back(Event::WatchesLost);
            }
            Notice::Changed(path) if path == paths::CONTROLLER => self.stand().await?,
            Notice::Changed(path) => self.events.extend(hint(&path)),
            Notice::UncleanElectionsAllowed(topic) => {
                self.events.push_back(Event::UncleanElectionsAllowed(topic.map(Into::into)));
            }
        }
        Ok(())
    }

    async fn tenure_lost(&mut self, lost: Lost) -> Result<(), ElectionError> {
        self.depose();
        match lost {
            Lost::Fenced => self.stand().await,
            Lost::Store(error) => unless_session_is_gone(error.into()),
        }
    }

    /// Looks who holds the seat and takes it if nobody does. Without a session it waits for the next registration.
    async fn stand(&mut self) -> Result<(), ElectionError> {
        let candidate = Candidate {
            store: &*self.office.store,
            broker: self.office.settings.broker,
            now: self.office.clock.now().wall,
        };
        let standing = match candidate.stand(self.seat).await {
            Ok(standing) => standing,
            Err(error) => {
                self.depose();
                return unless_session_is_gone(error);
            }
        };
        match standing {
            Standing::Kept => {}
            Standing::Lost => self.depose(),
            Standing::Won(seat) => {
                self.depose();
                self.seat = Some(seat);
                self.office.seat.send_replace(Some(seat.epoch));
                self.events.push_back(Event::Elected { epoch: seat.epoch });
            }
        }
        Ok(())
    }

    /// Everything of the tenure is dropped, the outcomes that have not been looked at included.
    fn depose(&mut self) {
        self.channel.reset();
        self.events.clear();
        self.answered.clear();
        if self.seat.take().is_some() {
            self.office.seat.send_replace(None);
            // What the machine still wants, that its channels be closed, has been done.
            self.machine.handle(self.office.clock.now(), Event::Deposed, &mut Actions::new());
        }
    }

    async fn carry_out(&mut self, action: Action) -> Result<Option<Event>, Lost> {
        let Some(seat) = self.seat else { return Ok(None) };
        let store = &*self.office.store;
        let fenced = Fenced { store, epoch_version: seat.epoch_version };
        let outcome = match action {
            Action::EnsureFeature => fenced.ensure_feature().await?,
            Action::ClearNotifications => fenced.clear_notifications().await?,
            Action::ReadBrokers => reads::brokers(store).await?,
            Action::ReadTopicList => reads::topic_list(store).await?,
            Action::ReadTopics(topics) => reads::topics(store, topics).await?,
            Action::ReadPartitionStates(partitions) => reads::states(store, partitions).await?,
            Action::ReadDeletionList => reads::deletion_list(store).await?,
            Action::ReadUncleanElection(topics) => {
                reads::unclean_election(store, topics, &self.host.unclean_election).await?
            }
            Action::WriteTopics(writes) => fenced.topics(writes).await?,
            Action::CreatePartitions(created) => fenced.create_partitions(created).await?,
            Action::WritePartitionStates(writes) => fenced.states(writes).await?,
            Action::RemoveTopic(topic) => fenced.remove_topic(topic).await?,
            Action::RemoveDeletionMarks(topics) => fenced.remove_marks(topics).await?,
            Action::ReadDiskNotices => reads::disk_notices(store).await?,
            Action::RemoveDiskNotices(names) => fenced.remove_disk_notices(names).await?,
            Action::OpenChannel(broker) => {
                self.check_alone(broker.id);
                return Ok(None);
            }
            Action::CloseChannel(broker) => {
                self.close(broker);
                return Ok(None);
            }
            Action::Send { broker, broker_epoch, request } => {
                self.send(broker, broker_epoch, request).await;
                return Ok(None);
            }
        };
        Ok(Some(outcome))
    }

    fn check_alone(&self, broker: BrokerId) {
        if broker != self.office.settings.broker {
            tracing::error!(
                %broker,
                "another broker is registered under the same zookeeper.connect: this version only controls itself, so give it a chroot of its own"
            );
        }
    }

    fn close(&mut self, broker: BrokerId) {
        if broker == self.office.settings.broker {
            self.channel.reset();
        }
    }

    async fn send(&mut self, broker: BrokerId, broker_epoch: BrokerEpoch, request: ControlRequest) {
        if broker != self.office.settings.broker {
            return;
        }
        self.channel.send(broker_epoch, request, &mut self.answered).await;
        for answered in self.answered.drain(..).filter(|answered| self.channel.is_current(answered)) {
            self.events.push_back(event(broker, answered));
        }
    }
}

fn event(broker: BrokerId, Answered { broker_epoch, answer, .. }: Answered) -> Event {
    Event::Answered { broker, broker_epoch, answer }
}

/// What a fired watch may mean to the machine.
fn hint(path: &str) -> Option<Event> {
    let child =
        |parent: &str| path.strip_prefix(parent)?.strip_prefix('/').filter(|name| !name.contains('/'));
    match path {
        paths::BROKER_IDS => Some(Event::BrokerListChanged),
        paths::TOPICS => Some(Event::TopicListChanged),
        paths::DELETE_TOPICS => Some(Event::DeletionListChanged),
        paths::LOG_DIR_EVENTS => Some(Event::DiskNoticesChanged),
        _ => {
            let broker = || child(paths::BROKER_IDS)?.parse().ok().map(BrokerId);
            broker()
                .map(Event::BrokerChanged)
                .or_else(|| child(paths::TOPICS).map(|name| Event::TopicChanged(name.into())))
        }
    }
}

/// A session that is gone is no error of the driver: a notice will tell when there is another.
fn unless_session_is_gone(error: ElectionError) -> Result<(), ElectionError> {
    let is_gone = matches!(&error, ElectionError::Store(StoreError::SessionExpired | StoreError::Closed));
    if is_gone { Ok(()) } else { Err(error) }
}
