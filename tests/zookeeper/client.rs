//! What the tests of this suite share: settings, and waiting for an event with a deadline.
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};
use tests::condition::until;
use zookeeper::connect_string::ConnectString;
use zookeeper::events::{SessionEvent, SessionEvents};
use zookeeper::session::{Session, SessionSettings};

/// Longer than anything takes that works.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn settings(connect: &str, session_timeout: Duration) -> SessionSettings {
    SessionSettings {
        connect: ConnectString::parse(connect).unwrap(),
        session_timeout,
        connection_timeout: LIMIT,
        in_flight_max: NonZeroUsize::new(10).unwrap(),
    }
}

pub(crate) async fn connect(address: &str, session_timeout: Duration) -> (Session, SessionEvents) {
    Session::connect(settings(address, session_timeout)).await.unwrap()
}

pub(crate) async fn next(events: &mut SessionEvents) -> SessionEvent {
    tokio::time::timeout(LIMIT, events.recv()).await.expect("an event in time").expect("the session is open")
}

/// Time is what some claims are about: the condition is that it has passed.
pub(crate) fn pass(time: Duration) {
    let end = Instant::now() + time;
    until("time passes", time + LIMIT, || Ok((Instant::now() >= end).then_some(()))).unwrap();
}
