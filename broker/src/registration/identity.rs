//! Who the broker is: the cluster's id from ZooKeeper and the broker's own, against what its log directories remember.
//!
//! Owns the checks and the ids that are made up; reads and writes no file: the caller brings what `meta.properties` says, and
//! writes the outcome. A wrong match would mix the data of two clusters or brokers, so it refuses to start.
//! Source: Kafka 3.9 `KafkaServer.getOrGenerateClusterId`, `getOrGenerateBrokerId`, `MetaPropertiesEnsemble.verify`.

use std::path::PathBuf;

use bytes::Bytes;
use protocol::BrokerId;
use thiserror::Error;
use uuid::Uuid;
use zookeeper::paths;
use zookeeper::session::create_all;
use zookeeper::store::{CreateMode, Expected, MetadataStore, Refusal, StoreError, Watch};
use zookeeper::znodes::{ClusterId, ZnodeError};

/// What the configuration says about the broker's id.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IdentitySettings {
    /// broker.id; `None` for -1, which the configuration allows only with broker.id.generation.enable.
    pub(crate) broker: Option<BrokerId>,
    /// reserved.broker.max.id: generated ids are above it.
    pub(crate) reserved_max: BrokerId,
}

/// What the `meta.properties` of one log directory says. Its version has been checked by whoever read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredIdentity {
    pub(crate) file: PathBuf,
    pub(crate) broker: Option<BrokerId>,
    pub(crate) cluster_id: Option<String>,
}

/// What every log directory is to remember.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) broker: BrokerId,
    pub(crate) cluster_id: String,
}

#[derive(Debug, Error)]
pub(crate) enum IdentityError {
    #[error(
        "{} belongs to the cluster {stored}, but {path} in ZooKeeper says {cluster}: correct zookeeper.connect, or, if the \
         directory is to join this cluster, remove the file", file.display(), path = paths::CLUSTER_ID
    )]
    InconsistentClusterId { file: PathBuf, stored: String, cluster: ClusterId },
    #[error(
        "{} belongs to broker {stored}, but {expected_by} says {expected}: correct broker.id or log.dirs, or, if the \
         directory is to change hands, remove the file", file.display()
    )]
    InconsistentBrokerId { file: PathBuf, stored: BrokerId, expected: BrokerId, expected_by: String },
    #[error(
        "reserved.broker.max.id is {reserved}, which leaves no room for the generated broker id number {number}"
    )]
    NoRoom { reserved: BrokerId, number: i32 },
    #[error(transparent)]
    Znode(#[from] ZnodeError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads or makes the ids, and checks them against what the log directories remember.
pub(crate) async fn settle_identity(
    store: &dyn MetadataStore,
    settings: IdentitySettings,
    stored: &[StoredIdentity],
) -> Result<Identity, IdentityError> {
    let cluster = cluster_id(store).await?;
    check_cluster(stored, &cluster)?;
    let broker = match check_broker(stored, settings.broker)? {
        Some(broker) => broker,
        None => generate(store, settings.reserved_max).await?,
    };
    Ok(Identity { broker, cluster_id: cluster.0 })
}

async fn cluster_id(store: &dyn MetadataStore) -> Result<ClusterId, IdentityError> {
    loop {
        match store.get(paths::CLUSTER_ID, Watch::None).await {
            Ok(node) => return Ok(ClusterId::decode(paths::CLUSTER_ID, &node.data)?),
            Err(StoreError::Refused { refusal: Refusal::NoNode, .. }) => {}
            Err(error) => return Err(error.into()),
        }
        create_all(store, paths::CLUSTER).await?;
        let data = ClusterId::from_uuid(Uuid::new_v4()).encode();
        match store.create(paths::CLUSTER_ID, Some(data), CreateMode::Persistent).await {
            // Whoever wrote it, what counts is what is there.
            Ok(_)
            | Err(
                StoreError::Refused { refusal: Refusal::NodeExists, .. } | StoreError::OutcomeUnknown { .. },
            ) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn check_cluster(stored: &[StoredIdentity], cluster: &ClusterId) -> Result<(), IdentityError> {
    for StoredIdentity { file, cluster_id, .. } in stored {
        match cluster_id {
            Some(stored) if *stored != cluster.0 => {
                let (file, stored) = (file.clone(), stored.clone());
                return Err(IdentityError::InconsistentClusterId { file, stored, cluster: cluster.clone() });
            }
            Some(_) | None => {}
        }
    }
    Ok(())
}

/// The id that is configured or remembered; all must agree.
fn check_broker(
    stored: &[StoredIdentity],
    configured: Option<BrokerId>,
) -> Result<Option<BrokerId>, IdentityError> {
    let mut expected = configured.map(|broker| (broker, "broker.id".to_owned()));
    for StoredIdentity { file, broker, .. } in stored {
        match (broker, &expected) {
            (Some(stored), Some((broker, by))) if stored != broker => {
                return Err(IdentityError::InconsistentBrokerId {
                    file: file.clone(),
                    stored: *stored,
                    expected: *broker,
                    expected_by: by.clone(),
                });
            }
            (Some(stored), None) => expected = Some((*stored, file.display().to_string())),
            (Some(_) | None, Some(_)) | (None, None) => {}
        }
    }
    Ok(expected.map(|(broker, _)| broker))
}

/// Numbers are handed out by the version of a node, so that each is given once.
async fn generate(store: &dyn MetadataStore, reserved: BrokerId) -> Result<BrokerId, IdentityError> {
    loop {
        match store.set(paths::BROKER_SEQUENCE, Bytes::new(), Expected::Any).await {
            Ok(stat) => {
                let number = stat.version;
                let broker = reserved.0.checked_add(number).map(BrokerId);
                return broker.ok_or(IdentityError::NoRoom { reserved, number });
            }
            Err(StoreError::Refused { refusal: Refusal::NoNode, .. }) => {
                create_all(store, paths::BROKER_SEQUENCE).await?;
            }
            // A number that nobody gets does no harm.
            Err(StoreError::OutcomeUnknown { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use zookeeper::tree::{ModelStore, ModelZooKeeper};

    use super::*;

    const RESERVED: BrokerId = BrokerId(1000);
    const GENERATED: IdentitySettings = IdentitySettings { broker: None, reserved_max: RESERVED };

    fn stored(file: &str, broker: Option<i32>, cluster_id: Option<&str>) -> StoredIdentity {
        let cluster_id = cluster_id.map(str::to_owned);
        StoredIdentity { file: file.into(), broker: broker.map(BrokerId), cluster_id }
    }

    fn configured(broker: i32) -> IdentitySettings {
        IdentitySettings { broker: Some(BrokerId(broker)), reserved_max: RESERVED }
    }

    fn store() -> ModelStore {
        ModelZooKeeper::default().connect().0
    }

    #[tokio::test]
    async fn the_first_broker_makes_the_cluster_id_and_the_next_read_it() {
        let store = store();
        let first = settle_identity(&store, configured(1), &[]).await.unwrap();
        assert_eq!((first.broker, first.cluster_id.len()), (BrokerId(1), 22));
        let remembered = [stored("/d/meta.properties", Some(1), Some(&first.cluster_id))];
        assert_eq!(settle_identity(&store, configured(1), &remembered).await.unwrap(), first);
        let parent = store.get(paths::CLUSTER, Watch::None).await.unwrap();
        assert_eq!(parent.stat.data_length, 0);
    }

    #[tokio::test]
    async fn a_lost_answer_makes_no_second_cluster_id() {
        let store = store();
        store.lose_answers(2);
        let first = settle_identity(&store, configured(1), &[]).await.unwrap();
        assert_eq!(settle_identity(&store, configured(2), &[]).await.unwrap().cluster_id, first.cluster_id);
    }

    #[tokio::test]
    async fn anothers_directory_is_refused() {
        let store = store();
        let foreign = [stored("/d/meta.properties", Some(1), Some("other"))];
        let error = settle_identity(&store, configured(1), &foreign).await.unwrap_err().to_string();
        let cluster = cluster_id(&store).await.unwrap().0;
        for part in ["/d/meta.properties", "other", &cluster, "/cluster/id", "zookeeper.connect"] {
            assert!(error.contains(part), "{part} is not in: {error}");
        }
        let error =
            settle_identity(&store, configured(7), &[stored("/d/m", Some(8), None)]).await.unwrap_err();
        assert!(error.to_string().starts_with("/d/m belongs to broker 8, but broker.id says 7"), "{error}");
    }

    #[tokio::test]
    async fn a_generated_id_is_remembered() {
        let store = store();
        let first = settle_identity(&store, GENERATED, &[]).await.unwrap();
        assert_eq!(first.broker, BrokerId(1001));
        assert_eq!(settle_identity(&store, GENERATED, &[]).await.unwrap().broker, BrokerId(1002));
        let remembered = [stored("/a", None, None), stored("/b", Some(1001), None)];
        assert_eq!(settle_identity(&store, GENERATED, &remembered).await.unwrap(), first);
    }

    #[tokio::test]
    async fn directories_must_agree() {
        let torn = [stored("/a", Some(1), None), stored("/b", Some(2), None)];
        let error = settle_identity(&store(), GENERATED, &torn).await.unwrap_err().to_string();
        assert!(error.starts_with("/b belongs to broker 2, but /a says 1"), "{error}");
    }

    #[tokio::test]
    async fn generated_ids_can_run_out() {
        let error = generate(&store(), BrokerId(i32::MAX)).await.unwrap_err().to_string();
        assert!(error.contains("reserved.broker.max.id"), "{error}");
    }

    #[tokio::test]
    async fn garbage_in_the_cluster_id_is_named() {
        let store = store();
        create_all(&store, paths::CLUSTER).await.unwrap();
        store.create(paths::CLUSTER_ID, Some("garbage".into()), CreateMode::Persistent).await.unwrap();
        let error = settle_identity(&store, configured(1), &[]).await.unwrap_err().to_string();
        assert!(error.starts_with("znode /cluster/id: it is no JSON"), "{error}");
    }
}
