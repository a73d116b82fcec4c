//! The features of the cluster: what UpdateFeatures answers, what ApiVersions tells, and what a broker cannot live with.

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::messages::update_features_request::FeatureUpdateKey;
use protocol::messages::{ApiVersionsRequest, UpdateFeaturesRequest};
use zookeeper::paths;
use zookeeper::store::{Expected, Watch};

use super::world::World;
use crate::features::{FeaturesError, NO_EPOCH, epoch};

fn update(feature: &'static str, level: i16) -> FeatureUpdateKey {
    FeatureUpdateKey::default().with_feature(feature.into()).with_max_version_level(level)
}

/// Feature, code and text of each result.
async fn refused(world: &World, version: i16, updates: Vec<FeatureUpdateKey>) -> Vec<(String, i16, String)> {
    let request = UpdateFeaturesRequest::default().with_feature_updates(updates);
    let answer = world.ask(version, &request).await;
    assert_eq!((answer.error_code, answer.error_message), (0, None));
    let results = answer.results.into_iter();
    results.map(|it| (it.feature.to_string(), it.error_code, it.error_message.unwrap().to_string())).collect()
}

#[tokio::test(start_paused = true)]
async fn every_change_is_refused() {
    let world = World::start(&[]).await;
    world.until("the controller", || world.broker.is_controller()).await;
    let unsupported =
        "Could not apply finalized feature update because the provided feature is not supported.";
    let missing = "Can not delete non-existing finalized feature.";
    let result =
        |feature: &str, text: &str| (feature.to_owned(), ErrorCode::InvalidRequest.code(), text.to_owned());
    let downgrade = update("g", 0).with_allow_downgrade(true);
    let told = refused(&world, 0, vec![update("f", 1), downgrade, update("f", 0)]).await;
    assert_eq!(told, [result("f", unsupported), result("g", missing)]);
    let typed = |level, upgrade| update("f", level).with_upgrade_type(upgrade);
    for (update, text) in [
        (typed(1, 1), unsupported),
        (typed(0, 2), missing),
        (typed(0, 3), missing),
        (typed(1, 0), "Received unknown upgrade type."),
        (update("", 1), "Feature name can not be empty."),
    ] {
        assert_eq!(refused(&world, 1, vec![update.clone()]).await, [result(&update.feature, text)]);
    }
    assert_eq!(refused(&world, 1, vec![]).await, []);
}

#[tokio::test(start_paused = true)]
async fn clients_hear_the_epoch_of_the_features() {
    let world = World::start(&[]).await;
    world.until("the features", || world.broker.feature_version() == 0).await;
    let asked = ApiVersionsRequest::default()
        .with_client_software_name("a".into())
        .with_client_software_version("b".into());
    let told = |epoch| {
        let world = &world;
        let asked = &asked;
        async move {
            world.until("the epoch", || world.broker.feature_version() == epoch).await;
            assert_eq!(world.ask(3, asked).await.finalized_features_epoch, epoch);
        }
    };
    told(0).await;
    let set = |data: &'static str| {
        world.broker.store.set(paths::FEATURE, Bytes::from_static(data.as_bytes()), Expected::Any)
    };
    set(r#"{"features":{},"version":2,"status":1}"#).await.unwrap();
    told(1).await;
    // Disabled, or not to be read: no features are in force.
    set(r#"{"features":{"f":{"max_version_level":1}},"version":2,"status":0}"#).await.unwrap();
    told(NO_EPOCH).await;
    set(r#"{"features":{},"version":2,"status":1}"#).await.unwrap();
    told(3).await;
    set("?").await.unwrap();
    told(NO_EPOCH).await;
    world.broker.store.delete(paths::FEATURE, Expected::Any).await.unwrap();
    set("x").await.unwrap_err();
    assert_eq!(epoch(&*world.broker.store, Watch::None).await.unwrap(), NO_EPOCH);
}

#[tokio::test(start_paused = true)]
async fn a_feature_that_is_finalized_ends_the_broker() {
    let world = World::start(&[]).await;
    world.until("the features", || world.broker.feature_version() == 0).await;
    let strange = br#"{"features":{"metadata.version":{"max_version_level":7}},"version":2,"status":1}"#;
    let data = Bytes::from_static(strange);
    world.broker.store.set(paths::FEATURE, data, Expected::Any).await.unwrap();
    let failure = world.broker.tasks.failed().await.to_string();
    assert!(failure.contains("metadata.version are finalized in /feature"), "{failure}");
    let refused = epoch(&*world.broker.store, Watch::None).await;
    assert!(matches!(refused, Err(FeaturesError::Unsupported(_))), "{refused:?}");
}
