//! What a request names more than once, which several APIs refuse: told in one pass, however long a client makes the list.

use std::collections::BTreeSet;

pub(super) fn repeated<T: Ord + Copy>(named: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let mut seen = BTreeSet::new();
    named.into_iter().filter(|name| !seen.insert(*name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_once_is_not_told() {
        assert_eq!(repeated(["a", "b", "c", "b", "b", "c"]), BTreeSet::from(["b", "c"]));
        assert_eq!(repeated([("t", 0), ("t", 1), ("u", 0)]), BTreeSet::new());
    }
}
