//! The table of options that `--help` prints: names on the left, what they do on the right.
//!
//! Laid out for 80 columns like Kafka's; the sentences are our own.

use std::fmt::Write;

use super::{Argument, Spec};

/// Where the right column begins, and how wide it is.
const LEFT: usize = 41;
const RIGHT: usize = 38;

/// One row per option, ordered by name.
pub(super) fn table<'a>(specs: impl Iterator<Item = &'a Spec>) -> String {
    let mut specs: Vec<&Spec> = specs.collect();
    specs.sort_by_key(|spec| spec.name);
    let mut out = String::new();
    row(&mut out, "Option", "Description");
    row(&mut out, "------", "-----------");
    for spec in specs {
        let left = match spec.argument {
            Argument::None => format!("--{}", spec.name),
            Argument::Required(placeholder) => format!("--{} <{placeholder}>", spec.name),
            Argument::Optional(placeholder) => format!("--{} [{placeholder}]", spec.name),
        };
        row(&mut out, &left, spec.help);
    }
    out
}

fn row(out: &mut String, left: &str, right: &str) {
    let mut left = left;
    if left.len() >= LEFT {
        out.push_str(left);
        out.push('\n');
        left = "";
    }
    for line in wrap(right) {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{:<LEFT$}{}", left, line);
        left = "";
    }
}

fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + 1 + word.len() <= RIGHT => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::{flag, with};
    use super::*;

    #[test]
    fn wraps_the_right_column_and_keeps_long_names_whole() {
        let specs = [
            with("replica-assignment", "broker:broker,broker:broker,…", "Where replicas live."),
            flag("list", "One two three four five six seven eight nine ten."),
        ];
        let table = table(specs.iter());
        let lines: Vec<&str> = table.lines().map(str::trim_end).collect();
        assert_eq!(lines[2], format!("{:<LEFT$}{}", "--list", "One two three four five six seven"));
        assert_eq!(lines[3], format!("{:<LEFT$}{}", "", "eight nine ten."));
        assert_eq!(lines[4], "--replica-assignment <broker:broker,broker:broker,…>");
        assert_eq!(lines[5], format!("{:<LEFT$}{}", "", "Where replicas live."));
    }
}
