//! Many ZooKeeper operations, one after the other on the wire without waiting for each other's answers.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};

use zookeeper::store::{Pending, StoreError};

/// Handed to the session before their predecessors are answered. More than it keeps in flight, so that it never runs dry.
const WINDOW: usize = 256;

enum Slot<T> {
    Waiting(Pending<T>),
    Done(Result<T, StoreError>),
}

/// Carries the operations out in their order and gives their results in the same.
pub(super) async fn pipelined<T>(
    operations: impl IntoIterator<Item = Pending<T>>,
) -> Vec<Result<T, StoreError>> {
    let mut operations = operations.into_iter();
    let mut window: VecDeque<Slot<T>> = VecDeque::new();
    let mut results = Vec::new();
    poll_fn(move |context| {
        loop {
            // The first poll hands an operation over; only the oldest is polled again, since answers come in order.
            while window.len() < WINDOW
                && let Some(operation) = operations.next()
            {
                window.push_back(polled(operation, context));
            }
            match window.pop_front() {
                None => return Poll::Ready(std::mem::take(&mut results)),
                Some(Slot::Done(result)) => results.push(result),
                Some(Slot::Waiting(operation)) => match polled(operation, context) {
                    Slot::Done(result) => results.push(result),
                    waiting @ Slot::Waiting(_) => {
                        window.push_front(waiting);
                        return Poll::Pending;
                    }
                },
            }
        }
    })
    .await
}

fn polled<T>(mut operation: Pending<T>, context: &mut Context<'_>) -> Slot<T> {
    match operation.as_mut().poll(context) {
        Poll::Ready(result) => Slot::Done(result),
        Poll::Pending => Slot::Waiting(operation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn results_come_in_order_however_the_answers_come() {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..600).map(|_| oneshot::channel()).unzip();
        let operations = receivers.into_iter().map(|answer| -> Pending<usize> {
            Box::pin(async move { Ok(answer.await.expect("the test keeps the sender")) })
        });
        let all = pipelined(operations);
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
        assert_eq!(pipelined(Vec::<Pending<()>>::new()).await, []);
    }
}
