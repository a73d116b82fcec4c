//! What a command wants set and removed: `name=value` pairs, in which square brackets hold commas together.
//!
//! Pure but for the properties file. Source: ConfigCommand.parseConfigsToBeAdded and parseConfigsToBeDeleted (3.9).

use std::io::Write;
use std::path::Path;

use config::properties::{Properties, PropertiesError};

use super::trouble::Trouble;
use crate::java_hash::in_map_order;
use crate::options::Options;

const MESSAGE_FORMAT: &str = "message.format.version";

/// The pairs to set, in the order of Java's hash table.
pub(super) fn added(options: &Options, out: &mut dyn Write) -> Result<Vec<(String, String)>, Trouble> {
    let mut properties = match options.text("add-config-file")? {
        Some(file) => Properties::read(Path::new(file)).map_err(unreadable)?,
        None => Properties::default(),
    };
    for pair in split(options.text("add-config")?) {
        match halves(pair)[..] {
            [name, value] => properties.set(name.trim(), value.replace(['[', ']'], "").trim()),
            _ => {
                return Trouble::told(
                    "requirement failed: Invalid entity config: all configs to be added must be in the format \"key=val\".",
                );
            }
        }
    }
    if let Some(version) = properties.get(MESSAGE_FORMAT) {
        writeln!(
            out,
            "WARNING: The configuration {MESSAGE_FORMAT}={version} is specified. This configuration will be ignored if the \
             version is newer than the inter.broker.protocol.version specified in the broker or if the \
             inter.broker.protocol.version is 3.0 or newer. This configuration is deprecated and it will be removed in Apache \
             Kafka 4.0."
        )?;
    }
    let pairs = properties.map().iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let pairs = in_map_order(pairs, 16, |(name, _): &(String, String)| name);
    let is_plain =
        |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || ['.', '_', '-'].contains(&c));
    match pairs.iter().find(|(name, _)| !is_plain(name)) {
        Some((name, _)) => Trouble::told(format!("Invalid character found for config key: {name}")),
        None => Ok(pairs),
    }
}

/// The names to remove.
pub(super) fn deleted(options: &Options) -> Vec<String> {
    let lists = options.all("delete-config").iter();
    lists
        .flat_map(|list| list.split(',').filter(|name| !name.is_empty()))
        .map(|name| name.trim().to_owned())
        .collect()
}

fn unreadable(error: PropertiesError) -> Trouble {
    match error {
        PropertiesError::Unreadable { path, source } if source.kind() == std::io::ErrorKind::NotFound => {
            Trouble::thrown("java.nio.file.NoSuchFileException", &path.display().to_string())
        }
        error @ (PropertiesError::Unreadable { .. }
        | PropertiesError::Malformed { .. }
        | PropertiesError::Override(_)) => Trouble::Thrown(error.to_string()),
    }
}

/// At the commas outside brackets. Empty words at the end are none, but for a list without a comma.
fn split(list: Option<&str>) -> Vec<&str> {
    let Some(list) = list else { return Vec::new() };
    let mut words = split_outside(list, ',');
    while words.len() > 1 && words.last().is_some_and(|word| word.is_empty()) {
        words.pop();
    }
    // Nothing but commas is nothing at all.
    if words == [""] && !list.is_empty() { Vec::new() } else { words }
}

fn halves(pair: &str) -> Vec<&str> {
    split_outside(pair, '=')
}

fn split_outside(text: &str, separator: char) -> Vec<&str> {
    let (mut words, mut from) = (Vec::new(), 0);
    for (at, _) in text.match_indices(separator).filter(|(at, _)| is_outside(&text[at + 1..])) {
        words.push(&text[from..at]);
        from = at + 1;
    }
    words.push(&text[from..]);
    words
}

/// Kafka's pattern looks from a separator to the right: a bracket opens before one closes, or none closes.
fn is_outside(rest: &str) -> bool {
    rest.find(']').is_none_or(|close| rest[..close].contains('['))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;
    use crate::options::{Grammar, with};

    fn read(list: &str) -> Result<String, String> {
        static GRAMMAR: Grammar =
            Grammar { specs: &[with("add-config", "", ""), with("add-config-file", "", "")] };
        let options = GRAMMAR.parse(&["--add-config".to_owned(), list.to_owned()]).unwrap();
        match added(&options, &mut Vec::new()) {
            Ok(pairs) => {
                Ok(pairs.iter().map(|(name, value)| format!("{name}:{value}")).collect::<Vec<_>>().join(" "))
            }
            Err(Trouble::Told(Failure::Sentence(sentence))) => Err(sentence),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn brackets_hold_commas_together() {
        for (list, expected) in [
            ("a=1", "a:1"),
            ("a=[1,2],b = 3,", "a:1,2 b:3"),
            ("a=[b=c,d]", "a:b=c,d"),
            ("a=,b=[]", "a: b:"),
            ("a=1,a=2", "a:2"),
            (",", ""),
        ] {
            assert_eq!(read(list).as_deref(), Ok(expected), "{list}");
        }
    }

    /// Recorded from Kafka 3.9.1.
    #[test]
    fn what_is_no_pair_is_refused() {
        let format = "requirement failed: Invalid entity config: all configs to be added must be in the format \"key=val\".";
        for list in ["a", "", "a=b=c", "a=1,,b=2"] {
            assert_eq!(read(list).unwrap_err(), format, "{list}");
        }
        assert_eq!(read("a b=c").unwrap_err(), "Invalid character found for config key: a b");
    }
}
