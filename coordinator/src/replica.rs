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

/// The machine of one partition on one broker.
#[derive(Debug)]
pub struct Replica {
    local: BrokerId,
    min_insync_replicas: usize,
    role: Role,
}

/// What this broker is to the partition.
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

    /// Appends what is to be done now. What concerns a leader is ignored by whoever does not lead.
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
mod tests {
    //! A replica as its shard drives it; and a leader against a simple model under random histories, seed in the message.

    use protocol::ids::Offset;

    use super::*;

    fn ids(numbers: &[i32]) -> Vec<BrokerId> {
        numbers.iter().copied().map(BrokerId).collect()
    }

    fn assigned(leader_epoch: i32, replicas: &[i32], isr: &[i32]) -> Assigned {
        Assigned {
            leader_epoch: LeaderEpoch(leader_epoch),
            partition_epoch: 0,
            replicas: ids(replicas),
            isr: ids(isr),
        }
    }

    fn at(end: i64, high_watermark: i64) -> LogEnds {
        LogEnds { end: Offset(end), high_watermark: Offset(high_watermark) }
    }

    fn step(replica: &mut Replica, event: Event) -> Actions {
        let mut actions = Actions::new();
        replica.handle(event, &mut actions);
        actions
    }

    /// Broker 1 leads at epoch 5 with this ISR, log and high watermark at 10.
    fn leader(min_insync_replicas: usize, isr: &[i32]) -> Replica {
        let mut replica = Replica::new(BrokerId(1), min_insync_replicas);
        step(&mut replica, Event::LeaderAssigned { assigned: assigned(5, &[1, 2, 3], isr), log: at(10, 10) });
        replica
    }

    fn appended(end: i64, acks: Acks, ticket: u64) -> Event {
        Event::Appended { end: Offset(end), acks, ticket: Ticket(ticket) }
    }

    fn fetched(follower: i32, offset: i64) -> Event {
        Event::FollowerFetched { follower: BrokerId(follower), fetch_offset: Offset(offset) }
    }

    fn answer(ticket: u64, result: Result<(), ProduceFault>) -> Action {
        Action::Answer { ticket: Ticket(ticket), result }
    }

    fn advance(to: i64) -> Action {
        Action::AdvanceHighWatermark(Offset(to))
    }

    #[test]
    fn alone_in_the_isr_every_append_is_answered_at_once() {
        let mut replica = Replica::new(BrokerId(1), 1);
        let log = at(7, 3);
        let actions = step(&mut replica, Event::LeaderAssigned { assigned: assigned(0, &[1], &[1]), log });
        assert_eq!(
            actions,
            [Action::AssignEpoch { leader_epoch: LeaderEpoch(0), start: Offset(7) }, advance(7),]
        );
        assert_eq!(step(&mut replica, appended(9, Acks::All, 1)), [advance(9), answer(1, Ok(()))]);
        assert_eq!(step(&mut replica, appended(12, Acks::Leader, 2)), [advance(12), answer(2, Ok(()))]);
    }

    #[test]
    fn min_insync_replicas_is_never_more_than_there_are() {
        let mut replica = Replica::new(BrokerId(1), 2);
        step(&mut replica, Event::LeaderAssigned { assigned: assigned(0, &[1], &[1]), log: at(0, 0) });
        assert_eq!(replica.check_append(Acks::All), Ok(LeaderEpoch(0)));
    }

    #[test]
    fn acks_all_waits_for_the_slowest_of_the_isr() {
        let mut replica = leader(1, &[1, 2, 3]);
        assert_eq!(step(&mut replica, appended(12, Acks::All, 1)), [Action::Park(Ticket(1))]);
        assert_eq!(step(&mut replica, appended(15, Acks::All, 2)), [Action::Park(Ticket(2))]);
        assert_eq!(step(&mut replica, appended(16, Acks::Leader, 3)), [answer(3, Ok(()))]);
        assert_eq!(step(&mut replica, fetched(2, 16)), []);
        assert_eq!(step(&mut replica, fetched(3, 11)), [advance(11)]);
        assert_eq!(step(&mut replica, fetched(3, 12)), [advance(12), answer(1, Ok(()))]);
        assert_eq!(step(&mut replica, fetched(3, 16)), [advance(16), answer(2, Ok(()))]);
    }

    #[test]
    fn a_replica_outside_the_isr_holds_nothing_back() {
        let mut replica = leader(1, &[1, 2]);
        step(&mut replica, appended(12, Acks::All, 1));
        assert_eq!(step(&mut replica, fetched(3, 10)), []);
        assert_eq!(step(&mut replica, fetched(9, 0)), []);
        assert_eq!(step(&mut replica, fetched(2, 12)), [advance(12), answer(1, Ok(()))]);
    }

    #[test]
    fn a_small_isr_takes_no_acks_all_and_moves_no_high_watermark() {
        let mut replica = leader(2, &[1]);
        let refused = AppendRefused::NotEnoughReplicas { in_sync: 1, required: 2 };
        assert_eq!(replica.check_append(Acks::All), Err(refused));
        assert_eq!(replica.check_append(Acks::Leader), Ok(LeaderEpoch(5)));
        assert_eq!(step(&mut replica, appended(12, Acks::Leader, 1)), [answer(1, Ok(()))]);
        assert_eq!(step(&mut replica, Event::MinInsyncReplicasChanged(1)), [advance(12)]);
    }

    #[test]
    fn a_produce_that_waited_too_long_is_answered_once() {
        let mut replica = leader(1, &[1, 2]);
        step(&mut replica, appended(12, Acks::All, 1));
        assert_eq!(
            step(&mut replica, Event::ProduceExpired(Ticket(1))),
            [answer(1, Err(ProduceFault::TimedOut))]
        );
        assert_eq!(step(&mut replica, Event::ProduceExpired(Ticket(1))), []);
        assert_eq!(step(&mut replica, fetched(2, 12)), [advance(12)]);
    }

    #[test]
    fn a_deposed_leader_answers_who_waits() {
        let mut replica = leader(1, &[1, 2]);
        step(&mut replica, appended(12, Acks::All, 1));
        let assigned = assigned(6, &[1, 2, 3], &[2]);
        let actions = step(&mut replica, Event::FollowerAssigned { assigned, leader: Some(BrokerId(2)) });
        assert_eq!(actions, [answer(1, Err(ProduceFault::NotLeader))]);
        assert_eq!(replica.check_append(Acks::Leader), Err(AppendRefused::NotLeader));
        assert_eq!(step(&mut replica, fetched(2, 12)), []);
    }

    #[test]
    fn a_new_epoch_of_the_same_leader_keeps_who_waits() {
        let mut replica = leader(1, &[1, 2]);
        step(&mut replica, appended(12, Acks::All, 1));
        let assigned = assigned(6, &[1, 2, 3], &[1]);
        let actions = step(&mut replica, Event::LeaderAssigned { assigned, log: at(12, 10) });
        let epoch = Action::AssignEpoch { leader_epoch: LeaderEpoch(6), start: Offset(12) };
        assert_eq!(actions, [epoch, advance(12), answer(1, Ok(()))]);
    }

    #[test]
    fn a_new_leader_waits_to_hear_of_each_follower() {
        let mut replica = Replica::new(BrokerId(1), 1);
        let assigned = assigned(5, &[1, 2], &[1, 2]);
        let actions = step(&mut replica, Event::LeaderAssigned { assigned, log: at(10, 4) });
        assert_eq!(actions, [Action::AssignEpoch { leader_epoch: LeaderEpoch(5), start: Offset(10) }]);
        assert_eq!(step(&mut replica, fetched(2, 6)), [advance(6)]);
        // A follower that starts again does not take the high watermark back.
        assert_eq!(step(&mut replica, fetched(2, 0)), []);
        assert_eq!(step(&mut replica, fetched(2, 10)), [advance(10)]);
    }

    #[test]
    fn which_leader_and_isr_applies() {
        let mut replica = Replica::new(BrokerId(1), 1);
        assert_eq!(replica.check_assignment(&assigned(0, &[1], &[1])), Ok(()));
        assert_eq!(replica.check_assignment(&assigned(0, &[2], &[2])), Err(AssignmentRefused::NotAReplica));
        step(&mut replica, Event::LeaderAssigned { assigned: assigned(5, &[1], &[1]), log: at(0, 0) });
        let mine = LeaderEpoch(5);
        assert_eq!(
            replica.check_assignment(&assigned(4, &[1], &[1])),
            Err(AssignmentRefused::StaleLeaderEpoch { mine })
        );
        assert_eq!(
            replica.check_assignment(&assigned(5, &[1], &[1])),
            Err(AssignmentRefused::SameLeaderEpoch { mine })
        );
        assert_eq!(replica.check_assignment(&assigned(6, &[1], &[1])), Ok(()));
        assert_eq!(replica.check_assignment(&assigned(6, &[2], &[2])), Err(AssignmentRefused::NotAReplica));
        step(&mut replica, Event::Stopped);
        assert_eq!(replica.check_assignment(&assigned(0, &[1], &[1])), Ok(()));
    }

    #[test]
    fn leader_epochs_are_compared() {
        let mine = LeaderEpoch(5);
        assert_eq!(check_leader_epoch(None, mine), Ok(()));
        assert_eq!(check_leader_epoch(Some(LeaderEpoch(5)), mine), Ok(()));
        assert_eq!(check_leader_epoch(Some(LeaderEpoch(4)), mine), Err(EpochRefused::Fenced { mine }));
        assert_eq!(check_leader_epoch(Some(LeaderEpoch(6)), mine), Err(EpochRefused::Unknown { mine }));
    }

    /// The high watermark is the least end in the ISR whenever that has grown; each waiting produce is answered once, when
    /// the high watermark has passed it or it has expired.
    #[test]
    fn random_histories_agree_with_a_simple_model() {
        for seed in 0..300 {
            let mut random = seed_stream(seed);
            let isr: Vec<i32> = (1..=3).filter(|id| *id == 1 || random() % 2 == 1).collect();
            let mut replica = leader(1, &isr);
            let (mut end, mut high_watermark) = (10, 10);
            let mut positions = [None, None];
            let mut waiting: Vec<(u64, i64)> = Vec::new();
            for ticket in 0..200 {
                let mut expected = Vec::new();
                let event = match random() % 4 {
                    0 | 1 => {
                        end += 1 + (random() % 5) as i64;
                        waiting.push((ticket, end));
                        appended(end, Acks::All, ticket)
                    }
                    2 => {
                        let follower = (random() % 2) as usize;
                        let offset = (random() % (end as u64 + 1)) as i64;
                        positions[follower] = Some(offset);
                        fetched(follower as i32 + 2, offset)
                    }
                    _ => {
                        let expired = random() % (ticket + 1);
                        if waiting.iter().any(|(waiter, _)| *waiter == expired) {
                            waiting.retain(|(waiter, _)| *waiter != expired);
                            expected.push((expired, Err(ProduceFault::TimedOut)));
                        }
                        Event::ProduceExpired(Ticket(expired))
                    }
                };
                let members = isr.iter().filter(|id| **id > 1).map(|id| positions[*id as usize - 2]);
                if let Some(least) = members.chain([Some(end)]).min().flatten() {
                    high_watermark = high_watermark.max(least);
                }
                waiting.retain(|(waiter, required)| {
                    let done = *required <= high_watermark;
                    if done {
                        expected.push((*waiter, Ok(())));
                    }
                    !done
                });
                let actions = step(&mut replica, event);
                let answers = actions.iter().filter_map(|action| match action {
                    Action::Answer { ticket, result } => Some((ticket.0, *result)),
                    Action::Park(_) | Action::AdvanceHighWatermark(_) | Action::AssignEpoch { .. } => None,
                });
                let answers: Vec<_> = answers.collect();
                assert_eq!(answers, expected, "seed {seed}, step {ticket}");
                let Role::Leader(leader) = replica.role() else { panic!("it still leads") };
                assert_eq!(leader.high_watermark(), Offset(high_watermark), "seed {seed}, step {ticket}");
            }
        }
    }

    fn seed_stream(seed: u64) -> impl FnMut() -> u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state >> 8
        }
    }
}
