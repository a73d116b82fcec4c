//! Persistent paths with null data, parents included.
//!
//! Owns one convenience over `store::MetadataStore`; asks again where the outcome is unknown, since twice gives the same tree.
//! Source: Kafka 3.9 `KafkaZkClient.makeSurePersistentPathExists`.

use crate::store::{CreateMode, MetadataStore, Refusal, StoreError};

/// Creates `path` and whatever is missing above it; existing nodes are fine.
///
/// Asks for the leaf first, as Kafka does, so that the usual case is one request.
pub async fn create_all(store: &dyn MetadataStore, path: &str) -> Result<(), StoreError> {
    let mut missing = vec![path];
    while let Some(&next) = missing.last() {
        match store.create(next, None, CreateMode::Persistent).await {
            Ok(_) | Err(StoreError::Refused { refusal: Refusal::NodeExists, .. }) => {
                missing.pop();
            }
            Err(StoreError::OutcomeUnknown { .. }) => {}
            Err(StoreError::Refused { path, refusal: Refusal::NoNode, at }) => match parent(next) {
                Some(parent) => missing.push(parent),
                None => return Err(StoreError::Refused { path, refusal: Refusal::NoNode, at }),
            },
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The path above, or `None` for a child of the root.
fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(parent, _)| parent).filter(|parent| !parent.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Watch;
    use crate::tree::ModelZooKeeper;

    #[tokio::test]
    async fn parents_are_made_once() {
        let (store, _events) = ModelZooKeeper::default().connect();
        create_all(&store, "/config/topics").await.unwrap();
        create_all(&store, "/config/changes").await.unwrap();
        create_all(&store, "/config/changes").await.unwrap();
        let (mut names, _) = store.children("/config", Watch::None).await.unwrap();
        names.sort();
        assert_eq!(names, ["changes", "topics"]);
    }

    #[tokio::test]
    async fn an_ephemeral_parent_is_an_error() {
        let (store, _events) = ModelZooKeeper::default().connect();
        store.create("/e", None, CreateMode::Ephemeral).await.unwrap();
        let error = create_all(&store, "/e/x").await.unwrap_err();
        assert_eq!(error.refusal(), Some(Refusal::EphemeralParent));
    }
}
