//! Lists as texts: what APPEND and SUBTRACT make of them, to the comma as Kafka's `ConfigAdminManager` does.

use std::collections::{BTreeMap, BTreeSet};

/// Adds the items that are not there yet; what is named twice is added twice, as Kafka does.
pub(super) fn appended(present: &str, value: &str) -> String {
    let mut items = if present.is_empty() { Vec::new() } else { java_split(present) };
    let known: BTreeSet<&str> = items.iter().copied().collect();
    items.extend(java_split(value).into_iter().filter(|item| !known.contains(item)));
    items.join(",")
}

/// Takes out each item as often as it is named, from the front.
pub(super) fn subtracted(present: &str, value: &str) -> String {
    let mut gone: BTreeMap<&str, usize> = BTreeMap::new();
    for item in java_split(value) {
        *gone.entry(item).or_default() += 1;
    }
    let mut items = java_split(present);
    items.retain(|item| match gone.get_mut(item) {
        Some(times) if *times > 0 => {
            *times -= 1;
            false
        }
        Some(_) | None => true,
    });
    items.join(",")
}

/// Java's `split(",")`, which drops empty parts at the end but gives one empty part for an empty text.
fn java_split(text: &str) -> Vec<&str> {
    if text.is_empty() {
        return vec![""];
    }
    text.trim_end_matches(',').split(',').filter(|_| text.bytes().any(|b| b != b',')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_taken_out_as_often_as_they_are_named() {
        assert_eq!(subtracted("a,b,a,c,a", "a,c,a,x"), "b,a");
        assert_eq!(subtracted("a,b", "c"), "a,b");
        assert_eq!(subtracted("a", "a"), "");
    }

    #[test]
    fn items_that_are_there_are_not_added() {
        assert_eq!(appended("a", "b,a,b"), "a,b,b");
        assert_eq!(appended("", "a,,"), "a");
    }
}
