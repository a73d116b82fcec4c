//! Brokers that come, go, and come back as others: a broker is one life, named by the czxid of its znode.
//!
//! A broker seen again with another epoch has died and been born, whatever it was meanwhile.
//! Source: KafkaController.processBrokerChange, onBrokerFailure, onBrokerStartup of 3.9.

use std::collections::{BTreeMap, BTreeSet};

use protocol::ids::{BrokerEpoch, BrokerId, TopicPartition};
use protocol::messages::LeaderAndIsrResponse;

use super::action::{Action, Actions};
use super::cluster::Broker;
use super::event::{Answer, ReadFault};
use super::tenure::{Phase, Tenure};

/// What has become of the brokers since they were read last.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes {
    /// A bounced broker is in both.
    died: BTreeSet<BrokerId>,
    born: BTreeSet<BrokerId>,
    /// The same life with other endpoints.
    moved: bool,
}

impl Changes {
    fn between(before: &BTreeMap<BrokerId, Broker>, after: &BTreeMap<BrokerId, Broker>) -> Changes {
        let same_life = |broker: &&Broker, other: &BTreeMap<BrokerId, Broker>| {
            other.get(&broker.id).is_some_and(|found| found.epoch == broker.epoch)
        };
        let moved = |broker: &Broker| {
            before
                .get(&broker.id)
                .is_some_and(|old| old.epoch == broker.epoch && old.endpoints != broker.endpoints)
        };
        Changes {
            died: before
                .values()
                .filter(|broker| !same_life(broker, after))
                .map(|broker| broker.id)
                .collect(),
            born: after
                .values()
                .filter(|broker| !same_life(broker, before))
                .map(|broker| broker.id)
                .collect(),
            moved: after.values().any(moved),
        }
    }
}

impl Tenure {
    pub(super) fn brokers_read(
        &mut self,
        read: BTreeMap<BrokerId, Result<Broker, ReadFault>>,
        actions: &mut Actions,
    ) {
        let after = readable(read);
        let changes = Changes::between(&self.picture.brokers, &after);
        self.picture.brokers = after;
        if let Phase::Loading(loading) = &mut self.phase {
            loading.brokers = true;
            return;
        }
        if changes == Changes::default() {
            return;
        }
        tracing::info!(died = ?changes.died, born = ?changes.born, "the set of brokers has changed");
        self.change_channels(&changes, actions);
        self.picture.failed.retain(|(broker, _)| !changes.died.contains(broker));
        self.out.requests.tell_everyone_of_brokers();
        self.out.requests.tell_everything_to(&changes.born);
        self.flush_requests(actions);
        self.settle_after(&changes);
        self.resume_deletions(&changes.died, &changes.born);
    }

    fn change_channels(&self, changes: &Changes, actions: &mut Actions) {
        actions.extend(changes.died.iter().copied().map(Action::CloseChannel));
        let born = changes.born.iter().filter_map(|id| self.picture.brokers.get(id));
        actions.extend(born.cloned().map(Action::OpenChannel));
    }

    /// Who died is noted for each of its partitions, even where it is back. Who is born is told its part, but of a
    /// partition that is about to change only when it has: one that has lost its leader's end by the bounce must not be
    /// led from there for even a moment.
    fn settle_after(&mut self, changes: &Changes) {
        for partition in self.picture.all_partitions() {
            let Some(found) = self.picture.partition_mut(&partition) else { continue };
            let replicas = found.assignment.replicas.iter();
            found.died.extend(replicas.clone().filter(|broker| changes.died.contains(broker)));
            let born: Vec<BrokerId> =
                replicas.copied().filter(|broker| changes.born.contains(broker)).collect();
            // Not only partitions of these brokers: whatever had no leader may have one now.
            self.settle(&partition);
            if !born.is_empty() && self.is_settled(&partition) {
                self.out.requests.announce(&partition, &born);
            }
        }
    }

    pub(super) fn answered(&mut self, broker: BrokerId, broker_epoch: BrokerEpoch, answer: Answer) {
        if self.picture.brokers.get(&broker).is_none_or(|found| found.epoch != broker_epoch) {
            return;
        }
        match answer {
            Answer::LeaderAndIsr(response) => self.leader_and_isr_answered(broker, response),
            Answer::UpdateMetadata(response) => complain(broker, "UpdateMetadata", response.error_code),
            Answer::StopReplica { request, response } => {
                complain(broker, "StopReplica", response.error_code);
                self.stop_replica_answered(broker, &request, &response);
            }
        }
    }

    /// From version 5 on the answer names topics by id.
    pub(super) fn partition_errors(&self, response: &LeaderAndIsrResponse) -> Vec<(TopicPartition, i16)> {
        let ids: BTreeMap<_, _> =
            self.picture.topics.iter().filter_map(|(name, topic)| Some((topic.known_id()?, name))).collect();
        let mut errors = Vec::new();
        for topic in &response.topics {
            let Some(name) = ids.get(&topic.topic_id) else { continue };
            errors.extend(topic.partition_errors.iter().map(|partition| {
                (TopicPartition::new((*name).clone(), partition.partition_index), partition.error_code)
            }));
        }
        errors
    }
}

fn readable(read: BTreeMap<BrokerId, Result<Broker, ReadFault>>) -> BTreeMap<BrokerId, Broker> {
    let mut brokers = BTreeMap::new();
    for (id, result) in read {
        match result {
            Ok(broker) => {
                brokers.insert(id, broker);
            }
            // It went between the list and the znode; the watch on the list tells again.
            Err(ReadFault::Missing) => {}
            Err(fault) => tracing::error!(broker = %id, "the broker's registration is ignored: {fault}"),
        }
    }
    brokers
}

/// Nothing is sent again after an error: the broker refuses an old epoch, or has failed in itself.
pub(super) fn complain(broker: BrokerId, request: &str, code: i16) {
    if code != 0 {
        tracing::warn!(%broker, code, "the broker refused {request}");
    }
}
