//! Wakes the threads of the runtime once a second, for a moment: one that sleeps gives no memory back (docs/decisions/0014).

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::tasks::{TaskKind, Tasks};

const PERIOD: Duration = Duration::from_secs(1);

/// As many tasks as threads, all of them due at once, so that each thread finds one.
pub(super) fn wake(tasks: &Tasks) {
    let begin = Instant::now();
    for number in 0..Handle::current().metrics().num_workers() {
        let stopping = tasks.stopping(TaskKind::Upkeep);
        tasks.spawn(TaskKind::Upkeep, format!("waker {number}"), async move {
            let mut moments = interval_at(begin, PERIOD);
            moments.set_missed_tick_behavior(MissedTickBehavior::Skip);
            while stopping.run_until_cancelled(moments.tick()).await.is_some() {}
            Ok(())
        });
    }
}
