//! Configs of topics and brokers: describe, alter one by one.
//!
//! Only values move here; what a key means is the broker's business.

use protocol::BrokerId;
use protocol::messages::describe_configs_request::DescribeConfigsResource;
use protocol::messages::describe_configs_response::DescribeConfigsResourceResult;
use protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use protocol::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};

use super::{Outcome, text};
use crate::error::{ClientError, Refusal};
use crate::session::{Client, Target};

/// What has configs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    Topic(String),
    /// `None` is the default for all brokers.
    Broker(Option<BrokerId>),
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
            let request = DescribeConfigsRequest::default().with_resources(wanted.collect());
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
    let target = |item: &T| match resource(item) {
        Resource::Broker(Some(id)) => Target::Broker(*id),
        Resource::Broker(None) | Resource::Topic(_) => Target::Any,
    };
    items.chunk_by(|a, b| target(a) == target(b)).map(|chunk| (target(&chunk[0]), chunk)).collect()
}

/// ConfigResource.Type's number and the resource's name.
fn on_the_wire(resource: &Resource) -> (i8, String) {
    match resource {
        Resource::Topic(name) => (2, name.clone()),
        Resource::Broker(Some(id)) => (4, id.to_string()),
        Resource::Broker(None) => (4, String::new()),
    }
}

fn entry(config: &DescribeConfigsResourceResult) -> ConfigEntry {
    ConfigEntry {
        name: config.name.to_string(),
        value: config.value.as_ref().map(ToString::to_string),
        source: source(config),
        sensitive: config.is_sensitive,
        read_only: config.read_only,
    }
}

/// Version 0 says only whether a value is the default.
fn source(config: &DescribeConfigsResourceResult) -> ConfigSource {
    match config.config_source {
        1 => ConfigSource::Topic,
        2 => ConfigSource::DynamicBroker,
        3 => ConfigSource::DynamicDefaultBroker,
        4 => ConfigSource::StaticBroker,
        5 => ConfigSource::Default,
        6 => ConfigSource::DynamicBrokerLogger,
        _ if config.is_default => ConfigSource::Default,
        _ => ConfigSource::Unknown,
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

fn unanswered<T>() -> Outcome<T> {
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
