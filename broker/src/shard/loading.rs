//! A partition whose log is being opened: it serves nobody, and what the controller wants of it waits for its log.
//! LeaderAndIsr is answered at once, since the controller sends nothing else to this broker before it has the answer; the
//! role is taken when the log is there. Until then clients hear NOT_LEADER_OR_FOLLOWER, and ask again.

use coordinator::replica::{Actions, Event, Replica};
use protocol::ids::BrokerId;
use tokio::sync::oneshot;

use super::command::{Assign, AssignFailure, Fate, Stop, StopFailure};
use crate::topic_settings::TopicSettings;

/// See the module.
#[derive(Debug)]
pub(super) struct Loading {
    /// As they are now: a change that comes meanwhile must not be lost.
    pub(super) settings: TopicSettings,
    /// Remembers the leader epoch of what is waiting, and refuses what is older.
    replica: Replica,
    /// The last one; those before it do not matter any more.
    assign: Option<Box<Assign>>,
    delete: Option<Stop>,
}

impl Loading {
    pub(super) fn new(local: BrokerId, settings: TopicSettings) -> Self {
        let replica = Replica::new(local, settings.min_insync_replicas);
        Self { settings, replica, assign: None, delete: None }
    }

    /// Answers a LeaderAndIsr and keeps it.
    pub(super) fn assign(&mut self, mut assign: Assign) {
        let checked = self.replica.check_assignment(&assign.assigned);
        let (nobody, _) = oneshot::channel();
        let reply = std::mem::replace(&mut assign.reply, nobody);
        if checked.is_ok() {
            let (assigned, leader) = (assign.assigned.clone(), assign.leader);
            // As a follower's it is only remembered; nothing follows from it.
            self.replica.handle(Event::FollowerAssigned { assigned, leader }, &mut Actions::new());
            self.settings = assign.settings.clone();
            self.assign = Some(Box::new(assign));
        }
        // The sender of a LeaderAndIsr that went away asks again.
        let _ = reply.send(checked.map_err(AssignFailure::from));
    }

    /// Takes a StopReplica; a deletion is carried out and answered when the log is open.
    pub(super) fn stop(&mut self, stop: Stop) {
        if let (Some(asked), Some(known)) = (stop.leader_epoch, self.replica.leader_epoch())
            && asked < known
        {
            return drop(stop.reply.send(Err(StopFailure::FencedLeaderEpoch { asked, known })));
        }
        self.replica.handle(Event::Stopped, &mut Actions::new());
        self.assign = None;
        match stop.fate {
            Fate::Keep => drop(stop.reply.send(Ok(None))),
            Fate::Delete => self.delete = Some(stop),
        }
    }

    /// What has waited for the log, in the order in which it is to be carried out.
    pub(super) fn into_waiting(self) -> (TopicSettings, Option<Box<Assign>>, Option<Stop>) {
        let Self { settings, mut assign, delete, .. } = self;
        if let Some(assign) = &mut assign {
            assign.settings = settings.clone();
        }
        (settings, assign, delete)
    }
}
