//! The tool of Kafka 2.8 with --zookeeper: everything is read from and written to znodes.
//!
//! Never talks to a broker; the controller sees the znodes and acts. Words are 2.8's, which differ from 3.9's.
//! Source: ZookeeperTopicService, AdminZkClient and KafkaZkClient of 2.8.

mod tree;
mod validation;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Write;

use coordinator::assignment::{Candidate, Start, Wanted, assign};
use coordinator::topics::is_internal;
use protocol::{BrokerId, TopicId};
use zookeeper::znodes::Assignment;

use super::command::{Action, Command};
use super::described::{DescribedPartition, DescribedTopic, Dialect, Report};
use super::wishes::Wishes;
use crate::failure::Failure;
use crate::java_hash::in_map_order;
use crate::zookeeper_session;
use tree::Tree;

/// Carries a command out over a session of its own.
pub(super) async fn run(command: &Command, connect: &str, out: &mut dyn Write) -> Result<(), Failure> {
    let session = zookeeper_session::open(connect).await?;
    let done = carry_out(command, &Tree::new(&session), out).await;
    zookeeper_session::close(&session).await;
    done
}

async fn carry_out(command: &Command, tree: &Tree<'_>, out: &mut dyn Write) -> Result<(), Failure> {
    match command.action {
        Action::Create => create(command, tree, out).await,
        Action::List => list(command, tree, out).await,
        Action::Describe => describe(command, tree, out).await,
        Action::Alter => alter(command, tree, out).await,
        Action::Delete => delete(command, tree, out).await,
    }
}

async fn create(command: &Command, tree: &Tree<'_>, out: &mut dyn Write) -> Result<(), Failure> {
    let wishes = Wishes::read(&command.options)?;
    let name = command.topic()?;
    super::warn_of_collision(name, out)?;
    let replicas: BTreeMap<i32, Vec<BrokerId>> = match wishes.assignment.is_empty() {
        false => (0..).zip(wishes.assignment).collect(),
        true => choose_replicas(command, &wishes, tree).await?,
    };
    match validation::check_new_topic(name, &replicas, &tree.topics().await?) {
        Err(flaw) if flaw.is_existence() && command.has("if-not-exists") => return Ok(()),
        Err(flaw) => return Err(Failure::Sentence(flaw.to_string())),
        Ok(()) => {}
    }
    tree.write_configs(name, wishes.configs).await?;
    match tree.create_topic(name, replicas).await? {
        tree::Created::Now => Ok(writeln!(out, "Created topic {name}.")?),
        tree::Created::Before if command.has("if-not-exists") => Ok(()),
        tree::Created::Before => refuse(format!("Topic '{name}' already exists.")),
    }
}

async fn choose_replicas(
    command: &Command,
    wishes: &Wishes,
    tree: &Tree<'_>,
) -> Result<BTreeMap<i32, Vec<BrokerId>>, Failure> {
    let brokers = candidates(command, tree).await?;
    let wanted = Wanted {
        from: 0,
        count: wishes.partitions.unwrap_or(0),
        replication_factor: i16::try_from(wishes.replication_factor.unwrap_or(0)).unwrap_or(i16::MAX),
    };
    let start = Start { first: random_below(brokers.len()), shift: random_below(brokers.len()) };
    assign(&brokers, wanted, start).map_err(sentence)
}

/// The live brokers by id, without their racks if those are to be ignored.
async fn candidates(command: &Command, tree: &Tree<'_>) -> Result<Vec<Candidate>, Failure> {
    let brokers = tree.brokers().await?;
    let with_rack = brokers.iter().filter(|broker| broker.rack.is_some()).count();
    if command.has("disable-rack-aware") {
        return Ok(brokers.into_iter().map(|broker| Candidate { rack: None, ..broker }).collect());
    }
    if with_rack > 0 && with_rack < brokers.len() {
        return refuse(
            "Not all brokers have rack information. Add --disable-rack-aware in command line to make replica \
             assignment without rack information.",
        );
    }
    Ok(brokers)
}

/// The standard library's hash seeds are random, which is all that spreading partitions needs.
fn random_below(count: usize) -> usize {
    RandomState::new().build_hasher().finish() as usize % count.max(1)
}

async fn list(command: &Command, tree: &Tree<'_>, out: &mut dyn Write) -> Result<(), Failure> {
    for topic in command.select(tree.topics().await?)? {
        match tree.is_marked_for_deletion(&topic).await? {
            true => writeln!(out, "{topic} - marked for deletion")?,
            false => writeln!(out, "{topic}")?,
        }
    }
    Ok(())
}

async fn alter(command: &Command, tree: &Tree<'_>, out: &mut dyn Write) -> Result<(), Failure> {
    let topics = command.select(tree.topics().await?)?;
    let wishes = Wishes::read(&command.options)?;
    require_existence(command, &topics)?;
    for topic in &topics {
        if command.has("config") || command.has("delete-config") {
            alter_configs(topic, &wishes, tree, out).await?;
        }
        if let Some(total) = wishes.partitions {
            add_partitions(topic, total, (&wishes, tree), out).await?;
        }
    }
    Ok(())
}

async fn alter_configs(
    topic: &str,
    wishes: &Wishes,
    tree: &Tree<'_>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    writeln!(
        out,
        "WARNING: Altering topic configuration from this script has been deprecated and may be removed in future \
         releases.\n         Going forward, please use kafka-configs.sh for this functionality"
    )?;
    let mut configs = tree.configs(topic).await?;
    configs.extend(wishes.configs.clone());
    for name in &wishes.configs_to_delete {
        configs.remove(name);
    }
    tree.write_configs(topic, configs).await?;
    tree.announce_configs(topic).await?;
    Ok(writeln!(out, "Updated config for topic {topic}.")?)
}

async fn add_partitions(
    topic: &str,
    total: i32,
    (wishes, tree): (&Wishes, &Tree<'_>),
    out: &mut dyn Write,
) -> Result<(), Failure> {
    if is_internal(topic) {
        return refuse(format!("The number of partitions for the internal topic {topic} cannot be changed."));
    }
    writeln!(
        out,
        "WARNING: If partitions are increased for a topic that has a key, the partition logic or ordering of the \
         messages will be affected"
    )?;
    let mut written = match tree.topic(topic).await? {
        Some(written) if !written.partitions.is_empty() => written,
        Some(_) | None => return refuse(format!("The topic {topic} does not exist")),
    };
    let existing = written.partitions.len();
    let given: BTreeMap<i32, Vec<BrokerId>> =
        (0..).zip(wishes.assignment.iter().cloned()).skip(existing).collect();
    // 2.8 does not look at racks here unless all brokers have one.
    let brokers = tree.brokers().await?;
    let added = validation::plan_added_partitions(topic, &written.partitions, (total, given), &brokers)
        .map_err(sentence)?;
    let assignments = added
        .into_iter()
        .map(|(index, replicas)| (index, Assignment { replicas, adding: Vec::new(), removing: Vec::new() }));
    written.partitions.extend(assignments);
    tree.write_topic(topic, &written).await?;
    Ok(writeln!(out, "Adding partitions succeeded!")?)
}

async fn delete(command: &Command, tree: &Tree<'_>, out: &mut dyn Write) -> Result<(), Failure> {
    let topics = command.select(tree.topics().await?)?;
    require_existence(command, &topics)?;
    for topic in &topics {
        if is_internal(topic) {
            return refuse(format!(
                "Topic {topic} is a kafka internal topic and is not allowed to be marked for deletion."
            ));
        }
        match tree.mark_for_deletion(topic).await? {
            tree::Created::Before => writeln!(out, "Topic {topic} is already marked for deletion.")?,
            tree::Created::Now => writeln!(
                out,
                "Topic {topic} is marked for deletion.\n\
                 Note: This will have no impact if delete.topic.enable is not set to true."
            )?,
        }
    }
    Ok(())
}

async fn describe(command: &Command, tree: &Tree<'_>, out: &mut dyn Write) -> Result<(), Failure> {
    let topics = command.select(tree.topics().await?)?;
    require_existence(command, &topics)?;
    let live: BTreeSet<BrokerId> = tree.brokers().await?.into_iter().map(|broker| broker.id).collect();
    let report = Report::new(command, Dialect::V28, &live);
    for topic in &topics {
        match described(topic, tree).await? {
            Some(topic) => report.print(&topic, out)?,
            None => writeln!(out, "Topic {topic} doesn't exist!")?,
        }
    }
    Ok(())
}

async fn described(name: &str, tree: &Tree<'_>) -> Result<Option<DescribedTopic>, Failure> {
    let Some(topic) = tree.topic(name).await? else { return Ok(None) };
    let configs: Vec<(String, String)> = tree.configs(name).await?.into_iter().collect();
    let mut partitions = Vec::with_capacity(topic.partitions.len());
    for (index, assignment) in topic.partitions {
        let state = tree.partition_state(name, index).await?;
        let leader = state.as_ref().map(|state| state.leader).filter(|leader| leader.0 >= 0);
        let in_sync = state.map(|state| state.isr).unwrap_or_default();
        partitions.push(DescribedPartition { index, leader, replicas: assignment.replicas, in_sync });
    }
    Ok(Some(DescribedTopic {
        name: name.to_owned(),
        id: topic.id.unwrap_or(TopicId::nil()),
        configs: in_map_order(configs, 16, |(name, _)| name),
        min_in_sync: None,
        marked_for_deletion: tree.is_marked_for_deletion(name).await?,
        partitions,
    }))
}

fn require_existence(command: &Command, found: &[String]) -> Result<(), Failure> {
    match command.options.text("topic")? {
        Some(given) if found.is_empty() && !command.has("if-exists") => {
            refuse(format!("Topic '{given}' does not exist as expected"))
        }
        Some(_) | None => Ok(()),
    }
}

fn refuse<T>(text: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Sentence(text.into()))
}

fn sentence(error: impl ToString) -> Failure {
    Failure::Sentence(error.to_string())
}
