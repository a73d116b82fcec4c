//! Who leads a partition and who is in its ISR, when brokers come and go. Pure functions of the partition's state.
//!
//! Source: kafka.controller.Election, PartitionStateMachine and ReplicaStateMachine (OfflineReplica) of 3.9. The last
//! member of an ISR is never taken out: it is the only one known to have every acknowledged record.

use protocol::ids::{BrokerId, LeaderEpoch};

use super::cluster::{PartitionState, Recovery};

/// Whether a replica from outside the ISR may lead, at the price of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unclean {
    Allowed,
    Forbidden,
    /// The topic's setting has not been read.
    Unknown,
}

/// What is to be done about a partition's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The state is as it should be.
    Keep,
    /// Write this; its leader epoch is one higher. The controller epoch is left to the caller.
    Change(PartitionState),
    /// No member of the ISR is online but another replica is: it depends on unclean.leader.election.enable.
    AskUnclean,
}

/// What becomes of a partition when these brokers, and no others, are online for it.
pub fn settle(
    state: &PartitionState,
    replicas: &[BrokerId],
    online: impl Fn(BrokerId) -> bool,
    unclean: Unclean,
) -> Decision {
    if state.leader.is_some_and(&online) {
        return shrink(state, state.leader, online);
    }
    if let Some(leader) =
        replicas.iter().copied().find(|replica| online(*replica) && state.isr.contains(replica))
    {
        let isr = state.isr.iter().copied().filter(|member| online(*member)).collect();
        return Decision::Change(next(state, Some(leader), isr));
    }
    match (replicas.iter().copied().find(|replica| online(*replica)), unclean) {
        (None, _) | (Some(_), Unclean::Forbidden) => shrink(state, None, online),
        (Some(_), Unclean::Unknown) => Decision::AskUnclean,
        (Some(leader), Unclean::Allowed) => {
            let elected = next(state, Some(leader), vec![leader]);
            Decision::Change(PartitionState { recovery: Recovery::Recovering, ..elected })
        }
    }
}

/// A partition about to be deleted: nobody leads it, its last ISR member stays on record.
pub fn take_offline(state: &PartitionState) -> Decision {
    shrink(state, None, |_| false)
}

/// The first state of a partition; none while no replica is online.
pub fn first(replicas: &[BrokerId], online: impl Fn(BrokerId) -> bool) -> Option<(BrokerId, Vec<BrokerId>)> {
    let isr: Vec<BrokerId> = replicas.iter().copied().filter(|replica| online(*replica)).collect();
    Some((*isr.first()?, isr))
}

fn shrink(state: &PartitionState, leader: Option<BrokerId>, online: impl Fn(BrokerId) -> bool) -> Decision {
    let mut isr: Vec<BrokerId> = state.isr.iter().copied().filter(|member| online(*member)).collect();
    if isr.is_empty() {
        isr.extend(state.isr.last());
    }
    if leader == state.leader && isr == state.isr {
        return Decision::Keep;
    }
    Decision::Change(next(state, leader, isr))
}

fn next(state: &PartitionState, leader: Option<BrokerId>, isr: Vec<BrokerId>) -> PartitionState {
    let leader_epoch = LeaderEpoch(state.leader_epoch.0.saturating_add(1));
    PartitionState { leader, leader_epoch, isr, ..state.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::ids::ControllerEpoch;

    fn ids(numbers: &[i32]) -> Vec<BrokerId> {
        numbers.iter().copied().map(BrokerId).collect()
    }

    fn state(leader: i32, isr: &[i32]) -> PartitionState {
        PartitionState {
            leader: Some(BrokerId(leader)).filter(|id| id.0 >= 0),
            leader_epoch: LeaderEpoch(4),
            isr: ids(isr),
            recovery: Recovery::Recovered,
            controller_epoch: ControllerEpoch(1),
        }
    }

    /// `expected` is "keep", "ask" or "leader isr…", with "!" for a recovering leader.
    fn check(before: (i32, &[i32]), replicas: &[i32], online: &[i32], unclean: Unclean, expected: &str) {
        let decision =
            settle(&state(before.0, before.1), &ids(replicas), |id| online.contains(&id.0), unclean);
        let got = match decision {
            Decision::Keep => "keep".to_owned(),
            Decision::AskUnclean => "ask".to_owned(),
            Decision::Change(after) => {
                assert_eq!(after.leader_epoch, LeaderEpoch(5));
                let mark = if after.recovery == Recovery::Recovering { "!" } else { "" };
                let isr: Vec<String> = after.isr.iter().map(ToString::to_string).collect();
                format!("{}{mark} {}", after.leader.unwrap_or(BrokerId::NONE), isr.join(","))
            }
        };
        assert_eq!(got, expected, "{before:?} of {replicas:?} with {online:?} online, unclean {unclean:?}");
    }

    #[test]
    fn elections() {
        use Unclean::{Allowed, Forbidden, Unknown};
        // Nothing to do: the leader and its ISR are online; replicas outside the ISR do not matter.
        check((1, &[1, 2]), &[1, 2, 3], &[1, 2], Unknown, "keep");
        check((1, &[1]), &[1], &[1], Unknown, "keep");
        // A follower dies: the ISR shrinks in its own order.
        check((1, &[3, 1, 2]), &[1, 2, 3], &[1, 3], Unknown, "1 3,1");
        // The leader dies: the first of the assignment that is in the ISR follows, whatever the order of the ISR.
        check((1, &[3, 1, 2]), &[1, 2, 3], &[2, 3], Unknown, "2 3,2");
        check((1, &[1, 3]), &[1, 2, 3], &[2, 3], Unknown, "3 3");
        // Nobody is left: no leader, and the last member stays.
        check((1, &[1]), &[1, 2], &[], Unknown, "-1 1");
        check((1, &[1, 2]), &[1, 2], &[], Unknown, "-1 2");
        check((-1, &[2]), &[1, 2], &[], Unknown, "keep");
        // The last member comes back.
        check((-1, &[2]), &[1, 2], &[2], Unknown, "2 2");
        check((-1, &[2]), &[1, 2], &[1, 2], Forbidden, "2 2");
        // Only a replica outside the ISR is there.
        check((2, &[2]), &[1, 2], &[1], Unknown, "ask");
        check((2, &[2]), &[1, 2], &[1], Forbidden, "-1 2");
        check((-1, &[2]), &[1, 2], &[1], Forbidden, "keep");
        check((-1, &[2]), &[3, 1, 2], &[1], Allowed, "1! 1");
        // A clean election does not ask.
        check((1, &[1, 2]), &[1, 2, 3], &[2, 3], Allowed, "2 2");
        // States that nobody should have written are borne.
        check((1, &[]), &[1], &[1], Unknown, "keep");
        check((7, &[7]), &[1], &[1], Forbidden, "-1 7");
    }

    #[test]
    fn a_clean_election_keeps_the_recovery_flag() {
        let recovering = PartitionState { recovery: Recovery::Recovering, ..state(1, &[1, 2]) };
        let Decision::Change(after) = settle(&recovering, &ids(&[1, 2]), |id| id.0 == 2, Unclean::Unknown)
        else {
            panic!("2 is in the ISR");
        };
        assert_eq!(after.recovery, Recovery::Recovering);
    }

    #[test]
    fn the_first_state_has_all_online_replicas() {
        assert_eq!(first(&ids(&[3, 1, 2]), |id| id.0 != 3), Some((BrokerId(1), ids(&[1, 2]))));
        assert_eq!(first(&ids(&[3]), |_| false), None);
    }

    #[test]
    fn a_partition_goes_offline_once() {
        let Decision::Change(offline) = take_offline(&state(1, &[1, 2])) else { panic!("it had a leader") };
        assert_eq!((offline.leader, offline.isr.clone()), (None, ids(&[2])));
        assert_eq!(take_offline(&offline), Decision::Keep);
    }
}
