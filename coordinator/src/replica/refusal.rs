//! Why a replica says no. `broker/src/api/error.rs` turns these into Kafka's codes; the code is named at each.

use protocol::ids::LeaderEpoch;

/// Why a partition of LeaderAndIsr changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AssignmentRefused {
    /// STALE_CONTROLLER_EPOCH.
    #[error("the leader epoch is older than {mine:?}, which was applied before")]
    StaleLeaderEpoch { mine: LeaderEpoch },
    /// STALE_CONTROLLER_EPOCH, unless the request only brings the topic id, which the caller sees to.
    #[error("the leader epoch {mine:?} was applied before")]
    SameLeaderEpoch { mine: LeaderEpoch },
    /// UNKNOWN_TOPIC_OR_PARTITION.
    #[error("this broker is none of the partition's replicas")]
    NotAReplica,
}

/// Why a produce may not append.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppendRefused {
    /// NOT_LEADER_OR_FOLLOWER.
    #[error("this broker does not lead the partition")]
    NotLeader,
    /// NOT_ENOUGH_REPLICAS.
    #[error("{in_sync} replicas are in sync, min.insync.replicas asks for {required}")]
    NotEnoughReplicas { in_sync: usize, required: usize },
}

/// Why a produce that has appended is not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProduceFault {
    /// NOT_LEADER_OR_FOLLOWER.
    #[error("this broker does not lead the partition any more")]
    NotLeader,
    /// NOT_ENOUGH_REPLICAS_AFTER_APPEND.
    #[error("the records are in all {in_sync} replicas in sync, min.insync.replicas asks for {required}")]
    NotEnoughReplicasAfterAppend { in_sync: usize, required: usize },
    /// REQUEST_TIMED_OUT.
    #[error("the replicas in sync did not all fetch the records in time")]
    TimedOut,
}

/// Why a request that names a leader epoch is not served (KIP-320).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EpochRefused {
    /// FENCED_LEADER_EPOCH.
    #[error("the leader epoch is older than {mine:?}")]
    Fenced { mine: LeaderEpoch },
    /// UNKNOWN_LEADER_EPOCH.
    #[error("the leader epoch is newer than {mine:?}")]
    Unknown { mine: LeaderEpoch },
}

/// Compares the epoch that a request names, if it names one, with the partition's.
pub fn check_leader_epoch(named: Option<LeaderEpoch>, mine: LeaderEpoch) -> Result<(), EpochRefused> {
    match named {
        Some(named) if named < mine => Err(EpochRefused::Fenced { mine }),
        Some(named) if named > mine => Err(EpochRefused::Unknown { mine }),
        Some(_) | None => Ok(()),
    }
}
