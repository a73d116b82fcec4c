//! Many operations at once, for whoever reads a whole tree: their answers in the order of the questions.
//!
//! Owns the waiting only; the session itself limits what is in flight. Works on windows, so that waking stays cheap.

use std::future::poll_fn;
use std::task::{Context, Poll};

use crate::store::{Pending, StoreError};

/// Polled together: several times what is in flight by default, so that the session never idles.
const WINDOW: usize = 100;

pub async fn together<T>(pending: impl IntoIterator<Item = Pending<T>>) -> Vec<Result<T, StoreError>> {
    let mut answers = Vec::new();
    let mut pending = pending.into_iter();
    loop {
        let mut window: Vec<_> = pending.by_ref().take(WINDOW).map(Slot::Waiting).collect();
        if window.is_empty() {
            return answers;
        }
        poll_fn(|context| poll_all(&mut window, context)).await;
        answers.extend(window.into_iter().filter_map(Slot::into_answer));
    }
}

enum Slot<T> {
    Waiting(Pending<T>),
    Answered(Result<T, StoreError>),
}

impl<T> Slot<T> {
    fn into_answer(self) -> Option<Result<T, StoreError>> {
        match self {
            Slot::Waiting(_) => None,
            Slot::Answered(answer) => Some(answer),
        }
    }
}

fn poll_all<T>(window: &mut [Slot<T>], context: &mut Context<'_>) -> Poll<()> {
    let mut waiting = false;
    for slot in window {
        if let Slot::Waiting(pending) = slot {
            match pending.as_mut().poll(context) {
                Poll::Ready(answer) => *slot = Slot::Answered(answer),
                Poll::Pending => waiting = true,
            }
        }
    }
    if waiting { Poll::Pending } else { Poll::Ready(()) }
}

#[cfg(test)]
mod tests {
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
}
