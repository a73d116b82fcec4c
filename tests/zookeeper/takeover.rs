//! A real controller takes over a tree that we made: it tells null from empty, and would fail on the latter.
//! How: our client makes the persistent paths, a real Kafka 3.9 starts on them, and is asked for a producer id.
use crate::client::{LIMIT, connect};
use std::time::Duration;
use tests::broker::{Kind, Site};
use tests::condition::until;
use tests::wire::Wire;
use tests::zookeeper::Zookeeper;
use zookeeper::paths;
use zookeeper::session::create_all;

const INIT_PRODUCER_ID: i16 = 22;
/// No transactional id, a timeout of no consequence.
const IDEMPOTENT: [u8; 6] = [0xff, 0xff, 0, 0, 0, 1];

#[tokio::test]
async fn a_real_controller_gives_producer_ids_from_our_tree() {
    let server = Zookeeper::start().unwrap();
    let address = format!("{}/ours", server.address());
    let (session, _events) = connect(&address, Duration::from_secs(6)).await;
    for path in paths::PERSISTENT {
        create_all(&session, path).await.unwrap();
    }
    session.close(LIMIT).await;

    let mut site = Site::new(1, &server).unwrap();
    site.kind = Kind::Kafka;
    site.set("zookeeper.connect", &address);
    let kafka = site.start().unwrap();
    let mut wire = Wire::connect(&kafka.site.address()).unwrap();
    let id = until("a producer id", LIMIT, || {
        let answer = wire.call(INIT_PRODUCER_ID, 0, &IDEMPOTENT)?;
        // Throttle time, error code, producer id, epoch; while the block is fetched the error tells to come again.
        Ok(answer.starts_with(&[0; 6]).then(|| answer[6..14].to_vec()))
    });
    assert_eq!(id.unwrap(), 0i64.to_be_bytes());
    let block = server.tree().unwrap().text("/ours/latest_producer_id_block").unwrap();
    assert_eq!(block, r#"{"version":1,"broker":1,"block_start":"0","block_end":"999"}"#);
}
