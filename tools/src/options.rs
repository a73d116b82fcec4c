//! The option grammar of Kafka's tools: `--name value`, `--name=value`, `-name value`, no abbreviations.
//!
//! Owns splitting arguments and the wording of what is wrong with them; what an option means is its tool's business.
//! Words that are no option are ignored, as in Kafka. Source: joptsimple 5.0.4, CommandDefaultOptions.

mod help;

use std::collections::BTreeMap;
use std::str::FromStr;

/// One option of a tool.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) argument: Argument,
    pub(crate) help: &'static str,
}

/// What follows an option's name; the text is its placeholder in the help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Argument {
    None,
    Required(&'static str),
    Optional(&'static str),
}

pub(crate) const fn flag(name: &'static str, help: &'static str) -> Spec {
    Spec { name, argument: Argument::None, help }
}

pub(crate) const fn with(name: &'static str, placeholder: &'static str, help: &'static str) -> Spec {
    Spec { name, argument: Argument::Required(placeholder), help }
}

pub(crate) const fn with_optional(name: &'static str, placeholder: &'static str, help: &'static str) -> Spec {
    Spec { name, argument: Argument::Optional(placeholder), help }
}

/// A tool's options.
#[derive(Debug)]
pub(crate) struct Grammar {
    pub(crate) specs: &'static [Spec],
}

/// What was given on a command line.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Values in the order given; an option without one has none.
    given: BTreeMap<&'static str, Vec<String>>,
    /// Each occurrence, from left to right.
    order: Vec<&'static str>,
}

/// What is wrong with a command line, in Kafka's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OptionError {
    #[error("{0} is not a recognized option")]
    Unrecognized(String),
    #[error("Option {0} requires an argument")]
    MissingArgument(&'static str),
    #[error("Found multiple arguments for option {0}, but you asked for only one")]
    Multiple(String),
    #[error("Cannot parse argument '{value}' of option {name}")]
    Unparsable { value: String, name: String },
}

const HELP: Spec = flag("help", "Print this help.");
const VERSION: Spec = flag("version", "Print the version.");

impl Grammar {
    /// Splits a command line.
    pub(crate) fn parse(&self, args: &[String]) -> Result<Options, OptionError> {
        let mut options = Options::default();
        let mut rest = args.iter();
        while let Some(word) = rest.next() {
            if word == "--" {
                break;
            }
            let Some((spec, attached)) = self.option_of(word)? else { continue };
            options.order.push(spec.name);
            let values = options.given.entry(spec.name).or_default();
            match (spec.argument, attached.filter(|value| !value.is_empty())) {
                (Argument::None, _) => {}
                (_, Some(value)) => values.push(value.to_owned()),
                (Argument::Required(_), None) => {
                    values.push(rest.next().ok_or(OptionError::MissingArgument(spec.name))?.clone());
                }
                (Argument::Optional(_), None) => {
                    let next = rest.as_slice().first().filter(|next| !next.starts_with('-'));
                    if let Some(value) = next {
                        values.push(value.clone());
                        rest.next();
                    }
                }
            }
        }
        Ok(options)
    }

    /// The option a word names, with what is attached by `=`; none if it is no option.
    fn option_of<'a>(&self, word: &'a str) -> Result<Option<(&Spec, Option<&'a str>)>, OptionError> {
        let (bare, long) = match (word.strip_prefix("--"), word.strip_prefix('-')) {
            (Some(bare), _) => (bare, true),
            (None, Some(bare)) if !bare.is_empty() => (bare, false),
            (None, _) => return Ok(None),
        };
        let (name, attached) = match bare.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (bare, None),
        };
        match self.specs().find(|spec| spec.name == name) {
            Some(spec) => Ok(Some((spec, attached))),
            None if long => Err(OptionError::Unrecognized(name.to_owned())),
            None => Err(OptionError::Unrecognized(name.chars().take(1).collect())),
        }
    }

    fn specs(&self) -> impl Iterator<Item = &Spec> {
        self.specs.iter().chain([&HELP, &VERSION])
    }

    /// The table of options.
    pub(crate) fn help(&self) -> String {
        help::table(self.specs())
    }
}

impl Options {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// The names of the options from left to right, repeated ones too.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = &'static str> {
        self.order.iter().copied()
    }

    /// The value of an option that may be given once.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, OptionError> {
        match self.all(name) {
            [] => Ok(None),
            [value] => Ok(Some(value)),
            _ => Err(OptionError::Multiple(name.to_owned())),
        }
    }

    /// Every value of an option that may be repeated.
    pub(crate) fn all(&self, name: &str) -> &[String] {
        self.given.get(name).map_or(&[], Vec::as_slice)
    }

    /// The value of an option that is a number.
    pub(crate) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, OptionError> {
        let Some(value) = self.text(name)? else { return Ok(None) };
        let unparsable = |_| OptionError::Unparsable { value: value.to_owned(), name: name.to_owned() };
        value.parse().map(Some).map_err(unparsable)
    }
}

/// Splits `key=value` arguments; a value may contain `=`, and a missing one is empty (parseKeyValueArgs).
pub(crate) fn pairs(given: &[String]) -> impl Iterator<Item = (&str, &str)> {
    given.iter().map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    static SPECS: &[Spec] = &[
        flag("list", ""),
        with("topic", "topic", ""),
        with("partitions", "# of partitions", ""),
        with_optional("compression-codec", "codec", ""),
    ];

    fn parse(words: &str) -> Result<Options, OptionError> {
        let args: Vec<String> = words.split(' ').map(str::to_owned).collect();
        Grammar { specs: SPECS }.parse(&args)
    }

    #[test]
    fn takes_values_in_every_form() {
        for words in ["--topic a", "--topic=a", "-topic a", "-topic=a", "--topic= a", "extra --topic a"] {
            assert_eq!(parse(words).unwrap().text("topic").unwrap(), Some("a"), "{words}");
        }
        let options = parse("--list=x --topic --list -- --partitions 1").unwrap();
        assert!(options.has("list") && !options.has("partitions"));
        assert_eq!(options.text("topic").unwrap(), Some("--list"));
    }

    #[test]
    fn an_optional_value_never_swallows_an_option() {
        let codec = |words| parse(words).unwrap().text("compression-codec").unwrap().map(str::to_owned);
        assert_eq!(codec("--compression-codec --list"), None);
        assert_eq!(codec("--compression-codec zstd --list"), Some("zstd".to_owned()));
        assert!(parse("--compression-codec").unwrap().has("compression-codec"));
    }

    /// The texts were recorded from Kafka 3.9.1's tools.
    #[test]
    fn words_errors_as_kafka_does() {
        let error = |words| parse(words).unwrap_err().to_string();
        assert_eq!(error("--foo"), "foo is not a recognized option");
        assert_eq!(error("--li"), "li is not a recognized option");
        assert_eq!(error("-foo"), "f is not a recognized option");
        assert_eq!(error("--list --topic"), "Option topic requires an argument");
        let options = parse("--partitions x --topic a --topic b").unwrap();
        assert_eq!(
            options.number::<i32>("partitions").unwrap_err().to_string(),
            "Cannot parse argument 'x' of option partitions"
        );
        assert_eq!(
            options.text("topic").unwrap_err().to_string(),
            "Found multiple arguments for option topic, but you asked for only one"
        );
    }

    #[test]
    fn splits_pairs_at_the_first_equals_sign() {
        let given = ["a=b=c".to_owned(), "d".to_owned(), "e=".to_owned()];
        assert_eq!(pairs(&given).collect::<Vec<_>>(), [("a", "b=c"), ("d", ""), ("e", "")]);
    }
}
