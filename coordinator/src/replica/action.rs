//! What a replica wants its shard to do.

use protocol::ids::{LeaderEpoch, Offset};

use super::{ProduceFault, Ticket};

/// The actions of one call of `handle`, to be carried out in order.
pub type Actions = Vec<Action>;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Note in the log's leader epoch cache that the epoch starts here, before any record of it is appended.
    AssignEpoch { leader_epoch: LeaderEpoch, start: Offset },
    /// Publish the high watermark and wake the fetches that wait for it.
    AdvanceHighWatermark(Offset),
    /// Answer the produce.
    Answer { ticket: Ticket, result: Result<(), ProduceFault> },
    /// Keep the produce waiting, with its deadline; an `Answer` follows, at the latest after `Event::ProduceExpired`.
    Park(Ticket),
}
