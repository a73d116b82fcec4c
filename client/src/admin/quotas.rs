//! Client quotas: describe, alter. Source: KIP-546.

use std::collections::BTreeMap;

use protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use protocol::messages::describe_client_quotas_request::ComponentData;
use protocol::messages::{AlterClientQuotasRequest, DescribeClientQuotasRequest};

use super::{Outcome, text};
use crate::error::{ClientError, Refusal};
use crate::session::Client;

/// The names of an entity by their types (`user`, `client-id`, `ip`); none is the default.
pub type QuotaEntity = BTreeMap<String, Option<String>>;

/// Which names of a type are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuotaMatch {
    Name(String),
    Default,
    Any,
}

/// The quotas of an entity, in the broker's order.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribedQuotas {
    pub entity: QuotaEntity,
    pub quotas: Vec<(String, f64)>,
}

impl Client {
    /// The quotas of all entities that have just these types.
    pub async fn describe_client_quotas(
        &mut self,
        wanted: &[(String, QuotaMatch)],
    ) -> Result<Outcome<Vec<DescribedQuotas>>, ClientError> {
        let components = wanted.iter().map(|(kind, wanted)| {
            let (how, name) = match wanted {
                QuotaMatch::Name(name) => (0, Some(text(name))),
                QuotaMatch::Default => (1, None),
                QuotaMatch::Any => (2, None),
            };
            ComponentData::default().with_entity_type(text(kind)).with_match_type(how).with_match(name)
        });
        let request = DescribeClientQuotasRequest::default().with_components(components.collect());
        let answer = self.call_any(&request.with_strict(true)).await?;
        if let Some(refusal) = Refusal::from_wire(answer.error_code, answer.error_message.as_deref()) {
            return Ok(Err(refusal));
        }
        let described = answer.entries.iter().flatten().map(|entry| {
            let part = |kind: &str, name: Option<&str>| (kind.to_owned(), name.map(str::to_owned));
            let entity =
                entry.entity.iter().map(|found| part(&found.entity_type, found.entity_name.as_deref()));
            let quotas = entry.values.iter().map(|quota| (quota.key.to_string(), quota.value));
            DescribedQuotas { entity: entity.collect(), quotas: quotas.collect() }
        });
        Ok(Ok(described.collect()))
    }

    /// Sets quotas of an entity, and removes those without a value. The controller does it.
    pub async fn alter_client_quotas(
        &mut self,
        entity: &QuotaEntity,
        changes: &[(String, Option<f64>)],
    ) -> Result<Outcome, ClientError> {
        let parts = entity.iter().map(|(kind, name)| {
            let part = EntityData::default().with_entity_type(text(kind));
            part.with_entity_name(name.as_deref().map(text))
        });
        let changes = changes.iter().map(|(name, value)| {
            let change = OpData::default().with_key(text(name)).with_remove(value.is_none());
            change.with_value(value.unwrap_or_default())
        });
        let entry = EntryData::default().with_entity(parts.collect()).with_ops(changes.collect());
        let request = AlterClientQuotasRequest::default().with_entries(vec![entry]);
        let answer = self.call_controller(&request, |_| None).await?;
        let code = |told: &protocol::messages::alter_client_quotas_response::EntryData| {
            Refusal::check(told.error_code, told.error_message.as_deref())
        };
        Ok(answer.entries.first().map_or_else(super::configs::unanswered, code))
    }
}
