//! One partition as this broker has it: led, followed, or not yet assigned.
//!
//! Decides which LeaderAndIsr applies, whether a produce may append, where the high watermark stands and which waiting
//! produce may be answered. Never touches the log: its shard does, and reports what happened as events.
//! Source: kafka.cluster.Partition and kafka.cluster.Replica of 3.9.

mod action;
mod event;
mod follower;
mod leader;
mod refusal;

pub use action::{Action, Actions};
pub use event::{Assigned, Event, LogEnds, Ticket};
pub use follower::Follower;
pub use leader::Leader;
pub use refusal::{AppendRefused, AssignmentRefused, EpochRefused, ProduceFault, check_leader_epoch};

use protocol::ids::{BrokerId, LeaderEpoch};

/// How many replicas must have a record before acks=all is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// 0 or 1: the leader's append is enough.
    Leader,
    /// -1: all of the ISR, which must be large enough.
    All,
}

#[derive(Debug)]
pub struct Replica {
    local: BrokerId,
    min_insync_replicas: usize,
    role: Role,
}

#[derive(Debug)]
pub enum Role {
    /// No LeaderAndIsr has come since this broker started, or StopReplica has come.
    Unassigned,
    Leader(Leader),
    Follower(Follower),
}

impl Replica {
    /// `min_insync_replicas` is the topic's effective min.insync.replicas.
    pub fn new(local: BrokerId, min_insync_replicas: usize) -> Replica {
        Replica { local, min_insync_replicas, role: Role::Unassigned }
    }

    pub fn role(&self) -> &Role {
        &self.role
    }

    /// The epoch of the LeaderAndIsr that was applied last; none before the first, so that this one always applies.
    pub fn leader_epoch(&self) -> Option<LeaderEpoch> {
        match &self.role {
            Role::Unassigned => None,
            Role::Leader(leader) => Some(leader.assigned().leader_epoch),
            Role::Follower(follower) => Some(follower.assigned.leader_epoch),
        }
    }

    /// Whether a partition of a LeaderAndIsr request applies here (ReplicaManager.becomeLeaderOrFollower). If so, feed
    /// `Event::LeaderAssigned` or `Event::FollowerAssigned` with it.
    pub fn check_assignment(&self, assigned: &Assigned) -> Result<(), AssignmentRefused> {
        match self.leader_epoch() {
            Some(mine) if assigned.leader_epoch < mine => Err(AssignmentRefused::StaleLeaderEpoch { mine }),
            Some(mine) if assigned.leader_epoch == mine => Err(AssignmentRefused::SameLeaderEpoch { mine }),
            Some(_) | None if !assigned.replicas.contains(&self.local) => Err(AssignmentRefused::NotAReplica),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether a produce may append now (Partition.appendRecordsToLeader), and the leader epoch for its batches.
    pub fn check_append(&self, acks: Acks) -> Result<LeaderEpoch, AppendRefused> {
        match &self.role {
            Role::Leader(leader) => leader.check_append(acks),
            Role::Unassigned | Role::Follower(_) => Err(AppendRefused::NotLeader),
        }
    }

    pub fn handle(&mut self, event: Event, actions: &mut Actions) {
        match event {
            Event::LeaderAssigned { assigned, log } => self.lead(assigned, log, actions),
            Event::FollowerAssigned { assigned, leader } => {
                self.step_down(Role::Follower(Follower { assigned, leader }), actions);
            }
            Event::Stopped => self.step_down(Role::Unassigned, actions),
            Event::MinInsyncReplicasChanged(count) => {
                self.min_insync_replicas = count;
                self.as_leader(|leader| {
                    leader.set_min_insync_replicas(count);
                    leader.advance(actions);
                });
            }
            Event::Appended { end, acks, ticket } => {
                self.as_leader(|leader| leader.append(end, acks, ticket, actions));
            }
            Event::FollowerFetched { follower, fetch_offset } => {
                self.as_leader(|leader| leader.follower_fetched(follower, fetch_offset, actions));
            }
            Event::ProduceExpired(ticket) => self.as_leader(|leader| leader.expire(ticket, actions)),
        }
    }

    fn lead(&mut self, assigned: Assigned, log: LogEnds, actions: &mut Actions) {
        actions.push(Action::AssignEpoch { leader_epoch: assigned.leader_epoch, start: log.end });
        match &mut self.role {
            Role::Leader(leader) => leader.reassign(assigned, log),
            Role::Unassigned | Role::Follower(_) => {
                self.role = Role::Leader(Leader::new(self.local, self.min_insync_replicas, assigned, log));
            }
        }
        self.as_leader(|leader| leader.advance(actions));
    }

    fn step_down(&mut self, role: Role, actions: &mut Actions) {
        self.as_leader(|leader| leader.resign(actions));
        self.role = role;
    }

    /// What concerns a leader and comes too late finds nobody: who waited has been answered when the role changed.
    fn as_leader(&mut self, then: impl FnOnce(&mut Leader)) {
        if let Role::Leader(leader) = &mut self.role {
            then(leader);
        }
    }
}

#[cfg(test)]
mod tests;
