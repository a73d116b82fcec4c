//! A partition that this broker leads: its ISR, how far each follower is, the high watermark, who waits for it.
//!
//! The high watermark never goes back; it is the end of what every member of the ISR has, and it stands still while
//! the ISR is smaller than min.insync.replicas (Partition.maybeIncrementLeaderHW of 3.9).

use std::collections::{BTreeMap, VecDeque};

use protocol::ids::{BrokerId, LeaderEpoch, Offset};

use super::{Acks, Action, Actions, AppendRefused, Assigned, LogEnds, ProduceFault, Ticket};

/// The role of the leader.
#[derive(Debug)]
pub struct Leader {
    local: BrokerId,
    assigned: Assigned,
    min_insync_replicas: usize,
    /// Where this leader epoch begins in the log.
    epoch_start: Offset,
    end: Offset,
    high_watermark: Offset,
    /// The offset each follower asked for last. Who has not asked under this leader is missing.
    positions: BTreeMap<BrokerId, Offset>,
    /// By offset, since appends and so the offsets waited for only grow.
    parked: VecDeque<Parked>,
}

#[derive(Debug)]
struct Parked {
    ticket: Ticket,
    /// The high watermark that answers it.
    required: Offset,
}

impl Leader {
    pub(super) fn new(
        local: BrokerId,
        min_insync_replicas: usize,
        assigned: Assigned,
        log: LogEnds,
    ) -> Leader {
        Leader {
            local,
            assigned,
            min_insync_replicas,
            epoch_start: log.end,
            end: log.end,
            high_watermark: log.high_watermark,
            positions: BTreeMap::new(),
            parked: VecDeque::new(),
        }
    }

    /// The LeaderAndIsr that is in force.
    pub fn assigned(&self) -> &Assigned {
        &self.assigned
    }

    /// Consumers may not list offsets while the high watermark is below this (OFFSET_NOT_AVAILABLE).
    pub fn epoch_start(&self) -> Offset {
        self.epoch_start
    }

    /// The offset after the last record that every member of the ISR has.
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// min.insync.replicas, but never more than there are replicas.
    pub fn effective_min_insync_replicas(&self) -> usize {
        self.min_insync_replicas.min(self.assigned.replicas.len())
    }

    pub(super) fn check_append(&self, acks: Acks) -> Result<LeaderEpoch, AppendRefused> {
        let (in_sync, required) = (self.assigned.isr.len(), self.effective_min_insync_replicas());
        match acks {
            Acks::All if in_sync < required => Err(AppendRefused::NotEnoughReplicas { in_sync, required }),
            Acks::All | Acks::Leader => Ok(self.assigned.leader_epoch),
        }
    }

    /// A newer epoch of the same leader: what the followers have is still known, who waits goes on waiting.
    pub(super) fn reassign(&mut self, assigned: Assigned, log: LogEnds) {
        self.assigned = assigned;
        self.epoch_start = log.end;
        self.end = log.end;
        let replicas = &self.assigned.replicas;
        self.positions.retain(|follower, _| replicas.contains(follower));
    }

    pub(super) fn set_min_insync_replicas(&mut self, count: usize) {
        self.min_insync_replicas = count;
    }

    pub(super) fn append(&mut self, end: Offset, acks: Acks, ticket: Ticket, actions: &mut Actions) {
        self.end = end;
        self.advance(actions);
        match acks {
            Acks::Leader => actions.push(Action::Answer { ticket, result: Ok(()) }),
            Acks::All if self.high_watermark >= end => {
                actions.push(Action::Answer { ticket, result: self.acknowledgement() });
            }
            Acks::All => {
                self.parked.push_back(Parked { ticket, required: end });
                actions.push(Action::Park(ticket));
            }
        }
    }

    /// A position may go back: a follower that lost its disk starts again, and then holds the high watermark where it is.
    pub(super) fn follower_fetched(
        &mut self,
        follower: BrokerId,
        fetch_offset: Offset,
        actions: &mut Actions,
    ) {
        if follower == self.local || !self.assigned.replicas.contains(&follower) {
            return;
        }
        self.positions.insert(follower, fetch_offset);
        self.advance(actions);
    }

    /// Moves the high watermark as far as the ISR allows and answers who waited for that.
    pub(super) fn advance(&mut self, actions: &mut Actions) {
        let Some(reached) = self.in_whole_isr() else { return };
        if reached <= self.high_watermark {
            return;
        }
        self.high_watermark = reached;
        actions.push(Action::AdvanceHighWatermark(reached));
        let result = self.acknowledgement();
        let answered = self.parked.partition_point(|parked| parked.required <= reached);
        actions.extend(
            self.parked.drain(..answered).map(|parked| Action::Answer { ticket: parked.ticket, result }),
        );
    }

    /// None while a member's position is unknown or the ISR is too small.
    fn in_whole_isr(&self) -> Option<Offset> {
        if self.assigned.isr.len() < self.effective_min_insync_replicas() {
            return None;
        }
        let others = self.assigned.isr.iter().filter(|member| **member != self.local);
        others
            .map(|member| self.positions.get(member).copied())
            .try_fold(self.end, |least, at| Some(least.min(at?)))
    }

    fn acknowledgement(&self) -> Result<(), ProduceFault> {
        let (in_sync, required) = (self.assigned.isr.len(), self.effective_min_insync_replicas());
        if in_sync < required {
            return Err(ProduceFault::NotEnoughReplicasAfterAppend { in_sync, required });
        }
        Ok(())
    }

    pub(super) fn expire(&mut self, ticket: Ticket, actions: &mut Actions) {
        let waiting = self.parked.len();
        self.parked.retain(|parked| parked.ticket != ticket);
        if self.parked.len() < waiting {
            actions.push(Action::Answer { ticket, result: Err(ProduceFault::TimedOut) });
        }
    }

    pub(super) fn resign(&mut self, actions: &mut Actions) {
        for parked in self.parked.drain(..) {
            actions.push(Action::Answer { ticket: parked.ticket, result: Err(ProduceFault::NotLeader) });
        }
    }
}
