//! The tool of Kafka 3.9: everything is asked of brokers.
//!
//! Never reads ZooKeeper. A broker's own words are passed on where it gives some. Source: TopicService.

use std::collections::BTreeSet;
use std::io::Write;

use client::{Address, Client, ClientError, ConfigEntry, ConfigSource, NewPartitions, NewTopic, Placement};
use client::{Outcome, Refusal, Resource, Topic};
use protocol::{BrokerId, ErrorCode, TopicId};

use super::command::{Action, Command};
use super::described::{DescribedPartition, DescribedTopic, Dialect, Report, id_text};
use super::wishes::Wishes;
use crate::failure::Failure;
use crate::java_hash::in_map_order;
use crate::java_properties;

/// The client that a command is carried out with; it has not connected yet.
pub(super) fn client(command: &Command, bootstrap: &str) -> Result<Client, Failure> {
    let settings = java_properties::admin_settings(command.options.text("command-config")?, "adminclient-1")?;
    Ok(Client::new(Address::list(bootstrap)?, settings))
}

/// Carries a command out.
pub(super) async fn run(command: &Command, mut cluster: Client, out: &mut dyn Write) -> Result<(), Failure> {
    let cluster = &mut cluster;
    match command.action {
        Action::Create => create(command, cluster, out).await,
        Action::List => list(command, cluster, out).await,
        Action::Describe => describe(command, cluster, out).await,
        Action::Alter => alter(command, cluster).await,
        Action::Delete => delete(command, cluster).await,
    }
}

async fn create(command: &Command, cluster: &mut Client, out: &mut dyn Write) -> Result<(), Failure> {
    let wishes = Wishes::read(&command.options)?;
    let name = command.topic()?;
    super::warn_of_collision(name, out)?;
    let replication_factor = wishes.replication_factor.map(i16::try_from).transpose().ok();
    let Some(replication_factor) =
        replication_factor.filter(|factor| factor.is_none_or(|factor| factor >= 1))
    else {
        return refuse("The replication factor must be between 1 and 32767 inclusive");
    };
    if wishes.partitions.is_some_and(|count| count < 1) {
        return refuse("The partitions must be greater than 0");
    }
    let placement = match wishes.assignment.is_empty() {
        true => Placement::Counts { partitions: wishes.partitions, replication_factor },
        false => Placement::Assigned(wishes.assignment),
    };
    let topic = NewTopic { name: name.to_owned(), placement, configs: wishes.configs };
    match first_refusal(cluster.create_topics(&[topic]).await?) {
        Some(refusal) if refusal.code == ErrorCode::TopicAlreadyExists && command.has("if-not-exists") => {
            Ok(())
        }
        Some(refusal) => Err(refusal.into()),
        None => Ok(writeln!(out, "Created topic {name}.")?),
    }
}

async fn list(command: &Command, cluster: &mut Client, out: &mut dyn Write) -> Result<(), Failure> {
    let topics = matching(command, cluster).await?;
    Ok(writeln!(out, "{}", topics.join("\n"))?)
}

async fn alter(command: &Command, cluster: &mut Client) -> Result<(), Failure> {
    let wishes = Wishes::read(&command.options)?;
    let topics = existing(command, cluster).await?;
    let total = wishes.partitions.unwrap_or(0);
    let mut growth = Vec::with_capacity(topics.len());
    for topic in cluster.describe_topics(&topics).await? {
        let assigned = (!wishes.assignment.is_empty())
            .then(|| wishes.assignment.iter().skip(topic.partitions.len()).cloned().collect());
        growth.push(NewPartitions { topic: topic.name, total, assigned });
    }
    match growth.is_empty() {
        true => Ok(()),
        false => refused_first(cluster.create_partitions(&growth).await?),
    }
}

async fn delete(command: &Command, cluster: &mut Client) -> Result<(), Failure> {
    let topics = existing(command, cluster).await?;
    match topics.is_empty() {
        true => Ok(()),
        false => refused_first(cluster.delete_topics(&topics).await?),
    }
}

async fn describe(command: &Command, cluster: &mut Client, out: &mut dyn Write) -> Result<(), Failure> {
    let mut topics = wanted_topics(command, cluster).await?;
    if topics.is_empty() {
        return Ok(());
    }
    let count = topics.len();
    topics = in_map_order(topics, count, |topic| &topic.name);
    let resources: Vec<Resource> = topics.iter().map(|topic| Resource::Topic(topic.name.clone())).collect();
    let configs = cluster.describe_configs(&resources).await?;
    let live: BTreeSet<BrokerId> =
        cluster.describe_cluster().await?.brokers.iter().map(|broker| broker.id).collect();
    let report = Report::new(command, Dialect::V39, &live);
    for (topic, configs) in topics.into_iter().zip(configs) {
        report.print(&described(topic, configs?), out)?;
    }
    Ok(())
}

/// By id where one is given, else by name.
async fn wanted_topics(command: &Command, cluster: &mut Client) -> Result<Vec<Topic>, Failure> {
    let id = command.options.text("topic-id")?.map(topic_id).transpose()?.filter(|id| !id.is_nil());
    let Some(id) = id else {
        let names = existing(command, cluster).await?;
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let topics = cluster.describe_topics(&names).await?;
        return match topics.iter().find_map(|topic| Refusal::from_wire(topic.error.code(), None)) {
            Some(refusal) => Err(refusal.into()),
            None => Ok(topics),
        };
    };
    let hidden = |topic: &Topic| topic.internal && command.has("exclude-internal");
    let mut topics = cluster.list_topics().await?;
    topics.retain(|topic| topic.id == id && !hidden(topic));
    match topics.is_empty() && !command.has("if-exists") {
        true => refuse(format!("TopicId '{}' does not exist as expected", id_text(id))),
        false => Ok(topics),
    }
}

fn topic_id(text: &str) -> Result<TopicId, Failure> {
    use base64::Engine;
    use base64::alphabet::URL_SAFE;
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &URL_SAFE,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let bytes =
        LENIENT.decode(text).map_err(|error| Failure::Sentence(format!("`{text}` is no id: {error}")))?;
    TopicId::from_slice(&bytes).map_err(|_| {
        Failure::Sentence(format!(
            "Input string `{text}` decoded as {} bytes, which is not equal to the expected 16 bytes of a \
             base64-encoded UUID",
            bytes.len()
        ))
    })
}

fn described(topic: Topic, configs: Vec<ConfigEntry>) -> DescribedTopic {
    let min_in_sync = configs.iter().find(|entry| entry.name == "min.insync.replicas");
    let min_in_sync = min_in_sync.and_then(|entry| entry.value.as_deref()?.parse().ok());
    // All configs take part in the map's order, also those that are not printed. Java prints "null" for no value.
    let configs = in_map_order(configs, 16, |entry| &entry.name)
        .into_iter()
        .filter(|entry| entry.source != ConfigSource::Default)
        .map(|entry| (entry.name, entry.value.unwrap_or_else(|| "null".to_owned())))
        .collect();
    let partitions = topic.partitions.into_iter().map(|partition| DescribedPartition {
        index: partition.index,
        leader: partition.leader,
        replicas: partition.replicas,
        in_sync: partition.in_sync,
    });
    DescribedTopic {
        name: topic.name,
        id: topic.id,
        configs,
        min_in_sync,
        marked_for_deletion: false,
        partitions: partitions.collect(),
    }
}

async fn matching(command: &Command, cluster: &mut Client) -> Result<Vec<String>, Failure> {
    let topics = cluster.list_topics().await?;
    command.select(topics.into_iter().map(|topic| topic.name))
}

/// The topics meant, at least one unless --if-exists says that none is fine too.
async fn existing(command: &Command, cluster: &mut Client) -> Result<Vec<String>, Failure> {
    let topics = matching(command, cluster).await?;
    match command.options.text("topic")? {
        // Java's word for an optional value has found its way into Kafka's sentence.
        Some(given) if topics.is_empty() && !given.is_empty() && !command.has("if-exists") => {
            refuse(format!("Topic 'Optional[{given}]' does not exist as expected"))
        }
        Some(_) | None => Ok(topics),
    }
}

fn first_refusal(outcomes: Vec<Outcome>) -> Option<Refusal> {
    outcomes.into_iter().find_map(Result::err)
}

fn refused_first(outcomes: Vec<Outcome>) -> Result<(), Failure> {
    first_refusal(outcomes).map_or(Ok(()), |refusal| Err(refusal.into()))
}

fn refuse<T>(sentence: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Sentence(sentence.into()))
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure::Sentence(refusal.to_string())
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        Failure::Sentence(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ids_as_kafka_does() {
        assert!(topic_id("AAAAAAAAAAAAAAAAAAAAAA").unwrap().is_nil());
        // The last letter has bits to spare; Kafka writes none into them.
        assert_eq!(id_text(topic_id("abcdefghijklmnopqrstuv").unwrap()), "abcdefghijklmnopqrstug");
        let Err(Failure::Sentence(sentence)) = topic_id("xyz") else { panic!("xyz is no id") };
        assert_eq!(
            sentence,
            "Input string `xyz` decoded as 2 bytes, which is not equal to the expected 16 bytes of a base64-encoded UUID"
        );
    }

    #[test]
    fn describes_what_is_no_default() {
        let entry = |name: &str, value: &str, source| ConfigEntry {
            name: name.to_owned(),
            value: Some(value.to_owned()),
            source,
            sensitive: false,
            read_only: false,
            synonyms: Vec::new(),
        };
        let configs = vec![
            entry("retention.ms", "1000", ConfigSource::Topic),
            entry("min.insync.replicas", "2", ConfigSource::Default),
            entry("segment.bytes", "1048576", ConfigSource::StaticBroker),
        ];
        let topic = Topic {
            error: ErrorCode::None,
            name: "a".to_owned(),
            id: TopicId::nil(),
            internal: false,
            partitions: Vec::new(),
        };
        let described = described(topic, configs);
        assert_eq!(described.min_in_sync, Some(2));
        let names: Vec<&str> = described.configs.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["retention.ms", "segment.bytes"]);
    }
}
