//! The machine's writes: each a multi of a check of `/controller_epoch` and one write, pipelined, so that one stale version fails alone.
//!
//! A failed check means that another controller is in office: everything else of the outcome is then meaningless.
//! Source: KafkaZkClient.retryRequestsUntilConnected with an expected controller epoch, 3.9.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use coordinator::controller::cluster::{PartitionState, TopicName, Version};
use coordinator::controller::{Event, PartitionStateWrite, TopicWrite, WriteFault};
use protocol::ids::TopicPartition;
use zookeeper::paths;
use zookeeper::session::together;
use zookeeper::store::{
    CreateMode, Expected, MetadataStore, Pending, Refusal, StoreError, Watch, Write, WriteAnswer,
};
use zookeeper::znodes::{Feature, FeatureStatus};

use super::convert;
use super::reads;

/// ZooKeeper as the controller of one epoch may write it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fenced<'a> {
    pub(super) store: &'a dyn MetadataStore,
    /// The version that `/controller_epoch` got by this broker's election.
    pub(super) epoch_version: i32,
}

/// Why a tenure cannot go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// Another controller is in office.
    Fenced,
    Store(StoreError),
}

impl From<StoreError> for Lost {
    fn from(error: StoreError) -> Lost {
        Lost::Store(error)
    }
}

type Outcome = Result<WriteAnswer, WriteFault>;

impl Fenced<'_> {
    pub(super) fn multi(&self, write: Write) -> Pending<Vec<WriteAnswer>> {
        let check = Write::Check { path: paths::CONTROLLER_EPOCH.to_owned(), version: self.epoch_version };
        self.store.multi(vec![check, write])
    }

    pub(super) async fn write_all(
        &self,
        writes: impl IntoIterator<Item = Write>,
    ) -> Result<Vec<Outcome>, Lost> {
        let results = together(writes.into_iter().map(|write| self.multi(write))).await;
        results.into_iter().map(outcome).collect()
    }

    async fn write_one(&self, write: Write) -> Result<Outcome, Lost> {
        outcome(self.multi(write).await)
    }

    pub(super) async fn topics(&self, writes: Vec<TopicWrite>) -> Result<Event, Lost> {
        let (names, sets): (Vec<TopicName>, Vec<Write>) = writes
            .into_iter()
            .map(|write| {
                let data = convert::topic_znode(write.assignment).encode();
                (write.topic.clone(), set(paths::topic(&write.topic), data, write.expected))
            })
            .unzip();
        let versions = self.write_all(sets).await?.into_iter().map(version);
        Ok(Event::TopicsWritten(names.into_iter().zip(versions).collect()))
    }

    pub(super) async fn states(&self, writes: Vec<PartitionStateWrite>) -> Result<Event, Lost> {
        let (names, sets): (Vec<TopicPartition>, Vec<Write>) = writes
            .into_iter()
            .map(|PartitionStateWrite { partition, state, expected }| {
                let path = paths::partition_state(&partition.topic, partition.partition);
                let write = set(path, convert::state_znode(state).encode(), expected);
                (partition, write)
            })
            .unzip();
        let versions = self.write_all(sets).await?.into_iter().map(version);
        Ok(Event::PartitionStatesWritten(names.into_iter().zip(versions).collect()))
    }

    /// The parents of a level must be there before the next: null nodes are written over a connection of their own.
    pub(super) async fn create_partitions(
        &self,
        created: Vec<(TopicPartition, PartitionState)>,
    ) -> Result<Event, Lost> {
        let topics: BTreeSet<&TopicName> = created.iter().map(|(name, _)| &name.topic).collect();
        let parents = self.parents(topics.iter().map(|topic| paths::partitions(topic))).await?;
        let failed_topics: BTreeMap<&TopicName, WriteFault> = failures(topics, parents);

        let nodes = created.iter().map(|(name, _)| paths::partition(&name.topic, name.partition));
        let failed_nodes: BTreeMap<&TopicPartition, WriteFault> =
            failures(created.iter().map(|(name, _)| name), self.parents(nodes).await?);

        let states = created.iter().map(|(name, state)| Write::Create {
            path: paths::partition_state(&name.topic, name.partition),
            data: Some(convert::state_znode(state.clone()).encode()),
            mode: CreateMode::Persistent,
        });
        let states = self.write_all(states).await?;
        let outcomes = created.iter().zip(states).map(|((name, _), state)| {
            let above = failed_topics.get(&name.topic).or_else(|| failed_nodes.get(name));
            // Where a parent may or may not be there, nothing is known of the child that was refused for the lack of it.
            let outcome = match (state, above) {
                (Err(WriteFault::Missing), Some(fault)) => Err(fault.clone()),
                (state, _) => state.map(|_| Version(0)),
            };
            (name.clone(), outcome)
        });
        Ok(Event::PartitionsCreated(outcomes.collect()))
    }

    async fn parents(&self, paths: impl Iterator<Item = String>) -> Result<Vec<Outcome>, Lost> {
        self.write_all(paths.map(|path| Write::Create { path, data: None, mode: CreateMode::Persistent }))
            .await
    }

    /// As KafkaController.maybeSetupFeatureVersioning does at an inter.broker.protocol.version of 3.3 and later.
    pub(super) async fn ensure_feature(&self) -> Result<Event, Lost> {
        loop {
            let (write, found) = match self.store.get(paths::FEATURE, Watch::None).await {
                Ok(node) => match Feature::decode(paths::FEATURE, &node.data) {
                    Ok(found) => (feature_write(&found, node.stat.version), Some(found)),
                    Err(error) => {
                        let fault = WriteFault::Refused { path: error.path, reason: error.problem };
                        return Ok(Event::FeatureEnsured(Err(fault)));
                    }
                },
                Err(error) if error.refusal() == Some(Refusal::NoNode) => (feature_creation(), None),
                Err(error) => return Err(error.into()),
            };
            if found.is_some_and(|found| found.version == 2 && found.status == FeatureStatus::Enabled) {
                return Ok(Event::FeatureEnsured(Ok(())));
            }
            match self.write_one(write).await? {
                Ok(_) => return Ok(Event::FeatureEnsured(Ok(()))),
                Err(fault @ WriteFault::Refused { .. }) => return Ok(Event::FeatureEnsured(Err(fault))),
                // Somebody was faster, or an answer was lost: look again.
                Err(WriteFault::Stale | WriteFault::Exists | WriteFault::Missing | WriteFault::Unknown) => {}
            }
        }
    }

    /// Notices from before this tenure: what they are about has just been read.
    pub(super) async fn clear_notifications(&self) -> Result<Event, Lost> {
        let mut deletions = Vec::new();
        for (parent, path, watch) in [
            (paths::LOG_DIR_EVENTS, paths::log_dir_event as fn(&str) -> String, Watch::Leave),
            (paths::ISR_CHANGES, paths::isr_change, Watch::None),
        ] {
            let names = reads::children(self.store, parent, watch).await?;
            deletions.extend(names.iter().map(|name| delete(path(name))));
        }
        Ok(Event::NotificationsCleared(all_gone(self.write_all(deletions).await?)))
    }

    pub(super) async fn remove_marks(&self, topics: Vec<TopicName>) -> Result<Event, Lost> {
        let deletions = topics.iter().map(|topic| delete(paths::delete_topic(topic)));
        Ok(Event::DeletionMarksRemoved(all_gone(self.write_all(deletions).await?)))
    }

    pub(super) async fn remove_disk_notices(&self, names: Vec<String>) -> Result<Event, Lost> {
        let deletions = names.iter().map(|name| delete(paths::log_dir_event(name)));
        Ok(Event::DiskNoticesRemoved(all_gone(self.write_all(deletions).await?)))
    }
}

fn feature_creation() -> Write {
    let data = Some(Feature::none_enabled().encode());
    Write::Create { path: paths::FEATURE.to_owned(), data, mode: CreateMode::Persistent }
}

/// Features that are finalized stay so; those of a disabled node count for nothing.
fn feature_write(found: &Feature, version: i32) -> Write {
    let enabled = match found.status {
        FeatureStatus::Enabled => Feature { version: 2, ..found.clone() },
        FeatureStatus::Disabled => Feature::none_enabled(),
    };
    set(paths::FEATURE.to_owned(), enabled.encode(), Version(version))
}

fn set(path: String, data: Bytes, expected: Version) -> Write {
    Write::Set { path, data, expected: Expected::Version(expected.0) }
}

pub(super) fn delete(path: String) -> Write {
    Write::Delete { path, expected: Expected::Any }
}

/// What is gone already was to go.
pub(super) fn all_gone(outcomes: Vec<Outcome>) -> Result<(), WriteFault> {
    let failed = outcomes.into_iter().filter_map(Result::err).find(|fault| *fault != WriteFault::Missing);
    failed.map_or(Ok(()), Err)
}

/// Parents that are there already are as good as new ones.
fn failures<N: Ord>(names: impl IntoIterator<Item = N>, outcomes: Vec<Outcome>) -> BTreeMap<N, WriteFault> {
    let failed = |outcome: Outcome| outcome.err().filter(|fault| *fault != WriteFault::Exists);
    names.into_iter().zip(outcomes).filter_map(|(name, outcome)| Some((name, failed(outcome)?))).collect()
}

fn version(outcome: Outcome) -> Result<Version, WriteFault> {
    match outcome? {
        WriteAnswer::Set { stat } => Ok(Version(stat.version)),
        // A set that is answered otherwise is not known to have happened.
        WriteAnswer::Checked | WriteAnswer::Created { .. } | WriteAnswer::Deleted => Err(WriteFault::Unknown),
    }
}

/// The result of the multi's second write.
pub(super) fn outcome(result: Result<Vec<WriteAnswer>, StoreError>) -> Result<Outcome, Lost> {
    let error = match result {
        Ok(mut answers) => return Ok(answers.pop().ok_or(WriteFault::Unknown)),
        Err(error) => error,
    };
    match error {
        StoreError::Refused { refusal: Refusal::BadVersion | Refusal::NoNode, at: 0, .. } => {
            Err(Lost::Fenced)
        }
        StoreError::Refused { path, refusal, .. } => Ok(Err(fault(path, refusal))),
        StoreError::OutcomeUnknown { .. } => Ok(Err(WriteFault::Unknown)),
        StoreError::SessionExpired | StoreError::Closed | StoreError::Unexpected { .. } => Err(error.into()),
    }
}

fn fault(path: String, refusal: Refusal) -> WriteFault {
    match refusal {
        Refusal::NoNode => WriteFault::Missing,
        Refusal::NodeExists => WriteFault::Exists,
        // A child has appeared under what was to be deleted.
        Refusal::BadVersion | Refusal::NotEmpty => WriteFault::Stale,
        Refusal::EphemeralParent | Refusal::NotAllowed | Refusal::InvalidPath => {
            WriteFault::Refused { path, reason: refusal.to_string() }
        }
    }
}
