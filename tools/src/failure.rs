//! How a tool ends that does not do what it was asked: what it prints, where, and with which exit code.
//!
//! Kafka's tools print wrong usage to standard error with the table of options, and end with 1; so does `--help`.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::options::{Grammar, OptionError, Options};

/// What Kafka's tools print for `--version`: the release whose behaviour these tools have, and ours.
const VERSION: &str = concat!("3.9.1 (Ottla ", env!("CARGO_PKG_VERSION"), ")");

/// Why a tool ends early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line makes no sense; the table of options follows the message.
    Usage { message: String, help: String },
    /// Anything else, in one sentence on standard error.
    Sentence(String),
    /// Already told, where scripts or people look for it.
    Told,
    /// All that was asked for has been done, and it was no work.
    Done,
    /// The version was asked for.
    Version,
    /// Nobody reads our output any more.
    OutputClosed,
}

impl Failure {
    /// Tells the user and names the exit code.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Failure::Usage { message, help } => eprint!("{message}\n{help}"),
            Failure::Sentence(sentence) => eprintln!("{sentence}"),
            Failure::Told => {}
            Failure::Done => return ExitCode::SUCCESS,
            Failure::Version => {
                // Nothing is left to do if standard output is gone.
                let _ = writeln!(io::stdout(), "{VERSION}");
                return ExitCode::SUCCESS;
            }
            Failure::OutputClosed => eprintln!("Unable to write to standard out."),
        }
        ExitCode::FAILURE
    }
}

impl From<OptionError> for Failure {
    fn from(error: OptionError) -> Failure {
        Failure::Sentence(error.to_string())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::Sentence(format!("{error:#}"))
    }
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Failure {
        Failure::OutputClosed
    }
}

impl Grammar {
    /// A usage error of this tool.
    pub(crate) fn usage(&self, message: impl Into<String>) -> Failure {
        Failure::Usage { message: message.into(), help: self.help() }
    }

    /// Parses, and answers `--help`, `--version` and an empty command line (maybePrintHelpOrVersion).
    pub(crate) fn read(&self, args: &[String], about: &str) -> Result<Options, Failure> {
        if args.is_empty() { Err(self.usage(about)) } else { self.read_any(args, about) }
    }

    /// The same for tools that find something missing on an empty command line.
    pub(crate) fn read_any(&self, args: &[String], about: &str) -> Result<Options, Failure> {
        let options = self.parse(args).map_err(|error| self.usage(error.to_string()))?;
        self.unless_asked(options, about)
    }

    /// The same as `read` for Kafka's newer tools, which tell of a word that is not known without the table of options.
    pub(crate) fn read_tersely(&self, args: &[String], about: &str) -> Result<Options, Failure> {
        if args.is_empty() { Err(self.usage(about)) } else { self.unless_asked(self.parse(args)?, about) }
    }

    fn unless_asked(&self, options: Options, about: &str) -> Result<Options, Failure> {
        if options.has("help") {
            return Err(self.usage(about));
        }
        if options.has("version") {
            return Err(Failure::Version);
        }
        Ok(options)
    }

    /// The value of an option that must be given.
    pub(crate) fn required<'a>(&self, options: &'a Options, name: &str) -> Result<&'a str, Failure> {
        options.text(name)?.ok_or_else(|| self.missing(name))
    }

    /// The error of an option that must be given.
    pub(crate) fn missing(&self, name: &str) -> Failure {
        self.usage(format!("Missing required argument \"[{name}]\""))
    }

    /// Where the cluster is: `--bootstrap-server`, or its old name `--broker-list`.
    pub(crate) fn bootstrap<'a>(&self, options: &'a Options) -> Result<&'a str, Failure> {
        let given = match options.text("bootstrap-server")? {
            Some(given) => given,
            None => options
                .text("broker-list")?
                .ok_or_else(|| self.usage("Missing required option(s) [bootstrap-server]"))?,
        };
        let invalid = |_| self.usage("Please provide valid host:port like host1:9091,host2:9092\n ");
        client::Address::list(given).map_err(invalid)?;
        Ok(given)
    }
}
