//! Every crate that we take from others has its reason written down in docs/decisions.
//! How: the names of all dependencies are looked for, in backticks, in the records.
use crate::metadata::workspace;
use crate::source::{Source, all};
use std::collections::BTreeSet;

const RECORDS: &str = "docs/decisions/";

fn breaches(dependencies: &BTreeSet<String>, sources: &[Source]) -> Vec<String> {
    let records: Vec<&Source> = sources.iter().filter(|source| source.path.starts_with(RECORDS)).collect();
    let named = |name: &&String| records.iter().any(|record| record.text.contains(&format!("`{name}`")));
    let mut found: Vec<String> = dependencies
        .iter()
        .filter(|name| !named(name))
        .map(|name| format!("{name}: say in {RECORDS} what it saves and what it costs"))
        .collect();
    found.extend(
        records
            .iter()
            .filter(|record| !numbered(&record.path))
            .map(|record| format!("{}: a record is named NNNN-title.md", record.path)),
    );
    found
}

fn numbered(path: &str) -> bool {
    let name = path.trim_start_matches(RECORDS);
    let (number, title) = name.split_once('-').unwrap_or_default();
    number.len() == 4 && number.bytes().all(|byte| byte.is_ascii_digit()) && title.ends_with(".md")
}

#[test]
fn every_dependency_has_its_reason() {
    let packages = workspace();
    let dependencies = packages.iter().flat_map(|package| &package.dependencies).filter(|one| !one.ours);
    crate::none(&breaches(&dependencies.map(|one| one.name.clone()).collect(), &all()));
}

#[test]
fn a_crate_without_reason_is_found() {
    let sources = [
        Source::new("docs/decisions/0001-crates.md", "`bytes`: slices without copies\n"),
        Source::new("docs/decisions/notes.md", ""),
    ];
    let dependencies = ["bytes", "regex"].map(str::to_owned).into();
    assert_eq!(
        breaches(&dependencies, &sources),
        [
            "regex: say in docs/decisions/ what it saves and what it costs",
            "docs/decisions/notes.md: a record is named NNNN-title.md",
        ]
    );
}
