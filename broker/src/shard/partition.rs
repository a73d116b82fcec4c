//! One partition in its shard: the log, the replica's decisions carried out on it, and the batches staged for the next write.
//! Called by `shard.rs` only. Invariant: what readers see (`HostedPartition`) changes after the log did, never before.

use std::path::Path;
use std::sync::Arc;

use coordinator::deadlines::Now;
use coordinator::replica::{Acks, Action, Actions, AppendRefused, Event, LogEnds, Replica, Role, Ticket};
use protocol::batch::Produced;
use protocol::ids::{BrokerId, Offset};
use storage::{AppendError, DiskError, FlushPlan, FlushScope, Freshness, Log, RetentionPlan, Retirement};
use tokio::sync::oneshot;

use super::command::{
    AppendFailure, Appended, Assign, AssignFailure, DeleteFailure, Measured, RecordsDeleted, Standing,
};
use super::produces::Produces;
use crate::hosted::{Hosted, HostedPartition};
use crate::topic_settings::TopicSettings;

#[derive(Debug)]
pub(super) struct Partition {
    pub(super) log: Log,
    pub(super) replica: Replica,
    /// While this broker leads it.
    hosted: Option<Arc<HostedPartition>>,
    staged: Vec<Staged>,
    batches: Vec<Produced>,
    actions: Actions,
    /// Something that the checkpoint files say is no longer so.
    pub(super) changed: bool,
    flush: Flush,
    /// While another log is about to take this one's place.
    hold: Option<Hold>,
}

/// A batch and who is to hear of it.
pub(super) type Ticketed = (Ticket, Acks, Produced);

/// How a batch waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// For the next write, which nothing else has asked for yet.
    First,
    /// For a write that is to come anyway, or for the end of a hold.
    Behind,
}

/// Nothing changes the log; what is to be appended waits.
#[derive(Debug)]
struct Hold {
    /// Heard when no flush is under way any more.
    granted: Option<oneshot::Sender<()>>,
    waiting: Vec<Ticketed>,
}

/// A batch of `batches`, by its place.
#[derive(Debug, Clone, Copy)]
struct Staged {
    ticket: Ticket,
    acks: Acks,
}

/// At most one flush of a log is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flush {
    Idle,
    UnderWay,
}

impl Partition {
    pub(super) fn new(log: Log, local: BrokerId, min_insync_replicas: usize) -> Self {
        Self {
            log,
            replica: Replica::new(local, min_insync_replicas),
            hosted: None,
            staged: Vec::new(),
            batches: Vec::new(),
            actions: Actions::new(),
            changed: true,
            flush: Flush::Idle,
            hold: None,
        }
    }

    /// Takes a batch in for the next `write`, before which no other command may reach the partition.
    pub(super) fn stage(
        &mut self,
        ticket: Ticket,
        acks: Acks,
        batch: Produced,
    ) -> Result<Wait, AppendRefused> {
        self.replica.check_append(acks)?;
        if let Some(hold) = &mut self.hold {
            hold.waiting.push((ticket, acks, batch));
            return Ok(Wait::Behind);
        }
        self.staged.push(Staged { ticket, acks });
        self.batches.push(batch);
        Ok(if self.staged.len() == 1 { Wait::First } else { Wait::Behind })
    }

    /// Writes what is staged in one go and answers whom it can. The error is the disk's.
    pub(super) fn write(&mut self, now: Now, produces: &mut Produces) -> Option<DiskError> {
        let staged = std::mem::take(&mut self.staged);
        let batches = std::mem::take(&mut self.batches);
        // Staging asked the replica, and it has heard of nothing since.
        let epoch = self.replica.leader_epoch()?;
        let mut trouble = None;
        let mut end = self.log.end_offset();
        let outcomes = self.log.append(&batches, epoch, now.wall);
        for (Staged { ticket, acks }, outcome) in staged.iter().copied().zip(outcomes) {
            let appended = match outcome {
                Ok(appended) => appended,
                Err(error) => {
                    if let AppendError::Disk { error, .. } = &error {
                        trouble = Some(error.clone());
                    }
                    produces.failed(ticket, AppendFailure::Log(error));
                    continue;
                }
            };
            if appended.freshness == Freshness::Written {
                end = appended.last_offset + 1;
            }
            produces.written(ticket, self.appended(&appended));
            self.replica.handle(Event::Appended { end, acks, ticket }, &mut self.actions);
        }
        self.changed = true;
        self.carry_out(now, produces);
        self.reuse(staged, batches);
        trouble
    }

    /// Applies a LeaderAndIsr.
    pub(super) fn assign(
        &mut self,
        assign: Assign,
        (local, now): (BrokerId, Now),
        hosted: &Hosted,
        produces: &mut Produces,
    ) -> Result<(), AssignFailure> {
        if let Some(known) =
            self.log.topic_id.filter(|known| !assign.topic_id.is_nil() && *known != assign.topic_id)
        {
            return Err(AssignFailure::TopicId { known, asked: assign.topic_id });
        }
        self.replica.check_assignment(&assign.assigned)?;
        self.log.adopt_topic_id(assign.topic_id);
        self.configure(&assign.settings, produces, now);
        let Assign { assigned, leader, .. } = assign;
        let log = LogEnds { end: self.log.end_offset(), high_watermark: self.log.high_watermark() };
        let event = if leader == Some(local) {
            Event::LeaderAssigned { assigned, log }
        } else {
            Event::FollowerAssigned { assigned, leader }
        };
        self.replica.handle(event, &mut self.actions);
        self.carry_out(now, produces);
        self.publish(&assign.settings, assign.topic_id, hosted);
        Ok(())
    }

    /// Whether the log's directory tells the id of its topic.
    pub(super) fn knows_its_topic(&self) -> bool {
        self.log.topic_id.is_some()
    }

    /// Changes nothing from here on; `granted` hears when that is so.
    pub(super) fn hold(&mut self, granted: oneshot::Sender<()>) {
        self.hold = Some(Hold { granted: Some(granted), waiting: Vec::new() });
        self.grant();
    }

    /// A flush that is under way is of the files as they are named now.
    fn grant(&mut self) {
        if let (Some(hold), Flush::Idle) = (&mut self.hold, self.flush)
            && let Some(granted) = hold.granted.take()
        {
            // Who gave up waiting releases the partition.
            let _ = granted.send(());
        }
    }

    /// Ends a hold; the batches that waited are to be staged again.
    pub(super) fn release(&mut self) -> Vec<Ticketed> {
        self.hold.take().map(|hold| hold.waiting).unwrap_or_default()
    }

    /// Goes on with `log`, which has the same records, and gives back the one before; or `log`, if that one may have changed.
    pub(super) fn switch(&mut self, log: Box<Log>) -> Result<Box<Log>, Box<Log>> {
        let is_held = self.hold.as_ref().is_some_and(|hold| hold.granted.is_none());
        if !is_held || log.end_offset() != self.log.end_offset() {
            return Err(log);
        }
        self.changed = true;
        Ok(Box::new(self.log.replace_with(*log)))
    }

    /// Leads and follows no more; whoever waits is told.
    pub(super) fn stop(&mut self, now: Now, hosted: &Hosted, produces: &mut Produces) {
        for (ticket, ..) in self.release() {
            produces.failed(ticket, AppendFailure::Refused(AppendRefused::NotLeader));
        }
        self.replica.handle(Event::Stopped, &mut self.actions);
        self.carry_out(now, produces);
        self.unpublish(hosted);
    }

    pub(super) fn configure(&mut self, settings: &TopicSettings, produces: &mut Produces, now: Now) {
        self.log.set_settings(settings.log.clone());
        if let Some(hosted) = &self.hosted {
            hosted.configure(settings);
        }
        self.replica.handle(Event::MinInsyncReplicasChanged(settings.min_insync_replicas), &mut self.actions);
        self.carry_out(now, produces);
    }

    pub(super) fn expire(&mut self, ticket: Ticket, now: Now, produces: &mut Produces) {
        self.replica.handle(Event::ProduceExpired(ticket), &mut self.actions);
        self.carry_out(now, produces);
    }

    pub(super) fn standing(&self) -> Standing {
        Standing {
            partition: self.log.partition.clone(),
            dir: self.log.dir.to_path_buf(),
            high_watermark: self.log.high_watermark(),
            recovery_point: self.log.recovery_point(),
            log_start: self.log.start_to_checkpoint(),
        }
    }

    pub(super) fn is_in(&self, log_dir: &Path) -> bool {
        self.log.dir.parent() == Some(log_dir)
    }

    /// The flush that is due now, unless one is under way.
    pub(super) fn flush_due(&mut self, now: Now) -> Option<FlushPlan> {
        if self.flush == Flush::UnderWay || self.hold.is_some() {
            return None;
        }
        let scope: FlushScope = self.log.flush_due(now.wall)?;
        let plan = self.log.flush_plan(scope, now.wall)?;
        self.flush = Flush::UnderWay;
        Some(plan)
    }

    pub(super) fn flushed(&mut self, flushed: storage::Flushed) {
        self.flush = Flush::Idle;
        self.log.flushed(flushed);
        self.changed = true;
        self.grant();
    }

    /// The flush could not be done, though no sync failed: the next one covers the same.
    pub(super) fn not_flushed(&mut self) {
        self.flush = Flush::Idle;
        self.log.not_flushed();
        self.grant();
    }

    /// What the last flush covered may be lost: nothing is written any more, and nothing vouched for at the stop.
    pub(super) fn sync_failed(&mut self) {
        self.log.sync_failed();
    }

    /// Gives back the blocks that were taken ahead of the writes.
    pub(super) fn release_reserved(&mut self) {
        if let Err(error) = self.log.release_reserved() {
            tracing::debug!(%error, "blocks taken ahead of the writes are kept");
        }
    }

    /// Forgets what is too old; the files that go are the returned work.
    pub(super) fn retain(&mut self, now: Now) -> Result<Option<Retirement>, DiskError> {
        self.log.expire_producers(now.wall);
        let Some(plan) = self.log.retention_plan(now.wall).filter(|_| self.hold.is_none()) else {
            return Ok(None);
        };
        self.retire(&plan, now)
    }

    /// Moves the log start up on a user's wish.
    pub(super) fn delete_records(&mut self, before: Option<Offset>) -> Result<RecordsDeleted, DeleteFailure> {
        let Role::Leader(_) = self.replica.role() else { return Err(DeleteFailure::NotLeader) };
        let old = self.log.start_offset();
        let before = self.log.delete_records(before)?;
        let log_start = self.log.start_offset();
        if log_start > old {
            tracing::info!(partition = %self.log.partition, from = %old, to = %log_start, "records are deleted on request");
            self.changed = true;
        }
        Ok(RecordsDeleted { before, log_start })
    }

    /// Forgets segments of which no record is left; the files that go are the returned work.
    pub(super) fn retire_below_start(&mut self, now: Now) -> Result<Option<Retirement>, DiskError> {
        let Some(plan) = self.log.plan_below_start().filter(|_| self.hold.is_none()) else { return Ok(None) };
        self.retire(&plan, now)
    }

    pub(super) fn measured(&self) -> Measured {
        let lag = (self.log.high_watermark() - self.log.end_offset()).max(0);
        Measured {
            partition: self.log.partition.clone(),
            dir: self.log.dir.to_path_buf(),
            size: self.log.size(),
            is_future: false,
            offset_lag: self.replica.leader_epoch().map(|_| lag),
        }
    }

    fn retire(&mut self, plan: &RetentionPlan, now: Now) -> Result<Option<Retirement>, DiskError> {
        for (base, bytes, reason) in &plan.segments {
            tracing::info!(partition = %self.log.partition, %base, bytes, ?reason, "segment is deleted");
        }
        let retirement = self.log.retire(plan, now.wall);
        self.changed = true;
        retirement.map(Some).or_else(|error| {
            tracing::error!(%error, "old segments could not be taken out of the log");
            if let AppendError::Disk { error, .. } = error { Err(error) } else { Ok(None) }
        })
    }

    fn appended(&self, appended: &storage::Appended) -> Appended {
        Appended {
            base_offset: appended.first_offset,
            log_append_time: appended.log_append_time,
            log_start: self.log.start_offset(),
        }
    }

    fn carry_out(&mut self, now: Now, produces: &mut Produces) {
        let mut advanced = false;
        for action in self.actions.drain(..) {
            match action {
                Action::AssignEpoch { leader_epoch, .. } => self.log.assign_epoch(leader_epoch),
                Action::AdvanceHighWatermark(to) => {
                    self.log.advance_high_watermark(to);
                    advanced = true;
                }
                Action::Answer { ticket, result } => produces.answer(ticket, result),
                Action::Park(ticket) => produces.park(ticket, now.monotonic),
            }
        }
        if let Some(hosted) = self.hosted.as_ref().filter(|_| advanced) {
            hosted.watchers.wake();
        }
    }

    /// Shows readers the partition as long as this broker leads it.
    fn publish(&mut self, settings: &TopicSettings, topic_id: protocol::TopicId, hosted: &Hosted) {
        let Role::Leader(leader) = self.replica.role() else { return self.unpublish(hosted) };
        let epoch = leader.assigned().leader_epoch;
        if let Some(known) = self.hosted.as_ref().filter(|known| known.topic_id == topic_id) {
            known.leadership.lead(epoch);
            known.watchers.wake();
            return;
        }
        self.unpublish(hosted);
        let name = self.log.partition.clone();
        let fresh = Arc::new(HostedPartition::new(name, topic_id, self.log.reader(), epoch, settings));
        hosted.insert(Arc::clone(&fresh));
        self.hosted = Some(fresh);
    }

    fn unpublish(&mut self, hosted: &Hosted) {
        if self.hosted.take().is_some() {
            hosted.remove(&self.log.partition);
        }
    }

    /// Keeps the buffers for the next turn.
    fn reuse(&mut self, mut staged: Vec<Staged>, mut batches: Vec<Produced>) {
        staged.clear();
        batches.clear();
        self.staged = staged;
        self.batches = batches;
    }
}
