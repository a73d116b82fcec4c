//! Who else is registered in the cluster, and under which addresses.

use protocol::BrokerId;
use zookeeper::paths;
use zookeeper::session::together;
use zookeeper::store::{MetadataStore, Refusal, StoreError, Watch};
use zookeeper::znodes::{BrokerRegistration, Endpoint};

use super::RegistrationError;

/// A broker that is registered, with its addresses as `host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registered {
    pub(crate) broker: BrokerId,
    pub(crate) addresses: Vec<String>,
}

/// Every registered broker but this one.
pub(crate) async fn other_brokers(
    store: &dyn MetadataStore,
    own: BrokerId,
) -> Result<Vec<Registered>, RegistrationError> {
    let (names, _) = store.children(paths::BROKER_IDS, Watch::None).await?;
    let mut ids: Vec<_> = names.iter().filter_map(|name| name.parse().ok()).map(BrokerId).collect();
    ids.retain(|id| *id != own);
    ids.sort();
    let nodes = together(ids.iter().map(|id| store.get(&paths::broker(id), Watch::None))).await;
    let mut others = Vec::new();
    for (broker, node) in ids.into_iter().zip(nodes) {
        match node {
            Ok(node) => {
                let addresses = addresses(&BrokerRegistration::decode(&paths::broker(broker), &node.data)?);
                others.push(Registered { broker, addresses });
            }
            // It went while we looked.
            Err(StoreError::Refused { refusal: Refusal::NoNode, .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(others)
}

pub(super) fn addresses(registration: &BrokerRegistration) -> Vec<String> {
    registration.endpoints.iter().map(address).collect()
}

pub(super) fn address(endpoint: &Endpoint) -> String {
    format!("{}:{}", endpoint.host, endpoint.port)
}
