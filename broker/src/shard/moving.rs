//! What a shard does for a move between log directories: shows its log, holds it still, takes the other in its place.
//! Called by `shard.rs`; the order of the steps is `coordinator::moves`' to say. Source: Partition.maybeReplaceCurrentWithFutureReplica (3.9).

use protocol::ids::TopicPartition;
use storage::Log;

use super::{MoveStep, Seat, Shard, Whereabouts};

impl Shard {
    /// Whoever asked is gone only while the broker stops.
    pub(super) fn move_step(&mut self, name: &TopicPartition, step: MoveStep) {
        match step {
            MoveStep::Look(reply) => drop(reply.send(self.whereabouts(name))),
            MoveStep::Hold(reply) => self.step(name, |partition, _| partition.hold(reply)),
            MoveStep::Switch { log, reply } => {
                if let Some(outcome) = self.switch(name, log) {
                    // As above.
                    let _ = reply.send(outcome);
                }
            }
            MoveStep::Release => self.release(name),
        }
    }

    fn whereabouts(&self, name: &TopicPartition) -> Whereabouts {
        match self.partitions.get(name) {
            None => Whereabouts::Absent,
            Some(Seat::Loading(_)) => Whereabouts::Opening,
            Some(Seat::Waiting(_) | Seat::Offline(_)) => Whereabouts::Offline,
            Some(Seat::Online(partition)) => {
                let (reader, topic_id) = (partition.log.reader(), partition.log.topic_id);
                Whereabouts::Online { reader, topic_id }
            }
        }
    }

    /// Nothing where an internal error took the partition offline, and the log with it.
    fn switch(&mut self, name: &TopicPartition, log: Box<Log>) -> Option<Result<Box<Log>, Box<Log>>> {
        let (mut given, mut outcome) = (Some(log), None);
        self.step(name, |partition, _| outcome = given.take().map(|log| partition.switch(log)));
        outcome.or_else(|| given.map(Err))
    }

    /// What waited is written first, before anything that comes after this.
    fn release(&mut self, name: &TopicPartition) {
        let mut waiting = Vec::new();
        self.step(name, |partition, _| waiting = partition.release());
        for batch in waiting {
            self.stage_one(name.clone(), batch);
        }
    }
}
