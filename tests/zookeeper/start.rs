//! A start without ZooKeeper waits as long as it is told to, then says what is wrong and which key to look at.
use crate::client::{next, settings};
use crate::relay::Relay;
use std::time::{Duration, Instant};
use tests::port::Port;
use tests::zookeeper::Zookeeper;
use zookeeper::events::SessionEvent;
use zookeeper::session::{Session, SessionSettings};

#[tokio::test]
async fn nobody_is_there() {
    let port = Port::free().unwrap();
    let patience = Duration::from_millis(700);
    let address = format!("{}/kafka", port.address());
    let settings =
        SessionSettings { connection_timeout: patience, ..settings(&address, Duration::from_secs(6)) };
    let started = Instant::now();
    let error = Session::connect(settings).await.unwrap_err().to_string();
    assert!((patience..patience * 4).contains(&started.elapsed()), "{:?}", started.elapsed());
    for part in
        [address.as_str(), "700 ms", "zookeeper.connection.timeout.ms", "refused", "zookeeper.connect"]
    {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_server_is_waited_for() {
    let server = Zookeeper::start().unwrap();
    let relay = Relay::to(server.address());
    relay.cut();
    let connecting = Session::connect(settings(&relay.address(), Duration::from_secs(2)));
    let (connected, ()) = tokio::join!(connecting, async {
        crate::client::pass(Duration::from_millis(500));
        relay.mend();
    });
    let (_session, mut events) = connected.unwrap();
    relay.cut();
    assert_eq!(next(&mut events).await, SessionEvent::Suspended);
}
