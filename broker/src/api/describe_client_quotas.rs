//! DescribeClientQuotas (key 48), versions 0–1: the quotas of entities that a filter takes (KIP-546, KIP-612), as ZooKeeper has them.
//! Differs from Kafka 3.9: where there are more than four entities, they stand in the order of users, client ids, both, addresses.

use std::sync::Arc;

use config::layers::ConfigMap;
use config::quota;
use protocol::StrBytes;
use protocol::error_code::ErrorCode;
use protocol::messages::describe_client_quotas_request::ComponentData;
use protocol::messages::describe_client_quotas_response::{EntityData, EntryData, ValueData};
use protocol::messages::{DescribeClientQuotasRequest, DescribeClientQuotasResponse};
use zookeeper::store::MetadataStore;
use zookeeper::znodes::{QuotaEntity, QuotaName};

use super::context::Context;
use super::error::{Refused, told};
use super::pace::Pace;
use super::quota_znodes::{CLIENTS, IPS, USERS, clients_of_users, holder, names, read_all};
use crate::authorizer::{Operation, Resource};
use crate::broker::Broker;
use crate::config_changes::ConfigReadError;

/// Which names of one type are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Match {
    Only(QuotaName),
    /// Whoever has the type at all.
    Any,
}

/// Which entities are meant.
#[derive(Debug, Default)]
struct Filter {
    user: Option<Match>,
    client: Option<Match>,
    ip: Option<Match>,
    /// Entities have no types but those that are named.
    strict: bool,
}

pub(crate) async fn answer(
    broker: &Arc<Broker>,
    context: &Context,
    request: DescribeClientQuotasRequest,
) -> DescribeClientQuotasResponse {
    match described(broker, context, request).await {
        // Kafka's text for nothing is empty here, and not null.
        Ok(entries) => DescribeClientQuotasResponse::default()
            .with_error_message(Some(StrBytes::default()))
            .with_entries(Some(entries)),
        Err(refused) => {
            let (code, message) = told(Err(refused));
            let response = DescribeClientQuotasResponse::default().with_error_code(code);
            response.with_error_message(message).with_entries(None)
        }
    }
}

async fn described(
    broker: &Arc<Broker>,
    context: &Context,
    request: DescribeClientQuotasRequest,
) -> Result<Vec<EntryData>, Refused> {
    if !broker.authorizer.allows(context, Operation::DescribeConfigs, &Resource::cluster()) {
        return Err(ErrorCode::ClusterAuthorizationFailed.into());
    }
    let filter = Filter::read(&request)?;
    let (mut entries, mut pace) = (Vec::new(), Pace::default());
    for (entity, map) in read_all(&broker.store, filter.candidates(&broker.store).await?).await? {
        entries.extend(entry(&entity, &map)?);
        pace.step().await;
    }
    Ok(entries)
}

impl Filter {
    fn read(request: &DescribeClientQuotasRequest) -> Result<Filter, Refused> {
        let invalid = |text: &str| Refused::new(ErrorCode::InvalidRequest, text);
        let mut filter = Filter { strict: request.strict, ..Filter::default() };
        // Kafka reads how names are matched before it looks at a single type.
        let matches: Vec<Match> = request.components.iter().map(Match::read).collect::<Result<_, _>>()?;
        for (component, wanted) in request.components.iter().zip(matches) {
            let (place, word) = match &*component.entity_type {
                "user" => (&mut filter.user, "user"),
                "client-id" => (&mut filter.client, "client"),
                "ip" => (&mut filter.ip, "ip"),
                "" => return Err(invalid("Unexpected empty filter component entity type")),
                other => {
                    let text = format!("Custom entity type '{other}' not supported");
                    return Err(Refused::new(ErrorCode::UnsupportedVersion, text));
                }
            };
            if place.replace(wanted).is_some() {
                return Err(invalid(&format!("Duplicate {word} filter component entity type")));
            }
        }
        match filter.ip.is_some() && (filter.user.is_some() || filter.client.is_some()) {
            true => Err(invalid(
                "Invalid entity filter component combination, IP filter component should not be used with user or clientId \
                 filter component.",
            )),
            false => Ok(filter),
        }
    }

    /// The entities that are meant, whether they have quotas or not.
    async fn candidates(&self, store: &Arc<dyn MetadataStore>) -> Result<Vec<QuotaEntity>, ConfigReadError> {
        let mut entities = Vec::new();
        if self.ip.is_none() {
            if self.client.is_none() {
                let users = self.names(store, USERS, self.user.as_ref()).await?;
                entities.extend(users.into_iter().map(QuotaEntity::User));
            }
            if self.user.is_none() {
                let clients = self.names(store, CLIENTS, self.client.as_ref()).await?;
                entities.extend(clients.into_iter().map(QuotaEntity::Client));
            }
            entities.extend(self.clients_of_users(store).await?);
        }
        if self.user.is_none() && self.client.is_none() {
            let ips = self.names(store, IPS, self.ip.as_ref()).await?;
            entities.extend(ips.into_iter().map(QuotaEntity::Ip));
        }
        Ok(entities)
    }

    async fn names(
        &self,
        store: &Arc<dyn MetadataStore>,
        kind: &str,
        wanted: Option<&Match>,
    ) -> Result<Vec<QuotaName>, ConfigReadError> {
        match wanted {
            None if self.strict => Ok(Vec::new()),
            Some(Match::Only(name)) if self.strict || kind == IPS => Ok(vec![name.clone()]),
            wanted => {
                let mut found = names(store, kind).await?;
                found.retain(|name| takes(wanted, name));
                Ok(found)
            }
        }
    }

    async fn clients_of_users(
        &self,
        store: &Arc<dyn MetadataStore>,
    ) -> Result<Vec<QuotaEntity>, ConfigReadError> {
        let (user, client) = (self.user.as_ref(), self.client.as_ref());
        match (user, client) {
            (None, _) | (_, None) if self.strict => Ok(Vec::new()),
            (Some(Match::Only(user)), Some(Match::Only(client))) => {
                Ok(vec![QuotaEntity::UserClient { user: user.clone(), client: client.clone() }])
            }
            _ => {
                let mut found = clients_of_users(store).await?;
                found.retain(|(of, name)| takes(user, of) && takes(client, name));
                Ok(found.into_iter().map(|(user, client)| QuotaEntity::UserClient { user, client }).collect())
            }
        }
    }
}

fn takes(wanted: Option<&Match>, name: &QuotaName) -> bool {
    match wanted {
        Some(Match::Only(only)) => only == name,
        Some(Match::Any) | None => true,
    }
}

impl Match {
    fn read(component: &ComponentData) -> Result<Match, Refused> {
        match (component.match_type, &component._match) {
            (0, Some(name)) => Ok(Match::Only(QuotaName::Named(name.to_string()))),
            (1, _) => Ok(Match::Only(QuotaName::Default)),
            (2, _) => Ok(Match::Any),
            // Kafka fails on it without a text.
            _ => Err(ErrorCode::UnknownServerError.into()),
        }
    }
}

/// None for an entity without quotas.
fn entry(entity: &QuotaEntity, map: &ConfigMap) -> Result<Option<EntryData>, Refused> {
    let values = quota::quotas(holder(entity), map)?;
    if values.is_empty() {
        return Ok(None);
    }
    let parts = match entity {
        QuotaEntity::User(user) => vec![("user", user)],
        QuotaEntity::Client(client) => vec![("client-id", client)],
        QuotaEntity::UserClient { user, client } => vec![("user", user), ("client-id", client)],
        QuotaEntity::Ip(ip) => vec![("ip", ip)],
    };
    let part = |(kind, name): (&'static str, &QuotaName)| {
        let name = match name {
            QuotaName::Default => None,
            QuotaName::Named(name) => Some(StrBytes::from_string(name.clone())),
        };
        EntityData::default().with_entity_type(StrBytes::from_static_str(kind)).with_entity_name(name)
    };
    let value =
        |(name, value)| ValueData::default().with_key(StrBytes::from_static_str(name)).with_value(value);
    Ok(Some(
        EntryData::default()
            .with_entity(parts.into_iter().map(part).collect())
            .with_values(values.into_iter().map(value).collect()),
    ))
}
