//! What a broker answered beside what is recorded, field by field, and the list of differences that are meant.
//! `differences.txt` has a line for each: `case | field | Kafka's | ours | why`, where `*` stands for anything; one that nothing needs
//! any more is an error.
use crate::script::{Script, Step};
use crate::tree::Tree;
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use tests::project;

/// A field that is not as recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    case: String,
    field: String,
    theirs: String,
    ours: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} | {} | {} | {}", self.case, self.field, self.theirs, self.ours)
    }
}

const ABSENT: &str = "(absent)";

/// All differences of one step; `at` is its number in the scenario.
pub(crate) fn compare(
    script: &Script,
    scenario: usize,
    at: usize,
    played: &[String],
) -> Result<Vec<Difference>> {
    let scenario = &script.scenarios[scenario];
    let line = &scenario.lines[at];
    let place = format!("{}/{}/{}", script.name, scenario.name, at + 1);
    let (theirs, ours) = (answers(&line.step, &line.recorded)?, answers(&line.step, played)?);
    let mut found = Vec::new();
    let mut labels: Vec<&String> = theirs.keys().chain(ours.keys()).collect();
    labels.sort();
    labels.dedup();
    for label in labels {
        let case = format!("{place} {label}");
        differ(&case, "", theirs.get(label), ours.get(label), &mut found);
    }
    Ok(found)
}

/// The lines of a step as answers with labels: request and version, or the path of a node.
pub(crate) fn answers(step: &Step, lines: &[String]) -> Result<BTreeMap<String, Tree>> {
    let mut answers = BTreeMap::new();
    for (at, line) in lines.iter().enumerate() {
        match step {
            Step::Call(call) => {
                let (versions, answer) = line.split_once(' ').context("an answer without version")?;
                let (answer, versions) = (Tree::parse(answer)?, crate::message::Versions::parse(versions)?);
                for version in versions.first..=versions.last {
                    answers.insert(format!("{} v{version}", call.api), answer.clone());
                }
            }
            Step::Generate { .. } => {
                let (request, answer) = line.split_once(" => ").context("a request without answer")?;
                answers.insert(format!("{at:03} {request}"), Tree::parse(answer)?);
            }
            _ => {
                let (path, rest) = line.split_at(line[2..].find(' ').map_or(line.len(), |space| space + 2));
                // Several notifications have the same path.
                let mut label = path.to_owned();
                while answers.contains_key(&label) {
                    label.push('\'');
                }
                answers.insert(label, Tree::Text(rest.trim().to_owned()));
            }
        }
    }
    Ok(answers)
}

fn differ(case: &str, field: &str, theirs: Option<&Tree>, ours: Option<&Tree>, found: &mut Vec<Difference>) {
    let below = |name: &str| if field.is_empty() { name.to_owned() } else { format!("{field}.{name}") };
    match (theirs, ours) {
        (Some(theirs), Some(ours)) if theirs == ours => {}
        (Some(Tree::Fields(theirs)), Some(Tree::Fields(ours))) => {
            let mut names: Vec<&String> = theirs.iter().map(|(name, _)| name).collect();
            names.extend(
                ours.iter()
                    .map(|(name, _)| name)
                    .filter(|name| !theirs.iter().any(|(other, _)| other == *name)),
            );
            let value = |fields: &[(String, Tree)], name: &str| {
                fields.iter().find(|(other, _)| other == name).map(|(_, tree)| tree.clone())
            };
            for name in names {
                differ(case, &below(name), value(theirs, name).as_ref(), value(ours, name).as_ref(), found);
            }
        }
        (Some(Tree::List(theirs)), Some(Tree::List(ours))) if named(theirs) && named(ours) => {
            let all = theirs.iter().chain(ours).filter_map(identity).map(ToString::to_string);
            let value = |elements: &[Tree], name: &str| {
                elements
                    .iter()
                    .find(|element| identity(element).is_some_and(|id| id.to_string() == name))
                    .cloned()
            };
            for name in all.collect::<BTreeSet<_>>() {
                differ(
                    case,
                    &below(&name),
                    value(theirs, &name).as_ref(),
                    value(ours, &name).as_ref(),
                    found,
                );
            }
        }
        (Some(Tree::List(theirs)), Some(Tree::List(ours))) if theirs.len() == ours.len() => {
            for (at, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
                differ(case, &below(&at.to_string()), Some(theirs), Some(ours), found);
            }
        }
        (theirs, ours) => {
            let shown = |tree: Option<&Tree>| tree.map_or(ABSENT.to_owned(), ToString::to_string);
            let field = if field.is_empty() { "(answer)" } else { field };
            found.push(Difference {
                case: case.to_owned(),
                field: field.to_owned(),
                theirs: shown(theirs),
                ours: shown(ours),
            });
        }
    }
}

/// Fields that tell the elements of a list from each other.
const IDENTITIES: [&str; 8] =
    ["Name", "Topic", "PartitionIndex", "Partition", "Index", "ApiKey", "LogDir", "EntityType"];

fn identity(element: &Tree) -> Option<&Tree> {
    IDENTITIES.iter().find_map(|name| element.field(name))
}

/// Whether each element of a list is told from all others by its identity.
fn named(elements: &[Tree]) -> bool {
    let names: BTreeSet<String> = elements.iter().filter_map(identity).map(ToString::to_string).collect();
    names.len() == elements.len() && !elements.is_empty()
}

/// A difference that is meant, and whether there still is one.
struct Meant {
    line: String,
    patterns: Vec<String>,
    used: bool,
}

/// The reviewed list.
pub(crate) struct Differences(Vec<Meant>);

impl Differences {
    pub(crate) fn read() -> Result<Differences> {
        let text = std::fs::read_to_string(project::path("tests/differential/differences.txt"))?;
        let mut meant = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let patterns: Vec<String> = line.split(" | ").map(|part| part.trim().to_owned()).collect();
            anyhow::ensure!(patterns.len() == 5 && !patterns[4].is_empty(), "differences.txt: `{line}`");
            meant.push(Meant { line: line.to_owned(), patterns, used: false });
        }
        Ok(Differences(meant))
    }

    /// Whether a difference is in the list.
    pub(crate) fn has(&mut self, found: &Difference) -> bool {
        let parts = [&found.case, &found.field, &found.theirs, &found.ours];
        let fits =
            |meant: &Meant| meant.patterns.iter().zip(parts).all(|(pattern, part)| fits(pattern, part));
        let mut any = false;
        for meant in self.0.iter_mut().filter(|meant| fits(meant)) {
            meant.used = true;
            any = true;
        }
        any
    }

    pub(crate) fn unused(&self) -> Vec<String> {
        self.0.iter().filter(|meant| !meant.used).map(|meant| meant.line.clone()).collect()
    }
}

/// Whether a text is as a pattern says, in which `*` is any text.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    loop {
        if fits(rest, text) {
            return true;
        }
        let mut letters = text.chars();
        if letters.next().is_none() {
            return false;
        }
        text = letters.as_str();
    }
}

#[test]
fn fields_are_compared_one_by_one() {
    let tree = |text| Tree::parse(text).unwrap();
    let mut found = Vec::new();
    let (theirs, ours) = (tree("{A:[{B:1,C:2}],D:[1]}"), tree("{A:[{B:1,C:3,E:4}],D:[]}"));
    differ("case", "", Some(&theirs), Some(&ours), &mut found);
    let (theirs, ours) = (tree(r#"[{Index:1},{Index:2}]"#), tree(r#"[{Index:2}]"#));
    differ("case", "", Some(&theirs), Some(&ours), &mut found);
    let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "case | A.0.C | 2 | 3",
            "case | A.0.E | (absent) | 4",
            "case | D | [1] | []",
            "case | 1 | {Index:1} | (absent)"
        ]
    );
}

#[test]
fn patterns_have_gaps() {
    assert!(fits("a/*/3 *", "a/b/c/3 x") && fits("*", "") && fits("a*c*", "abcd"));
    assert!(!fits("a*c", "abcd") && !fits("a", "ab"));
}
