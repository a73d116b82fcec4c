//! Changing the settings of topics and brokers: what AlterConfigs and IncrementalAlterConfigs have in common.
//! The rules are `config::alter`'s; here they get the stored map and their outcome is written. Source: ZkAdminManager (3.9).

use std::sync::Arc;

use config::alter::{self, Change};
use config::layers::{ConfigMap, Scope, Wording};
use protocol::StrBytes;
use protocol::error_code::ErrorCode;

use super::config_resource::{ConfigResource, broker_entity, write_entity};
use super::context::Context;
use super::error::{Refused, told};
use super::pace::Pace;
use crate::authorizer::Operation;
use crate::broker::Broker;
use crate::config_changes::{ConfigEntity, ConfigReadError};

/// What a request wants changed.
pub(super) struct Alterations<'a> {
    pub(super) asked: Vec<Alteration<'a>>,
    /// Checks only, and writes nothing.
    pub(super) validate_only: bool,
}

/// One resource, as the request names it.
pub(super) struct Alteration<'a> {
    pub(super) kind: i8,
    pub(super) name: &'a StrBytes,
    pub(super) wanted: Result<Wanted, Refused>,
}

/// What is answered for one resource.
pub(super) struct Altered<'a> {
    pub(super) kind: i8,
    pub(super) name: &'a StrBytes,
    pub(super) error_code: i16,
    pub(super) error_message: Option<StrBytes>,
}

pub(super) enum Wanted {
    /// All settings are replaced by these.
    Replaced(Vec<(String, Option<String>)>),
    /// Single settings are changed.
    Changed(Vec<Change>),
}

impl<'a> Alterations<'a> {
    /// What is answered for each resource, in their order. One that is named twice is refused both times.
    pub(super) async fn carry_out(self, broker: &Arc<Broker>, context: &Context) -> Vec<Altered<'a>> {
        let resources = ConfigResource::each_once(self.asked.iter().map(|one| (one.kind, &**one.name))).await;
        let mut pace = Pace::default();
        let mut altered = Vec::with_capacity(resources.len());
        for (Alteration { kind, name, wanted }, resource) in self.asked.into_iter().zip(resources) {
            let map = match resource {
                Ok(resource) => map(broker, context, &resource, wanted).await,
                Err(refused) => Err(refused),
            };
            let (error_code, error_message) = told(match map {
                Ok((entity, map)) if !self.validate_only => write_entity(&broker.store, &entity, map).await,
                Ok(_) => Ok(()),
                Err(refused) => Err(refused),
            });
            altered.push(Altered { kind, name, error_code, error_message });
            pace.step().await;
        }
        altered
    }
}

/// The map to write, and where.
async fn map(
    broker: &Arc<Broker>,
    context: &Context,
    resource: &ConfigResource,
    wanted: Result<Wanted, Refused>,
) -> Result<(ConfigEntity, ConfigMap), Refused> {
    resource.authorize(broker, context, Operation::AlterConfigs)?;
    match resource {
        ConfigResource::Topic(name) => topic_map(broker, name, wanted?).await,
        ConfigResource::Broker(name) => {
            let scope = Scope::of_resource(name, broker.identity.broker.0, Wording::Alter)?;
            broker_map(broker, scope, wanted?).await
        }
        ConfigResource::BrokerLogger(_) | ConfigResource::ClientMetrics(_) => {
            Err(Refused::new(ErrorCode::InvalidRequest, "This broker alters topics and brokers only."))
        }
    }
}

async fn topic_map(
    broker: &Broker,
    name: &str,
    wanted: Wanted,
) -> Result<(ConfigEntity, ConfigMap), Refused> {
    if name.is_empty() {
        return Err(Refused::new(ErrorCode::InvalidRequest, "Default topic resources are not allowed."));
    }
    if !broker.metadata.picture().topics.contains_key(name) {
        let text = format!("The topic '{name}' does not exist.");
        return Err(Refused::new(ErrorCode::UnknownTopicOrPartition, text));
    }
    let entity = ConfigEntity::Topic(name.to_owned());
    let defaults = &broker.settings.config().topic_defaults;
    let map = match wanted {
        Wanted::Replaced(entries) => alter::replace_topic(defaults, name, &entries)?,
        Wanted::Changed(changes) => {
            let stored = broker.settings.stored(&entity).await.map_err(unreadable)?;
            alter::incremental_topic(defaults, name, &stored, &changes)?
        }
    };
    Ok((entity, map))
}

async fn broker_map(
    broker: &Broker,
    scope: Scope,
    wanted: Wanted,
) -> Result<(ConfigEntity, ConfigMap), Refused> {
    let entity = broker_entity(scope, broker);
    let stored = broker.settings.stored(&entity).await.map_err(unreadable)?;
    let layers = broker.settings.stored_layers();
    let map = match wanted {
        Wanted::Replaced(entries) => alter::replace_broker(&layers, scope, &stored, &entries)?,
        Wanted::Changed(changes) => alter::incremental_broker(&layers, scope, &stored, &changes)?,
    };
    Ok((entity, map))
}

fn unreadable(error: ConfigReadError) -> Refused {
    tracing::error!(%error, "settings cannot be read");
    Refused::new(ErrorCode::UnknownServerError, error.to_string())
}
