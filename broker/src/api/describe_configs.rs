//! DescribeConfigs (key 32), versions 0–4: the settings of topics and of this broker, with where each value comes from.
//! v1 adds synonyms and sources, v3 types and documentation. Of the loggers of a broker the levels are told.
//! Differs from Kafka 3.9: entries are sorted by name, the documentation is ours, what is asked twice is answered once, and the
//! loggers are those of `loggers/table.rs`.

use std::collections::HashSet;
use std::sync::Arc;

use config::describe::{self, Entry, Synonym};
use config::layers::Scope;
use protocol::StrBytes;
use protocol::error_code::ErrorCode;
use protocol::messages::describe_configs_request::DescribeConfigsResource;
use protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};

use super::config_resource::ConfigResource;
use super::context::Context;
use super::error::Refused;
use super::pace::Pace;
use crate::authorizer::Operation;
use crate::broker::Broker;
use crate::config_changes::ConfigEntity;
use crate::loggers::Level;

/// ConfigSource.DYNAMIC_BROKER_LOGGER_CONFIG
const DYNAMIC_BROKER_LOGGER: i8 = 6;

pub(crate) async fn answer(
    broker: &Arc<Broker>,
    context: &Context,
    version: i16,
    mut request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    // An answer is a hundred times as large as its question: it must not be had for every copy of that.
    let mut known = HashSet::new();
    request.resources.retain(|asked| {
        known.insert((asked.resource_type, asked.resource_name.clone(), asked.configuration_keys.clone()))
    });
    let shown = Shown {
        version,
        synonyms: request.include_synonyms && version >= 1,
        documentation: request.include_documentation && version >= 3,
    };
    // A kind that Kafka does not know makes all of the request invalid.
    let has_unknown = request
        .resources
        .iter()
        .any(|asked| ConfigResource::new(asked.resource_type, &asked.resource_name).is_none());
    let mut pace = Pace::default();
    let mut results = Vec::with_capacity(request.resources.len());
    for asked in request.resources {
        let described = match ConfigResource::new(asked.resource_type, &asked.resource_name) {
            Some(resource) if !has_unknown => described(broker, context, &resource).await,
            _ => Err(ErrorCode::InvalidRequest.into()),
        };
        results.push(shown.result(asked, described, &mut pace).await);
        pace.step().await;
    }
    DescribeConfigsResponse::default().with_results(results)
}

async fn described(
    broker: &Arc<Broker>,
    context: &Context,
    resource: &ConfigResource,
) -> Result<Described, Refused> {
    resource.authorize(broker, context, Operation::DescribeConfigs)?;
    match resource {
        ConfigResource::Topic(name) => topic(broker, name).await.map(Described::Settings),
        ConfigResource::Broker(name) => {
            let layers = broker.settings.layers();
            Ok(Described::Settings(match Scope::described(name, broker.identity.broker.0)? {
                Scope::Broker => describe::broker(&layers),
                Scope::Cluster => describe::cluster(&layers),
            }))
        }
        ConfigResource::BrokerLogger(name) => {
            check_logger_name(name, broker.identity.broker.0).map_err(invalid)?;
            Ok(Described::Loggers(broker.loggers.listed()))
        }
        ConfigResource::ClientMetrics(name) if name.is_empty() => {
            Err(invalid("Client metrics subscription name must not be empty".to_owned()))
        }
        ConfigResource::ClientMetrics(_) => {
            Err(invalid("Config type client-metrics is only supported on KRaft clusters".to_owned()))
        }
    }
}

async fn topic(broker: &Broker, name: &str) -> Result<Vec<Entry>, Refused> {
    coordinator::topics::check_name(name).map_err(|flaw| {
        Refused::new(ErrorCode::InvalidTopicException, format!("Topic name is invalid: {flaw}"))
    })?;
    if !broker.metadata.picture().topics.contains_key(name) {
        return Err(Refused::new(ErrorCode::UnknownTopicOrPartition, ""));
    }
    let overrides = broker.settings.stored(&ConfigEntity::Topic(name.to_owned())).await.map_err(|error| {
        tracing::error!(topic = %name, %error, "the topic's settings cannot be read");
        Refused::new(ErrorCode::UnknownServerError, error.to_string())
    })?;
    Ok(describe::topic(&broker.settings.layers(), &broker.settings.config().topic_defaults, &overrides))
}

fn check_logger_name(name: &str, own: i32) -> Result<(), String> {
    match name.parse::<i32>() {
        _ if name.is_empty() => Err("Broker id must not be empty".to_owned()),
        Ok(id) if own == id => Ok(()),
        Ok(_) => Err(format!("Unexpected broker id, expected {own} but received {name}")),
        Err(_) => Err(format!("Broker id must be an integer, but it is: {name}")),
    }
}

fn invalid(text: String) -> Refused {
    Refused::new(ErrorCode::InvalidRequest, text)
}

/// What a resource has.
enum Described {
    Settings(Vec<Entry>),
    Loggers(Vec<(&'static str, Level)>),
}

/// What the client wants to see of an entry.
struct Shown {
    version: i16,
    synonyms: bool,
    documentation: bool,
}

impl Shown {
    async fn result(
        &self,
        asked: DescribeConfigsResource,
        described: Result<Described, Refused>,
        pace: &mut Pace,
    ) -> DescribeConfigsResult {
        let result = DescribeConfigsResult::default()
            .with_resource_type(asked.resource_type)
            .with_resource_name(asked.resource_name);
        let keys = asked.configuration_keys.unwrap_or_default();
        let keys: HashSet<&str> = keys.iter().map(|key| &**key).collect();
        let wanted = |name: &str| keys.is_empty() || keys.contains(name);
        match described {
            Ok(Described::Settings(mut entries)) => {
                entries.retain(|entry| wanted(&entry.name));
                let mut configs = Vec::with_capacity(entries.len());
                for entry in entries {
                    configs.push(self.entry(entry));
                    pace.step().await;
                }
                result.with_configs(configs)
            }
            Ok(Described::Loggers(loggers)) => {
                let wanted = loggers.into_iter().filter(|(name, _)| wanted(name));
                result.with_configs(wanted.map(|(name, level)| self.logger(name, level)).collect())
            }
            Err(Refused { code, message }) => {
                let message = message.unwrap_or_else(|| code.message().to_owned());
                result.with_error_code(code.code()).with_error_message(Some(StrBytes::from_string(message)))
            }
        }
    }

    fn logger(&self, name: &'static str, level: Level) -> DescribeConfigsResourceResult {
        let mut result = DescribeConfigsResourceResult::default()
            .with_name(StrBytes::from_static_str(name))
            .with_value(Some(StrBytes::from_static_str(level.name())));
        if self.version >= 1 {
            result.config_source = DYNAMIC_BROKER_LOGGER;
        }
        result
    }

    fn entry(&self, entry: Entry) -> DescribeConfigsResourceResult {
        let mut result = DescribeConfigsResourceResult::default()
            .with_name(StrBytes::from_string(entry.name))
            .with_value(entry.value.map(StrBytes::from_string))
            .with_read_only(entry.read_only)
            .with_is_sensitive(entry.sensitive);
        // Of v0 Kafka 3.9 leaves the mark of defaults unset, whatever the source.
        if self.version >= 1 {
            result.config_source = entry.source as i8;
        }
        if self.synonyms {
            result.synonyms = entry.synonyms.into_iter().map(synonym).collect();
        }
        if self.version >= 3 {
            result.config_type = entry.kind.map_or(0, |kind| kind.code());
        }
        let doc = entry.doc.filter(|_| self.documentation);
        result.documentation = doc.map(StrBytes::from_static_str);
        result
    }
}

fn synonym(synonym: Synonym) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym::default()
        .with_name(StrBytes::from_string(synonym.name))
        .with_value(synonym.value.map(StrBytes::from_string))
        .with_source(synonym.source as i8)
}
