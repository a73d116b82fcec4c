//! Coverage marks: a rule that is easy to lose has `mark!("name")` where it is applied and the same name in exactly one test.
//! How: names are collected from production code and from tests, and paired.
use crate::source::{Source, all};
use std::collections::BTreeMap;

const IN_CODE: &str = "mark!(\"";
const IN_TEST: &str = "marked(\"";

fn breaches(sources: &[Source]) -> Vec<String> {
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for source in sources {
        for name in source.production().iter().flat_map(|line| names(line.code, IN_CODE)) {
            counts.entry(name).or_default().0 += 1;
        }
        for name in source.testing().iter().flat_map(|line| names(line.code, IN_TEST)) {
            counts.entry(name).or_default().1 += 1;
        }
    }
    let odd = counts.into_iter().filter(|(_, (code, tests))| *code == 0 || *tests != 1);
    odd.map(|(name, (code, tests))| {
        format!("mark `{name}`: {code} times in code, in {tests} tests instead of one")
    })
    .collect()
}

fn names(code: &str, before: &str) -> Vec<String> {
    let parts = code.split(before).skip(1);
    parts.filter_map(|rest| rest.split_once('"')).map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn every_mark_has_its_test() {
    let sources: Vec<Source> =
        all().into_iter().filter(|source| !source.path.starts_with("tests/tidy/")).collect();
    crate::none(&breaches(&sources));
}

#[test]
fn unpaired_marks_are_found() {
    let text =
        "mark!(\"one\");\nmark!(\"two\");\n#[cfg(test)]\nmod tests {\nmarked(\"one\"); marked(\"three\");\n";
    assert_eq!(
        breaches(&[Source::new("coordinator/src/a.rs", text)]),
        [
            "mark `three`: 0 times in code, in 1 tests instead of one",
            "mark `two`: 1 times in code, in 0 tests instead of one",
        ]
    );
}
