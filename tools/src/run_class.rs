//! `kafka-run-class.sh`: a tool by the name of its Java class, as scripts of many years call it.
//!
//! Options of the script itself and of the JVM are taken and change nothing: there is no JVM. Source: kafka-run-class.sh,
//! and the classes that the other scripts of Kafka 2.8 and 3.9 name.

use crate::failure::Failure;
use crate::{TOOLS, Tool};

/// The classes of each tool, under the name that `ottla` knows it by.
const CLASSES: &[(&str, &[&str])] = &[
    ("topics", &["kafka.admin.TopicCommand", "org.apache.kafka.tools.TopicCommand"]),
    ("console-producer", &["kafka.tools.ConsoleProducer", "org.apache.kafka.tools.ConsoleProducer"]),
    ("console-consumer", &["kafka.tools.ConsoleConsumer", "org.apache.kafka.tools.consumer.ConsoleConsumer"]),
    ("producer-perf-test", &["org.apache.kafka.tools.ProducerPerformance"]),
    (
        "consumer-perf-test",
        &["kafka.tools.ConsumerPerformance", "org.apache.kafka.tools.ConsumerPerformance"],
    ),
    ("get-offsets", &["kafka.tools.GetOffsetShell", "org.apache.kafka.tools.GetOffsetShell"]),
    ("delete-records", &["kafka.admin.DeleteRecordsCommand", "org.apache.kafka.tools.DeleteRecordsCommand"]),
    ("log-dirs", &["kafka.admin.LogDirsCommand", "org.apache.kafka.tools.LogDirsCommand"]),
    ("configs", &["kafka.admin.ConfigCommand"]),
    ("cluster", &["org.apache.kafka.tools.ClusterTool"]),
    ("broker-api-versions", &["kafka.admin.BrokerApiVersionsCommand"]),
    ("features", &["kafka.admin.FeatureCommand", "org.apache.kafka.tools.FeatureCommand"]),
    ("dump-log", &["kafka.tools.DumpLogSegments", "org.apache.kafka.tools.DumpLogSegments"]),
];

/// Servers have scripts of their own.
const SERVERS: &[(&str, &str)] = &[
    ("kafka.Kafka", "kafka-server-start.sh"),
    ("org.apache.zookeeper.server.quorum.QuorumPeerMain", "zookeeper-server-start.sh"),
];

const USAGE: &str = "USAGE: kafka-run-class.sh [-daemon] [-name servicename] [-loggc] classname [opts]";

/// Runs the tool of a class with the arguments after the class.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let Some((class, rest)) = class_of(args)? else {
        return Err(Failure::Sentence(format!("{USAGE}\n{}", known_classes())));
    };
    if let Some((_, script)) = SERVERS.iter().find(|(server, _)| *server == class) {
        return Err(Failure::Sentence(format!("{class} is a server: use {script}")));
    }
    match tool_of(class) {
        Some(tool) => (tool.run)(rest),
        None => {
            Err(Failure::Sentence(format!("There is no tool for the class {class}.\n{}", known_classes())))
        }
    }
}

/// The class and what comes after it.
fn class_of(args: &[String]) -> Result<Option<(&str, &[String])>, Failure> {
    let mut rest = args;
    while let Some((word, after)) = rest.split_first() {
        rest = match word.as_str() {
            "-name" => after.get(1..).unwrap_or_default(),
            "-loggc" => after,
            "-daemon" => {
                let server = "-daemon is for servers: use kafka-server-start.sh -daemon";
                return Err(Failure::Sentence(server.to_owned()));
            }
            jvm if jvm.starts_with("-D") || jvm.starts_with("-X") => after,
            class => return Ok(Some((class, after))),
        };
    }
    Ok(None)
}

fn tool_of(class: &str) -> Option<&'static Tool> {
    let (name, _) = CLASSES.iter().find(|(_, classes)| classes.contains(&class))?;
    TOOLS.iter().find(|tool| tool.name == *name)
}

fn known_classes() -> String {
    let known = CLASSES.iter().flat_map(|(_, classes)| *classes).filter(|class| tool_of(class).is_some());
    let lines: Vec<String> = known.map(|class| format!("  {class}")).collect();
    format!("These classes have one:\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{refusal, words};

    fn told(line: &str) -> String {
        refusal(run(&words(line)))
    }

    #[test]
    fn classes_lead_to_their_tools() {
        for (name, classes) in CLASSES {
            for class in *classes {
                assert!(tool_of(class).is_none_or(|tool| tool.name == *name));
            }
        }
        for class in ["kafka.tools.GetOffsetShell", "org.apache.kafka.tools.GetOffsetShell"] {
            let error = "Error occurred: foo is not a recognized option";
            assert_eq!(told(&format!("{class} --foo")), error);
            assert_eq!(told(&format!("-loggc -name x -Xmx1g -Da=b {class} --foo")), error);
        }
        assert_eq!(told("kafka.admin.LogDirsCommand --foo"), "foo is not a recognized option");
    }

    #[test]
    fn an_unknown_class_is_told_with_those_that_are_known() {
        let unknown = told("kafka.tools.JmxTool --help");
        assert!(unknown.starts_with("There is no tool for the class kafka.tools.JmxTool.\n"), "{unknown}");
        assert!(unknown.contains("\n  kafka.admin.TopicCommand\n"), "{unknown}");
        assert!(told("").starts_with(USAGE));
        assert!(told("-name x").starts_with(USAGE));
        for server in ["-daemon kafka.Kafka", "kafka.Kafka server.properties"] {
            assert!(told(server).contains("kafka-server-start.sh"), "{server}");
        }
    }
}
