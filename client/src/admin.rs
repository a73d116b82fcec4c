//! The admin requests, one call each, with plain values in and out.
//!
//! Topics are made, enlarged and deleted by the controller; configs are read and altered by any broker, except a
//! broker's own. Answers come per topic or resource, in the order asked. Source: KafkaAdminClient 3.9.

mod configs;
mod features;
mod leaders;
mod log_dirs;
mod offsets;
mod quotas;
mod records;
mod topics;

pub use configs::{ConfigChange, ConfigEntry, ConfigSource, ConfigSynonym, Resource};
pub use features::{Effect, FeatureUpgrade, Features};
pub use log_dirs::{DescribedLogDir, DescribedReplica};
pub use offsets::{FoundOffset, OffsetQuery};
pub use quotas::{DescribedQuotas, QuotaEntity, QuotaMatch};
pub use topics::{NewPartitions, NewTopic, Placement};

use std::time::Duration;

use protocol::StrBytes;
use protocol::messages::describe_cluster_response::DescribeClusterResponse;
use protocol::messages::{ApiVersionsResponse, DescribeClusterRequest, TopicName};

use crate::address::Address;
use crate::cluster::{Broker, Cluster, broker_id};
use crate::error::{ClientError, Refusal};
use crate::session::Client;

/// What became of one item of a request.
pub type Outcome<T = ()> = Result<T, Refusal>;

/// A request that a broker serves, by its number on the wire, with the lowest and the highest version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServedApi {
    pub key: i16,
    pub min: i16,
    pub max: i16,
}

impl Client {
    /// What a broker serves.
    pub async fn api_versions(&mut self, broker: protocol::BrokerId) -> Result<Vec<ServedApi>, ClientError> {
        Ok(served(&self.call_broker(broker, &crate::connection::versions_wanted()).await?))
    }

    /// Whether the first broker that answers serves a request.
    pub async fn serves(&mut self, key: i16) -> Result<bool, ClientError> {
        let answer = self.call_any(&crate::connection::versions_wanted()).await?;
        Ok(served(&answer).iter().any(|api| api.key == key))
    }

    /// Who is in the cluster.
    pub async fn describe_cluster(&mut self) -> Result<Cluster, ClientError> {
        let answer = self.call_any(&DescribeClusterRequest::default().with_endpoint_type(1)).await?;
        Ok(cluster_of(&answer))
    }
}

fn served(answer: &ApiVersionsResponse) -> Vec<ServedApi> {
    let served = answer.api_keys.iter();
    served.map(|api| ServedApi { key: api.api_key, min: api.min_version, max: api.max_version }).collect()
}

fn cluster_of(answer: &DescribeClusterResponse) -> Cluster {
    let brokers = answer.brokers.iter().filter_map(|broker| {
        let port = u16::try_from(broker.port).ok()?;
        Some(Broker {
            id: protocol::BrokerId(broker.broker_id.0),
            address: Address { host: broker.host.to_string(), port },
            rack: broker.rack.as_ref().map(ToString::to_string),
        })
    });
    let mut brokers: Vec<Broker> = brokers.collect();
    brokers.sort_by_key(|broker| broker.id);
    Cluster {
        id: Some(answer.cluster_id.to_string()),
        controller: broker_id(answer.controller_id.0),
        brokers,
    }
}

fn text(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}

fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

/// How long a broker may take, in milliseconds: less than we wait for its answer, so that it can say what it did.
fn patience(request_timeout: Duration) -> i32 {
    i32::try_from((request_timeout * 9 / 10).as_millis()).unwrap_or(i32::MAX)
}

/// The refusal that voids a whole answer: the controller has moved, so that nothing was done.
fn moved<'a>(codes: impl IntoIterator<Item = (i16, Option<&'a str>)>) -> Option<Refusal> {
    codes
        .into_iter()
        .filter_map(|(code, message)| Refusal::from_wire(code, message))
        .find(|refusal| refusal.code == protocol::ErrorCode::NotController)
}
