//! The controller's shell: stands for election, reads and writes znodes for the pure machine, and hands its requests to this broker.
//!
//! Holds no rules: what to do is decided by `coordinator::controller`. `broker.rs` starts two tasks: `session::follow`, which reads the
//! session's events, and `driver::run`, which may be made anew at any time. APIs ask `Office` who is controller and use `topics`.

mod channel;
mod convert;
pub(crate) mod driver;
mod election;
mod inbox;
mod reads;
mod removal;
pub(crate) mod session;
pub(crate) mod topics;
mod writes;

use std::sync::Arc;

use protocol::ids::ControllerEpoch;
use tokio::sync::watch;
use zookeeper::store::MetadataStore;

use crate::shard::Clock;
use inbox::{Inbox, Notice};

/// What the controller's tasks share with each other and with the APIs.
#[derive(Debug)]
pub(crate) struct Office {
    store: Arc<dyn MetadataStore>,
    settings: coordinator::controller::Settings,
    clock: Clock,
    inbox: Inbox,
    seat: watch::Sender<Option<ControllerEpoch>>,
}

impl Office {
    pub(crate) fn new(
        store: Arc<dyn MetadataStore>,
        settings: coordinator::controller::Settings,
        clock: Clock,
    ) -> Office {
        Office { store, settings, clock, inbox: Inbox::default(), seat: watch::Sender::new(None) }
    }

    /// A setting now allows unclean elections: of a topic's partitions, or of all.
    pub(crate) fn allow_unclean_elections(&self, topic: Option<&str>) {
        self.inbox.put(Notice::UncleanElectionsAllowed(topic.map(str::to_owned)));
    }

    /// The epoch under which this broker is the controller, as far as it knows. Requests for the controller alone are answered
    /// NOT_CONTROLLER without it.
    pub(crate) fn epoch(&self) -> Option<ControllerEpoch> {
        *self.seat.borrow()
    }
}

#[cfg(test)]
mod tests;
