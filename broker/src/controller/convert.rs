//! Between the znodes of the `zookeeper` crate and the values of the `coordinator` crate, which do not know each other.

use coordinator::controller::ReadFault;
use coordinator::controller::cluster::{
    Assignment, Broker, Endpoint, PartitionState, Recovery, SecurityProtocol, TopicAssignment,
};
use protocol::ids::{BrokerEpoch, BrokerId};
use zookeeper::store::{Refusal, StoreError};
use zookeeper::znodes::{self, BrokerRegistration, LeaderRecovery, ZnodeError};

pub(super) fn broker(
    path: &str,
    id: BrokerId,
    epoch: BrokerEpoch,
    registration: BrokerRegistration,
) -> Result<Broker, ReadFault> {
    let endpoints: Result<Vec<Endpoint>, ReadFault> =
        registration.endpoints.into_iter().map(|found| endpoint(path, found)).collect();
    Ok(Broker { id, epoch, endpoints: endpoints?, rack: registration.rack })
}

fn endpoint(path: &str, found: znodes::Endpoint) -> Result<Endpoint, ReadFault> {
    let security_protocol = match found.security_protocol.as_str() {
        "PLAINTEXT" => SecurityProtocol::Plaintext,
        "SSL" => SecurityProtocol::Ssl,
        "SASL_PLAINTEXT" => SecurityProtocol::SaslPlaintext,
        "SASL_SSL" => SecurityProtocol::SaslSsl,
        other => {
            let reason = format!("{other} is no security protocol");
            return Err(ReadFault::Unreadable { path: path.to_owned(), reason });
        }
    };
    Ok(Endpoint { listener: found.listener, security_protocol, host: found.host, port: found.port })
}

pub(super) fn topic(found: znodes::Topic) -> TopicAssignment {
    let assignment = |found: znodes::Assignment| Assignment {
        replicas: found.replicas,
        adding: found.adding,
        removing: found.removing,
    };
    let partitions = found.partitions.into_iter();
    TopicAssignment {
        id: found.id,
        partitions: partitions.map(|(index, found)| (index, assignment(found))).collect(),
    }
}

pub(super) fn topic_znode(topic: TopicAssignment) -> znodes::Topic {
    let assignment = |found: Assignment| znodes::Assignment {
        replicas: found.replicas,
        adding: found.adding,
        removing: found.removing,
    };
    let partitions = topic.partitions.into_iter();
    znodes::Topic {
        id: topic.id,
        partitions: partitions.map(|(index, found)| (index, assignment(found))).collect(),
    }
}

pub(super) fn state(found: znodes::PartitionState) -> PartitionState {
    PartitionState {
        leader: Some(found.leader).filter(|leader| *leader >= BrokerId(0)),
        leader_epoch: found.leader_epoch,
        isr: found.isr,
        recovery: match found.recovery {
            LeaderRecovery::Recovered => Recovery::Recovered,
            LeaderRecovery::Recovering => Recovery::Recovering,
        },
        controller_epoch: found.controller_epoch,
    }
}

pub(super) fn state_znode(state: PartitionState) -> znodes::PartitionState {
    znodes::PartitionState {
        leader: state.leader.unwrap_or(BrokerId::NONE),
        leader_epoch: state.leader_epoch,
        isr: state.isr,
        recovery: match state.recovery {
            Recovery::Recovered => LeaderRecovery::Recovered,
            Recovery::Recovering => LeaderRecovery::Recovering,
        },
        controller_epoch: state.controller_epoch,
    }
}

pub(super) fn garbage(error: ZnodeError) -> ReadFault {
    ReadFault::Unreadable { path: error.path, reason: error.problem }
}

/// What the machine is told of a read that ZooKeeper refused. Other errors are about the session and are not its business.
pub(super) fn read_fault(error: StoreError) -> Result<ReadFault, StoreError> {
    match error {
        StoreError::Refused { refusal: Refusal::NoNode, .. } => Ok(ReadFault::Missing),
        StoreError::Refused { path, refusal, .. } => {
            Ok(ReadFault::Unreadable { path, reason: refusal.to_string() })
        }
        StoreError::OutcomeUnknown { .. }
        | StoreError::SessionExpired
        | StoreError::Closed
        | StoreError::Unexpected { .. } => Err(error),
    }
}
