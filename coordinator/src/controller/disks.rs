//! Replicas that a live broker cannot serve, and the notices by which brokers say that there are more of them, or fewer.
//!
//! A notice names its broker and nothing else: which replicas are meant is learned from the broker's answer to LeaderAndIsr.
//! Source: processLogDirEventNotification, onBrokerLogDirFailure, processLeaderAndIsrResponseReceived of KafkaController, 3.9.

use std::collections::BTreeSet;

use protocol::ErrorCode;
use protocol::ids::BrokerId;
use protocol::messages::LeaderAndIsrResponse;

use super::event::ReadFault;
use super::membership::complain;
use super::tenure::Tenure;

impl Tenure {
    /// Who is named is asked about all its replicas, and the notices are removed. Before the office is taken nobody has
    /// to be asked: everybody will be.
    pub(super) fn disk_notices_read(&mut self, notices: Vec<(String, Result<BrokerId, ReadFault>)>) {
        let mut brokers = BTreeSet::new();
        for (name, read) in notices {
            match read {
                Ok(broker) => drop(brokers.insert(broker)),
                Err(ReadFault::Missing) => continue,
                Err(fault) => tracing::error!("a notice of a failed disk is removed unread: {fault}"),
            }
            self.out.remove_disk_notices.insert(name);
        }
        brokers.retain(|broker| self.picture.brokers.contains_key(broker));
        if brokers.is_empty() || !self.is_in_office() {
            return;
        }
        for broker in &brokers {
            tracing::info!(%broker, "a disk of the broker has failed or is back: it is asked about all its replicas");
        }
        for partition in self.picture.all_partitions() {
            let Some(found) = self.picture.partition(&partition) else { continue };
            let replicas = found.assignment.replicas.iter().copied();
            let asked: Vec<BrokerId> = replicas.filter(|replica| brokers.contains(replica)).collect();
            // One that is being changed is announced to all its replicas when that is done.
            if !asked.is_empty() && self.is_settled(&partition) {
                self.announce_to(&partition, &asked);
            }
        }
        self.resume_deletions(&BTreeSet::new(), &brokers);
    }

    /// A replica in a failed log directory counts as offline until its broker answers 0 for it or registers again.
    pub(super) fn leader_and_isr_answered(&mut self, broker: BrokerId, response: LeaderAndIsrResponse) {
        complain(broker, "LeaderAndIsr", response.error_code);
        let mut codes = response.topics.iter().flat_map(|topic| &topic.partition_errors);
        if self.picture.failed.is_empty() && codes.all(|partition| partition.error_code == 0) {
            return;
        }
        for (partition, code) in self.partition_errors(&response) {
            let code = ErrorCode::from_code(code);
            let changed = if code == ErrorCode::None {
                self.picture.failed.remove(&(broker, partition.clone()))
            } else if code == ErrorCode::KafkaStorageError {
                self.picture.failed.insert((broker, partition.clone()))
            } else {
                // Equal leader epochs are normal: partitions are announced again whenever brokers come.
                if code != ErrorCode::StaleControllerEpoch {
                    tracing::warn!(%broker, %partition, %code, "the broker refused its part in the partition");
                }
                false
            };
            if changed {
                self.settle(&partition);
                // Whatever comes of it, clients are told which replicas are offline.
                self.out.requests.tell_everyone(&partition);
            }
        }
    }
}
