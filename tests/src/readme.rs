//! The shell examples of README.md, so that a test can run them and tidy can see that none is forgotten.
//! Called by the README walk-through and by tidy.
use crate::project;
use anyhow::{Context, Result};

/// A fenced `sh` block and the heading it stands under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    pub heading: String,
    pub script: String,
}

/// The heading whose examples the walk-through test runs, one after the other.
pub const WALK_THROUGH: &str = "Walk-through";

/// All examples of README.md in their order.
pub fn examples() -> Result<Vec<Example>> {
    let text = std::fs::read_to_string(project::path("README.md")).context("README.md")?;
    Ok(examples_of(&text))
}

/// The examples of a text.
pub fn examples_of(text: &str) -> Vec<Example> {
    let (mut found, mut heading, mut script): (Vec<Example>, String, Option<String>) =
        (Vec::new(), String::new(), None);
    for line in text.lines() {
        match &mut script {
            Some(_) if line == "```" => {
                let script = script.take().unwrap_or_default();
                found.push(Example { heading: heading.clone(), script });
            }
            Some(lines) => *lines += &format!("{line}\n"),
            None if line == "```sh" => script = Some(String::new()),
            None if line.starts_with('#') => heading = line.trim_start_matches('#').trim().to_owned(),
            None => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_blocks_with_their_headings() {
        let text = "# A\n```sh\none\n# two\n```\n## B\n```text\nno\n```\n```sh\nthree\n```\n";
        let example =
            |heading: &str, script: &str| Example { heading: heading.into(), script: script.into() };
        assert_eq!(examples_of(text), [example("A", "one\n# two\n"), example("B", "three\n")]);
    }
}
