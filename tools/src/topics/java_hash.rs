//! The order in which Java's HashMap lists its keys, in which Kafka's tool prints topics and configs.
//!
//! Scripts that compare outputs depend on it. Source: java.util.HashMap, java.lang.String.hashCode.

/// Orders items as a HashMap does that was made for `capacity` keys and filled in the given order.
pub(super) fn in_map_order<T>(mut items: Vec<T>, capacity: usize, key: impl Fn(&T) -> &str) -> Vec<T> {
    let mut buckets = capacity.max(1).next_power_of_two();
    while items.len() * 4 > buckets * 3 {
        buckets *= 2;
    }
    items.sort_by_key(|item| spread(key(item)) as usize & (buckets - 1));
    items
}

fn spread(key: &str) -> u32 {
    let hash =
        key.encode_utf16().fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order in which Kafka 3.9.1 described these topics.
    #[test]
    fn orders_as_java_does() {
        let sorted = vec!["a1", "b1", "c1", "x_y.z"];
        assert_eq!(in_map_order(sorted, 4, |topic| topic), ["a1", "x_y.z", "c1", "b1"]);
        let configs = vec!["cleanup.policy", "retention.ms", "segment.bytes"];
        assert_eq!(in_map_order(configs.clone(), 16, |name| name), configs);
    }
}
