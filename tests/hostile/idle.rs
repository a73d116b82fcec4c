//! Ten thousand idle connections cost less than 100 MB, and nothing is left of them when they have gone.
//! How: each asks one small question first, so that each has had its buffers.
use crate::{GROWTH, Ground, MEGABYTE, allow_sockets};
use anyhow::Result;
use tests::condition::until_ok;
use tests::wire::Wire;

const CONNECTIONS: usize = 10_000;

#[test]
fn ten_thousand_idle_connections_cost_less_than_100_megabytes() -> Result<()> {
    allow_sockets(CONNECTIONS as u64 + 500)?;
    let mut ground = Ground::new()?;
    let before = ground.memory()?;
    let mut idle = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut wire = ground.broker.connect()?;
        wire.served()?;
        idle.push(wire);
    }
    // What they had as buffers is given back when they have been quiet for a moment.
    ground.await_memory(before + 100 * MEGABYTE)?;
    until_ok("the last and the first are served", crate::SOON, || {
        idle.iter_mut().step_by(CONNECTIONS - 1).try_for_each(|wire| wire.served().map(drop))
    })?;
    drop::<Vec<Wire>>(idle);
    ground.await_memory(before + GROWTH)
}
