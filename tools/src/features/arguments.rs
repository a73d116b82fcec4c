//! The command line of `kafka-features.sh`: options, one command, and the command's own options.
//!
//! Usage and errors are those of Kafka's tool, but that a long error is not broken into lines; the help is ours. As there, `--help` ends with 1.
//! Source: FeatureCommand, argparse4j.

use std::io::{self, Write};

use crate::failure::Failure;

const USAGE: &str = "\
usage: kafka-features [-h] [--command-config COMMAND_CONFIG]
                      (--bootstrap-server BOOTSTRAP_SERVER |
                      --bootstrap-controller BOOTSTRAP_CONTROLLER)
                      {describe,upgrade,downgrade,disable} ...";

const HELP: &str = "

Shows and changes the feature levels that a cluster has agreed on.

positional arguments:
  {describe,upgrade,downgrade,disable}
    describe             Print the features and their levels.
    upgrade              Raise the level of features.
    downgrade            Lower the level of features.
    disable              Take features out of use, at level 0.

optional arguments:
  -h, --help             print this text
  --bootstrap-server BOOTSTRAP_SERVER
                         Brokers to begin with, as host:port,host:port.
  --bootstrap-controller BOOTSTRAP_CONTROLLER
                         The same for controllers of a KRaft cluster.
  --command-config COMMAND_CONFIG
                         File with properties of the admin client.
";

/// How the usage of each command begins.
const PLACE: &str = "\
usage: kafka-features (--bootstrap-server BOOTSTRAP_SERVER |
                      --bootstrap-controller BOOTSTRAP_CONTROLLER)";

const HELP_LINE: &str = "

optional arguments:
  -h, --help             print this text
";

#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) bootstrap: String,
    pub(super) command_config: Option<String>,
    pub(super) command: Command,
    pub(super) metadata: Option<String>,
    pub(super) features: Vec<String>,
    pub(super) is_unsafe: bool,
    pub(super) is_dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Describe,
    Upgrade,
    Downgrade,
    Disable,
}

const COMMANDS: [Command; 4] = [Command::Describe, Command::Upgrade, Command::Downgrade, Command::Disable];

impl Command {
    pub(super) fn name(self) -> &'static str {
        match self {
            Command::Describe => "describe",
            Command::Upgrade => "upgrade",
            Command::Downgrade => "downgrade",
            Command::Disable => "disable",
        }
    }

    fn options(self) -> &'static [&'static str] {
        match self {
            Command::Describe => &[],
            Command::Upgrade => &["--metadata", "--feature", "--dry-run"],
            Command::Downgrade => &["--metadata", "--feature", "--unsafe", "--dry-run"],
            Command::Disable => &["--feature", "--unsafe", "--dry-run"],
        }
    }

    fn usage(self) -> String {
        let rest = match self {
            Command::Describe => " describe\n                      [-h]",
            Command::Upgrade => {
                " upgrade\n                      [-h] [--metadata METADATA] [--feature FEATURE]\n\
                 \x20                     [--dry-run]"
            }
            Command::Downgrade => {
                "\n                      downgrade [-h] [--metadata METADATA]\n\
                 \x20                     [--feature FEATURE] [--unsafe] [--dry-run]"
            }
            Command::Disable => {
                " disable\n                      [-h] [--feature FEATURE] [--unsafe] [--dry-run]"
            }
        };
        format!("{PLACE}{rest}")
    }

    fn help(self) -> &'static str {
        match self {
            Command::Describe => "",
            Command::Upgrade => {
                "  --metadata METADATA    The metadata version to reach, such as 3.3-IV3.
  --feature FEATURE      A feature and its new level, as name=level.
  --dry-run              Ask whether it could be done, and change nothing.
"
            }
            Command::Downgrade => {
                "  --metadata METADATA    The metadata version to go back to, such as 3.3-IV0.
  --feature FEATURE      A feature and its new level, as name=level.
  --unsafe               Also if metadata is lost by it.
  --dry-run              Ask whether it could be done, and change nothing.
"
            }
            Command::Disable => {
                "  --feature FEATURE      The feature to take out of use.
  --unsafe               Also if metadata is lost by it.
  --dry-run              Ask whether it could be done, and change nothing.
"
            }
        }
    }
}

/// Words still to be read, and the usage that an error about them shows.
struct Words<'a> {
    rest: std::slice::Iter<'a, String>,
    usage: String,
}

impl Words<'_> {
    fn error(&self, text: impl std::fmt::Display) -> Failure {
        Failure::Usage { message: self.usage.clone(), help: format!("kafka-features: error: {text}\n") }
    }

    fn unrecognized(&self, word: &str) -> Failure {
        self.error(format_args!("unrecognized arguments: '{word}'"))
    }

    /// The value of an option, after an equals sign or as the next word.
    fn value(&mut self, name: &str, given: Option<&str>) -> Result<String, Failure> {
        let value = match given {
            Some(given) => Some(given.to_owned()),
            None => self.rest.next().filter(|word| !word.starts_with("--")).cloned(),
        };
        value.ok_or_else(|| self.error(format_args!("argument {name}: expected one argument")))
    }
}

/// Reads the whole command line.
pub(super) fn read(args: &[String]) -> Result<Arguments, Failure> {
    let mut words = Words { rest: args.iter(), usage: USAGE.to_owned() };
    let (mut server, mut controller, mut command_config) = (None, None, None);
    let command = loop {
        let Some(word) = words.rest.next() else { return Err(words.error("too few arguments")) };
        let (name, given) = split(word);
        match name {
            "-h" | "--help" => return Err(help(USAGE, HELP, "")),
            "--bootstrap-server" => server = Some(words.value(name, given)?),
            "--bootstrap-controller" => controller = Some(words.value(name, given)?),
            "--command-config" => command_config = Some(words.value(name, given)?),
            option if option.starts_with('-') => return Err(words.unrecognized(option)),
            other => match COMMANDS.into_iter().find(|command| command.name() == other) {
                Some(command) => break command,
                None => {
                    let choices = "(choose from 'describe', 'upgrade', 'downgrade', 'disable')";
                    return Err(words.error(format_args!("invalid choice: '{other}' {choices}")));
                }
            },
        }
    };
    words.usage = command.usage();
    let mut arguments = Arguments {
        bootstrap: String::new(),
        command_config,
        command,
        metadata: None,
        features: Vec::new(),
        is_unsafe: false,
        is_dry_run: false,
    };
    while let Some(word) = words.rest.next() {
        let (name, given) = split(word);
        match name {
            "-h" | "--help" => return Err(help(&words.usage, HELP_LINE, command.help())),
            name if !command.options().contains(&name) => return Err(words.unrecognized(name)),
            "--metadata" => arguments.metadata = Some(words.value(name, given)?),
            "--feature" => arguments.features.push(words.value(name, given)?),
            "--unsafe" => arguments.is_unsafe = true,
            _ => arguments.is_dry_run = true,
        }
    }
    words.usage = USAGE.to_owned();
    arguments.bootstrap = match (server, controller) {
        (Some(_), Some(_)) => {
            let text = "argument  --bootstrap-controller:  not  allowed with\nargument --bootstrap-server";
            return Err(words.error(text));
        }
        (None, None) => {
            let text = "one of the arguments --bootstrap-server --bootstrap-\ncontroller is required";
            return Err(words.error(text));
        }
        (Some(place), None) | (None, Some(place)) => place,
    };
    Ok(arguments)
}

fn split(word: &str) -> (&str, Option<&str>) {
    match word.split_once('=') {
        Some((name, value)) if name.starts_with("--") => (name, Some(value)),
        _ => (word, None),
    }
}

/// Prints the help, which was all that was asked for.
fn help(usage: &str, text: &str, options: &str) -> Failure {
    // Nothing is left to do if standard output is gone.
    let _ = write!(io::stdout(), "{usage}{text}{options}");
    Failure::Told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::words;

    /// The last line of the usage and the error below it.
    fn error(line: &str) -> (String, String) {
        match read(&words(line)) {
            Err(Failure::Usage { message, help }) => {
                let last = message.lines().last().unwrap_or_default().trim().to_owned();
                (last, help.trim_end().replace("kafka-features: error: ", ""))
            }
            other => panic!("{other:?}"),
        }
    }

    /// Recorded from Kafka 3.9.1.
    #[test]
    fn faults_come_with_the_usage_that_kafka_shows() {
        let commands = "{describe,upgrade,downgrade,disable} ...";
        for (line, usage, expected) in [
            ("", commands, "too few arguments"),
            ("--bootstrap-server a:1", commands, "too few arguments"),
            ("--bootstrap-server", commands, "argument --bootstrap-server: expected one argument"),
            ("--bogus describe", commands, "unrecognized arguments: '--bogus'"),
            (
                "describe",
                commands,
                "one of the arguments --bootstrap-server --bootstrap-\ncontroller is required",
            ),
            (
                "--bootstrap-server a:1 --bootstrap-controller b:1 describe",
                commands,
                "argument  --bootstrap-controller:  not  allowed with\nargument --bootstrap-server",
            ),
            (
                "--bootstrap-server a:1 version-mapping",
                commands,
                "invalid choice: 'version-mapping' (choose from 'describe', 'upgrade', 'downgrade', 'disable')",
            ),
            ("--bootstrap-server a:1 upgrade --bogus", "[--dry-run]", "unrecognized arguments: '--bogus'"),
            ("--bootstrap-server a:1 upgrade extra", "[--dry-run]", "unrecognized arguments: 'extra'"),
            ("--bootstrap-server a:1 describe --feature x", "[-h]", "unrecognized arguments: '--feature'"),
            (
                "--bootstrap-server a:1 upgrade --feature",
                "[--dry-run]",
                "argument --feature: expected one argument",
            ),
            (
                "--bootstrap-server a:1 disable --metadata 3.9",
                "[-h] [--feature FEATURE] [--unsafe] [--dry-run]",
                "unrecognized arguments: '--metadata'",
            ),
        ] {
            assert_eq!(error(line), (usage.to_owned(), expected.to_owned()), "{line}");
        }
    }

    #[test]
    fn a_command_line_is_read() {
        let line = "--bootstrap-controller=a:1 --command-config f downgrade --feature a=1 --unsafe --dry-run";
        let Arguments { bootstrap, command_config, command, features, .. } = read(&words(line)).unwrap();
        assert_eq!((bootstrap.as_str(), command_config.as_deref()), ("a:1", Some("f")));
        assert_eq!((command, features), (Command::Downgrade, vec!["a=1".to_owned()]));
    }

    #[test]
    fn help_is_no_error_text() {
        for line in ["--help", "--bootstrap-server a:1 upgrade -h"] {
            assert!(matches!(read(&words(line)), Err(Failure::Told)), "{line}");
        }
    }
}
