//! Only the server's word is an expiry, and then there is a new session.
//! How: the way to the server is cut until the server has dropped the ephemeral node, which a second client watches.
use crate::client::{LIMIT, connect, next};
use crate::relay::Relay;
use std::time::Duration;
use tests::condition::until;
use tests::zookeeper::Zookeeper;
use zookeeper::events::SessionEvent;
use zookeeper::store::{CreateMode, MetadataStore, StoreError, Watch};

const SESSION_TIMEOUT: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn an_expiry_gives_a_new_session() {
    let server = Zookeeper::start().unwrap();
    let relay = Relay::to(server.address());
    let (session, mut events) = connect(&relay.address(), SESSION_TIMEOUT).await;
    let former = session.session();
    session.create("/e", Some("x".into()), CreateMode::Ephemeral).await.unwrap();

    // A short cut is no expiry.
    relay.cut();
    assert_eq!(next(&mut events).await, SessionEvent::Suspended);
    relay.mend();
    assert_eq!(next(&mut events).await, SessionEvent::Reconnected);
    assert_eq!(session.session(), former);

    // A cut that outlives the session is.
    relay.cut();
    assert_eq!(next(&mut events).await, SessionEvent::Suspended);
    let mut asked = tokio::task::JoinSet::new();
    asked.spawn(session.create("/late", Some("x".into()), CreateMode::Ephemeral));
    asked.spawn({
        let read = session.get("/e", Watch::None);
        async move { read.await.map(|_| String::new()) }
    });
    let mut tree = server.tree().unwrap();
    until("the server drops the ephemeral node", LIMIT, || Ok(tree.stat("/e")?.is_none().then_some(())))
        .unwrap();
    assert_eq!(events.try_recv(), None);
    relay.mend();
    let SessionEvent::Expired { session: fresh } = next(&mut events).await else { panic!("not expired") };
    assert_ne!(fresh, former);
    assert_eq!(session.session(), fresh);
    while let Some(result) = asked.join_next().await {
        assert_eq!(result.unwrap(), Err(StoreError::SessionExpired));
    }
    assert_eq!(tree.stat("/late").unwrap(), None);
    session.create("/e", Some("x".into()), CreateMode::Ephemeral).await.unwrap();
    assert_eq!(tree.stat("/e").unwrap().unwrap().ephemeral_owner, fresh.0);
}
