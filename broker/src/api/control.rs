//! What every request of a controller is checked for: is the controller still in office, and does it mean this life of the broker?
//! Called by `leader_and_isr.rs`, `update_metadata.rs` and `stop_replica.rs`. Source: KafkaApis, ReplicaManager (3.9, KIP-380).

use protocol::error_code::ErrorCode;
use protocol::ids::{BrokerEpoch, ControllerEpoch};

use crate::broker::Broker;

/// Remembers the highest controller epoch; refuses lower ones, and requests to an earlier life of this broker.
pub(super) fn check_epochs(
    broker: &Broker,
    controller_epoch: i32,
    broker_epoch: i64,
) -> Result<(), ErrorCode> {
    let current = broker.registration.epoch();
    if broker_epoch != BrokerEpoch::NONE.0 && BrokerEpoch(broker_epoch) < current {
        tracing::warn!(broker_epoch, %current, "refused a controller's request to an earlier life of this broker");
        return Err(ErrorCode::StaleBrokerEpoch);
    }
    if !broker.controller_epoch.accept(ControllerEpoch(controller_epoch)) {
        tracing::warn!(controller_epoch, "refused a request of a controller that is no longer in office");
        return Err(ErrorCode::StaleControllerEpoch);
    }
    Ok(())
}
