//! What topics may be called, and what may be asked of CreateTopics and CreatePartitions.
//!
//! The checks run in Kafka's order, so that of several faults the client hears of the same one; the texts are Kafka's,
//! since people search for them. Source: Topic, ZkAdminManager and AdminZkClient of 3.9.

use std::collections::{BTreeMap, BTreeSet};

use protocol::ids::{BrokerId, TopicId};

use crate::assignment::{AssignError, Candidate, Start, Wanted, assign};
use crate::controller::cluster::Assignment;

mod names;

pub use names::{NameFlaw, can_collide, check_name, collide, is_internal};

/// A version 4 UUID of these random bits. None for one that begins with a dash in base64, as ids are printed: tools would
/// take it for an option, so Kafka draws again (org.apache.kafka.common.Uuid.randomUuid).
pub fn topic_id(random: u128) -> Option<TopicId> {
    const VERSION_AND_VARIANT: u128 = 0xf << 76 | 0b11 << 62;
    const VERSION_4: u128 = 0x4 << 76 | 0b10 << 62;
    const BASE64_DASH: u8 = 62;
    let id = TopicId::from_u128(random & !VERSION_AND_VARIANT | VERSION_4);
    (id.as_bytes()[0] >> 2 != BASE64_DASH).then_some(id)
}

/// Why a request about a topic is refused, in Kafka's words; the broker gives each its code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    #[error("Topic name is invalid: {0}")]
    Name(NameFlaw),
    #[error("Topic '{name}' already exists.")]
    Exists { name: String },
    #[error("Topic '{name}' is marked for deletion.")]
    MarkedForDeletion { name: String },
    #[error("Topic '{name}' collides with existing topics: {}", .others.join(", "))]
    Collides { name: String, others: Vec<String> },
    #[error(
        "Both numPartitions or replicationFactor and replicasAssignments were set. Both cannot be used at the same time."
    )]
    CountsAndAssignments,
    #[error("{0}")]
    Assign(#[from] AssignError),
    #[error("{0}")]
    Assignment(String),
    #[error("The topic '{name}' does not exist.")]
    Unknown { name: String },
    #[error("A partition reassignment is in progress for the topic '{name}'.")]
    BeingReassigned { name: String },
    #[error("Topic currently has {has} partitions, which is higher than the requested {wanted}.")]
    FewerPartitions { has: usize, wanted: i32 },
    #[error("Topic already has {has} partitions.")]
    SamePartitions { has: usize },
}

/// What CreateTopics says of a topic's partitions.
#[derive(Debug, Clone, Default)]
pub struct Creation {
    /// None (-1 on the wire): num.partitions decides.
    pub partitions: Option<i32>,
    /// None (-1 on the wire): default.replication.factor decides.
    pub replication_factor: Option<i16>,
    /// Empty: the brokers are chosen.
    pub assignments: BTreeMap<i32, Vec<BrokerId>>,
}

/// num.partitions and default.replication.factor.
#[derive(Debug, Clone, Copy)]
pub struct Defaults {
    pub partitions: i32,
    pub replication_factor: i16,
}

/// The replicas of each partition of a new topic. Next comes `check_creation`.
pub fn plan_creation(
    creation: &Creation,
    defaults: Defaults,
    brokers: &[Candidate],
    start: Start,
) -> Result<BTreeMap<i32, Vec<BrokerId>>, TopicError> {
    if creation.assignments.is_empty() {
        let count = creation.partitions.unwrap_or(defaults.partitions);
        let replication_factor = creation.replication_factor.unwrap_or(defaults.replication_factor);
        return Ok(assign(brokers, Wanted { from: 0, count, replication_factor }, start)?);
    }
    if creation.partitions.is_some() || creation.replication_factor.is_some() {
        return Err(TopicError::CountsAndAssignments);
    }
    Ok(creation.assignments.clone())
}

/// What is known of other topics when one is created.
#[derive(Debug, Clone, Default)]
pub struct Existing {
    /// The children of `/brokers/topics`, or only the topic of this name where no other can collide with it.
    pub topics: BTreeSet<String>,
    /// Whether `/admin/delete_topics/T` exists.
    pub marked_for_deletion: bool,
}

/// Whether a topic may be created with these replicas (AdminZkClient.validateTopicCreate). Brokers that do not exist
/// are not looked for, as in Kafka.
pub fn check_creation(
    name: &str,
    replicas: &BTreeMap<i32, Vec<BrokerId>>,
    existing: &Existing,
) -> Result<(), TopicError> {
    check_name(name).map_err(TopicError::Name)?;
    if existing.marked_for_deletion {
        return Err(TopicError::MarkedForDeletion { name: name.to_owned() });
    }
    if existing.topics.contains(name) {
        return Err(TopicError::Exists { name: name.to_owned() });
    }
    let others: Vec<String> = existing.topics.iter().filter(|other| collide(name, other)).cloned().collect();
    if !others.is_empty() {
        return Err(TopicError::Collides { name: name.to_owned(), others });
    }
    check_replicas(replicas)
}

fn check_replicas(replicas: &BTreeMap<i32, Vec<BrokerId>>) -> Result<(), TopicError> {
    let fault = |text: &str| Err(TopicError::Assignment(text.to_owned()));
    let factors: BTreeSet<usize> = replicas.values().map(Vec::len).collect();
    if factors.len() != 1 {
        return fault("All partitions should have the same number of replicas");
    }
    if factors.contains(&0) {
        // Kafka takes these, and the topic can never have a leader.
        return fault("A partition needs at least one replica");
    }
    if let Some((partition, twice)) = replicas.iter().find(|(_, ids)| has_duplicates(ids)) {
        return Err(TopicError::Assignment(format!(
            "Duplicate replica assignment found: partition {partition} on {}",
            join(twice)
        )));
    }
    let expected = 0..i32::try_from(replicas.len()).unwrap_or(i32::MAX);
    if !replicas.keys().copied().eq(expected) {
        return fault("partitions should be a consecutive 0-based integer sequence");
    }
    Ok(())
}

/// What CreatePartitions says of a topic.
#[derive(Debug, Clone, Default)]
pub struct Growth {
    /// How many partitions there are to be, old ones included.
    pub count: i32,
    /// One list of replicas per added partition, or none: then the brokers are chosen.
    pub assignments: Option<Vec<Vec<BrokerId>>>,
}

/// The replicas of the partitions that are added. `brokers` must be sorted by id.
pub fn plan_growth(
    name: &str,
    existing: &BTreeMap<i32, Assignment>,
    growth: &Growth,
    brokers: &[Candidate],
) -> Result<BTreeMap<i32, Vec<BrokerId>>, TopicError> {
    if existing.values().any(|found| !found.adding.is_empty() || !found.removing.is_empty()) {
        return Err(TopicError::BeingReassigned { name: name.to_owned() });
    }
    let Some(has) = i32::try_from(existing.len()).ok().filter(|has| *has > 0) else {
        return Err(TopicError::Unknown { name: name.to_owned() });
    };
    let added = growth.count.checked_sub(has).unwrap_or(i32::MIN);
    if added < 0 {
        return Err(TopicError::FewerPartitions { has: existing.len(), wanted: growth.count });
    }
    if added == 0 {
        return Err(TopicError::SamePartitions { has: existing.len() });
    }
    let Some(first) = existing.get(&0).map(|found| &found.replicas) else {
        let text =
            format!("Unexpected existing replica assignment for topic '{name}', partition id 0 is missing.");
        return Err(TopicError::Assignment(text));
    };
    let Some(leader) = first.first() else {
        return Err(TopicError::Assign(AssignError::NoReplicas));
    };
    match &growth.assignments {
        Some(given) => given_growth(given, has, (added, first.len()), brokers),
        None => {
            let replication_factor = i16::try_from(first.len()).unwrap_or(i16::MAX);
            let wanted = Wanted { from: has, count: added, replication_factor };
            Ok(assign(brokers, wanted, Start::beside(*leader, brokers))?)
        }
    }
}

fn given_growth(
    given: &[Vec<BrokerId>],
    from: i32,
    (added, replication_factor): (i32, usize),
    brokers: &[Candidate],
) -> Result<BTreeMap<i32, Vec<BrokerId>>, TopicError> {
    let live: BTreeSet<BrokerId> = brokers.iter().map(|broker| broker.id).collect();
    let unknown: BTreeSet<BrokerId> =
        given.iter().flatten().copied().filter(|id| !live.contains(id)).collect();
    let fault = |text: String| Err(TopicError::Assignment(text));
    if !unknown.is_empty() {
        return fault(format!("Unknown broker(s) in replica assignment: {}.", join(&unknown)));
    }
    if usize::try_from(added) != Ok(given.len()) {
        let count = given.len();
        return fault(format!(
            "Increasing the number of partitions by {added} but {count} assignments provided."
        ));
    }
    let replicas: BTreeMap<i32, Vec<BrokerId>> = (from..).zip(given.iter().cloned()).collect();
    for (partition, ids) in &replicas {
        if ids.is_empty() {
            return fault(format!("Cannot have replication factor of 0 for partition id {partition}."));
        }
        if has_duplicates(ids) {
            let ids = join(ids);
            return fault(format!(
                "Duplicate brokers not allowed in replica assignment: {ids} for partition id {partition}."
            ));
        }
    }
    let odd: Vec<(i32, usize)> = replicas
        .iter()
        .map(|(index, ids)| (*index, ids.len()))
        .filter(|(_, n)| *n != replication_factor)
        .collect();
    if !odd.is_empty() {
        let (partitions, factors): (Vec<i32>, Vec<usize>) = odd.into_iter().unzip();
        return fault(format!(
            "Inconsistent replication factor between partitions, partition 0 has {replication_factor} while \
             partitions [{}] have replication factors [{}], respectively.",
            join(&partitions),
            join(&factors)
        ));
    }
    Ok(replicas)
}

fn has_duplicates(ids: &[BrokerId]) -> bool {
    ids.iter().collect::<BTreeSet<_>>().len() < ids.len()
}

fn join<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(numbers: &[i32]) -> Vec<BrokerId> {
        numbers.iter().copied().map(BrokerId).collect()
    }

    fn replicas(lists: &[(i32, &[i32])]) -> BTreeMap<i32, Vec<BrokerId>> {
        lists.iter().map(|(index, list)| (*index, ids(list))).collect()
    }

    fn candidates(numbers: &[i32]) -> Vec<Candidate> {
        numbers.iter().map(|id| Candidate { id: BrokerId(*id), rack: None }).collect()
    }

    fn creation_error(name: &str, lists: &[(i32, &[i32])], existing: &[&str]) -> String {
        let topics = existing.iter().map(ToString::to_string).collect();
        let existing = Existing { topics, marked_for_deletion: false };
        check_creation(name, &replicas(lists), &existing).unwrap_err().to_string()
    }

    #[test]
    fn creations_that_are_refused() {
        let one: &[(i32, &[i32])] = &[(0, &[1])];
        assert_eq!(creation_error("a", one, &["a"]), "Topic 'a' already exists.");
        assert_eq!(
            creation_error("a_b", one, &["a.b", "c"]),
            "Topic 'a_b' collides with existing topics: a.b"
        );
        for (lists, text) in [
            (&[(0, &[1][..]), (1, &[1, 2])][..], "All partitions should have the same number of replicas"),
            (&[(0, &[1]), (2, &[2])], "partitions should be a consecutive 0-based integer sequence"),
            (&[(0, &[1, 1])], "Duplicate replica assignment found: partition 0 on 1, 1"),
        ] {
            assert_eq!(creation_error("a", lists, &[]), text);
        }
        let marked = Existing { marked_for_deletion: true, ..Existing::default() };
        let error = check_creation("a", &replicas(one), &marked).unwrap_err();
        assert_eq!(error.to_string(), "Topic 'a' is marked for deletion.");
        assert_eq!(check_creation("a", &replicas(&[(0, &[1]), (1, &[9])]), &Existing::default()), Ok(()));
    }

    #[test]
    fn creations_are_planned() {
        let defaults = Defaults { partitions: 2, replication_factor: 1 };
        let start = Start { first: 0, shift: 0 };
        let plan = |creation: &Creation| plan_creation(creation, defaults, &candidates(&[1, 2]), start);
        assert_eq!(plan(&Creation::default()), Ok(replicas(&[(0, &[1]), (1, &[2])])));
        let given = Creation { assignments: replicas(&[(0, &[2, 1])]), ..Creation::default() };
        assert_eq!(plan(&given), Ok(replicas(&[(0, &[2, 1])])));
        assert_eq!(plan(&Creation { partitions: Some(1), ..given }), Err(TopicError::CountsAndAssignments));
        let wide = plan(&Creation { replication_factor: Some(3), ..Creation::default() }).unwrap_err();
        assert_eq!(wide.to_string(), "Replication factor: 3 larger than available brokers: 2.");
    }

    fn growth(count: i32, given: Option<&[&[i32]]>) -> Result<BTreeMap<i32, Vec<BrokerId>>, TopicError> {
        let existing = BTreeMap::from([(0, Assignment::of(ids(&[2, 3]))), (1, Assignment::of(ids(&[3, 1])))]);
        let assignments = given.map(|lists| lists.iter().map(|list| ids(list)).collect());
        plan_growth("a", &existing, &Growth { count, assignments }, &candidates(&[1, 2, 3]))
    }

    #[test]
    fn growth_is_planned() {
        assert_eq!(growth(3, Some(&[&[1, 2]])), Ok(replicas(&[(2, &[1, 2])])));
        assert_eq!(growth(4, None), Ok(replicas(&[(2, &[1, 3]), (3, &[2, 3])])));
    }

    #[test]
    fn growth_that_is_refused() {
        let check =
            |count, given, text: &str| assert_eq!(growth(count, given).unwrap_err().to_string(), text);
        check(2, None, "Topic already has 2 partitions.");
        check(1, None, "Topic currently has 2 partitions, which is higher than the requested 1.");
        check(3, Some(&[&[1, 7]]), "Unknown broker(s) in replica assignment: 7.");
        check(4, Some(&[&[1, 2]]), "Increasing the number of partitions by 2 but 1 assignments provided.");
        check(3, Some(&[&[]]), "Cannot have replication factor of 0 for partition id 2.");
        check(
            3,
            Some(&[&[1, 1]]),
            "Duplicate brokers not allowed in replica assignment: 1, 1 for partition id 2.",
        );
        check(
            3,
            Some(&[&[1]]),
            "Inconsistent replication factor between partitions, partition 0 has 2 while partitions [2] have \
             replication factors [1], respectively.",
        );
        let unknown = plan_growth("a", &BTreeMap::new(), &Growth::default(), &[]).unwrap_err();
        assert_eq!(unknown, TopicError::Unknown { name: "a".to_owned() });
    }
}
