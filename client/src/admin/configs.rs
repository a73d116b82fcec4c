//! Configs of topics, brokers, loggers and client metrics: describe, alter one by one, replace.
//!
//! Only values move here; what a key means is the broker's business.

use protocol::BrokerId;
use protocol::messages::alter_configs_request::{
    AlterConfigsResource as ReplacedResource, AlterableConfig as ReplacedConfig,
};
use protocol::messages::describe_configs_request::DescribeConfigsResource;
use protocol::messages::describe_configs_response::DescribeConfigsResourceResult;
use protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use protocol::messages::{AlterConfigsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest};

use super::{Outcome, text};
use crate::error::{ClientError, Refusal};
use crate::session::{Client, Target};

/// What has configs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    Topic(String),
    /// `None` is the default for all brokers.
    Broker(Option<BrokerId>),
    /// The levels of the log of a broker.
    BrokerLogger(BrokerId),
    ClientMetrics(String),
}

/// One config as a broker describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    pub name: String,
    /// `None` where it is not shown, or not set.
    pub value: Option<String>,
    pub source: ConfigSource,
    pub sensitive: bool,
    pub read_only: bool,
    /// All values it could have, the one in force first.
    pub synonyms: Vec<ConfigSynonym>,
}

/// A value by one of the names that a config has, in the place where it is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigSynonym {
    pub name: String,
    pub value: Option<String>,
    pub source: ConfigSource,
}

/// Where a value comes from (DescribeConfigsResponse.ConfigSource).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigSource {
    Unknown,
    Topic,
    DynamicBroker,
    DynamicDefaultBroker,
    StaticBroker,
    Default,
    DynamicBrokerLogger,
    ClientMetrics,
}

/// A change to one config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigChange {
    Set {
        name: String,
        value: String,
    },
    /// Back to the default.
    Delete {
        name: String,
    },
    /// Adds to a list.
    Append {
        name: String,
        value: String,
    },
    /// Takes out of a list.
    Subtract {
        name: String,
        value: String,
    },
}

impl Client {
    /// All configs of each resource, in the order asked.
    pub async fn describe_configs(
        &mut self,
        resources: &[Resource],
    ) -> Result<Vec<Outcome<Vec<ConfigEntry>>>, ClientError> {
        let mut outcomes = Vec::with_capacity(resources.len());
        for (target, group) in by_target(resources, |resource| resource) {
            let wanted = group.iter().map(|resource| {
                let (kind, name) = on_the_wire(resource);
                let all = DescribeConfigsResource::default().with_configuration_keys(None);
                all.with_resource_type(kind).with_resource_name(text(&name))
            });
            let request = DescribeConfigsRequest::default()
                .with_resources(wanted.collect())
                .with_include_synonyms(true);
            let answer = self.ask_target(target, &request).await?;
            for resource in group {
                let (kind, name) = on_the_wire(resource);
                let found = answer
                    .results
                    .iter()
                    .find(|result| result.resource_type == kind && *result.resource_name == *name);
                outcomes.push(found.map_or_else(unanswered, |result| {
                    Refusal::check(result.error_code, result.error_message.as_deref())?;
                    Ok(result.configs.iter().map(entry).collect())
                }));
            }
        }
        Ok(outcomes)
    }

    /// Changes single configs; what is not named keeps its value.
    pub async fn alter_configs(
        &mut self,
        changes: &[(Resource, Vec<ConfigChange>)],
    ) -> Result<Vec<Outcome>, ClientError> {
        let mut outcomes = Vec::with_capacity(changes.len());
        for (target, group) in by_target(changes, |(resource, _)| resource) {
            let wanted = group.iter().map(|(resource, changes)| {
                let (kind, name) = on_the_wire(resource);
                AlterConfigsResource::default()
                    .with_resource_type(kind)
                    .with_resource_name(text(&name))
                    .with_configs(changes.iter().map(alteration).collect())
            });
            let request = IncrementalAlterConfigsRequest::default().with_resources(wanted.collect());
            let answer = self.ask_target(target, &request).await?;
            for (resource, _) in group {
                let (kind, name) = on_the_wire(resource);
                let found = answer
                    .responses
                    .iter()
                    .find(|result| result.resource_type == kind && *result.resource_name == *name);
                outcomes.push(found.map_or_else(unanswered, |result| {
                    Refusal::check(result.error_code, result.error_message.as_deref())
                }));
            }
        }
        Ok(outcomes)
    }

    /// Replaces all configs of a resource.
    pub async fn replace_configs(
        &mut self,
        resource: &Resource,
        configs: &[(String, String)],
    ) -> Result<Outcome, ClientError> {
        let (kind, name) = on_the_wire(resource);
        let configs = configs.iter().map(|(name, value)| {
            ReplacedConfig::default().with_name(text(name)).with_value(Some(text(value)))
        });
        let replaced = ReplacedResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(&name))
            .with_configs(configs.collect());
        let request = AlterConfigsRequest::default().with_resources(vec![replaced]);
        let answer = self.ask_target(target(resource), &request).await?;
        Ok(answer.responses.first().map_or_else(unanswered, |result| {
            Refusal::check(result.error_code, result.error_message.as_deref())
        }))
    }

    async fn ask_target<R: kafka_protocol::protocol::Request>(
        &mut self,
        target: Target,
        request: &R,
    ) -> Result<R::Response, ClientError> {
        match target {
            Target::Broker(id) => self.call_broker(id, request).await,
            Target::Any | Target::Controller => self.call_any(request).await,
        }
    }
}

/// Neighbours that go to the same broker, together: only the broker itself knows all of its own configs.
fn by_target<T>(items: &[T], resource: impl Fn(&T) -> &Resource) -> Vec<(Target, &[T])> {
    let target = |item: &T| target(resource(item));
    items.chunk_by(|a, b| target(a) == target(b)).map(|chunk| (target(&chunk[0]), chunk)).collect()
}

fn target(resource: &Resource) -> Target {
    match resource {
        Resource::Broker(Some(id)) | Resource::BrokerLogger(id) => Target::Broker(*id),
        Resource::Broker(None) | Resource::Topic(_) | Resource::ClientMetrics(_) => Target::Any,
    }
}

/// ConfigResource.Type's number and the resource's name.
fn on_the_wire(resource: &Resource) -> (i8, String) {
    match resource {
        Resource::Topic(name) => (2, name.clone()),
        Resource::Broker(Some(id)) => (4, id.to_string()),
        Resource::Broker(None) => (4, String::new()),
        Resource::BrokerLogger(id) => (8, id.to_string()),
        Resource::ClientMetrics(name) => (16, name.clone()),
    }
}

fn entry(config: &DescribeConfigsResourceResult) -> ConfigEntry {
    ConfigEntry {
        name: config.name.to_string(),
        value: config.value.as_ref().map(ToString::to_string),
        source: match config.config_source {
            // Version 0 says only whether a value is the default.
            _ if config.is_default => ConfigSource::Default,
            number => ConfigSource::of(number),
        },
        sensitive: config.is_sensitive,
        read_only: config.read_only,
        synonyms: config
            .synonyms
            .iter()
            .map(|synonym| ConfigSynonym {
                name: synonym.name.to_string(),
                value: synonym.value.as_ref().map(ToString::to_string),
                source: ConfigSource::of(synonym.source),
            })
            .collect(),
    }
}

impl ConfigSource {
    fn of(number: i8) -> ConfigSource {
        match number {
            1 => ConfigSource::Topic,
            2 => ConfigSource::DynamicBroker,
            3 => ConfigSource::DynamicDefaultBroker,
            4 => ConfigSource::StaticBroker,
            5 => ConfigSource::Default,
            6 => ConfigSource::DynamicBrokerLogger,
            7 => ConfigSource::ClientMetrics,
            _ => ConfigSource::Unknown,
        }
    }
}

/// AlterConfigOp.OpType's number beside the config.
fn alteration(change: &ConfigChange) -> AlterableConfig {
    let (operation, name, value) = match change {
        ConfigChange::Set { name, value } => (0, name, Some(value)),
        ConfigChange::Delete { name } => (1, name, None),
        ConfigChange::Append { name, value } => (2, name, Some(value)),
        ConfigChange::Subtract { name, value } => (3, name, Some(value)),
    };
    let config = AlterableConfig::default().with_name(text(name)).with_config_operation(operation);
    config.with_value(value.map(|value| text(value)))
}

pub(super) fn unanswered<T>() -> Outcome<T> {
    Err(Refusal { code: protocol::ErrorCode::UnknownServerError, message: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brokers_configs_are_asked_of_that_broker() {
        let resources = [
            Resource::Topic("a".into()),
            Resource::Broker(None),
            Resource::Broker(Some(BrokerId(2))),
            Resource::Broker(Some(BrokerId(3))),
            Resource::Topic("b".into()),
        ];
        let groups: Vec<(Target, usize)> = by_target(&resources, |resource| resource)
            .into_iter()
            .map(|(target, group)| (target, group.len()))
            .collect();
        let broker = |id| Target::Broker(BrokerId(id));
        assert_eq!(groups, [(Target::Any, 2), (broker(2), 1), (broker(3), 1), (Target::Any, 1)]);
    }
}
