//! ZooKeeper is away for three session timeouts and comes back: the session is resumed, its ephemeral nodes are untouched.
//! How: kill -9 under load and a restart on the same data; the node's creation zxid is the witness.
use crate::client::{connect, next, pass};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tests::zookeeper::Zookeeper;
use zookeeper::events::{Change, SessionEvent};
use zookeeper::store::{CreateMode, Expected, MetadataStore, StoreError, Watch};

const SESSION_TIMEOUT: Duration = Duration::from_secs(2);
/// The library takes the session for expired after 2.8 s.
const OUTAGE: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread")]
async fn a_session_outlives_an_outage() {
    let mut server = Zookeeper::start().unwrap();
    let address = format!("{}/outage", server.address());
    let (session, mut events) = connect(&address, SESSION_TIMEOUT).await;
    let id = session.session();
    session.create("/e", Some("x".into()), CreateMode::Ephemeral).await.unwrap();
    session.create("/n", Some("".into()), CreateMode::Persistent).await.unwrap();
    session.children("/", Watch::Leave).await.unwrap();
    let before = session.exists("/e", Watch::Leave).await.unwrap().unwrap();

    let mut load = tokio::task::JoinSet::new();
    let over = Arc::new(AtomicBool::new(false));
    for _ in 0..20 {
        let (session, over) = (session.clone(), over.clone());
        load.spawn(async move { write_and_read(&session, &over).await });
    }
    server.kill9().unwrap();
    assert_eq!(next(&mut events).await, SessionEvent::Suspended);
    pass(OUTAGE);
    server.restart().unwrap();
    assert_eq!(next(&mut events).await, SessionEvent::Reconnected);
    over.store(true, Ordering::Relaxed);
    while let Some(done) = load.join_next().await {
        done.unwrap();
    }
    let after = session.exists("/e", Watch::None).await.unwrap().unwrap();
    assert_eq!((after, session.session()), (before, id));

    // Watches did not survive: what is watched is read again, and then changes are heard of.
    session.exists("/e", Watch::Leave).await.unwrap();
    session.set("/e", "y".into(), Expected::Version(0)).await.unwrap();
    let changed = SessionEvent::NodeChanged { path: "/e".to_owned(), change: Change::Data };
    assert_eq!(next(&mut events).await, changed);
    session.create("/null", None, CreateMode::Persistent).await.unwrap();
    assert_eq!(events.try_recv(), None);
}

/// No read fails, and no write but one whose outcome nobody can know.
async fn write_and_read(session: &dyn MetadataStore, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        match session.set("/n", "x".into(), Expected::Any).await {
            Ok(_) | Err(StoreError::OutcomeUnknown { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        session.get("/n", Watch::None).await.unwrap();
    }
}
