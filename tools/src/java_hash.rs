//! The order in which Java's HashMap lists its keys, in which Kafka's tools print topics, configs and partitions.
//!
//! Scripts that compare outputs depend on it. Source: java.util.HashMap, the hashCode of String and TopicPartition.

use protocol::TopicPartition;

/// Orders items as a HashMap does that was made for `capacity` keys and filled in the given order.
pub(crate) fn in_map_order<T>(items: Vec<T>, capacity: usize, key: impl Fn(&T) -> &str) -> Vec<T> {
    in_hash_order(items, capacity, |item| of_text(key(item)))
}

/// The same for keys of any type, by their hash codes.
pub(crate) fn in_hash_order<T>(mut items: Vec<T>, capacity: usize, hash: impl Fn(&T) -> u32) -> Vec<T> {
    let mut buckets = capacity.max(1).next_power_of_two();
    while items.len() * 4 > buckets * 3 {
        buckets *= 2;
    }
    items.sort_by_key(|item| spread(hash(item)) as usize & (buckets - 1));
    items
}

/// `String.hashCode`
pub(crate) fn of_text(text: &str) -> u32 {
    text.encode_utf16().fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)))
}

/// `TopicPartition.hashCode`
pub(crate) fn of_partition(partition: &TopicPartition) -> u32 {
    let hash = 31u32.wrapping_add_signed(partition.partition);
    hash.wrapping_mul(31).wrapping_add(of_text(&partition.topic))
}

fn spread(hash: u32) -> u32 {
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

    /// The order in which Kafka 3.9.1 told of these partitions; two of them share a place and keep their order.
    #[test]
    fn orders_partitions_as_java_does() {
        let given = [("empty", 0), ("comp", 0), ("both", 0), ("seg", 0), ("times", 0)];
        let partitions = given.map(|(topic, index)| TopicPartition::new(topic, index)).to_vec();
        let ordered = in_hash_order(partitions, 16, of_partition);
        let topics: Vec<&str> = ordered.iter().map(|partition| &*partition.topic).collect();
        assert_eq!(topics, ["times", "seg", "empty", "both", "comp"]);
    }
}
