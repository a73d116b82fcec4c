//! The command line of the tool: its options, which go together, and whose settings are meant.
//!
//! Checks run in Kafka's order, so that of several faults the same one is named. Source: ConfigCommandOptions.checkArgs (3.9).

use std::net::ToSocketAddrs;

use super::trouble::Trouble;
use crate::failure::Failure;
use crate::options::{Grammar, Options, Spec, flag, with};

static SPECS: &[Spec] = &[
    with("bootstrap-server", "host:port,…", "Brokers to ask."),
    with("bootstrap-controller", "host:port,…", "Controllers to ask, which a cluster on ZooKeeper has not."),
    with(
        "zookeeper",
        "host:port,…/chroot",
        "The cluster's ZooKeeper, for SCRAM credentials of users, and for brokers that do not run.",
    ),
    with("zk-tls-config-file", "file", "Properties of a TLS connection to ZooKeeper."),
    with("command-config", "file", "Properties of the admin client."),
    flag("alter", "Change settings."),
    flag("describe", "Show settings."),
    flag(
        "all",
        "Show all settings of a topic, a broker or its loggers, and not just those that were changed.",
    ),
    with("entity-type", "type", "topics, clients, users, brokers, broker-loggers, ips or client-metrics."),
    with("entity-name", "name", "Name of a topic, client id or user, id of a broker, or an address."),
    flag("entity-default", "In place of a name: what holds for all clients, users, brokers or addresses."),
    with("topic", "topic", "Short for --entity-type topics --entity-name."),
    with("client", "client id", "Short for --entity-type clients --entity-name."),
    flag("client-defaults", "Short for --entity-type clients --entity-default."),
    with("user", "user", "Short for --entity-type users --entity-name."),
    flag("user-defaults", "Short for --entity-type users --entity-default."),
    with("broker", "id", "Short for --entity-type brokers --entity-name."),
    flag("broker-defaults", "Short for --entity-type brokers --entity-default."),
    with("broker-logger", "id", "Short for --entity-type broker-loggers --entity-name."),
    with("ip", "address", "Short for --entity-type ips --entity-name."),
    flag("ip-defaults", "Short for --entity-type ips --entity-default."),
    with(
        "add-config",
        "name=value,name=[value,value],…",
        "Settings to set; brackets hold values with commas.",
    ),
    with("add-config-file", "file", "Settings to set, from a properties file."),
    with("delete-config", "name,name,…", "Settings to remove."),
    flag("force", "Accepted for Kafka's sake; nothing is asked."),
];

static GRAMMAR: Grammar = Grammar { specs: SPECS };

const ABOUT: &str = "This tool helps to manipulate and describe entity config for a topic, client, user, broker, ip or client-metrics";

pub(super) const TOPICS: &str = "topics";
pub(super) const CLIENTS: &str = "clients";
pub(super) const USERS: &str = "users";
pub(super) const BROKERS: &str = "brokers";
pub(super) const IPS: &str = "ips";
pub(super) const BROKER_LOGGERS: &str = "broker-loggers";
pub(super) const CLIENT_METRICS: &str = "client-metrics";

/// What may be named where brokers are asked, and where ZooKeeper is.
const THROUGH_BROKERS: [&str; 7] = [TOPICS, CLIENTS, USERS, BROKERS, IPS, BROKER_LOGGERS, CLIENT_METRICS];
const THROUGH_ZOOKEEPER: [&str; 2] = [USERS, BROKERS];

/// Options that are type and name in one.
const NAMED: [(&str, &str); 6] = [
    ("topic", TOPICS),
    ("client", CLIENTS),
    ("user", USERS),
    ("broker", BROKERS),
    ("broker-logger", BROKER_LOGGERS),
    ("ip", IPS),
];
const DEFAULTS: [(&str, &str); 4] = [
    ("client-defaults", CLIENTS),
    ("user-defaults", USERS),
    ("broker-defaults", BROKERS),
    ("ip-defaults", IPS),
];

/// Where the cluster is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Connect<'a> {
    Brokers(&'a str),
    Controllers,
    ZooKeeper(&'a str),
}

#[derive(Debug)]
pub(super) struct Command {
    pub(super) options: Options,
    /// At least one.
    pub(super) types: Vec<String>,
    /// The empty name is the default.
    pub(super) names: Vec<String>,
}

impl Command {
    /// Parses and checks.
    pub(super) fn read(args: &[String]) -> Result<Command, Trouble> {
        let options = GRAMMAR.read_tersely(args, ABOUT)?;
        let actions = ["alter", "describe"].iter().filter(|action| options.has(action)).count();
        if actions != 1 {
            return Err(usage("Command must include exactly one action: --describe, --alter"));
        }
        if let Some(added) = ["add-config", "delete-config"].iter().find(|name| options.has(name))
            && options.has("describe")
        {
            return Err(usage(format!("Option \"[describe]\" can't be used with option \"[{added}]\"")));
        }
        let command = Command { types: types(&options), names: Vec::new(), options };
        command.check_types()?;
        let command = Command { names: names(&command.options)?, ..command };
        command.check_connection()?;
        command.check_names()?;
        if command.has("alter") {
            command.check_alteration()?
        }
        Ok(command)
    }

    pub(super) fn has(&self, option: &str) -> bool {
        self.options.has(option)
    }

    /// The type that decides what is done.
    pub(super) fn kind(&self) -> &str {
        self.types.first().map_or("", String::as_str)
    }

    pub(super) fn connect(&self) -> Result<Connect<'_>, Trouble> {
        if let Some(connect) = self.options.text("zookeeper")? {
            return Ok(Connect::ZooKeeper(connect));
        }
        Ok(match self.options.text("bootstrap-server")? {
            Some(bootstrap) => Connect::Brokers(bootstrap),
            None => Connect::Controllers,
        })
    }

    fn check_types(&self) -> Result<(), Trouble> {
        let types = &self.types;
        let twice: Vec<&str> = (0..types.len())
            .filter(|&at| types[..at].contains(&types[at]))
            .map(|at| types[at].as_str())
            .collect();
        if !twice.is_empty() {
            return Trouble::told(format!("Duplicate entity type(s) specified: {}", twice.join(",")));
        }
        let (allowed, with) = match self.has("bootstrap-server") || self.has("bootstrap-controller") {
            true => (&THROUGH_BROKERS[..], "--bootstrap-server or --bootstrap-controller"),
            false => (&THROUGH_ZOOKEEPER[..], "--zookeeper"),
        };
        if let Some(unknown) = types.iter().find(|kind| !allowed.contains(&kind.as_str())) {
            let allowed = allowed.join(", ");
            return Trouble::told(format!(
                "Invalid entity type {unknown}, the entity type must be one of {allowed} with a {with} argument"
            ));
        }
        match &types[..] {
            [] => Trouble::told("At least one entity type must be specified"),
            [_, _, ..] if types.iter().any(|kind| kind != USERS && kind != CLIENTS) => {
                Trouble::told("Only 'users' and 'clients' entity types may be specified together")
            }
            _ if self.is_mixed() => Trouble::told(
                "--entity-{type,name,default} should not be used in conjunction with specific entity flags",
            ),
            _ => Ok(()),
        }
    }

    fn is_mixed(&self) -> bool {
        let long = ["entity-name", "entity-type", "entity-default"].iter().any(|name| self.has(name));
        long && NAMED.iter().chain(&DEFAULTS).any(|(option, _)| self.has(option))
    }

    fn check_connection(&self) -> Result<(), Trouble> {
        let ways = ["bootstrap-server", "bootstrap-controller", "zookeeper"];
        match ways.iter().filter(|way| self.has(way)).count() {
            0 => Trouble::told(
                "One of the required --bootstrap-server, --boostrap-controller, or --zookeeper arguments must be specified",
            ),
            1 if self.has("all") && self.has("zookeeper") => {
                Trouble::told("--bootstrap-server must be specified for --all")
            }
            1 if self.has("zk-tls-config-file") && !self.has("zookeeper") => {
                Trouble::told("Only the --zookeeper option can be used with the --zk-tls-config-file option.")
            }
            1 => Ok(()),
            _ => Trouble::told(
                "Only one of --bootstrap-server, --boostrap-controller, and --zookeeper can be specified",
            ),
        }
    }

    fn check_names(&self) -> Result<(), Trouble> {
        let is_named = self.names.iter().any(|name| !name.is_empty());
        let kind = self.kind();
        if is_named && [BROKERS, BROKER_LOGGERS].contains(&kind) {
            for option in ["entity-name", "broker", "broker-logger"] {
                if let Some(id) = self.options.text(option)?
                    && id.parse::<i32>().is_err()
                {
                    return Trouble::told(format!(
                        "The entity name for {kind} must be a valid integer broker id, but it is: {id}"
                    ));
                }
            }
        }
        if is_named && kind == IPS {
            for option in ["entity-name", "ip"] {
                if let Some(ip) = self.options.text(option)?
                    && (ip, 0).to_socket_addrs().is_err()
                {
                    return Trouble::told(format!(
                        "The entity name for {kind} must be a valid IP or resolvable host, but it is: {ip}"
                    ));
                }
            }
        }
        match self.has("describe") && kind == BROKER_LOGGERS && !is_named {
            true => Trouble::told(format!("an entity name must be specified with --describe of {kind}")),
            false => Ok(()),
        }
    }

    fn check_alteration(&self) -> Result<(), Trouble> {
        let types = self.types.join(",");
        let may_be_default = [USERS, CLIENTS, BROKERS, IPS].contains(&self.kind());
        if may_be_default && self.names.is_empty() {
            return Trouble::told(
                "an entity-name or default entity must be specified with --alter of users, clients, brokers or ips",
            );
        }
        if !may_be_default && self.names.iter().all(String::is_empty) {
            return Trouble::told(format!("an entity name must be specified with --alter of {types}"));
        }
        if self.has("add-config") && self.has("add-config-file") {
            return Trouble::told("Only one of --add-config or --add-config-file must be specified");
        }
        match ["add-config", "add-config-file", "delete-config"].iter().any(|option| self.has(option)) {
            true => Ok(()),
            false => Trouble::told(
                "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter",
            ),
        }
    }
}

fn usage(message: impl Into<String>) -> Trouble {
    Trouble::Told(GRAMMAR.usage(message))
}

fn types(options: &Options) -> Vec<String> {
    let given = options.all("entity-type").iter().cloned();
    let short = NAMED.iter().chain(&DEFAULTS).filter(|(option, _)| options.has(option));
    given.chain(short.map(|(_, kind)| (*kind).to_owned())).collect()
}

/// Long names and defaults in the order of the command line, then the short ones.
fn names(options: &Options) -> Result<Vec<String>, Failure> {
    let mut long = options.all("entity-name").iter();
    let mut names: Vec<String> = options
        .in_order()
        .filter_map(|option| match option {
            "entity-name" => long.next().cloned(),
            "entity-default" => Some(String::new()),
            _ => None,
        })
        .collect();
    for (option, _) in NAMED {
        names.extend(options.text(option)?.map(str::to_owned));
    }
    names.extend(DEFAULTS.iter().filter(|(option, _)| options.has(option)).map(|_| String::new()));
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::words;

    fn read(line: &str) -> Result<Command, String> {
        Command::read(&words(line)).map_err(|trouble| match trouble {
            Trouble::Told(Failure::Sentence(message) | Failure::Usage { message, .. }) => message,
            other @ (Trouble::Told(_) | Trouble::Thrown(_)) => panic!("{other:?}"),
        })
    }

    fn refused(line: &str, expected: &str) {
        assert_eq!(read(line).err().as_deref(), Some(expected), "{line}");
    }

    /// Recorded from Kafka 3.9.1.
    #[test]
    fn words_faults_as_kafka_does() {
        let action = "Command must include exactly one action: --describe, --alter";
        refused("--bootstrap-server a:1", action);
        refused("--describe --alter --bootstrap-server a:1 --topic t", action);
        refused(
            "--bootstrap-server a:1 --describe --add-config a=b --topic t",
            "Option \"[describe]\" can't be used with option \"[add-config]\"",
        );
        refused("--describe", "At least one entity type must be specified");
        refused(
            "--describe --entity-type topics",
            "Invalid entity type topics, the entity type must be one of users, brokers with a --zookeeper argument",
        );
        refused(
            "--bootstrap-server a:1 --describe --entity-type foo",
            "Invalid entity type foo, the entity type must be one of topics, clients, users, brokers, ips, \
             broker-loggers, client-metrics with a --bootstrap-server or --bootstrap-controller argument",
        );
        refused(
            "--describe --entity-type users",
            "One of the required --bootstrap-server, --boostrap-controller, or --zookeeper arguments must be specified",
        );
        refused(
            "--bootstrap-server a:1 --zookeeper b:1 --describe --entity-type users",
            "Only one of --bootstrap-server, --boostrap-controller, and --zookeeper can be specified",
        );
        refused(
            "--bootstrap-server a:1 --describe --topic t --entity-type topics",
            "Duplicate entity type(s) specified: topics",
        );
        refused(
            "--bootstrap-server a:1 --describe --topic t --user u",
            "Only 'users' and 'clients' entity types may be specified together",
        );
        refused(
            "--bootstrap-server a:1 --describe --user t --entity-type clients",
            "--entity-{type,name,default} should not be used in conjunction with specific entity flags",
        );
        refused(
            "--bootstrap-server a:1 --describe --broker x",
            "The entity name for brokers must be a valid integer broker id, but it is: x",
        );
        refused(
            "--bootstrap-server a:1 --describe --entity-type broker-loggers",
            "an entity name must be specified with --describe of broker-loggers",
        );
        refused(
            "--bootstrap-server a:1 --alter --entity-type users --add-config a=b",
            "an entity-name or default entity must be specified with --alter of users, clients, brokers or ips",
        );
        refused(
            "--bootstrap-server a:1 --alter --entity-type topics --entity-default --add-config a=b",
            "an entity name must be specified with --alter of topics",
        );
        refused(
            "--bootstrap-server a:1 --alter --topic t",
            "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter",
        );
        refused(
            "--bootstrap-server a:1 --alter --topic t --topic u --add-config a=b",
            "Found multiple arguments for option topic, but you asked for only one",
        );
        refused(
            "--zookeeper a:1 --describe --user u --all",
            "--bootstrap-server must be specified for --all",
        );
        refused("--bootstrap-server a:1 --describe --nosuch", "nosuch is not a recognized option");
    }

    #[test]
    fn names_stand_in_the_order_of_the_command_line() {
        let check = |line: &str, types: &[&str], names: &[&str]| {
            let command = read(&format!("--bootstrap-server a:1 --describe {line}")).unwrap();
            assert_eq!(
                (command.types, command.names),
                (
                    types.iter().map(|t| t.to_string()).collect(),
                    names.iter().map(|n| n.to_string()).collect()
                ),
                "{line}"
            );
        };
        check(
            "--entity-type users --entity-default --entity-type clients --entity-name c",
            &[USERS, CLIENTS],
            &["", "c"],
        );
        check(
            "--entity-type clients --entity-name c --entity-type users --entity-name u",
            &[CLIENTS, USERS],
            &["c", "u"],
        );
        check("--user u --client c", &[CLIENTS, USERS], &["c", "u"]);
        check("--user-defaults --client c", &[CLIENTS, USERS], &["c", ""]);
        check("--entity-type topics", &[TOPICS], &[]);
    }
}
