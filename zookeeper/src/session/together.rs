//! Many operations at once, for whoever reads a whole tree: their answers in the order of the questions.
//!
//! Owns the waiting only; the session itself limits what is in flight.

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::store::{Pending, StoreError};

/// Handed to the session before their predecessors are answered: several times what it keeps in flight by default, so that it never
/// runs dry.
const WINDOW: usize = 256;

/// Carries the operations out in their order and gives their results in the same.
///
/// They are collected here and not in the future, which thus holds no iterator of the caller's.
pub fn together<T>(operations: impl IntoIterator<Item = Pending<T>>) -> Together<T> {
    Together { slots: operations.into_iter().map(Slot::Waiting).collect(), handed_over: 0, answered: 0 }
}

/// The operations under way.
#[must_use = "nothing is asked before it is awaited"]
pub struct Together<T> {
    slots: Vec<Slot<T>>,
    /// So many have been polled once, which is what hands an operation over.
    handed_over: usize,
    /// So many, from the first on, are answered.
    answered: usize,
}

enum Slot<T> {
    Waiting(Pending<T>),
    Answered(Result<T, StoreError>),
}

impl<T: Unpin> Future for Together<T> {
    type Output = Vec<Result<T, StoreError>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            while this.handed_over < this.slots.len().min(this.answered + WINDOW) {
                this.slots[this.handed_over].poll(context);
                this.handed_over += 1;
            }
            // Only the oldest is looked at again: the others are not wanted before it.
            let Some(oldest) = this.slots.get_mut(this.answered) else {
                return Poll::Ready(this.slots.drain(..).filter_map(Slot::into_answer).collect());
            };
            oldest.poll(context);
            match oldest {
                Slot::Answered(_) => this.answered += 1,
                Slot::Waiting(_) => return Poll::Pending,
            }
        }
    }
}

impl<T> Slot<T> {
    fn poll(&mut self, context: &mut Context<'_>) {
        if let Slot::Waiting(pending) = self
            && let Poll::Ready(answer) = pending.as_mut().poll(context)
        {
            *self = Slot::Answered(answer);
        }
    }

    fn into_answer(self) -> Option<Result<T, StoreError>> {
        match self {
            Slot::Waiting(_) => None,
            Slot::Answered(answer) => Some(answer),
        }
    }
}

impl<T> std::fmt::Debug for Together<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Together({} of {} answered)", self.answered, self.slots.len())
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::store::{CreateMode, MetadataStore, Watch};
    use crate::tree::ModelZooKeeper;

    #[tokio::test]
    async fn answers_stand_in_the_order_of_the_questions() {
        let (store, _events) = ModelZooKeeper::default().connect();
        let create = |number| store.create(&format!("/{number}"), None, CreateMode::Persistent);
        let created = together((0..250).map(create)).await;
        let paths: Vec<_> = created.into_iter().map(Result::unwrap).collect();
        assert_eq!(paths, (0..250).map(|number| format!("/{number}")).collect::<Vec<_>>());
        assert!(together(Vec::<Pending<()>>::new()).await.is_empty());
        let found = together(["/0", "/x"].map(|path| store.get(path, Watch::None))).await;
        assert!(found[0].is_ok() && found[1].is_err());
    }

    #[tokio::test]
    async fn results_come_in_order_however_the_answers_come() {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..600).map(|_| oneshot::channel()).unzip();
        let operations = receivers.into_iter().map(|answer| -> Pending<usize> {
            Box::pin(async move { Ok(answer.await.expect("the test keeps the sender")) })
        });
        let all = together(operations);
        let answers = async {
            for (number, sender) in senders.into_iter().enumerate().rev() {
                sender.send(number).expect("the window keeps what it was given");
                if number % 50 == 0 {
                    tokio::task::yield_now().await;
                }
            }
        };
        let (results, ()) = tokio::join!(all, answers);
        assert_eq!(results.into_iter().map(Result::unwrap).collect::<Vec<_>>(), (0..600).collect::<Vec<_>>());
    }
}
