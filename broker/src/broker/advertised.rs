//! The addresses that a broker tells others: the advertised listeners, with the ports that were really bound where 0 was asked for.

use config::broker::Network;
use zookeeper::znodes::Endpoint;

/// `port` knows the port that a listener has.
pub(crate) fn advertised(network: &Network, port: impl Fn(&str) -> Option<u16>) -> Vec<Endpoint> {
    let endpoints = network.advertised_listeners.iter().map(|advertised| {
        let chosen = || port(&advertised.listener).unwrap_or_default();
        Endpoint {
            listener: advertised.listener.clone(),
            host: advertised.host.clone().unwrap_or_else(own_host),
            port: if advertised.port == 0 { chosen() } else { advertised.port },
            security_protocol: advertised.protocol.name().to_owned(),
        }
    });
    endpoints.collect()
}

/// This machine's own name, as Kafka advertises it where no host is set.
fn own_host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
