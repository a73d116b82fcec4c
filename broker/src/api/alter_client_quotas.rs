//! AlterClientQuotas (key 49), versions 0–1: sets and removes quotas of users, client ids, both together, and addresses (KIP-546,
//! KIP-612). One entity after the other; of one that is named more than once the last outcome is told, as Kafka does.
//! Differs from Kafka 3.9: the order of more than four entities in the answer is that of the request.

use std::collections::BTreeMap;
use std::sync::Arc;

use config::quota::{self, QuotaChange};
use protocol::StrBytes;
use protocol::error_code::ErrorCode;
use protocol::messages::alter_client_quotas_request::EntryData as Asked;
use protocol::messages::alter_client_quotas_response::{EntityData, EntryData};
use protocol::messages::{AlterClientQuotasRequest, AlterClientQuotasResponse};
use zookeeper::znodes::{QuotaEntity, QuotaName};

use super::context::Context;
use super::error::{Refused, told};
use super::pace::Pace;
use super::quota_znodes::{holder, read, replace};
use crate::authorizer::{Operation, Resource};
use crate::broker::Broker;

const USER: &str = "user";
const CLIENT_ID: &str = "client-id";
const IP: &str = "ip";

/// Types and names of an entity in the order of Java's hash map, which decides what is refused first and how it is answered.
type Parts = Vec<(StrBytes, Option<StrBytes>)>;

pub(crate) async fn answer(
    broker: &Arc<Broker>,
    context: &Context,
    request: AlterClientQuotasRequest,
) -> AlterClientQuotasResponse {
    let allowed = broker.authorizer.allows(context, Operation::AlterConfigs, &Resource::cluster());
    let mut pace = Pace::default();
    let (mut places, mut entries) = (BTreeMap::new(), Vec::<EntryData>::new());
    for asked in &request.entries {
        let parts = parts(asked);
        let outcome = match allowed {
            true => alter(broker, &parts, asked, request.validate_only).await,
            false => {
                let code = ErrorCode::ClusterAuthorizationFailed;
                Err(Refused::new(code, code.message()))
            }
        };
        let entry = entry(&parts, outcome);
        match places.get(&parts) {
            Some(&place) if allowed => entries[place] = entry,
            _ => {
                places.insert(parts, entries.len());
                entries.push(entry);
            }
        }
        pace.step().await;
    }
    AlterClientQuotasResponse::default().with_entries(entries)
}

/// Of a type that is named twice the last name counts.
fn parts(asked: &Asked) -> Parts {
    let named = asked.entity.iter().map(|part| (part.entity_type.clone(), part.entity_name.clone()));
    let mut parts: Parts = named.collect::<BTreeMap<_, _>>().into_iter().collect();
    parts.sort_by_key(|(kind, _)| [CLIENT_ID, USER, IP].iter().position(|known| *known == &**kind));
    parts
}

fn entry(parts: &Parts, outcome: Result<(), Refused>) -> EntryData {
    let entity = parts.iter().map(|(kind, name)| {
        EntityData::default().with_entity_type(kind.clone()).with_entity_name(name.clone())
    });
    let (code, message) = told(outcome);
    EntryData::default().with_error_code(code).with_error_message(message).with_entity(entity.collect())
}

async fn alter(
    broker: &Arc<Broker>,
    parts: &Parts,
    asked: &Asked,
    validate_only: bool,
) -> Result<(), Refused> {
    let entity = entity(parts)?;
    if let QuotaEntity::Ip(ip) = &entity {
        check_ip(ip).await?;
    }
    let changes: Vec<QuotaChange> = asked
        .ops
        .iter()
        .map(|op| QuotaChange { name: op.key.to_string(), value: (!op.remove).then_some(op.value) })
        .collect();
    let holder = holder(&entity);
    let map = quota::altered(holder, &read(&broker.store, &entity).await?, &changes)?;
    if validate_only {
        return Ok(());
    }
    quota::check(holder, &map)?;
    Ok(replace(&broker.store, &entity, map).await?)
}

/// Kafka's words for what is no entity.
fn entity(parts: &Parts) -> Result<QuotaEntity, Refused> {
    let invalid = |text: &str| Refused::new(ErrorCode::InvalidRequest, text);
    if parts.is_empty() {
        return Err(invalid("Invalid empty client quota entity"));
    }
    let (mut user, mut client, mut ip) = (None, None, None);
    for (kind, name) in parts {
        let place = match &**kind {
            USER => &mut user,
            CLIENT_ID => &mut client,
            IP => &mut ip,
            kind => return Err(invalid(&format!("Unhandled client quota entity type: {kind}"))),
        };
        *place = Some(match name.as_deref() {
            Some("") => return Err(invalid(&format!("Empty {kind} not supported"))),
            Some(name) => QuotaName::Named(name.to_owned()),
            None => QuotaName::Default,
        });
    }
    match (user, client, ip) {
        (Some(user), Some(client), None) => Ok(QuotaEntity::UserClient { user, client }),
        (Some(user), None, None) => Ok(QuotaEntity::User(user)),
        (None, Some(client), None) => Ok(QuotaEntity::Client(client)),
        (None, None, Some(ip)) => Ok(QuotaEntity::Ip(ip)),
        _ => Err(invalid(
            "Invalid quota entity combination, IP entity should not be used with user/client ID entity.",
        )),
    }
}

/// An address or the name of a host. Kafka looks at the sanitised name, in which an IPv6 address is none any more.
async fn check_ip(ip: &QuotaName) -> Result<(), Refused> {
    let QuotaName::Named(_) = ip else { return Ok(()) };
    let host = ip.sanitised();
    match tokio::net::lookup_host((host.as_str(), 0)).await {
        Ok(_) => Ok(()),
        Err(_) => {
            let text = format!("{host} is not a valid IP or resolvable host.");
            Err(Refused::new(ErrorCode::InvalidRequest, text))
        }
    }
}
