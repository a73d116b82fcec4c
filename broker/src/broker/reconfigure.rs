//! What follows when settings change while the broker runs: each part that goes by them is told, in Kafka's order.
//! Never decides what may change; that is done before it is stored (`config::alter`), and what came by another way is left out
//! there. Called by `wiring.rs` for every change that ZooKeeper announces. Source: DynamicBrokerConfig, ConfigHandler (3.9).

use std::sync::Arc;

use config::broker::BrokerConfig;
use config::layers::{ConfigMap, Scope};

use super::advertised::advertised;
use super::{Broker, wiring};
use crate::network::Doors;
use crate::settings::Reconfigured;
use crate::topic_settings::TopicSettings;

const UNCLEAN: &str = "unclean.leader.election.enable";

/// Takes a topic's map. One that allows unclean elections has its partitions looked at, changed or not.
pub(super) fn topic(broker: &Broker, name: String, map: ConfigMap) -> (String, TopicSettings) {
    let unclean = map.get(UNCLEAN).is_some_and(|text| text.trim().eq_ignore_ascii_case("true"));
    let settings = broker.settings.topic_changed(&name, map);
    if unclean {
        broker.office.allow_unclean_elections(Some(&name));
    }
    (name, settings)
}

/// Takes a layer of the broker's settings, and answers those of the topics that have changed with it.
pub(super) async fn broker(
    broker: &Arc<Broker>,
    doors: &Doors,
    (scope, map): (Scope, &ConfigMap),
) -> Vec<(String, TopicSettings)> {
    let Some(Reconfigured { before, after, topics }) = broker.settings.broker_changed(scope, map) else {
        return Vec::new();
    };
    let unclean = |config: &BrokerConfig| config.topic_defaults.config.unclean_leader_election;
    if unclean(&after) && !unclean(&before) {
        broker.office.allow_unclean_elections(None);
    }
    if before.network.connections != after.network.connections {
        wiring::limit_connections(&broker.seats, &broker.settings).await;
    }
    if let Err(error) = listen(broker, doors, (&before, &after)).await {
        tracing::error!(%error, "listeners are not all as their settings say");
    }
    topics
}

/// Opens and closes ports, and tells others. Who is told of a port that could not be opened would only be misled.
async fn listen(
    broker: &Broker,
    doors: &Doors,
    (before, after): (&BrokerConfig, &BrokerConfig),
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    if before.network.listeners != after.network.listeners {
        doors.change(&after.network.listeners).await?;
    }
    if before.network.advertised_listeners != after.network.advertised_listeners {
        let endpoints = advertised(&after.network, |name| doors.port(name));
        broker.registration.advertise(endpoints, broker.shards.clock().now().wall).await?;
    }
    Ok(())
}
