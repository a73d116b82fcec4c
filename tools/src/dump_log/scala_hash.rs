//! The order in which Scala's mutable maps and sets list what is in them, in which Kafka's tool prints it.
//!
//! Source: scala.collection.mutable.HashMap and HashSet of 2.13, String.hashCode, TopicPartition.hashCode.

/// Buckets of a table that nobody gave a size.
const BUCKETS: usize = 16;

/// A table in the order of its buckets; within one by hash, and then by age.
#[derive(Debug)]
pub(super) struct Table<T> {
    items: Vec<(i32, T)>,
    buckets: usize,
}

impl<T: PartialEq> Table<T> {
    pub(super) fn new() -> Table<T> {
        Table { items: Vec::new(), buckets: BUCKETS }
    }

    /// Makes room for what is about to come, as adding a whole collection does: its size is what counts, whatever is
    /// in the table already.
    pub(super) fn expect(&mut self, size: usize) {
        let capacity = ((size + 1) as f64 / 0.75) as usize;
        self.buckets = self.buckets.max(capacity.max(5).next_power_of_two());
    }

    /// Adds one as a single call does, which lets the table grow first.
    pub(super) fn add(&mut self, item: T, hash: i32) {
        if self.items.len() + 1 >= self.buckets * 3 / 4 {
            self.buckets *= 2;
        }
        self.put(item, hash);
    }

    /// Adds one of a collection that [`Self::expect`] announced.
    pub(super) fn put(&mut self, item: T, hash: i32) {
        let hash = hash ^ (hash as u32 >> 16) as i32;
        if !self.items.iter().any(|(present, other)| *present == hash && *other == item) {
            self.items.push((hash, item));
        }
    }

    /// Everything, in the table's order.
    pub(super) fn into_ordered(mut self) -> impl Iterator<Item = T> {
        let buckets = self.buckets;
        self.items.sort_by_key(|(hash, _)| (*hash as usize & (buckets - 1), *hash));
        self.items.into_iter().map(|(_, item)| item)
    }
}

/// `String.hashCode`.
pub(super) fn of_text(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// `TopicPartition.hashCode`.
pub(super) fn of_partition(topic: &str, partition: i32) -> i32 {
    let hash = 31i32.wrapping_add(partition);
    hash.wrapping_mul(31).wrapping_add(of_text(topic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_javas() {
        assert_eq!(of_text("tx-open"), -943_281_165);
        assert_eq!(of_text("😀"), 1_772_899);
        assert_eq!(of_partition("", 0), 961);
    }
}
