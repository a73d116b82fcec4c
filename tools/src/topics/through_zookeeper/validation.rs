//! What 2.8 refuses to write, in its words.
//!
//! Pure: the facts come from `tree`. Source: AdminZkClient, Topic of 2.8.

use std::collections::{BTreeMap, BTreeSet};

use coordinator::assignment::{AssignError, Candidate, Start, Wanted, assign};
use coordinator::topics::{NameFlaw, check_name, collide};
use protocol::BrokerId;
use zookeeper::znodes::Assignment;

use crate::topics::wishes::join;

/// Why a topic cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Flaw {
    #[error("Topic name is illegal, it can't be empty")]
    NameEmpty,
    #[error("Topic name cannot be \".\" or \"..\"")]
    NameReserved,
    #[error("Topic name is illegal, it can't be longer than 249 characters, topic name: {0}")]
    NameLong(String),
    #[error(
        "Topic name \"{0}\" is illegal, it contains a character other than ASCII alphanumerics, '.', '_' and '-'"
    )]
    NameCharacters(String),
    #[error("Topic '{0}' already exists.")]
    Exists(String),
    #[error("Topic '{topic}' collides with existing topics: {}", .others.join(", "))]
    Collides { topic: String, others: Vec<String> },
    #[error("All partitions should have the same number of replicas")]
    UnevenReplicas,
    #[error(
        "The number of partitions for a topic can only be increased. Topic {topic} currently has {has} partitions, \
         {wanted} would not be an increase."
    )]
    NoIncrease { topic: String, has: usize, wanted: i32 },
    #[error("Unexpected existing replica assignment for topic '{0}', partition id 0 is missing.")]
    FirstMissing(String),
    #[error("Duplicate brokers not allowed in replica assignment: {replicas} for partition id {partition}.")]
    Duplicates { partition: i32, replicas: String },
    #[error(
        "Some brokers specified for partition id {partition} are not available. Specified brokers: {replicas}, \
         available brokers: {available}."
    )]
    Unavailable { partition: i32, replicas: String, available: String },
    #[error(
        "Inconsistent replication factor between partitions, partition 0 has {first} while partitions [{partitions}] \
         have replication factors [{factors}], respectively."
    )]
    Inconsistent { first: usize, partitions: String, factors: String },
    #[error("{0}")]
    Assign(#[from] AssignError),
}

impl Flaw {
    /// Whether --if-not-exists forgives it.
    pub(super) fn is_existence(&self) -> bool {
        matches!(self, Flaw::Exists(_))
    }
}

impl From<NameFlaw> for Flaw {
    fn from(flaw: NameFlaw) -> Flaw {
        match flaw {
            NameFlaw::Empty => Flaw::NameEmpty,
            NameFlaw::Reserved(_) => Flaw::NameReserved,
            NameFlaw::Long(name) => Flaw::NameLong(name),
            NameFlaw::Characters(name) => Flaw::NameCharacters(name),
        }
    }
}

/// Whether a topic may be created (validateTopicCreate). Replica lists are checked for duplicates when they are read.
pub(super) fn check_new_topic(
    name: &str,
    replicas: &BTreeMap<i32, Vec<BrokerId>>,
    existing: &[String],
) -> Result<(), Flaw> {
    check_name(name)?;
    if existing.iter().any(|topic| topic == name) {
        return Err(Flaw::Exists(name.to_owned()));
    }
    let others: Vec<String> = existing.iter().filter(|topic| collide(topic, name)).cloned().collect();
    if !others.is_empty() {
        return Err(Flaw::Collides { topic: name.to_owned(), others });
    }
    let factors: BTreeSet<usize> = replicas.values().map(Vec::len).collect();
    match factors.len() {
        1 => Ok(()),
        _ => Err(Flaw::UnevenReplicas),
    }
}

/// The replicas of partitions to be added (createNewPartitionsAssignment); `given` is empty where brokers are chosen.
pub(super) fn plan_added_partitions(
    topic: &str,
    existing: &BTreeMap<i32, Assignment>,
    (total, given): (i32, BTreeMap<i32, Vec<BrokerId>>),
    brokers: &[Candidate],
) -> Result<BTreeMap<i32, Vec<BrokerId>>, Flaw> {
    let first = existing.get(&0).map(|first| first.replicas.as_slice()).unwrap_or_default();
    let Some(leader) = first.first() else { return Err(Flaw::FirstMissing(topic.to_owned())) };
    let has = existing.len();
    let from = i32::try_from(has).unwrap_or(i32::MAX);
    if total <= from {
        return Err(Flaw::NoIncrease { topic: topic.to_owned(), has, wanted: total });
    }
    if given.is_empty() {
        let replication_factor = i16::try_from(first.len()).unwrap_or(i16::MAX);
        let wanted = Wanted { from, count: total - from, replication_factor };
        return Ok(assign(brokers, wanted, Start::beside(*leader, brokers))?);
    }
    check_given(&given, first.len(), brokers)?;
    Ok(given)
}

fn check_given(
    given: &BTreeMap<i32, Vec<BrokerId>>,
    first: usize,
    brokers: &[Candidate],
) -> Result<(), Flaw> {
    let available: Vec<BrokerId> = brokers.iter().map(|broker| broker.id).collect();
    for (&partition, replicas) in given {
        let replicas_text = join(replicas, ", ");
        if replicas.iter().collect::<BTreeSet<_>>().len() < replicas.len() {
            return Err(Flaw::Duplicates { partition, replicas: replicas_text });
        }
        if !replicas.iter().all(|broker| available.contains(broker)) {
            let available = join(&available, ", ");
            return Err(Flaw::Unavailable { partition, replicas: replicas_text, available });
        }
    }
    let odd = || given.iter().filter(|(_, replicas)| replicas.len() != first);
    if odd().next().is_none() {
        return Ok(());
    }
    let list = |numbers: Vec<String>| numbers.join(", ");
    let partitions = list(odd().map(|(index, _)| index.to_string()).collect());
    let factors = list(odd().map(|(_, replicas)| replicas.len().to_string()).collect());
    Err(Flaw::Inconsistent { first, partitions, factors })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(list: &[i32]) -> Vec<BrokerId> {
        list.iter().copied().map(BrokerId).collect()
    }

    fn refused(name: &str) -> String {
        let replicas = BTreeMap::from([(0, ids(&[1]))]);
        let existing = ["z1".to_owned(), "z_y.z".to_owned()];
        check_new_topic(name, &replicas, &existing).unwrap_err().to_string()
    }

    /// Recorded from Kafka 2.8.2.
    #[test]
    fn refuses_topics_in_28s_words() {
        assert_eq!(refused(""), "Topic name is illegal, it can't be empty");
        assert_eq!(refused("."), "Topic name cannot be \".\" or \"..\"");
        assert_eq!(
            refused("z/5"),
            "Topic name \"z/5\" is illegal, it contains a character other than ASCII alphanumerics, '.', '_' and '-'"
        );
        assert_eq!(refused("z1"), "Topic 'z1' already exists.");
        assert_eq!(refused("z.y.z"), "Topic 'z.y.z' collides with existing topics: z_y.z");
    }

    fn planned(total: i32, given: &[(i32, &[i32])]) -> Result<Vec<i32>, String> {
        let assignment = |index| (index, Assignment { replicas: ids(&[1]), ..Assignment::default() });
        let existing = (0..4).map(assignment).collect();
        let given = given.iter().map(|(index, list)| (*index, ids(list))).collect();
        let brokers = [Candidate { id: BrokerId(1), rack: None }];
        plan_added_partitions("z1", &existing, (total, given), &brokers)
            .map(|added| added.into_keys().collect())
            .map_err(|flaw| flaw.to_string())
    }

    /// Recorded from Kafka 2.8.2, but for the last two, which are read from its source.
    #[test]
    fn plans_added_partitions() {
        assert_eq!(planned(6, &[]).unwrap(), [4, 5]);
        assert_eq!(planned(6, &[(4, &[1]), (5, &[1])]).unwrap(), [4, 5]);
        let no_increase = |wanted| {
            format!(
                "The number of partitions for a topic can only be increased. Topic z1 currently has 4 partitions, \
                 {wanted} would not be an increase."
            )
        };
        assert_eq!(planned(4, &[]).unwrap_err(), no_increase(4));
        assert_eq!(planned(3, &[]).unwrap_err(), no_increase(3));
        assert_eq!(
            planned(7, &[(6, &[9])]).unwrap_err(),
            "Some brokers specified for partition id 6 are not available. Specified brokers: 9, available brokers: 1."
        );
        assert_eq!(
            planned(5, &[(4, &[1, 1])]).unwrap_err(),
            "Duplicate brokers not allowed in replica assignment: 1, 1 for partition id 4."
        );
        assert_eq!(
            planned(5, &[(4, &[])]).unwrap_err(),
            "Inconsistent replication factor between partitions, partition 0 has 1 while partitions [4] have \
             replication factors [0], respectively."
        );
    }
}
