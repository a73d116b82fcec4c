//! A partition that this broker follows: whom, and since which leader epoch.
//! It has no ISR and answers no produce. Plain values: nothing is decided here.

use protocol::ids::BrokerId;

use super::Assigned;

/// The role of a follower. Source: Partition.makeFollower of 3.9.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follower {
    pub assigned: Assigned,
    /// None while the partition has no leader.
    pub leader: Option<BrokerId>,
}
