//! The znodes that every broker makes at every start, so that whoever comes first makes them for all.
//! Source: KafkaZkClient.createTopLevelPaths, ZkData.PersistentZkPaths (3.9).

use zookeeper::paths;
use zookeeper::session::{create_all, together};
use zookeeper::store::{CreateMode, MetadataStore, Refusal, StoreError, Watch};

/// Makes them in Kafka's order, and all at once, as each write waits for ZooKeeper's disk.
pub(crate) async fn create_persistent_paths(store: &dyn MetadataStore) -> Result<(), StoreError> {
    let found = together(paths::PERSISTENT.map(|path| store.exists(path, Watch::None))).await;
    if found.iter().all(|found| matches!(found, Ok(Some(_)))) {
        return Ok(());
    }
    let missing = with_parents(&paths::PERSISTENT);
    let created = together(missing.iter().map(|path| store.create(path, None, CreateMode::Persistent))).await;
    for (path, created) in missing.into_iter().zip(created) {
        match created {
            Ok(_) | Err(StoreError::Refused { refusal: Refusal::NodeExists, .. }) => {}
            // Also where a parent's fate is unknown and its children were refused.
            Err(StoreError::OutcomeUnknown { .. } | StoreError::Refused { .. }) => {
                create_all(store, path).await?
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Each path after those above it, none twice.
fn with_parents<'a>(paths: &[&'a str]) -> Vec<&'a str> {
    let mut all = Vec::new();
    for path in paths {
        let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
        for above in ends.map(|end| &path[..end]) {
            if !all.contains(&above) {
                all.push(above);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use zookeeper::events::SessionId;
    use zookeeper::tree::ModelZooKeeper;

    use super::*;

    #[tokio::test]
    async fn persistent_paths_are_made_in_kafkas_order() {
        assert_eq!(
            with_parents(&paths::PERSISTENT)[..8].join(" "),
            "/consumers /brokers /brokers/ids /brokers/topics /config /config/changes /admin /admin/delete_topics"
        );
        let zookeeper = ModelZooKeeper::default();
        let (store, _events) = zookeeper.connect();
        store.lose_answers(3);
        create_persistent_paths(&store).await.unwrap();
        create_persistent_paths(&store).await.unwrap();
        for path in paths::PERSISTENT {
            let stat = store.exists(path, Watch::None).await.unwrap().unwrap();
            assert_eq!((stat.version, stat.ephemeral_owner), (0, SessionId(0)), "{path}");
        }
    }
}
