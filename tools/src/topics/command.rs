//! The command line of the tool: its options, which go together, and which need another.
//!
//! Checks run in Kafka's order, so that of several faults the same one is named. Values are read when they are
//! needed, as in Kafka, whose errors about them are the command's and not the command line's.

use crate::failure::Failure;
use crate::options::{Grammar, OptionError, Options, Spec, flag, with};
use crate::topic_filter::TopicFilter;

static SPECS: &[Spec] = &[
    with("bootstrap-server", "host:port,…", "Brokers to ask."),
    with(
        "zookeeper",
        "host:port,…/chroot",
        "The cluster's ZooKeeper, to be written directly as Kafka 2.8 did.",
    ),
    with("command-config", "file", "Properties of the admin client."),
    flag("list", "List topics."),
    flag("create", "Create a topic."),
    flag("delete", "Delete topics."),
    flag("alter", "Add partitions; with --zookeeper, change configs too."),
    flag("describe", "Show partitions, replicas and configs of topics."),
    with("topic", "topic", "The topic; except for --create a comma-separated list of regular expressions."),
    with("topic-id", "topic-id", "The id of a topic to describe."),
    with("config", "name=value", "A config of the topic; may be repeated."),
    with("delete-config", "name", "A config to set back to its default; only with --zookeeper."),
    with("partitions", "count", "How many partitions the topic has, or shall have."),
    with("replication-factor", "count", "How many replicas each partition has."),
    with("replica-assignment", "id:id,id:id,…", "The brokers of each partition, preferred leader first."),
    flag("under-replicated-partitions", "Describe only partitions with replicas that are not in sync."),
    flag("unavailable-partitions", "Describe only partitions without a live leader."),
    flag("under-min-isr-partitions", "Describe only partitions with fewer in-sync replicas than configured."),
    flag(
        "at-min-isr-partitions",
        "Describe only partitions with just as many in-sync replicas as configured.",
    ),
    flag("topics-with-overrides", "Describe only topics with configs of their own, without partitions."),
    flag("if-exists", "Do nothing, without an error, if the topic does not exist."),
    flag("if-not-exists", "Do nothing, without an error, if the topic exists."),
    flag("exclude-internal", "Leave out internal topics."),
    with("partition-size-limit-per-response", "count", "Accepted for Kafka's sake; answers here are whole."),
    flag("disable-rack-aware", "With --zookeeper: ignore racks when replicas are assigned."),
    flag("force", "With --zookeeper: accepted for Kafka's sake; nothing is asked."),
];

static GRAMMAR: Grammar = Grammar { specs: SPECS };

const ACTIONS: [(&str, Action); 5] = [
    ("alter", Action::Alter),
    ("create", Action::Create),
    ("describe", Action::Describe),
    ("list", Action::List),
    ("delete", Action::Delete),
];

const REPORTS: [&str; 4] = [
    "under-replicated-partitions",
    "under-min-isr-partitions",
    "at-min-isr-partitions",
    "unavailable-partitions",
];

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Create,
    List,
    Describe,
    Alter,
    Delete,
}

/// Whom to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cluster<'a> {
    Brokers(&'a str),
    ZooKeeper(&'a str),
}

/// A command line that makes sense.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) action: Action,
    pub(super) options: Options,
}

impl Command {
    /// Parses and checks.
    pub(super) fn read(args: &[String]) -> Result<Command, Failure> {
        if args.is_empty() {
            return Err(GRAMMAR.usage("Create, delete, describe, or change a topic."));
        }
        let about = "This tool helps to create, delete, describe, or change a topic.";
        let options = GRAMMAR.read_tersely(args, about)?;
        let given: Vec<Action> =
            ACTIONS.iter().filter(|(name, _)| options.has(name)).map(|(_, action)| *action).collect();
        let [action] = given[..] else {
            return Err(GRAMMAR.usage(
                "Command must include exactly one action: --list, --describe, --create, --alter or --delete",
            ));
        };
        let command = Command { action, options };
        command.check_cluster()?;
        command.check_required()?;
        command.check_combinations()?;
        Ok(command)
    }

    pub(super) fn cluster(&self) -> Result<Cluster<'_>, OptionError> {
        Ok(match self.options.text("zookeeper")? {
            Some(connect) => Cluster::ZooKeeper(connect),
            None => Cluster::Brokers(self.options.text("bootstrap-server")?.unwrap_or_default()),
        })
    }

    pub(super) fn has(&self, option: &str) -> bool {
        self.options.has(option)
    }

    /// The name of the one topic that is to be created.
    pub(super) fn topic(&self) -> Result<&str, OptionError> {
        Ok(self.options.text("topic")?.unwrap_or_default())
    }

    /// Those of `all` that the command is about, in order.
    pub(super) fn select(&self, all: impl IntoIterator<Item = String>) -> Result<Vec<String>, Failure> {
        let filter = match self.options.text("topic")? {
            Some(pattern) => {
                Some(TopicFilter::new(pattern).map_err(|error| Failure::Sentence(error.to_string()))?)
            }
            None => None,
        };
        let wanted = |topic: &String| {
            let internal = coordinator::topics::is_internal(topic) && self.has("exclude-internal");
            !internal && filter.as_ref().is_none_or(|filter| filter.takes(topic))
        };
        let mut topics: Vec<String> = all.into_iter().filter(wanted).collect();
        topics.sort();
        Ok(topics)
    }

    fn uses_zookeeper(&self) -> bool {
        self.has("zookeeper")
    }

    fn check_cluster(&self) -> Result<(), Failure> {
        let sentence = |text: &str| Err(Failure::Sentence(text.to_owned()));
        match (self.has("bootstrap-server"), self.uses_zookeeper()) {
            (false, false) => sentence("--bootstrap-server must be specified"),
            (true, true) => sentence("Only one of --bootstrap-server or --zookeeper must be specified"),
            (true, false) => match ["disable-rack-aware", "force"].into_iter().find(|name| self.has(name)) {
                Some(only_in_28) => Err(OptionError::Unrecognized(only_in_28.to_owned()).into()),
                None => {
                    self.options.text("bootstrap-server")?;
                    Ok(())
                }
            },
            (false, true) => match ["topic-id", "partition-size-limit-per-response"]
                .into_iter()
                .find(|name| self.has(name))
            {
                Some(only_in_39) => Err(OptionError::Unrecognized(only_in_39.to_owned()).into()),
                None => Ok(()),
            },
        }
    }

    fn check_required(&self) -> Result<(), Failure> {
        if self.action == Action::Describe && self.has("if-exists") {
            match self.uses_zookeeper() {
                true => self.require("topic")?,
                false if self.has("topic") || self.has("topic-id") => {}
                false => return Err(GRAMMAR.usage("--topic or --topic-id is required to describe a topic")),
            }
        }
        if !matches!(self.action, Action::List | Action::Describe) {
            self.require("topic")?;
        }
        match (self.uses_zookeeper(), self.action) {
            (true, Action::Create) if !self.has("replica-assignment") => {
                self.require("partitions")?;
                self.require("replication-factor")
            }
            (false, Action::Alter) if self.has("config") => Err(GRAMMAR.usage(
                "Option combination \"[[bootstrap-server], [config]]\" can't be used with option \"[alter]\" \
                 (the kafka-configs CLI supports altering topic configs with a --bootstrap-server option)",
            )),
            (false, Action::Alter) => self.require("partitions"),
            _ => Ok(()),
        }
    }

    fn check_combinations(&self) -> Result<(), Failure> {
        use Action::{Alter, Create, Delete, Describe, List};
        self.only_with("config", &[Alter, Create])?;
        self.only_with("delete-config", &[Alter])?;
        if !self.uses_zookeeper() {
            self.excludes("delete-config", "bootstrap-server")?;
        }
        self.only_with("partitions", &[Alter, Create])?;
        self.only_with("replication-factor", &[Create])?;
        self.only_with("replica-assignment", &[Alter, Create])?;
        if self.action == Create {
            self.excludes("replica-assignment", "partitions")?;
            self.excludes("replica-assignment", "replication-factor")?;
        }
        for report in REPORTS {
            self.check_report(report)?;
        }
        self.only_with("topics-with-overrides", &[Describe])?;
        for report in REPORTS {
            self.excludes("topics-with-overrides", report)?;
        }
        self.only_with("if-exists", &[Alter, Delete, Describe])?;
        self.only_with("if-not-exists", &[Create])?;
        self.only_with("exclude-internal", &[List, Describe])
    }

    /// 2.8 takes one report at a time, and none that needs configs, which it does not read from brokers.
    fn check_report(&self, report: &str) -> Result<(), Failure> {
        self.only_with(report, &[Action::Describe])?;
        if self.uses_zookeeper() {
            for other in REPORTS.into_iter().filter(|other| *other != report) {
                self.excludes(report, other)?;
            }
        }
        self.excludes(report, "topics-with-overrides")?;
        match self.uses_zookeeper() && report.contains("min-isr") {
            true => self.excludes(report, "zookeeper"),
            false => Ok(()),
        }
    }

    fn require(&self, option: &str) -> Result<(), Failure> {
        match self.has(option) {
            true => Ok(()),
            false => Err(GRAMMAR.missing(option)),
        }
    }

    fn only_with(&self, option: &str, actions: &[Action]) -> Result<(), Failure> {
        for (name, action) in ACTIONS {
            if !actions.contains(&action) {
                self.excludes(option, name)?;
            }
        }
        Ok(())
    }

    fn excludes(&self, option: &str, other: &str) -> Result<(), Failure> {
        match self.has(option) && self.has(other) {
            true => {
                Err(GRAMMAR.usage(format!("Option \"[{option}]\" can't be used with option \"[{other}]\"")))
            }
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{refusal, words};

    /// The first line of what is said about each command line, or "fine".
    fn check(cases: &[(&str, &str)]) {
        for (line, expected) in cases {
            let verdict = match Command::read(&words(line)) {
                Ok(_) => "fine".to_owned(),
                refused => refusal(refused),
            };
            assert_eq!(verdict, *expected, "{line}");
        }
    }

    /// Recorded from Kafka 3.9.1.
    #[test]
    fn words_faults_as_39_does() {
        check(&[
            ("", "Create, delete, describe, or change a topic."),
            ("--list", "--bootstrap-server must be specified"),
            ("--bootstrap-server", "Option bootstrap-server requires an argument"),
            ("--bootstrap-server a:1 --foo", "foo is not a recognized option"),
            (
                "--bootstrap-server a:1 --list --create",
                "Command must include exactly one action: --list, --describe, --create, --alter or --delete",
            ),
            (
                "--bootstrap-server a:1 --list --bootstrap-server b:1",
                "Found multiple arguments for option bootstrap-server, but you asked for only one",
            ),
            ("--bootstrap-server a:1 --alter --topic a", "Missing required argument \"[partitions]\""),
            ("--bootstrap-server a:1 --delete", "Missing required argument \"[topic]\""),
            (
                "--bootstrap-server a:1 --alter --topic a --config x=y",
                "Option combination \"[[bootstrap-server], [config]]\" can't be used with option \"[alter]\" \
                 (the kafka-configs CLI supports altering topic configs with a --bootstrap-server option)",
            ),
            (
                "--bootstrap-server a:1 --create --topic a --partitions 2 --replica-assignment 1",
                "Option \"[replica-assignment]\" can't be used with option \"[partitions]\"",
            ),
            (
                "--bootstrap-server a:1 --describe --under-replicated-partitions --topics-with-overrides",
                "Option \"[under-replicated-partitions]\" can't be used with option \"[topics-with-overrides]\"",
            ),
            (
                "--bootstrap-server a:1 --list --partitions 2",
                "Option \"[partitions]\" can't be used with option \"[list]\"",
            ),
            (
                "--bootstrap-server a:1 --describe --if-exists",
                "--topic or --topic-id is required to describe a topic",
            ),
            ("--bootstrap-server a:1 --create --topic a", "fine"),
            ("-list --bootstrap-server a:1 extra", "fine"),
            ("--bootstrap-server=a:1 --describe --under-min-isr-partitions --at-min-isr-partitions", "fine"),
        ]);
    }

    /// Recorded from Kafka 2.8.2.
    #[test]
    fn words_faults_as_28_does() {
        check(&[
            (
                "--zookeeper a:1 --bootstrap-server a:1 --list",
                "Only one of --bootstrap-server or --zookeeper must be specified",
            ),
            ("--zookeeper a:1 --create --topic a", "Missing required argument \"[partitions]\""),
            (
                "--zookeeper a:1 --describe --topic a --at-min-isr-partitions",
                "Option \"[at-min-isr-partitions]\" can't be used with option \"[zookeeper]\"",
            ),
            ("--zookeeper a:1 --alter --topic a", "fine"),
            ("--zookeeper a:1 --alter --topic a --config a=b --delete-config c", "fine"),
            ("--zookeeper a:1 --describe --disable-rack-aware --force", "fine"),
        ]);
    }
}
