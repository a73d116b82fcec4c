//! What a request names more than once, which several APIs refuse: told in one pass, however long a client makes the list.

use std::collections::BTreeSet;

use super::pace::{Collecting, Pace};

pub(super) fn repeated<'a, T: Ord + Copy + Send + 'a>(
    named: impl Iterator<Item = T> + Send + 'a,
) -> Collecting<'a, BTreeSet<T>> {
    Box::pin(async move {
        let (mut seen, mut repeated, mut pace) = (BTreeSet::new(), BTreeSet::new(), Pace::default());
        for name in named {
            if !seen.insert(name) {
                repeated.insert(name);
            }
            pace.step().await;
        }
        repeated
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_named_once_is_not_told() {
        assert_eq!(repeated(["a", "b", "c", "b", "b", "c"].into_iter()).await, BTreeSet::from(["b", "c"]));
        assert_eq!(repeated([("t", 0), ("t", 1), ("u", 0)].into_iter()).await, BTreeSet::new());
    }
}
