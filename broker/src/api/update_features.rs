//! UpdateFeatures (key 57), versions 0–1: finalizes features of the cluster, of which ZooKeeper mode supports none.
//!
//! Only the controller takes it. v0 tells a downgrade by a flag, v1 by a type; validate_only makes no difference. A feature that is
//! named twice is judged by its first mention and answered once. Differs from Kafka 3.9: results come in the order of the request.

use std::collections::HashSet;

use coordinator::features::{UpgradeType, refuse};
use protocol::StrBytes;
use protocol::error_code::ErrorCode;
use protocol::messages::update_features_request::FeatureUpdateKey;
use protocol::messages::update_features_response::UpdatableFeatureResult;
use protocol::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};

use super::context::Context;
use super::error::{Refused, told};
use super::pace::Pace;
use crate::authorizer::{Operation, Resource};
use crate::broker::Broker;

/// The first version that tells the kind of change.
const UPGRADE_TYPE_SINCE: i16 = 1;

pub(crate) async fn answer(
    broker: &Broker,
    context: &Context,
    version: i16,
    request: UpdateFeaturesRequest,
) -> UpdateFeaturesResponse {
    let (code, message) = told(check(broker, context));
    let mut response = UpdateFeaturesResponse::default().with_error_code(code).with_error_message(message);
    if code != ErrorCode::None.code() {
        return response;
    }
    let (mut seen, mut pace) = (HashSet::new(), Pace::default());
    for update in request.feature_updates {
        pace.step().await;
        if seen.insert(update.feature.clone()) {
            response.results.push(result(version, update));
        }
    }
    response
}

fn check(broker: &Broker, context: &Context) -> Result<(), Refused> {
    if !broker.authorizer.allows(context, Operation::Alter, &Resource::cluster()) {
        let text = "Cluster authorization failed.";
        return Err(Refused::new(ErrorCode::ClusterAuthorizationFailed, text));
    }
    if !broker.is_controller() {
        let text = "This is not the correct controller for this cluster.";
        return Err(Refused::new(ErrorCode::NotController, text));
    }
    Ok(())
}

fn result(version: i16, update: FeatureUpdateKey) -> UpdatableFeatureResult {
    let upgrade = match (version, update.allow_downgrade) {
        (UPGRADE_TYPE_SINCE.., _) => UpgradeType::from_code(update.upgrade_type),
        (_, true) => UpgradeType::SafeDowngrade,
        (_, false) => UpgradeType::Upgrade,
    };
    let refusal = refuse(&update.feature, update.max_version_level, upgrade);
    UpdatableFeatureResult::default()
        .with_feature(update.feature)
        .with_error_code(ErrorCode::InvalidRequest.code())
        .with_error_message(Some(StrBytes::from_string(refusal.to_string())))
}
