//! Operations, watches and the end of the session, below a chroot and with a dead server in the list.
use crate::client::{LIMIT, connect, next};
use std::time::{Duration, Instant};
use tests::port::Port;
use tests::zookeeper::Zookeeper;
use zookeeper::events::{Change, SessionEvent, SessionId};
use zookeeper::session::create_all;
use zookeeper::store::{CreateMode, Expected, MetadataStore, Refusal, StoreError, Watch, Write, WriteAnswer};

fn changed(path: &str, change: Change) -> SessionEvent {
    SessionEvent::NodeChanged { path: path.to_owned(), change }
}

#[tokio::test]
async fn operations_watches_and_close() {
    let server = Zookeeper::start().unwrap();
    let dead = Port::free().unwrap();
    let address = format!("{},{}/a/b", dead.address(), server.address());
    let (session, mut events) = connect(&address, Duration::from_secs(30)).await;
    let mut tree = server.tree().unwrap();

    // Sequential and ephemeral nodes.
    create_all(&session, "/config/changes").await.unwrap();
    let path = session.create("/config/changes/n_", Some("1".into()), CreateMode::PersistentSequential).await;
    assert_eq!(path.unwrap(), "/config/changes/n_0000000000");
    let ephemeral = vec![
        Write::Create { path: "/e".into(), data: None, mode: CreateMode::Ephemeral },
        Write::Set { path: "/e".into(), data: "x".into(), expected: Expected::Version(0) },
    ];
    let answers = session.multi(ephemeral).await.unwrap();
    let WriteAnswer::Set { stat } = answers[1] else { panic!("{answers:?}") };
    assert_eq!((stat.version, stat.czxid, stat.ephemeral_owner), (1, stat.mzxid, session.session()));
    assert_eq!(session.get("/e", Watch::None).await.unwrap().stat, stat);

    // Refusals name the path and the write.
    let writes = vec![
        Write::Set { path: "/e".into(), data: "y".into(), expected: Expected::Version(1) },
        Write::Delete { path: "/missing".into(), expected: Expected::Any },
    ];
    let refused = session.multi(writes).await.unwrap_err();
    let expected = StoreError::Refused { path: "/missing".into(), refusal: Refusal::NoNode, at: 1 };
    assert_eq!(refused, expected);
    let null_ephemeral = session.create("/x", None, CreateMode::Ephemeral).await.unwrap_err();
    assert!(null_ephemeral.to_string().contains("/x"), "{null_ephemeral}");

    // Two reads leave one watch; it fires once.
    session.get("/e", Watch::Leave).await.unwrap();
    session.get("/e", Watch::Leave).await.unwrap();
    session.exists("/new", Watch::Leave).await.unwrap();
    session.children("/config/changes", Watch::Leave).await.unwrap();
    tree.set("/a/b/e", Some(b"z")).unwrap();
    assert_eq!(next(&mut events).await, changed("/e", Change::Data));
    tree.create("/a/b/new", None).unwrap();
    assert_eq!(next(&mut events).await, changed("/new", Change::Created));
    tree.delete("/a/b/config/changes/n_0000000000").unwrap();
    assert_eq!(next(&mut events).await, changed("/config/changes", Change::Children));
    session.get("/e", Watch::Leave).await.unwrap();
    tree.delete("/a/b/e").unwrap();
    assert_eq!(next(&mut events).await, changed("/e", Change::Deleted));
    session.exists("/", Watch::None).await.unwrap().unwrap();
    assert_eq!(events.try_recv(), None);

    // Closing ends the session on the server, long before its timeout.
    session.create("/e", Some("x".into()), CreateMode::Ephemeral).await.unwrap();
    assert_ne!(session.session(), SessionId(0));
    let started = Instant::now();
    session.close(LIMIT).await;
    assert_eq!(tree.stat("/a/b/e").unwrap(), None);
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(events.recv().await, None);
    assert_eq!(session.exists("/", Watch::None).await, Err(StoreError::Closed));
}

/// Operations are sent ahead of earlier answers: far more than one per round trip, and in order.
#[tokio::test]
async fn operations_are_pipelined_in_order() {
    let server = Zookeeper::start().unwrap();
    let (session, _events) = connect(&server.address(), Duration::from_secs(4)).await;
    session.create("/n", Some("".into()), CreateMode::Persistent).await.unwrap();
    let mut writes = tokio::task::JoinSet::new();
    for version in 0..500 {
        // On one thread, tasks are first polled in the order in which they are spawned.
        writes.spawn(session.set("/n", version.to_string().into(), Expected::Version(version)));
    }
    while let Some(set) = writes.join_next().await {
        set.unwrap().unwrap();
    }
    assert_eq!(session.get("/n", Watch::None).await.unwrap().data, "499");

    session.create("/null", None, CreateMode::Persistent).await.unwrap();
    let mut writes = tokio::task::JoinSet::new();
    for partition in 0..500 {
        writes.spawn(session.create(&format!("/null/{partition}"), None, CreateMode::Persistent));
    }
    while let Some(created) = writes.join_next().await {
        created.unwrap().unwrap();
    }
    assert_eq!(session.children("/null", Watch::None).await.unwrap().0.len(), 500);
}
