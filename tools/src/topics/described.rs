//! The lines of --describe, and which of them a command wants.
//!
//! Knows nothing of where the facts come from: brokers and ZooKeeper fill the same structs, and only the dialect
//! differs. Source: TopicDescription, PartitionDescription and DescribeOptions of TopicCommand.

use std::collections::BTreeSet;
use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use protocol::{BrokerId, TopicId};

use super::command::Command;
use super::wishes::join;

/// Whose lines are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// With columns for eligible leader replicas.
    V39,
    V28,
}

/// A topic as it is described.
#[derive(Debug)]
pub(super) struct DescribedTopic {
    pub(super) name: String,
    /// The nil id where it has none.
    pub(super) id: TopicId,
    /// Those that are not defaults, in the order in which they are printed.
    pub(super) configs: Vec<(String, String)>,
    /// Fewest in-sync replicas that may take a write; `None` where that is not known.
    pub(super) min_in_sync: Option<usize>,
    pub(super) marked_for_deletion: bool,
    /// Ordered by index.
    pub(super) partitions: Vec<DescribedPartition>,
}

/// A partition as it is described.
#[derive(Debug)]
pub(super) struct DescribedPartition {
    pub(super) index: i32,
    pub(super) leader: Option<BrokerId>,
    pub(super) replicas: Vec<BrokerId>,
    pub(super) in_sync: Vec<BrokerId>,
}

/// Which lines a command wants.
#[derive(Debug)]
pub(super) struct Report<'a> {
    command: &'a Command,
    dialect: Dialect,
    live: &'a BTreeSet<BrokerId>,
}

impl<'a> Report<'a> {
    pub(super) fn new(command: &'a Command, dialect: Dialect, live: &'a BTreeSet<BrokerId>) -> Report<'a> {
        Report { command, dialect, live }
    }

    pub(super) fn print(&self, topic: &DescribedTopic, out: &mut dyn Write) -> io::Result<()> {
        let overrides_only = self.command.has("topics-with-overrides");
        if !self.is_selective() && (!overrides_only || !topic.configs.is_empty()) {
            topic.print(out)?;
        }
        if overrides_only {
            return Ok(());
        }
        for partition in &topic.partitions {
            if self.wants(topic, partition) {
                partition.print(topic, self.dialect, out)?;
            }
        }
        Ok(())
    }

    /// Whether only partitions in some condition are wanted.
    fn is_selective(&self) -> bool {
        [
            "under-replicated-partitions",
            "unavailable-partitions",
            "under-min-isr-partitions",
            "at-min-isr-partitions",
        ]
        .into_iter()
        .any(|report| self.command.has(report))
    }

    fn wants(&self, topic: &DescribedTopic, partition: &DescribedPartition) -> bool {
        let in_sync = partition.in_sync.len();
        let available = partition.leader.is_some_and(|leader| self.live.contains(&leader));
        let below = |least| partition.leader.is_none() || in_sync < least;
        !self.is_selective()
            || self.asked("under-replicated-partitions", in_sync < partition.replicas.len())
            || self.asked("unavailable-partitions", !available)
            || self.asked("under-min-isr-partitions", topic.min_in_sync.is_some_and(below))
            || self.asked("at-min-isr-partitions", topic.min_in_sync == Some(in_sync))
    }

    fn asked(&self, report: &str, condition: bool) -> bool {
        condition && self.command.has(report)
    }
}

impl DescribedTopic {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let configs: Vec<String> =
            self.configs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let replication_factor = self.partitions.first().map_or(0, |first| first.replicas.len());
        write!(out, "Topic: {}", self.name)?;
        if !self.id.is_nil() {
            write!(out, "\tTopicId: {}", id_text(self.id))?;
        }
        write!(out, "\tPartitionCount: {}", self.partitions.len())?;
        write!(out, "\tReplicationFactor: {replication_factor}")?;
        write!(out, "\tConfigs: {}", configs.join(","))?;
        writeln!(out, "{}", self.deletion_mark())
    }

    fn deletion_mark(&self) -> &'static str {
        if self.marked_for_deletion { "\tMarkedForDeletion: true" } else { "" }
    }
}

impl DescribedPartition {
    fn print(&self, topic: &DescribedTopic, dialect: Dialect, out: &mut dyn Write) -> io::Result<()> {
        let leader = self.leader.map_or("none".to_owned(), |leader| leader.to_string());
        let (replicas, in_sync) = (join(&self.replicas, ","), join(&self.in_sync, ","));
        write!(out, "\tTopic: {}\tPartition: {}\tLeader: {leader}", topic.name, self.index)?;
        write!(out, "\tReplicas: {replicas}\tIsr: {in_sync}")?;
        if dialect == Dialect::V39 {
            // Without KRaft there are none of either kind.
            write!(out, "\tElr: N/A\tLastKnownElr: N/A")?;
        }
        writeln!(out, "{}", topic.deletion_mark())
    }
}

/// An id as Kafka writes it.
pub(super) fn id_text(id: TopicId) -> String {
    URL_SAFE_NO_PAD.encode(id.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic() -> DescribedTopic {
        let id = URL_SAFE_NO_PAD.decode("Kh8ZIhcZTRGCMazj8XiDmg").unwrap();
        let ids = |list: [i32; 2]| list.map(BrokerId).to_vec();
        let partition =
            |index, leader, replicas, in_sync| DescribedPartition { index, leader, replicas, in_sync };
        DescribedTopic {
            name: "z4".to_owned(),
            id: TopicId::from_slice(&id).unwrap(),
            configs: vec![
                ("cleanup.policy".into(), "compact".into()),
                ("retention.ms".into(), "1000".into()),
            ],
            min_in_sync: Some(2),
            marked_for_deletion: false,
            partitions: vec![
                partition(0, Some(BrokerId(1)), ids([1, 2]), vec![BrokerId(1)]),
                partition(1, None, ids([2, 1]), Vec::new()),
                partition(2, Some(BrokerId(2)), ids([2, 1]), ids([2, 1])),
            ],
        }
    }

    fn printed(topic: &DescribedTopic, dialect: Dialect, words: &str) -> String {
        let args: Vec<String> = format!("--bootstrap-server a:1 --describe {words}")
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        let command = Command::read(&args).unwrap();
        let live = BTreeSet::from([BrokerId(1)]);
        let mut out = Vec::new();
        Report::new(&command, dialect, &live).print(topic, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// The bytes of Kafka 3.9.1 and 2.8.2.
    #[test]
    fn prints_both_dialects() {
        let mut topic = topic();
        topic.partitions.truncate(1);
        assert_eq!(
            printed(&topic, Dialect::V39, ""),
            "Topic: z4\tTopicId: Kh8ZIhcZTRGCMazj8XiDmg\tPartitionCount: 1\tReplicationFactor: 2\t\
             Configs: cleanup.policy=compact,retention.ms=1000\n\
             \tTopic: z4\tPartition: 0\tLeader: 1\tReplicas: 1,2\tIsr: 1\tElr: N/A\tLastKnownElr: N/A\n"
        );
        topic.marked_for_deletion = true;
        topic.partitions[0].leader = None;
        topic.configs.clear();
        assert_eq!(
            printed(&topic, Dialect::V28, ""),
            "Topic: z4\tTopicId: Kh8ZIhcZTRGCMazj8XiDmg\tPartitionCount: 1\tReplicationFactor: 2\tConfigs: \
             \tMarkedForDeletion: true\n\
             \tTopic: z4\tPartition: 0\tLeader: none\tReplicas: 1,2\tIsr: 1\tMarkedForDeletion: true\n"
        );
    }

    #[test]
    fn prints_what_is_asked_for() {
        let partitions = |words| {
            let lines = printed(&topic(), Dialect::V39, words);
            lines.matches("\tPartition: ").count()
        };
        assert_eq!(partitions(""), 3);
        assert_eq!(partitions("--under-replicated-partitions"), 2);
        assert_eq!(partitions("--unavailable-partitions"), 2);
        assert_eq!(partitions("--under-min-isr-partitions"), 2);
        assert_eq!(partitions("--at-min-isr-partitions"), 1);
        assert_eq!(printed(&topic(), Dialect::V39, "--topics-with-overrides").lines().count(), 1);
        let mut plain = topic();
        plain.configs.clear();
        assert_eq!(printed(&plain, Dialect::V39, "--topics-with-overrides"), "");
    }
}
