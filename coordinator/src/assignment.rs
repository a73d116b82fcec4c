//! Which brokers keep the replicas of new partitions: round robin, spread over racks where all brokers name one.
//!
//! Randomness is passed in, so that the same input always gives the same assignment; with Kafka's numbers it gives
//! Kafka's assignment. Source: org.apache.kafka.admin.AdminUtils of 3.9 (KIP-36 for racks).

use std::collections::{BTreeMap, BTreeSet};

use protocol::ids::BrokerId;

/// A broker that may take replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub id: BrokerId,
    pub rack: Option<String>,
}

/// Where the round robin begins. For a new topic both are random and below the number of brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Which broker, by its place in the list, leads partition 0.
    pub first: usize,
    /// How far from it the next replica lies.
    pub shift: usize,
}

impl Start {
    /// Where added partitions go on (AdminZkClient.createNewPartitionsAssignment): at the broker that leads partition 0
    /// or, if it is gone, the next by id. `brokers` must be sorted by id.
    pub fn beside(leader_of_first: BrokerId, brokers: &[Candidate]) -> Start {
        let place = brokers.iter().position(|broker| broker.id >= leader_of_first).unwrap_or(0);
        Start { first: place, shift: place }
    }
}

/// Which partitions are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The number of the first of them: how many there are already.
    pub from: i32,
    pub count: i32,
    pub replication_factor: i16,
}

/// Why replicas cannot be chosen; the texts are Kafka's but for the limit, which is ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssignError {
    #[error("Number of partitions must be larger than 0.")]
    NoPartitions,
    #[error("A topic cannot have more than {max} partitions.")]
    TooManyPartitions { max: i32 },
    #[error("Replication factor must be larger than 0.")]
    NoReplicas,
    #[error("Replication factor: {wanted} larger than available brokers: {available}.")]
    TooFewBrokers { wanted: i16, available: usize },
    #[error("Not all brokers have rack information for replica rack aware assignment.")]
    RacksMissing,
}

/// What fits into one znode of the default jute.maxbuffer of a Kafka broker, 4 MiB. Kafka has no limit of its own and
/// fails with whatever breaks first.
pub const PARTITIONS_MAX: i32 = 250_000;

/// The replicas of each wanted partition, preferred leader first.
pub fn assign(
    brokers: &[Candidate],
    wanted: Wanted,
    start: Start,
) -> Result<BTreeMap<i32, Vec<BrokerId>>, AssignError> {
    if wanted.count <= 0 {
        return Err(AssignError::NoPartitions);
    }
    let last = wanted.from.max(0).checked_add(wanted.count).filter(|last| *last <= PARTITIONS_MAX);
    let last = last.ok_or(AssignError::TooManyPartitions { max: PARTITIONS_MAX })?;
    let replicas = usize::try_from(wanted.replication_factor).unwrap_or(0);
    if replicas == 0 {
        return Err(AssignError::NoReplicas);
    }
    if replicas > brokers.len() {
        return Err(AssignError::TooFewBrokers {
            wanted: wanted.replication_factor,
            available: brokers.len(),
        });
    }
    let ring = Ring::of(brokers)?;
    let partitions = wanted.from.max(0)..last;
    Ok(partitions
        .map(|partition| (partition, ring.replicas(partition, replicas, start, wanted.from)))
        .collect())
}

/// The brokers in the order of the round robin.
struct Ring<'a> {
    brokers: Vec<&'a Candidate>,
    /// None where racks play no part.
    racks: Option<usize>,
}

impl<'a> Ring<'a> {
    fn of(brokers: &'a [Candidate]) -> Result<Ring<'a>, AssignError> {
        if brokers.iter().all(|broker| broker.rack.is_none()) {
            return Ok(Ring { brokers: brokers.iter().collect(), racks: None });
        }
        let mut by_rack: BTreeMap<&str, Vec<&Candidate>> = BTreeMap::new();
        for broker in brokers {
            let rack = broker.rack.as_deref().ok_or(AssignError::RacksMissing)?;
            by_rack.entry(rack).or_default().push(broker);
        }
        for rack in by_rack.values_mut() {
            rack.sort_by_key(|broker| broker.id);
        }
        let racks = Some(by_rack.len());
        let deepest = by_rack.values().map(Vec::len).max().unwrap_or(0);
        let alternating =
            (0..deepest).flat_map(|row| by_rack.values().filter_map(move |rack| rack.get(row).copied()));
        Ok(Ring { brokers: alternating.collect(), racks })
    }

    fn replicas(&self, partition: i32, count: usize, start: Start, from: i32) -> Vec<BrokerId> {
        let brokers = self.brokers.len();
        let partition = usize::try_from(partition).unwrap_or(0);
        let from = usize::try_from(from).unwrap_or(0);
        let first = (partition + start.first) % brokers;
        // The shift grows each time the round robin has gone round; partition 0 does not count.
        let rounds = partition / brokers - from.saturating_sub(1) / brokers;
        let shift = start.shift + rounds;
        match self.racks {
            None => self.plain(first, shift, count),
            Some(racks) => self.across_racks(first, shift * racks, count),
        }
    }

    fn plain(&self, first: usize, shift: usize, count: usize) -> Vec<BrokerId> {
        let others = (0..count - 1).map(|nth| self.other(first, shift + nth));
        std::iter::once(first).chain(others).map(|place| self.brokers[place].id).collect()
    }

    /// No rack gets a second replica before each has one, no broker a second at all.
    fn across_racks(&self, first: usize, shift: usize, count: usize) -> Vec<BrokerId> {
        let mut chosen = vec![self.brokers[first]];
        let mut racks: BTreeSet<_> = chosen.iter().map(|broker| &broker.rack).collect();
        let mut nth = 0;
        while chosen.len() < count {
            let candidate = self.brokers[self.other(first, shift + nth)];
            let new_rack = !racks.contains(&candidate.rack) || Some(racks.len()) == self.racks;
            if new_rack && !chosen.contains(&candidate) {
                chosen.push(candidate);
                racks.insert(&candidate.rack);
            }
            nth += 1;
        }
        chosen.into_iter().map(|broker| broker.id).collect()
    }

    /// The place of a broker other than the first, going round all others. There are at least two brokers here.
    fn other(&self, first: usize, shift: usize) -> usize {
        let brokers = self.brokers.len();
        (first + 1 + shift % (brokers - 1)) % brokers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Brokers 0, 1, 2 … in these racks; an empty name is none.
    fn candidates(racks: &[&str]) -> Vec<Candidate> {
        let rack = |name: &str| Some(name.to_owned()).filter(|name| !name.is_empty());
        (0..).zip(racks).map(|(id, name)| Candidate { id: BrokerId(id), rack: rack(name) }).collect()
    }

    fn check(
        racks: &[&str],
        (from, count, replication_factor): (i32, i32, i16),
        start: usize,
        expected: &str,
    ) {
        let wanted = Wanted { from, count, replication_factor };
        let assigned = assign(&candidates(racks), wanted, Start { first: start, shift: start }).unwrap();
        let word = |ids: &Vec<BrokerId>| ids.iter().map(ToString::to_string).collect::<String>();
        assert_eq!(assigned.values().map(word).collect::<Vec<_>>().join(" "), expected);
        assert!(assigned.keys().copied().eq(from..from + count));
    }

    const FIVE: [&str; 5] = [""; 5];
    const SIX: [&str; 6] = ["rack1", "rack2", "rack2", "rack3", "rack3", "rack1"];

    /// What AdminUtils.assignReplicasToBrokers of 3.9.1 answered to the same questions, with the same number for the
    /// first broker and the shift. `expected` has a word per partition and a digit per replica.
    #[test]
    fn the_same_as_kafka() {
        check(&FIVE, (0, 7, 3), 0, "012 123 234 340 401 023 134");
        check(&FIVE, (7, 12, 2), 3, "04 10 21 34 40 01 12 23 30 41 02 13");
        check(&SIX, (0, 9, 3), 0, "013 135 352 524 240 401 024 140 301");
        let long = "1540 3152 5324 2540 4201 0413 1035 3015 5132 2354 4520 0241 1403 3524";
        check(&SIX, (5, 14, 4), 2, long);
        check(&["a", "a", "b", "c"], (0, 9, 3), 1, "231 312 123 023 231 312 123 023 231");
        check(&["a", "a", "b", "c"], (9, 6, 2), 2, "12 02 23 31 12 02");
        check(&["z", "a", "a"], (0, 7, 2), 0, "10 02 20 10 02 20 10");
        check(&["z", "a", "a"], (3, 7, 3), 1, "021 201 102 021 201 102 021");
    }

    #[test]
    fn one_broker() {
        check(&[""], (0, 3, 1), 0, "0 0 0");
        check(&["r"], (2, 1, 1), 0, "0");
    }

    /// Whatever the brokers: replicas differ, and a rack has two only when all have one.
    #[test]
    fn replicas_are_spread() {
        for seed in 0..500_usize {
            let count = 1 + seed % 9;
            let racks: Vec<String> = (0..count).map(|id| format!("r{}", id * seed % 4)).collect();
            let racks: Vec<&str> = racks.iter().map(String::as_str).collect();
            let replication_factor = 1 + (seed / 9) % count;
            let wanted =
                Wanted { from: (seed % 5) as i32, count: 20, replication_factor: replication_factor as i16 };
            let start = Start { first: seed % count, shift: seed / 7 % count };
            let all_racks = racks.iter().collect::<BTreeSet<_>>().len();
            for ids in assign(&candidates(&racks), wanted, start).unwrap().values() {
                let distinct: BTreeSet<_> = ids.iter().collect();
                assert_eq!(distinct.len(), replication_factor, "seed {seed}: {ids:?}");
                let used = ids.iter().map(|id| racks[id.0 as usize]).collect::<BTreeSet<_>>().len();
                assert_eq!(used, replication_factor.min(all_racks), "seed {seed}: {ids:?} in {racks:?}");
            }
        }
    }

    #[test]
    fn added_partitions_go_on_where_the_first_leads() {
        let five = candidates(&FIVE);
        assert_eq!(Start::beside(BrokerId(3), &five), Start { first: 3, shift: 3 });
        assert_eq!(Start::beside(BrokerId(9), &five), Start { first: 0, shift: 0 });
    }

    #[test]
    fn what_cannot_be() {
        let try_one = |count, replication_factor, racks: &[&str]| {
            let wanted = Wanted { from: 0, count, replication_factor };
            assign(&candidates(racks), wanted, Start { first: 0, shift: 0 }).unwrap_err()
        };
        assert_eq!(try_one(0, 1, &FIVE), AssignError::NoPartitions);
        assert_eq!(try_one(i32::MAX, 1, &FIVE), AssignError::TooManyPartitions { max: PARTITIONS_MAX });
        assert_eq!(try_one(1, 0, &FIVE), AssignError::NoReplicas);
        assert_eq!(try_one(1, -1, &FIVE), AssignError::NoReplicas);
        assert_eq!(try_one(1, 6, &FIVE), AssignError::TooFewBrokers { wanted: 6, available: 5 });
        assert_eq!(try_one(1, 1, &[]), AssignError::TooFewBrokers { wanted: 1, available: 0 });
        assert_eq!(try_one(1, 1, &["a", ""]), AssignError::RacksMissing);
    }
}
