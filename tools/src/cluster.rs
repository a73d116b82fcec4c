//! `kafka-cluster.sh`: the id of a cluster; unregisters a broker, which a cluster on ZooKeeper cannot.
//!
//! Owns its small grammar, which is argparse4j's and not that of the other tools. Source: ClusterTool (3.9).

use std::io::{self, Write};

use client::{Address, Client};
use tokio::runtime::Builder;

use crate::failure::Failure;
use crate::java_properties;

const CLIENT_ID: &str = "adminclient-1";
const UNREGISTER_BROKER: i16 = 64;
const USAGE: &str = "usage: kafka-cluster [-h] {cluster-id,unregister} ...";
const HELP: &str = "
The Kafka cluster tool.

positional arguments:
  {cluster-id,unregister}
    cluster-id           Print the id of a cluster.
    unregister           Forget a broker of a cluster without ZooKeeper.

optional arguments:
  -h, --help             show this help message and exit";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    ClusterId,
    Unregister,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Arguments {
    servers: Option<String>,
    controllers: Option<String>,
    config: Option<String>,
    id: Option<i32>,
}

/// Runs the tool.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let (command, rest) = match args.split_first() {
        None => return Err(wrong(USAGE, "too few arguments")),
        Some((word, rest)) => match word.as_str() {
            "cluster-id" => (Command::ClusterId, rest),
            "unregister" => (Command::Unregister, rest),
            "-h" | "--help" => return shown(&format!("{USAGE}\n{HELP}")),
            other => {
                let choices = "(choose from 'cluster-id', 'unregister')";
                return Err(wrong(USAGE, &format!("invalid choice: '{other}' {choices}")));
            }
        },
    };
    if rest.iter().any(|word| word == "-h" || word == "--help") {
        return shown(&command.usage());
    }
    let Arguments { servers, config, id, .. } = command.read(rest)?;
    let Some(servers) = servers else {
        return Err(Failure::Sentence(
            "A cluster on ZooKeeper has no controllers of their own: use --bootstrap-server".to_owned(),
        ));
    };
    let settings = java_properties::admin_settings(config.as_deref(), CLIENT_ID)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut cluster = Client::new(Address::list(&servers)?, settings);
    let mut out = io::stdout();
    match command {
        Command::ClusterId => match runtime.block_on(cluster.describe_cluster())?.id {
            Some(id) => writeln!(out, "Cluster ID: {id}")?,
            None => writeln!(out, "No cluster ID found. The Kafka version is probably too old.")?,
        },
        Command::Unregister => {
            if runtime.block_on(cluster.serves(UNREGISTER_BROKER))? {
                let id = id.unwrap_or_default();
                let text = format!(
                    "This version of the tool does not unregister brokers; broker {id} stays as it is."
                );
                return Err(Failure::Sentence(text));
            }
            writeln!(out, "The target cluster does not support the broker unregistration API.")?;
        }
    }
    Ok(out.flush()?)
}

/// Help goes to standard output, and ends with 1 all the same.
fn shown(text: &str) -> Result<(), Failure> {
    writeln!(io::stdout(), "{text}")?;
    Err(Failure::Told)
}

fn wrong(usage: &str, what: &str) -> Failure {
    Failure::Sentence(format!("{usage}\nkafka-cluster: error: {what}"))
}

impl Command {
    fn usage(self) -> String {
        let (name, id) = match self {
            Command::ClusterId => ("cluster-id", ""),
            Command::Unregister => ("unregister", " --id ID"),
        };
        format!(
            "usage: kafka-cluster {name} [-h] [--config CONFIG]{id}
                     (--bootstrap-server BOOTSTRAP_SERVER |
                     --bootstrap-controller BOOTSTRAP_CONTROLLER)"
        )
    }

    fn read(self, args: &[String]) -> Result<Arguments, Failure> {
        let wrong = |what: String| wrong(&self.usage(), &what);
        let mut given = Arguments::default();
        let mut rest = args.iter();
        while let Some(word) = rest.next() {
            let (option, attached) = match word.split_once('=') {
                Some((option, value)) if word.starts_with("--") => (option, Some(value.to_owned())),
                _ => (word.as_str(), None),
            };
            let name = match option {
                "-b" | "--bootstrap-server" => "--bootstrap-server/-b",
                "-C" | "--bootstrap-controller" => "--bootstrap-controller/-C",
                "-c" | "--config" => "--config/-c",
                "-i" | "--id" if self == Command::Unregister => "--id/-i",
                _ => return Err(wrong(format!("unrecognized arguments: '{word}'"))),
            };
            let next = || rest.as_slice().first().filter(|next| !next.starts_with('-')).cloned();
            let value = match attached {
                Some(value) => value,
                None => {
                    let value =
                        next().ok_or_else(|| wrong(format!("argument {name}: expected one argument")))?;
                    rest.next();
                    value
                }
            };
            let other = |other: &str| wrong(format!("argument {name}: not allowed with argument {other}"));
            match name {
                "--bootstrap-server/-b" if given.controllers.is_some() => {
                    return Err(other("--bootstrap-controller/-C"));
                }
                "--bootstrap-server/-b" => given.servers = Some(value),
                "--bootstrap-controller/-C" if given.servers.is_some() => {
                    return Err(other("--bootstrap-server/-b"));
                }
                "--bootstrap-controller/-C" => given.controllers = Some(value),
                "--config/-c" => given.config = Some(value),
                _ => {
                    let java = format!("(For input string: \"{value}\")");
                    let no_number =
                        |_| wrong(format!("argument {name}: could not convert '{value}' to Integer {java}"));
                    given.id = Some(value.parse().map_err(no_number)?);
                }
            }
        }
        if self == Command::Unregister && given.id.is_none() {
            return Err(wrong("argument --id/-i is required".to_owned()));
        }
        if given.servers.is_none() && given.controllers.is_none() {
            let one = "one of the arguments --bootstrap-server/-b --bootstrap-controller/-C is required";
            return Err(wrong(one.to_owned()));
        }
        Ok(given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{refusal, words};

    /// Recorded from Kafka 3.9.1, whose lines are filled up with blanks.
    #[test]
    fn words_faults_as_kafka_does() {
        for (line, expected) in [
            ("", "too few arguments"),
            ("nosuch", "invalid choice: 'nosuch' (choose from 'cluster-id', 'unregister')"),
            (
                "cluster-id",
                "one of the arguments --bootstrap-server/-b --bootstrap-controller/-C is required",
            ),
            ("unregister -b a:1", "argument --id/-i is required"),
            (
                "unregister -b a:1 --id x",
                "argument --id/-i: could not convert 'x' to Integer (For input string: \"x\")",
            ),
            (
                "cluster-id -b a:1 -C x:1",
                "argument --bootstrap-controller/-C: not allowed with argument --bootstrap-server/-b",
            ),
            ("cluster-id -b a:1 extra", "unrecognized arguments: 'extra'"),
            ("cluster-id -b a:1 --id=1", "unrecognized arguments: '--id=1'"),
            ("cluster-id -b", "argument --bootstrap-server/-b: expected one argument"),
        ] {
            let told = refusal(run(&words(line)));
            let (usage, error) = told.split_once("\nkafka-cluster: error: ").unwrap();
            assert!(usage.starts_with("usage: kafka-cluster "), "{usage}");
            assert_eq!(error, expected, "{line}");
        }
    }

    #[test]
    fn values_stand_beside_their_option_or_behind_it() {
        let read = Command::Unregister.read(&words("--bootstrap-server=a:1 -i 3 --config c")).unwrap();
        let text = |text: &str| Some(text.to_owned());
        let expected = Arguments { servers: text("a:1"), controllers: None, config: text("c"), id: Some(3) };
        assert_eq!(read, expected);
    }
}
