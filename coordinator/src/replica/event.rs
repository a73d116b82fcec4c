//! What a replica is told. Made by the partition's shard only, in the order in which it happened there.

use protocol::ids::{BrokerId, LeaderEpoch, Offset};

use super::Acks;

/// One thing that has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// LeaderAndIsr makes this broker the leader.
    LeaderAssigned { assigned: Assigned, log: LogEnds },
    /// LeaderAndIsr makes this broker a follower, of nobody while there is no leader.
    FollowerAssigned { assigned: Assigned, leader: Option<BrokerId> },
    /// StopReplica.
    Stopped,
    /// The log has grown to `end` by the records of the produce `ticket`.
    Appended { end: Offset, acks: Acks, ticket: Ticket },
    /// A follower asks for records from `fetch_offset` on: it has all before.
    FollowerFetched { follower: BrokerId, fetch_offset: Offset },
    /// The time-out of a produce that waits for the ISR has passed.
    ProduceExpired(Ticket),
    /// min.insync.replicas of the topic has changed.
    MinInsyncReplicasChanged(usize),
}

/// A partition's part of a LeaderAndIsr request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    pub leader_epoch: LeaderEpoch,
    /// The version of the partition's `state` znode.
    pub partition_epoch: i32,
    pub replicas: Vec<BrokerId>,
    pub isr: Vec<BrokerId>,
}

/// Where the local log stands when a role is assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEnds {
    pub end: Offset,
    pub high_watermark: Offset,
}

/// Names one partition's part of a produce that waits; the shard chooses the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);
