//! Follows the events of the ZooKeeper session, of which this is the one consumer, and passes them on to whom they concern.
//!
//! After an expiry the broker registers again before anything else. Never decides and never reads a znode itself.

use std::future::Future;
use std::pin::Pin;

use tokio_util::sync::CancellationToken;
use zookeeper::events::{SessionEvent, SessionEvents};
use zookeeper::paths;

use super::Office;
use super::inbox::Notice;
use crate::tasks::TaskError;

/// Registers the broker.
pub(crate) type Register =
    Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), TaskError>> + Send>> + Send + Sync>;

/// Who else wants to know.
pub(crate) struct Listeners {
    /// Registers the broker under a new session. An error stops the broker.
    pub(crate) register: Register,
    /// `/config/changes` may have new children, or its watch is lost; it is to be read again, with a watch.
    pub(crate) config_changed: Box<dyn Fn() + Send + Sync>,
    /// The same for `/feature`.
    pub(crate) feature_changed: Box<dyn Fn() + Send + Sync>,
}

/// Runs until `stopping`, or until the session is closed.
pub(crate) async fn follow(
    mut events: SessionEvents,
    office: &Office,
    listeners: Listeners,
    stopping: CancellationToken,
) -> Result<(), TaskError> {
    while let Some(event) = stopping.run_until_cancelled(events.recv()).await.flatten() {
        match event {
            SessionEvent::Suspended => {
                tracing::warn!(
                    "the connection to ZooKeeper is lost: the broker goes on serving, changes wait"
                );
            }
            SessionEvent::Reconnected => {
                tracing::info!("the connection to ZooKeeper is back, with the same session");
                office.inbox.put(Notice::WatchesLost);
                (listeners.config_changed)();
                (listeners.feature_changed)();
            }
            SessionEvent::Expired { session } => {
                tracing::warn!(%session, "ZooKeeper has given up the session: registering under a new one");
                office.inbox.put(Notice::SessionLost);
                (listeners.register)().await?;
                office.inbox.put(Notice::Registered);
                (listeners.config_changed)();
                (listeners.feature_changed)();
            }
            SessionEvent::NodeChanged { path, .. } => match path.as_str() {
                paths::CONFIG_CHANGES => (listeners.config_changed)(),
                paths::FEATURE => (listeners.feature_changed)(),
                _ => office.inbox.put(Notice::Changed(path)),
            },
        }
    }
    Ok(())
}
