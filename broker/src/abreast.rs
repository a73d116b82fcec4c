//! Work on many logs, several at a time: each waits for the disk, and a file system writes the syncs of several in one go.
//! Blocks its thread. Called where logs are made and closed; those that a start opens have `broker/loading.rs`.

use std::sync::{Mutex, PoisonError};

/// Logs that are worked on at the same time.
const ABREAST: usize = 8;

/// What `work` makes of each item, in no order.
pub(crate) fn abreast<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> Option<R> + Sync) -> Vec<R> {
    let threads = items.len().min(ABREAST);
    let (items, done) = (Mutex::new(items.into_iter()), Mutex::new(Vec::new()));
    let next = || items.lock().unwrap_or_else(PoisonError::into_inner).next();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = next() {
                    let outcome = work(item);
                    done.lock().unwrap_or_else(PoisonError::into_inner).extend(outcome);
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}
