//! Null nodes are null, as Kafka's controller needs them, and empty ones are empty.
//! How: our client writes, the harness's own client, which tells the two apart, reads.
use crate::client::connect;
use std::time::Duration;
use tests::zookeeper::Zookeeper;
use zookeeper::paths;
use zookeeper::session::create_all;
use zookeeper::store::{CreateMode, Expected, MetadataStore, Watch, Write, WriteAnswer};

#[tokio::test]
async fn what_kafka_leaves_null_is_null() {
    let server = Zookeeper::start().unwrap();
    let address = format!("{}/kafka", server.address());
    let (session, _events) = connect(&address, Duration::from_secs(4)).await;
    let mut tree = server.tree().unwrap();

    for path in paths::PERSISTENT {
        create_all(&session, path).await.unwrap();
    }
    for path in paths::PERSISTENT.into_iter().chain(["", "/brokers", "/config", "/admin"]) {
        let (contents, stat) = tree.get(&format!("/kafka{path}")).unwrap().unwrap();
        assert_eq!((contents, stat.version, stat.ephemeral_owner), (None, 0, 0), "{path}");
    }

    // A controller's write of a null node, fenced, and a mixture with a set.
    let (epoch, state) = (paths::CONTROLLER_EPOCH, paths::partition_state("t", 0));
    session.create(epoch, Some("1".into()), CreateMode::Persistent).await.unwrap();
    let fenced = |rest: Vec<Write>| {
        let check = Write::Check { path: epoch.to_owned(), version: 0 };
        session.multi([vec![check], rest].concat())
    };
    let null = |path: String| Write::Create { path, data: None, mode: CreateMode::Persistent };
    create_all(&session, &paths::topic("t")).await.unwrap();
    let answers = fenced(vec![null(paths::partitions("t")), null(paths::partition("t", 0))]).await.unwrap();
    assert_eq!(answers[2], WriteAnswer::Created { path: paths::partition("t", 0) });
    let filled = Write::Create { path: state.clone(), data: Some("{}".into()), mode: CreateMode::Persistent };
    fenced(vec![filled, null(paths::partition("t", 1))]).await.unwrap();
    assert_eq!(tree.get(&format!("/kafka{}", paths::partition("t", 1))).unwrap().unwrap().0, None);
    assert_eq!(tree.text(&format!("/kafka{state}")).unwrap(), "{}");

    // What was written on the side is seen at once, and null reads as empty.
    let node = session.get(&paths::partition("t", 0), Watch::None).await.unwrap();
    assert!(node.data.is_empty());
    session.create("/empty", Some("".into()), CreateMode::Persistent).await.unwrap();
    assert_eq!(tree.get("/kafka/empty").unwrap().unwrap().0, Some(Vec::new()));
    session.set("/empty", "x".into(), Expected::Version(0)).await.unwrap();
}
