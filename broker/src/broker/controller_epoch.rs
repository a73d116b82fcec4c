//! The number that tells requests of a deposed controller from those of the one in office.
//! Kept in memory only, as Kafka keeps it; every control request passes it. Source: ReplicaManager.controllerEpoch (3.9).

use std::sync::atomic::{AtomicI32, Ordering};

use protocol::ids::ControllerEpoch;

/// The highest controller epoch that has reached this broker since it started.
#[derive(Debug)]
pub(crate) struct ControllerEpochGate(AtomicI32);

impl Default for ControllerEpochGate {
    fn default() -> Self {
        Self(AtomicI32::new(0))
    }
}

impl ControllerEpochGate {
    /// Remembers `epoch`; false if a later controller was here before.
    pub(crate) fn accept(&self, epoch: ControllerEpoch) -> bool {
        self.0.fetch_max(epoch.0, Ordering::AcqRel) <= epoch.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_of_the_past_is_refused() {
        let gate = ControllerEpochGate::default();
        assert!(gate.accept(ControllerEpoch(3)));
        assert!(gate.accept(ControllerEpoch(3)));
        assert!(!gate.accept(ControllerEpoch(2)));
        assert!(gate.accept(ControllerEpoch(4)));
    }
}
