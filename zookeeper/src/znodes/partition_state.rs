//! `/brokers/topics/T/partitions/N/state`: who leads a partition and who is in sync.
//!
//! Owns the layout, version 1. Written by the controller alone; its data version is the partition epoch.
//! Source: Kafka 3.9 `TopicPartitionStateZNode`, `LeaderRecoveryState`.

use bytes::Bytes;
use protocol::{BrokerId, ControllerEpoch, LeaderEpoch};

use super::ZnodeError;
use super::json::{Fields, Object, list};

/// What the controller decided last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionState {
    /// -1: none.
    pub leader: BrokerId,
    pub leader_epoch: LeaderEpoch,
    /// In the order in which the leader reported it.
    pub isr: Vec<BrokerId>,
    /// Of the controller that wrote this.
    pub controller_epoch: ControllerEpoch,
    pub recovery: LeaderRecovery,
}

/// Whether the leader is known to have every committed record (KIP-704).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaderRecovery {
    Recovered,
    /// Elected uncleanly, and not yet through with it.
    Recovering,
}

impl PartitionState {
    /// Version 1; the recovery state only where it is not the usual one.
    pub fn encode(&self) -> Bytes {
        let mut object = Object::new()
            .raw("controller_epoch", self.controller_epoch)
            .raw("leader", self.leader)
            .raw("version", 1);
        if self.recovery == LeaderRecovery::Recovering {
            object = object.raw("leader_recovery_state", 1);
        }
        object.raw("leader_epoch", self.leader_epoch).raw("isr", list(&self.isr)).into_bytes()
    }

    /// Any version; without a recovery state the leader is recovered.
    pub fn decode(path: &str, data: &[u8]) -> Result<PartitionState, ZnodeError> {
        let fields = Fields::parse(path, data)?;
        let recovery = match fields.get("leader_recovery_state") {
            None => LeaderRecovery::Recovered,
            Some(value) => match fields.as_int("leader_recovery_state", value)? {
                0 => LeaderRecovery::Recovered,
                1 => LeaderRecovery::Recovering,
                other => {
                    return Err(fields.error(format!("the leader_recovery_state {other} is neither 0 nor 1")));
                }
            },
        };
        Ok(PartitionState {
            leader: BrokerId(fields.int("leader")?),
            leader_epoch: LeaderEpoch(fields.int("leader_epoch")?),
            isr: fields.ints("isr")?.into_iter().map(BrokerId).collect(),
            controller_epoch: ControllerEpoch(fields.int("controller_epoch")?),
            recovery,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/brokers/topics/t/partitions/0/state";

    fn check(live: &str) -> PartitionState {
        let state = PartitionState::decode(PATH, live.as_bytes()).unwrap();
        assert_eq!(state.encode(), live);
        state
    }

    #[test]
    fn as_kafka_writes_it() {
        let state = check(r#"{"controller_epoch":1,"leader":2,"version":1,"leader_epoch":0,"isr":[2,3,1]}"#);
        assert_eq!(state.isr, [BrokerId(2), BrokerId(3), BrokerId(1)]);
        check(r#"{"controller_epoch":5,"leader":-1,"version":1,"leader_epoch":2,"isr":[2]}"#);
    }

    #[test]
    fn after_an_unclean_election() {
        let state = check(
            r#"{"controller_epoch":5,"leader":3,"version":1,"leader_recovery_state":1,"leader_epoch":3,"isr":[3]}"#,
        );
        assert_eq!(state.recovery, LeaderRecovery::Recovering);
    }

    #[test]
    fn garbage_is_named() {
        for (data, problem) in [
            (r#"{"leader":1,"leader_epoch":0,"isr":[1]}"#, "controller_epoch is missing"),
            (r#"{"leader":1,"leader_epoch":0,"isr":[1.5],"controller_epoch":1}"#, "isr should be a number"),
            (
                r#"{"leader":99999999999,"leader_epoch":0,"isr":[],"controller_epoch":1}"#,
                "leader should be a number",
            ),
        ] {
            let error = PartitionState::decode(PATH, data.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(problem) && error.contains(PATH), "{error}");
        }
    }
}
