//! A courtesy at start: is anything reachable at the addresses that clients are told? The commonest mistake with a broker is a
//! wrong advertised.listeners, which shows itself only at the client. Only warns.

use std::time::Duration;

use config::listeners::Endpoint;
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(2);

/// Connects once to each advertised address, and warns of those where that fails.
pub(super) async fn check(advertised: &[Endpoint]) {
    for endpoint in advertised {
        let Some(host) = &endpoint.host else { continue };
        let outcome = timeout(PATIENCE, TcpStream::connect((host.as_str(), endpoint.port))).await;
        let problem = match outcome {
            Ok(Ok(_)) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
        };
        tracing::warn!(
            "clients are told to connect to {endpoint}, but this broker cannot reach that address itself ({problem}): \
             check advertised.listeners"
        );
    }
}
