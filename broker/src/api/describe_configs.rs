//! DescribeConfigs (key 32), versions 0–4: the settings of topics and of this broker, with where each value comes from.
//! v1 adds synonyms and sources, v3 types and documentation. Loggers and client metrics are not served yet (INVALID_REQUEST).
//! Differs from Kafka 3.9: entries are sorted by name, the documentation is ours, and what is asked twice is answered once.

use std::collections::HashSet;
use std::sync::Arc;

use config::describe::{self, Entry, Source, Synonym};
use config::layers::{Scope, Wording};
use protocol::StrBytes;
use protocol::error_code::ErrorCode;
use protocol::messages::describe_configs_request::DescribeConfigsResource;
use protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use tokio::task::yield_now;

use super::config_resource::ConfigResource;
use super::context::Context;
use super::error::Refused;
use crate::authorizer::Operation;
use crate::broker::Broker;
use crate::config_changes::ConfigEntity;

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
    let named = request.resources.iter().map(|asked| (asked.resource_type, &*asked.resource_name));
    let resources = match ConfigResource::all(named) {
        Ok(resources) => resources,
        Err(refused) => {
            let results =
                request.resources.into_iter().map(|asked| shown.result(asked, Err(refused.clone())));
            return DescribeConfigsResponse::default().with_results(results.collect());
        }
    };
    let mut results = Vec::with_capacity(resources.len());
    for (asked, resource) in request.resources.into_iter().zip(&resources) {
        let described = match resource.authorize(broker, context, Operation::DescribeConfigs) {
            Ok(()) => entries(broker, resource).await,
            Err(refused) => Err(refused),
        };
        results.push(shown.result(asked, described));
        // All of a broker's settings take a millisecond, which adds up.
        yield_now().await;
    }
    DescribeConfigsResponse::default().with_results(results)
}

async fn entries(broker: &Arc<Broker>, resource: &ConfigResource) -> Result<Vec<Entry>, Refused> {
    let layers = broker.settings.layers();
    match resource {
        ConfigResource::Topic(name) => {
            coordinator::topics::check_name(name).map_err(|flaw| {
                Refused::new(ErrorCode::InvalidTopicException, format!("Topic name is invalid: {flaw}"))
            })?;
            if !broker.metadata.picture().topics.contains_key(&**name) {
                return Err(ErrorCode::UnknownTopicOrPartition.into());
            }
            let overrides =
                broker.settings.stored(&ConfigEntity::Topic(name.clone())).await.map_err(|error| {
                    tracing::error!(topic = %name, %error, "the topic's settings cannot be read");
                    Refused::new(ErrorCode::UnknownServerError, error.to_string())
                })?;
            Ok(describe::topic(&layers, &broker.settings.config().topic_defaults, &overrides))
        }
        ConfigResource::Broker(name) => {
            match Scope::of_resource(name, broker.identity.broker.0, Wording::Describe)? {
                Scope::Broker => Ok(describe::broker(&layers)),
                Scope::Cluster => Ok(describe::cluster(&layers)),
            }
        }
        ConfigResource::BrokerLogger(_) | ConfigResource::ClientMetrics(_) => {
            Err(Refused::new(ErrorCode::InvalidRequest, "This broker describes topics and brokers only."))
        }
    }
}

/// What the client wants to see of an entry.
struct Shown {
    version: i16,
    synonyms: bool,
    documentation: bool,
}

impl Shown {
    fn result(
        &self,
        asked: DescribeConfigsResource,
        described: Result<Vec<Entry>, Refused>,
    ) -> DescribeConfigsResult {
        let result = DescribeConfigsResult::default()
            .with_resource_type(asked.resource_type)
            .with_resource_name(asked.resource_name);
        let keys = asked.configuration_keys.filter(|keys| !keys.is_empty());
        let wanted =
            |entry: &Entry| keys.as_ref().is_none_or(|keys| keys.iter().any(|key| **key == *entry.name));
        match described {
            Ok(entries) => result
                .with_configs(entries.into_iter().filter(wanted).map(|entry| self.entry(entry)).collect()),
            Err(Refused { code, message }) => {
                let message = message.unwrap_or_else(|| code.message().to_owned());
                result.with_error_code(code.code()).with_error_message(Some(StrBytes::from_string(message)))
            }
        }
    }

    fn entry(&self, entry: Entry) -> DescribeConfigsResourceResult {
        let mut result = DescribeConfigsResourceResult::default()
            .with_name(StrBytes::from_string(entry.name))
            .with_value(entry.value.map(StrBytes::from_string))
            .with_read_only(entry.read_only)
            .with_is_sensitive(entry.sensitive);
        if self.version == 0 {
            result.is_default = entry.source == Source::Default;
        } else {
            result.config_source = entry.source as i8;
        }
        if self.synonyms {
            result.synonyms = entry.synonyms.into_iter().map(synonym).collect();
        }
        if self.version >= 3 {
            result.config_type = entry.kind.map_or(0, |kind| kind.code());
        }
        if self.documentation {
            result.documentation = entry.doc.map(StrBytes::from_static_str);
        }
        result
    }
}

fn synonym(synonym: Synonym) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym::default()
        .with_name(StrBytes::from_string(synonym.name))
        .with_value(synonym.value.map(StrBytes::from_string))
        .with_source(synonym.source as i8)
}
