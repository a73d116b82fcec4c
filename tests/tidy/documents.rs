//! Documents that must be there and stay short: module docs, ARCHITECTURE.md, CHANGELOG.md, the examples of README.md.
//! How: lines are counted and headings looked for.
use crate::source::{Source, all};
use tests::readme::{Example, WALK_THROUGH, examples};

const MODULE_DOC_LINES: usize = 5;
/// A file of `broker/src/api/` opens with behaviour, version notes and how it differs from Kafka.
const API_DOC_LINES: usize = 40;
const ARCHITECTURE_LINES: usize = 300;

/// Examples outside the walk-through, and what runs them.
const RUN_ELSEWHERE: &[&str] = &["cargo run --release -- quickstart", "cargo ready"];

fn module_docs(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        let lines = source.text.lines().take_while(|line| line.starts_with("//!")).count();
        let limit = if source.path.starts_with("broker/src/api/") { API_DOC_LINES } else { MODULE_DOC_LINES };
        if lines == 0 {
            found.push(format!("{}: begins without a module doc", source.path));
        } else if lines > limit {
            found.push(format!("{}: {lines} lines of module doc, {limit} are enough", source.path));
        }
    }
    found
}

/// What an example outside the walk-through must be.
fn unrun_examples(examples: &[Example]) -> Vec<String> {
    let elsewhere = examples.iter().filter(|example| example.heading != WALK_THROUGH);
    let commands = elsewhere.flat_map(|example| example.script.lines().map(str::trim));
    let unknown = commands.filter(|line| {
        !line.starts_with('#') && !RUN_ELSEWHERE.contains(&line.split(" #").next().unwrap_or_default().trim())
    });
    unknown
        .map(|line| format!("README.md: `{line}` is run by no test: put it under {WALK_THROUGH}"))
        .collect()
}

fn text_of(path: &str) -> String {
    all().into_iter().find(|source| source.path == path).map(|source| source.text).unwrap_or_default()
}

#[test]
fn every_module_says_what_it_is() {
    crate::none(&module_docs(&all()));
}

#[test]
fn module_docs_are_counted() {
    let sources = [
        Source::new("a/src/a.rs", "use b;\n"),
        Source::new("a/src/b.rs", &"//! x\n".repeat(6)),
        Source::new("broker/src/api/c.rs", &"//! x\n".repeat(6)),
    ];
    let found = module_docs(&sources);
    assert_eq!(
        found,
        ["a/src/a.rs: begins without a module doc", "a/src/b.rs: 6 lines of module doc, 5 are enough"]
    );
}

#[test]
fn the_architecture_is_short() {
    let lines = text_of("ARCHITECTURE.md").lines().count();
    assert!((1..=ARCHITECTURE_LINES).contains(&lines), "ARCHITECTURE.md has {lines} lines");
}

#[test]
fn the_architecture_names_every_crate() {
    let text = text_of("ARCHITECTURE.md");
    let packages = crate::metadata::workspace();
    let missing = packages.iter().filter(|package| !text.contains(&format!("`{}/`", package.name)));
    crate::none(
        &missing
            .map(|package| format!("ARCHITECTURE.md: no line for `{}/`", package.name))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn the_changelog_is_open() {
    assert!(
        text_of("CHANGELOG.md").lines().any(|line| line == "## Unreleased"),
        "CHANGELOG.md: no `## Unreleased`"
    );
}

#[test]
fn every_example_of_the_readme_is_run() {
    let examples = examples().unwrap();
    assert!(
        examples.iter().any(|example| example.heading == WALK_THROUGH),
        "README.md has no {WALK_THROUGH}"
    );
    crate::none(&unrun_examples(&examples));
}

#[test]
fn an_example_that_nothing_runs_is_found() {
    let example = |heading: &str, script: &str| Example { heading: heading.into(), script: script.into() };
    let found = unrun_examples(&[
        example("Start", "cargo ready   # all checks\nbin/other.sh\n"),
        example(WALK_THROUGH, "bin/kafka-topics.sh\n"),
    ]);
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("bin/other.sh"), "{found:?}");
}
