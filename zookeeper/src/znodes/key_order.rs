//! The order in which Kafka's hash tables give their keys, since that is the order of keys in its JSON.
//!
//! Owns three orders: Scala's mutable and immutable maps and Java's `Properties`; pure. Readers don't care about order: this is
//! for znodes that equal a real broker's byte for byte. Keys that share a bin of `Properties` stand there as their history left
//! them, here as given. Source: Scala 2.13 `HashMap.scala` of both kinds, `Hashing.scala`; JDK 17 `ConcurrentHashMap.java`.

/// `java.lang.String.hashCode`.
fn java_hash(key: &str) -> u32 {
    key.encode_utf16().fold(0, |hash: u32, unit| hash.wrapping_mul(31).wrapping_add(unit.into()))
}

fn spread(hash: u32) -> u32 {
    hash ^ (hash >> 16)
}

/// `scala.collection.mutable.HashMap`, filled one by one from empty: a table of 16 that doubles when three quarters are reached.
pub(super) fn scala_mutable<T>(entries: Vec<T>, key: impl Fn(&T) -> &str) -> Vec<T> {
    let size = table_size(entries.len());
    sorted(entries, |entry| {
        let hash = spread(java_hash(key(entry)));
        // Within a bucket by the hash as a signed number.
        (hash & (size - 1), hash as i32)
    })
}

/// `java.util.Properties`.
pub(super) fn java_properties<T>(entries: Vec<T>, key: impl Fn(&T) -> &str) -> Vec<T> {
    let size = table_size(entries.len());
    sorted(entries, |entry| spread(java_hash(key(entry))) & (size - 1))
}

fn table_size(count: usize) -> u32 {
    let mut size = 16;
    while count >= size / 4 * 3 {
        size *= 2;
    }
    size as u32
}

fn sorted<T, K: Ord>(mut entries: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    entries.sort_by_key(key);
    entries
}

/// `scala.collection.immutable.Map`: up to four keys as inserted, then a trie whose nodes give their own keys before their
/// children's.
pub(super) fn scala_immutable<T>(entries: Vec<T>, key: impl Fn(&T) -> &str) -> Vec<T> {
    if entries.len() <= 4 {
        return entries;
    }
    let hashed = entries.into_iter().map(|entry| (improved(java_hash(key(&entry))), entry)).collect();
    let mut ordered = Vec::new();
    walk(hashed, 0, &mut ordered);
    ordered
}

fn walk<T>(entries: Vec<(u32, T)>, shift: u32, ordered: &mut Vec<T>) {
    if shift >= u32::BITS {
        return ordered.extend(entries.into_iter().map(|(_, entry)| entry));
    }
    let mut slots: Vec<Vec<(u32, T)>> = (0..32).map(|_| Vec::new()).collect();
    for (hash, entry) in entries {
        slots[(hash >> shift) as usize & 31].push((hash, entry));
    }
    let (alone, shared): (Vec<_>, Vec<_>) =
        slots.into_iter().filter(|slot| !slot.is_empty()).partition(|slot| slot.len() == 1);
    ordered.extend(alone.into_iter().flatten().map(|(_, entry)| entry));
    shared.into_iter().for_each(|slot| walk(slot, shift + 5, ordered));
}

/// `scala.collection.Hashing.improve`.
fn improved(hash: u32) -> u32 {
    let hash = hash.wrapping_add(!(hash << 9));
    let hash = hash ^ (hash >> 14);
    let hash = hash.wrapping_add(hash << 4);
    hash ^ (hash >> 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(order: fn(Vec<&str>) -> Vec<&str>, live: &str) {
        let mut keys: Vec<&str> = live.split(' ').collect();
        keys.sort_unstable();
        assert_eq!(order(keys).join(" "), live);
    }

    /// `listener_security_protocol_map` of a 3.9.1 broker with six listeners.
    #[test]
    fn scalas_immutable_order() {
        check(|keys| scala_immutable(keys, |key| key), "E A B C PLAINTEXT D");
    }

    /// `partitions` of a topic with 40 of them.
    #[test]
    fn scalas_mutable_order() {
        let live = "22 23 24 25 26 27 28 29 30 31 10 32 11 33 12 34 13 35 14 36 15 37 16 38 17 39 18 19 \
                    0 1 2 3 4 5 6 7 8 9 20 21";
        check(|keys| scala_mutable(keys, |key| key), live);
    }

    /// `config` of a topic with 13 settings.
    #[test]
    fn javas_order() {
        let live = "compression.type file.delete.delay.ms max.message.bytes min.insync.replicas segment.jitter.ms \
                    index.interval.bytes unclean.leader.election.enable delete.retention.ms cleanup.policy flush.ms \
                    segment.bytes segment.ms flush.messages";
        check(|keys| java_properties(keys, |key| key), live);
    }
}
