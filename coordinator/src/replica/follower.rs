//! A partition that this broker follows: whom, and since which leader epoch.
//! It has no ISR and answers no produce; what it fetches is the business of `broker/src/replication`.

use protocol::ids::BrokerId;

use super::Assigned;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follower {
    pub assigned: Assigned,
    /// None while the partition has no leader.
    pub leader: Option<BrokerId>,
}
