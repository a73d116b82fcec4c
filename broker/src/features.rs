//! `/feature` as this broker sees it: the epoch of the finalized features, which ApiVersions tells clients (KIP-584).
//!
//! A broker does not live with features that it does not support: it refuses to start, and stops where some appear. Nothing is written here,
//! that is the controller's. Differs from Kafka 3.9: an epoch that goes back, of a node that was made anew, is taken as it is.
//! Source: FinalizedFeatureChangeListener, ZkMetadataCache (3.9).

use std::sync::Arc;

use coordinator::features::incompatible;
use tokio::sync::Notify;
use zookeeper::paths;
use zookeeper::store::{MetadataStore, Refusal, StoreError, Watch};
use zookeeper::znodes::{Feature, FeatureStatus};

use crate::broker::Broker;
use crate::tasks::{TaskError, TaskKind};

/// The epoch where no features are in force.
pub(crate) const NO_EPOCH: i64 = -1;

#[derive(Debug, thiserror::Error)]
pub(crate) enum FeaturesError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "the features {0} are finalized in {path}, and brokers in ZooKeeper mode support none: this broker cannot be in that cluster",
        path = paths::FEATURE
    )]
    Unsupported(String),
}

/// The epoch of the finalized features. Leaves the watch on `/feature`, there or not.
pub(crate) async fn epoch(store: &dyn MetadataStore, watch: Watch) -> Result<i64, FeaturesError> {
    if store.exists(paths::FEATURE, watch).await?.is_none() {
        return Ok(NO_EPOCH);
    }
    let node = match store.get(paths::FEATURE, Watch::None).await {
        Ok(node) => node,
        Err(error) if error.refusal() == Some(Refusal::NoNode) => return Ok(NO_EPOCH),
        Err(error) => return Err(error.into()),
    };
    match Feature::decode(paths::FEATURE, &node.data) {
        Err(error) => {
            tracing::error!(%error, "the finalized features cannot be read, and count for nothing");
            Ok(NO_EPOCH)
        }
        Ok(Feature { status: FeatureStatus::Disabled, .. }) => Ok(NO_EPOCH),
        Ok(Feature { features, .. }) => {
            let strange: Vec<_> = incompatible(&features).collect();
            match strange.is_empty() {
                true => Ok(i64::from(node.stat.version)),
                false => Err(FeaturesError::Unsupported(strange.join(", "))),
            }
        }
    }
}

/// Keeps the epoch up to date, until the broker stops or has to.
pub(crate) async fn follow(broker: Arc<Broker>, changed: Arc<Notify>) -> Result<(), TaskError> {
    let stopping = broker.tasks.stopping(TaskKind::ZooKeeper);
    loop {
        match epoch(&*broker.store, Watch::Leave).await {
            Ok(epoch) => broker.set_feature_version(epoch),
            Err(FeaturesError::Store(error)) => {
                tracing::debug!(%error, "the features cannot be looked at now")
            }
            Err(error @ FeaturesError::Unsupported(_)) => return Err(error.into()),
        }
        if stopping.run_until_cancelled(changed.notified()).await.is_none() {
            return Ok(());
        }
    }
}
