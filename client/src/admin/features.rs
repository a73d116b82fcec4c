//! Features of the cluster: what is finalized, and changing it. Any broker tells, the controller changes.
//! Source: KIP-584, KafkaAdminClient.describeFeatures and updateFeatures (3.9).

use std::collections::BTreeMap;

use protocol::messages::update_features_request::FeatureUpdateKey;
use protocol::messages::{ApiVersionsRequest, ApiVersionsResponse, UpdateFeaturesRequest};

use super::{Outcome, moved, patience, text};
use crate::error::{ClientError, Refusal};
use crate::session::Client;

/// What a broker tells of features.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Features {
    /// Lowest and highest level that the broker supports.
    pub supported: BTreeMap<String, (i16, i16)>,
    pub finalized: BTreeMap<String, i16>,
    pub epoch: Option<i64>,
}

/// How a level may change, with Kafka's codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub enum FeatureUpgrade {
    Upgrade = 1,
    SafeDowngrade = 2,
    UnsafeDowngrade = 3,
}

/// What is to be done with the changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Done,
    CheckedOnly,
}

impl Client {
    pub async fn describe_features(&mut self) -> Result<Outcome<Features>, ClientError> {
        let request = ApiVersionsRequest::default()
            .with_client_software_name(text("ottla"))
            .with_client_software_version(text(env!("CARGO_PKG_VERSION")));
        let answer = self.call_any(&request).await?;
        Ok(Refusal::check(answer.error_code, None).map(|()| features_of(&answer)))
    }

    /// Changes features to the given levels; each has its own outcome, unless all are refused together.
    pub async fn update_features(
        &mut self,
        levels: &BTreeMap<String, i16>,
        upgrade: FeatureUpgrade,
        effect: Effect,
    ) -> Result<BTreeMap<String, Outcome>, ClientError> {
        let update = |(feature, level): (&String, &i16)| {
            FeatureUpdateKey::default()
                .with_feature(text(feature))
                .with_max_version_level(*level)
                .with_upgrade_type(upgrade as i8)
        };
        let request = UpdateFeaturesRequest::default()
            .with_timeout_ms(patience(self.settings.request_timeout))
            .with_feature_updates(levels.iter().map(update).collect())
            .with_validate_only(effect == Effect::CheckedOnly);
        let answer = self
            .call_controller(&request, |answer| moved([(answer.error_code, answer.error_message.as_deref())]))
            .await?;
        if let Some(refusal) = Refusal::from_wire(answer.error_code, answer.error_message.as_deref()) {
            return Ok(levels.keys().map(|feature| (feature.clone(), Err(refusal.clone()))).collect());
        }
        let outcome = |result: &protocol::messages::update_features_response::UpdatableFeatureResult| {
            let outcome = Refusal::check(result.error_code, result.error_message.as_deref());
            (result.feature.to_string(), outcome)
        };
        Ok(answer.results.iter().map(outcome).collect())
    }
}

fn features_of(answer: &ApiVersionsResponse) -> Features {
    let supported = answer.supported_features.iter();
    let finalized = answer.finalized_features.iter();
    Features {
        supported: supported.map(|it| (it.name.to_string(), (it.min_version, it.max_version))).collect(),
        finalized: finalized.map(|it| (it.name.to_string(), it.max_version_level)).collect(),
        epoch: Some(answer.finalized_features_epoch).filter(|epoch| *epoch >= 0),
    }
}
