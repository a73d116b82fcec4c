//! What a request names more than once. Pure. By a set and not by pairs, so that a frame full of names holds nobody up.

use std::collections::BTreeSet;

pub(super) fn repeated<T: Ord + Clone>(names: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let mut seen = BTreeSet::new();
    names.into_iter().filter(|name| !seen.insert(name.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_comes_twice() {
        assert_eq!(repeated(["a", "b", "a", "c", "a"]), BTreeSet::from(["a"]));
    }
}
