//! The open ports of a broker, by the names of their listeners: opened at start, and opened and closed while it runs.
//!
//! A listener whose address changes is closed and opened anew, and its connections end. Kafka leaves the old port open and advertises
//! the new one. Called by `broker/wiring.rs` at start and by `broker/reconfigure.rs`. Source: SocketServer.addListeners (3.9).

use std::sync::{Arc, Mutex, PoisonError};

use config::listeners::Endpoint;
use tokio_util::sync::CancellationToken;

use super::{BindError, Listener, Network};
use crate::tasks::{TaskError, TaskKind};

#[derive(Debug)]
pub(crate) struct Doors {
    network: Arc<Network>,
    /// Never held across an await.
    open: Mutex<Vec<Door>>,
}

#[derive(Debug)]
struct Door {
    endpoint: Endpoint,
    /// The port that was bound, the system's choice where the endpoint has 0.
    port: u16,
    closing: CancellationToken,
    closed: CancellationToken,
}

impl Doors {
    pub(crate) fn new(network: Network) -> Doors {
        Doors { network: Arc::new(network), open: Mutex::default() }
    }

    /// Opens the port of an endpoint. Nobody is served before `serve`.
    pub(crate) async fn bind(
        endpoint: &Endpoint,
        settings: &super::Settings,
    ) -> Result<(Endpoint, Listener), BindError> {
        let host = endpoint.host.as_deref();
        let listener = Listener::bind(&endpoint.listener, host, endpoint.port, settings).await?;
        Ok((endpoint.clone(), listener))
    }

    /// Serves what comes in by an open port.
    pub(crate) fn serve(&self, (endpoint, listener): (Endpoint, Listener)) {
        let (name, network) = (Arc::clone(&listener.name), Arc::clone(&self.network));
        tracing::info!(listener = %name, address = %listener.address, "listening");
        let stopping = network.tasks.stopping(TaskKind::Listener);
        let (closing, closed) = (stopping.child_token(), CancellationToken::new());
        let port = listener.address.port();
        self.lock().push(Door { endpoint, port, closing: closing.clone(), closed: closed.clone() });
        let tasks = network.tasks.clone();
        tasks.spawn(TaskKind::Listener, Arc::clone(&name), async move {
            listener.run(Arc::clone(&network), closing).await?;
            if !stopping.is_cancelled() {
                network.seats.clear(&name);
            }
            closed.cancel();
            // A listener that is closed alone is not missed: its task ends with those of the others.
            stopping.cancelled().await;
            Ok::<_, TaskError>(())
        });
    }

    /// Closes what is not wanted any more, then opens what is missing. All that can be opened is, whatever fails.
    pub(crate) async fn change(&self, wanted: &[Endpoint]) -> Result<(), BindError> {
        let gone: Vec<Door> = self.lock().extract_if(.., |door| !wanted.contains(&door.endpoint)).collect();
        for door in gone {
            tracing::info!(listener = %door.endpoint.listener, port = door.port, "the listener is closed");
            door.closing.cancel();
            door.closed.cancelled().await;
        }
        let mut outcome = Ok(());
        for endpoint in wanted {
            if self.lock().iter().any(|door| door.endpoint == *endpoint) {
                continue;
            }
            match Doors::bind(endpoint, &self.network.settings).await {
                Ok(bound) => self.serve(bound),
                Err(error) => outcome = Err(error),
            }
        }
        outcome
    }

    /// The port that a listener really has.
    pub(crate) fn port(&self, listener: &str) -> Option<u16> {
        self.lock().iter().find(|door| door.endpoint.listener == listener).map(|door| door.port)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Door>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
