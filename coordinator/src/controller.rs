//! The controller: which topics and partitions there are, who leads them, and what brokers are told of it.
//!
//! Never reads or writes anything itself: `broker/src/controller/driver.rs` carries out its actions and feeds every
//! outcome back. A controller that is deposed forgets everything; the next tenure reads it all again.
//! Source: kafka.controller.KafkaController and its state machines, 3.9, ZooKeeper mode.

pub mod action;
pub mod cluster;
mod deletion;
mod disks;
pub mod election;
pub mod event;
mod membership;
mod outbox;
mod partitions;
mod picture;
mod requests;
mod tenure;
mod topics;

pub use action::{Action, Actions, ControlRequest, PartitionStateWrite, TopicWrite};
pub use event::{Answer, Event, ReadFault, WriteFault};

use protocol::ids::{BrokerId, ControllerEpoch};

use crate::deadlines::Now;
use crate::random::Random;
use tenure::Tenure;

/// What of the broker's configuration the controller goes by.
#[derive(Debug, Clone)]
pub struct Settings {
    /// This broker.
    pub broker: BrokerId,
    /// delete.topic.enable: when false, marks in `/admin/delete_topics` are removed and nothing else happens.
    pub delete_topic_enable: bool,
    /// The name of the listener on which brokers talk to each other.
    pub inter_broker_listener: String,
}

/// A controller, or a broker that may become one.
#[derive(Debug)]
pub struct Controller {
    settings: Settings,
    random: Random,
    tenure: Option<Tenure>,
}

impl Controller {
    /// Topic ids come from the seed, so it must be random for every process.
    pub fn new(settings: Settings, seed: u128) -> Controller {
        Controller { settings, random: Random::seeded(seed), tenure: None }
    }

    /// The epoch under which this broker is the controller.
    pub fn epoch(&self) -> Option<ControllerEpoch> {
        self.tenure.as_ref().map(|tenure| tenure.epoch)
    }

    /// Appends what is to be done now. Without the seat everything but `Elected` is ignored.
    pub fn handle(&mut self, now: Now, event: Event, actions: &mut Actions) {
        if let Event::Elected { epoch } = event {
            self.resign(actions);
            self.tenure = Some(Tenure::begin(epoch, self.settings.clone(), now, actions));
        } else if event == Event::Deposed {
            self.resign(actions);
        } else if let Some(tenure) = &mut self.tenure {
            tenure.handle(now, event, &mut self.random, actions);
        }
    }

    fn resign(&mut self, actions: &mut Actions) {
        if let Some(tenure) = self.tenure.take() {
            tenure.end(actions);
        }
    }
}
