//! No load delays a heartbeat: the broker's runtime is wedged for several session timeouts, and the session lives.
//! How: every worker of the runtime spins without a pause while the main thread floods the session with operations.
use crate::client::{connect, pass};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tests::zookeeper::Zookeeper;
use zookeeper::store::{CreateMode, MetadataStore, Watch};

/// Two fifths of it may pass without an answer, and ZooKeeper shares the processors with the spinning threads.
const SESSION_TIMEOUT: Duration = Duration::from_secs(2);
const WEDGED: Duration = Duration::from_secs(7);

/// Lets the runtime go also where an assertion fails, since its end waits for its workers.
struct Wedge(Arc<AtomicBool>);

impl Drop for Wedge {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[test]
fn a_wedged_runtime_does_not_delay_heartbeats() {
    let server = Zookeeper::start().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (session, mut events) = runtime.block_on(connect(&server.address(), SESSION_TIMEOUT));
    let before = runtime.block_on(async {
        session.create("/e", Some("x".into()), CreateMode::Ephemeral).await.unwrap();
        session.exists("/e", Watch::None).await.unwrap()
    });

    let wedge = Wedge(Arc::new(AtomicBool::new(true)));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let wedged = wedge.0.clone();
        let spin = async move { while wedged.load(Ordering::Relaxed) {} };
        tasks.spawn_on(spin, runtime.handle());
    }
    // Nobody takes the answers of these for as long as the runtime is wedged.
    for number in 0..2000 {
        let write = session.create(&format!("/n{number}"), Some("x".into()), CreateMode::Persistent);
        tasks.spawn_on(async move { drop(write.await) }, runtime.handle());
    }
    pass(WEDGED);
    assert_eq!(events.try_recv(), None);
    drop(wedge);
    let after = runtime.block_on(session.exists("/e", Watch::None)).unwrap();
    assert_eq!(after, before);
    assert_eq!(events.try_recv(), None);
}
