//! Whether this broker leads a partition, and in which leader epoch: one atomic that the shard writes and every read checks.

use std::sync::atomic::{AtomicI64, Ordering};

use protocol::ids::LeaderEpoch;

/// The epoch while this broker leads, or -1 while it does not.
#[derive(Debug)]
pub(crate) struct Leadership(AtomicI64);

/// How the leader epoch that a client believes in differs from ours (KIP-320).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EpochMismatch {
    NotLeader,
    /// The client's epoch is older: FENCED_LEADER_EPOCH.
    Fenced,
    /// The client's epoch is newer: UNKNOWN_LEADER_EPOCH.
    Unknown,
}

const NOBODY: i64 = -1;

impl Leadership {
    pub(crate) fn of(epoch: LeaderEpoch) -> Self {
        Self(AtomicI64::new(i64::from(epoch.0)))
    }

    pub(crate) fn lead(&self, epoch: LeaderEpoch) {
        self.0.store(i64::from(epoch.0), Ordering::Release);
    }

    pub(crate) fn resign(&self) {
        self.0.store(NOBODY, Ordering::Release);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.load(Ordering::Acquire) < 0
    }

    /// The epoch we lead in, if it is the client's or the client named none, which is -1 and no other number.
    pub(crate) fn check(&self, believed: LeaderEpoch) -> Result<LeaderEpoch, EpochMismatch> {
        let ours = self.0.load(Ordering::Acquire);
        let Ok(ours) = i32::try_from(ours) else { return Err(EpochMismatch::NotLeader) };
        match ours {
            ours if ours < 0 => Err(EpochMismatch::NotLeader),
            ours if believed == LeaderEpoch::NONE || believed.0 == ours => Ok(LeaderEpoch(ours)),
            ours if believed.0 < ours => Err(EpochMismatch::Fenced),
            _ => Err(EpochMismatch::Unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_with_another_epoch_is_told_which_way_it_is_off() {
        let leadership = Leadership::of(LeaderEpoch(5));
        assert_eq!(leadership.check(LeaderEpoch(-1)), Ok(LeaderEpoch(5)));
        assert_eq!(leadership.check(LeaderEpoch(5)), Ok(LeaderEpoch(5)));
        for old in [4, -2, i32::MIN] {
            assert_eq!(leadership.check(LeaderEpoch(old)), Err(EpochMismatch::Fenced));
        }
        assert_eq!(leadership.check(LeaderEpoch(6)), Err(EpochMismatch::Unknown));
        leadership.resign();
        assert!(leadership.is_over());
        assert_eq!(leadership.check(LeaderEpoch(5)), Err(EpochMismatch::NotLeader));
        leadership.lead(LeaderEpoch(6));
        assert_eq!(leadership.check(LeaderEpoch(6)), Ok(LeaderEpoch(6)));
    }
}
