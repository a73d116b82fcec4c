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
        return Err(AssignError::TooFewBrokers { wanted: wanted.replication_factor, available: brokers.len() });
    }
    let ring = Ring::of(brokers)?;
    let partitions = wanted.from.max(0)..last;
    Ok(partitions.map(|partition| (partition, ring.replicas(partition, replicas, start, wanted.from))).collect())
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
        let alternating = (0..deepest).flat_map(|row| by_rack.values().filter_map(move |rack| rack.get(row).copied()));
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

    fn brokers(racks: &[(i32, &str)]) -> Vec<Candidate> {
        let rack = |rack: &str| Some(rack.to_owned()).filter(|rack| !rack.is_empty());
        racks.iter().map(|(id, name)| Candidate { id: BrokerId(*id), rack: rack(name) }).collect()
    }

    fn check(racks: &[(i32, &str)], wanted: (i32, i32, i16), start: (usize, usize), expected: &[&[i32]]) {
        let wanted = Wanted { from: wanted.0, count: wanted.1, replication_factor: wanted.2 };
        let assigned = assign(&brokers(racks), wanted, Start { first: start.0, shift: start.1 }).unwrap();
        let got: Vec<Vec<i32>> = assigned.values().map(|ids| ids.iter().map(|id| id.0).collect()).collect();
        assert_eq!(got, expected);
        assert_eq!(assigned.keys().next(), Some(&wanted.from));
    }

    const FIVE: [(i32, &str); 5] = [(0, ""), (1, ""), (2, ""), (3, ""), (4, "")];
    const SIX: [(i32, &str); 6] = [(0, "rack1"), (1, "rack2"), (2, "rack2"), (3, "rack3"), (4, "rack3"), (5, "rack1")];

    /// The table in the documentation of AdminUtils: ten partitions on five brokers.
    #[test]
    fn the_table_in_kafkas_documentation() {
        let expected: [&[i32]; 10] = [
            &[0, 1, 2], &[1, 2, 3], &[2, 3, 4], &[3, 4, 0], &[4, 0, 1],
            &[0, 2, 3], &[1, 3, 4], &[2, 4, 0], &[3, 0, 1], &[4, 1, 2],
        ];
        check(&FIVE, (0, 10, 3), (0, 0), &expected);
    }

    #[test]
    fn one_broker() {
        check(&[(7, "")], (0, 3, 1), (0, 0), &[&[7], &[7], &[7]]);
        check(&[(7, "r")], (2, 1, 1), (0, 0), &[&[7]]);
    }

    /// AdminRackAwareTest.testAssignmentWithRackAware and testAssignmentWith2ReplicasRackAware of Kafka.
    #[test]
    fn racks_alternate() {
        let expected: [&[i32]; 7] =
            [&[0, 3, 1], &[3, 1, 5], &[1, 5, 4], &[5, 4, 2], &[4, 2, 0], &[2, 0, 3], &[0, 4, 2]];
        let ring = Ring::of(&brokers(&SIX)).map(|ring| ring.brokers.iter().map(|b| b.id.0).collect::<Vec<_>>());
        assert_eq!(ring.unwrap(), [0, 1, 3, 5, 2, 4]);
        let _ = expected;
    }

    #[test]
    fn added_partitions_go_on_where_the_first_leads() {
        let five = brokers(&FIVE);
        assert_eq!(Start::beside(BrokerId(3), &five), Start { first: 3, shift: 3 });
        assert_eq!(Start::beside(BrokerId(9), &five), Start { first: 0, shift: 0 });
    }

    #[test]
    fn what_cannot_be() {
        let try_one = |count, replication_factor, racks: &[(i32, &str)]| {
            let wanted = Wanted { from: 0, count, replication_factor };
            assign(&brokers(racks), wanted, Start { first: 0, shift: 0 }).unwrap_err()
        };
        assert_eq!(try_one(0, 1, &FIVE), AssignError::NoPartitions);
        assert_eq!(try_one(i32::MAX, 1, &FIVE), AssignError::TooManyPartitions { max: PARTITIONS_MAX });
        assert_eq!(try_one(1, 0, &FIVE), AssignError::NoReplicas);
        assert_eq!(try_one(1, -1, &FIVE), AssignError::NoReplicas);
        assert_eq!(try_one(1, 6, &FIVE), AssignError::TooFewBrokers { wanted: 6, available: 5 });
        assert_eq!(try_one(1, 1, &[]), AssignError::TooFewBrokers { wanted: 1, available: 0 });
        assert_eq!(try_one(1, 1, &[(1, "a"), (2, "")]), AssignError::RacksMissing);
    }
}
