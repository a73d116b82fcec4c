//! A session with ZooKeeper for the tools that take `--zookeeper`.
//!
//! Never makes a chroot that is missing: there it is a typing error.

use std::num::NonZeroUsize;
use std::time::Duration;

use zookeeper::connect_string::ConnectString;
use zookeeper::session::{Session, SessionSettings};
use zookeeper::store::{MetadataStore, Watch};

use crate::failure::Failure;

/// What Kafka's tools wait for a connection and ask for as their session's time-out.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opens a session below the chroot.
pub(crate) async fn open(connect: &str) -> Result<Session, Failure> {
    let connect = ConnectString::parse(connect).map_err(sentence)?;
    if let Some(chroot) = &connect.chroot {
        check_chroot(&connect, chroot).await?;
    }
    session(connect).await
}

/// Takes the goodbye of the server, but not for long.
pub(crate) async fn close(session: &Session) {
    session.close(Duration::from_secs(1)).await;
}

async fn check_chroot(connect: &ConnectString, chroot: &str) -> Result<(), Failure> {
    let root = session(connect.at_root()).await?;
    let found = root.exists(chroot, Watch::None).await;
    close(&root).await;
    match found.map_err(sentence)? {
        Some(_) => Ok(()),
        None => {
            let missing = format!("there is no {chroot} in ZooKeeper at {}", connect.at_root());
            Err(Failure::Sentence(missing))
        }
    }
}

async fn session(connect: ConnectString) -> Result<Session, Failure> {
    let settings = SessionSettings {
        connect,
        session_timeout: PATIENCE,
        connection_timeout: PATIENCE,
        in_flight_max: NonZeroUsize::MIN.saturating_add(9),
    };
    Session::connect(settings).await.map(|(session, _)| session).map_err(sentence)
}

fn sentence(error: impl ToString) -> Failure {
    Failure::Sentence(error.to_string())
}
