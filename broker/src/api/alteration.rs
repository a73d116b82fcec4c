//! Changing the settings of topics and brokers: what AlterConfigs and IncrementalAlterConfigs have in common.
//! The rules are `config::alter`'s; here they get the stored map and their outcome is written. Source: ZkAdminManager (3.9).

use std::sync::Arc;

use config::alter::{self, Change, Refusal};
use config::layers::{ConfigMap, Scope};
use protocol::StrBytes;
use protocol::error_code::ErrorCode;

use super::config_resource::{ConfigResource, write_entity};
use super::context::Context;
use super::error::{Refused, told};
use super::pace::Pace;
use super::repeated::repeated;
use crate::authorizer::Operation;
use crate::broker::Broker;
use crate::config_changes::ConfigEntity;

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
    pub(super) wanted: Wanted,
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
        let twice = repeated(self.asked.iter().map(|one| (one.kind, &**one.name))).await;
        let mut pace = Pace::default();
        let mut altered = Vec::with_capacity(self.asked.len());
        for Alteration { kind, name, wanted } in self.asked {
            let outcome = match twice.contains(&(kind, name)) {
                true => {
                    Err(Refused::new(ErrorCode::InvalidRequest, "Each resource must appear at most once."))
                }
                false => {
                    Alter { broker, context, validate_only: self.validate_only }.one(kind, name, wanted).await
                }
            };
            let (error_code, error_message) = told(outcome);
            altered.push(Altered { kind, name, error_code, error_message });
            pace.step().await;
        }
        altered
    }
}

impl Wanted {
    fn check(&self) -> Result<(), Refusal> {
        match self {
            Wanted::Replaced(entries) => alter::check_entries(entries),
            Wanted::Changed(changes) => alter::check_changes(changes),
        }
    }
}

/// One resource of a request on its way.
struct Alter<'a> {
    broker: &'a Arc<Broker>,
    context: &'a Context,
    validate_only: bool,
}

impl Alter<'_> {
    async fn one(&self, kind: i8, name: &str, wanted: Wanted) -> Result<(), Refused> {
        wanted.check()?;
        let unknown = || Refused::new(ErrorCode::InvalidRequest, format!("Unknown resource type {kind}"));
        let resource = ConfigResource::new(kind, name).ok_or_else(unknown)?;
        resource.authorize(self.broker, self.context, Operation::AlterConfigs)?;
        match resource {
            ConfigResource::Topic(name) => self.topic(name, wanted).await,
            ConfigResource::Broker(name) => self.brokers(&name, wanted).await,
            ConfigResource::BrokerLogger(name) => match wanted {
                Wanted::Changed(changes) => self.loggers(&name, &changes),
                Wanted::Replaced(_) => Err(unknown()),
            },
            ConfigResource::ClientMetrics(_) => Err(Refused::new(
                ErrorCode::InvalidRequest,
                "AlterConfigs is only supported for topics and brokers, but resource type is CLIENT_METRICS",
            )),
        }
    }

    async fn topic(&self, name: String, wanted: Wanted) -> Result<(), Refused> {
        if name.is_empty() {
            return Err(Refused::new(ErrorCode::InvalidRequest, "Default topic resources are not allowed."));
        }
        let known = self.broker.metadata.picture().topics.contains_key(&*name);
        let map = match wanted {
            Wanted::Replaced(entries) => alter::replacement(&entries),
            // Kafka finds operations that make no sense before it looks whether there is such a topic.
            Wanted::Changed(changes) if !known => alter::changed_topic(ConfigMap::new(), &changes)?,
            Wanted::Changed(changes) => {
                alter::changed_topic(self.stored(&ConfigEntity::Topic(name.clone())).await?, &changes)?
            }
        };
        if !known {
            let text = format!("The topic '{name}' does not exist.");
            return Err(Refused::new(ErrorCode::UnknownTopicOrPartition, text));
        }
        alter::check_topic(&self.broker.settings.config().topic_defaults, &name, &map)?;
        self.write(ConfigEntity::Topic(name), map).await
    }

    async fn brokers(&self, name: &str, wanted: Wanted) -> Result<(), Refused> {
        let scope = Scope::altered(name, self.broker.identity.broker.0)?;
        let entity = match scope {
            Scope::Broker => ConfigEntity::Broker(self.broker.identity.broker),
            Scope::Cluster => ConfigEntity::AllBrokers,
        };
        let stored = self.stored(&entity).await?;
        let settings = self.broker.settings.of_broker();
        let map = match wanted {
            Wanted::Replaced(entries) => settings.replaced(scope, &entries)?,
            Wanted::Changed(changes) => settings.changed(scope, &stored, &changes)?,
        };
        if !self.validate_only {
            settings.check_passwords(scope, &stored, &map).map_err(|problem| {
                let resource = format!("ConfigResource(type=BROKER, name='{name}')");
                let text = format!("Invalid config value for resource {resource}: {problem}");
                Refused::new(ErrorCode::InvalidConfig, text)
            })?;
        }
        self.write(entity, map).await
    }

    fn loggers(&self, name: &str, changes: &[Change]) -> Result<(), Refused> {
        let own = self.broker.identity.broker.0;
        let problem = match name.parse::<i32>() {
            Ok(id) if own == id => None,
            // Kafka too says the expected one twice.
            Ok(_) => Some(format!("Unexpected node id. Expected {own}, but received {own}")),
            Err(_) => Some(format!("Node id must be an integer, but it is: {name}")),
        };
        if let Some(text) = problem {
            return Err(Refused::new(ErrorCode::InvalidRequest, text));
        }
        let loggers = &self.broker.loggers;
        let outcome = if self.validate_only { loggers.check(changes) } else { loggers.change(changes) };
        Ok(outcome?)
    }

    async fn stored(&self, entity: &ConfigEntity) -> Result<ConfigMap, Refused> {
        self.broker.settings.stored(entity).await.map_err(|error| {
            tracing::error!(%error, "settings cannot be read");
            Refused::new(ErrorCode::UnknownServerError, error.to_string())
        })
    }

    async fn write(&self, entity: ConfigEntity, map: ConfigMap) -> Result<(), Refused> {
        match self.validate_only {
            true => Ok(()),
            false => write_entity(&self.broker.store, &entity, map).await,
        }
    }
}
