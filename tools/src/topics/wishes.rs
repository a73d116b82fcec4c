//! What a command wants of a topic: partitions, replicas, configs, read from its options.
//!
//! Configs are checked against the table before anybody is asked, as Kafka does. Source: CommandTopicPartition.

use std::collections::BTreeMap;

use protocol::BrokerId;

use crate::failure::Failure;
use crate::options::Options;

/// The wishes of one command.
#[derive(Debug)]
pub(super) struct Wishes {
    pub(super) partitions: Option<i32>,
    pub(super) replication_factor: Option<i32>,
    /// Replicas of partition 0, 1, …; empty if none are named.
    pub(super) assignment: Vec<Vec<BrokerId>>,
    pub(super) configs: BTreeMap<String, String>,
    pub(super) configs_to_delete: Vec<String>,
}

impl Wishes {
    pub(super) fn read(options: &Options) -> Result<Wishes, Failure> {
        Ok(Wishes {
            partitions: options.number("partitions")?,
            replication_factor: options.number("replication-factor")?,
            assignment: assignment(options.text("replica-assignment")?.unwrap_or_default())?,
            configs: configs(options.all("config"))?,
            configs_to_delete: names(options.all("delete-config"))?,
        })
    }
}

/// `1:2,2:3` is partition 0 on brokers 1 and 2, partition 1 on 2 and 3.
fn assignment(given: &str) -> Result<Vec<Vec<BrokerId>>, Failure> {
    let mut partitions: Vec<Vec<BrokerId>> = Vec::new();
    if given.is_empty() {
        return Ok(partitions);
    }
    for (index, list) in given.split(',').enumerate() {
        let replicas: Vec<BrokerId> = list.split(':').map(broker).collect::<Result<_, _>>()?;
        let twice = duplicates(&replicas);
        if !twice.is_empty() {
            let twice = join(&twice, ",");
            return refuse(format!("Partition replica lists may not contain duplicate entries: {twice}"));
        }
        if partitions.first().is_some_and(|first| first.len() != replicas.len()) {
            let list = join(&replicas, ", ");
            return refuse(format!("Partition {index} has different replication factor: [{list}]"));
        }
        partitions.push(replicas);
    }
    Ok(partitions)
}

/// Java's word for what is no number.
fn broker(text: &str) -> Result<BrokerId, Failure> {
    let number = text.trim().parse();
    number.map(BrokerId).map_err(|_| Failure::Sentence(format!("For input string: \"{}\"", text.trim())))
}

fn duplicates(replicas: &[BrokerId]) -> Vec<BrokerId> {
    let mut twice: Vec<BrokerId> = Vec::new();
    for (index, broker) in replicas.iter().enumerate() {
        if replicas[..index].contains(broker) && !twice.contains(broker) {
            twice.push(*broker);
        }
    }
    twice
}

fn configs(given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let mut configs = BTreeMap::new();
    for pair in given {
        match pair.split('=').map(str::trim).collect::<Vec<_>>()[..] {
            [name, value] if !value.is_empty() => configs.insert(name.to_owned(), value.to_owned()),
            _ => {
                return refuse(
                    "requirement failed: Invalid topic config: all configs to be added must be in the format \
                     \"key=val\".",
                );
            }
        };
    }
    for (name, value) in &configs {
        let setting = config::topic::setting(name).ok_or_else(|| unknown(name))?;
        setting.parse(value).map_err(|error| Failure::Sentence(error.wire_message()))?;
    }
    Ok(configs)
}

fn names(given: &[String]) -> Result<Vec<String>, Failure> {
    let names: Vec<String> = given.iter().map(|name| name.trim().to_owned()).collect();
    match names.iter().find(|name| config::topic::setting(name).is_none()) {
        Some(name) => Err(unknown(name)),
        None => Ok(names),
    }
}

fn unknown(name: &str) -> Failure {
    Failure::Sentence(format!("Unknown topic config name: {name}"))
}

fn refuse<T>(sentence: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Sentence(sentence.into()))
}

/// Ids with something between them.
pub(super) fn join(ids: &[BrokerId], separator: &str) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence<T: std::fmt::Debug>(refused: Result<T, Failure>) -> String {
        match refused {
            Err(Failure::Sentence(sentence)) => sentence,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn reads_replicas_by_partition() {
        let ids = |list: &[i32]| list.iter().copied().map(BrokerId).collect::<Vec<_>>();
        assert_eq!(assignment("").unwrap(), Vec::<Vec<BrokerId>>::new());
        assert_eq!(assignment("1:2, 2:3").unwrap(), [ids(&[1, 2]), ids(&[2, 3])]);
    }

    /// Recorded from Kafka 3.9.1; 2.8.2 says the same.
    #[test]
    fn refuses_as_kafka_does() {
        let replicas = |given| sentence(assignment(given));
        assert_eq!(replicas("1:1"), "Partition replica lists may not contain duplicate entries: 1");
        assert_eq!(replicas("1,1:2"), "Partition 1 has different replication factor: [1, 2]");
        assert_eq!(replicas("x"), "For input string: \"x\"");
        let config = |given: &str| sentence(configs(&[given.to_owned()]));
        assert_eq!(
            config("foo"),
            "requirement failed: Invalid topic config: all configs to be added must be in the format \"key=val\"."
        );
        assert_eq!(config("foo=bar"), "Unknown topic config name: foo");
        assert_eq!(
            config("retention.ms=abc"),
            "Invalid value abc for configuration retention.ms: Not a number of type LONG"
        );
        assert_eq!(
            config("retention.ms=-5"),
            "Invalid value -5 for configuration retention.ms: Value must be at least -1"
        );
        assert_eq!(sentence(names(&["nope".to_owned()])), "Unknown topic config name: nope");
    }
}
