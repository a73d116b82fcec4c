//! Giving way while an API goes through a list, which a client may make half a million items long: the worker that does so may be
//! the one that polls the sockets, and all other connections wait for it. Called for every item of such lists.

use std::pin::Pin;

use tokio::task::yield_now;

/// Items between two pauses: a fraction of a millisecond where an item takes a look-up or two.
const ITEMS: usize = 128;

#[derive(Debug, Default)]
pub(super) struct Pace {
    items: usize,
}

impl Pace {
    /// Counts an item, and lets others run when it has been enough of them.
    pub(super) async fn step(&mut self) {
        self.items += 1;
        if self.items.is_multiple_of(ITEMS) {
            yield_now().await;
        }
    }
}

/// What [`collect`] returns. Boxed, since the compiler cannot tell of most iterators that they are `Send` once they are part of an
/// API's future.
pub(super) type Collecting<'a, C> = Pin<Box<dyn Future<Output = C> + Send + 'a>>;

/// `Iterator::collect` that gives way. Only what comes out of the iterator is counted.
pub(super) fn collect<'a, T, C>(items: impl Iterator<Item = T> + Send + 'a) -> Collecting<'a, C>
where
    T: Send + 'a,
    C: Default + Extend<T> + Send + 'a,
{
    Box::pin(async move {
        let (mut collected, mut pace) = (C::default(), Pace::default());
        for item in items {
            collected.extend([item]);
            pace.step().await;
        }
        collected
    })
}
