//! Names that tell nothing (a manager, a helper, some data) are refused for types and files.
//! How: names are split into words, and words compared with a list.
use crate::source::{Source, all};

const EMPTY_WORDS: &[&str] =
    &["manager", "helper", "util", "handler", "impl", "base", "common", "data", "info"];
const KEYWORDS: &[&str] = &["struct ", "enum ", "trait ", "type ", "union "];

fn breaches(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        let parts = source.path.trim_end_matches(".rs").split(['/', '_', '-']);
        found.extend(
            empty_word(parts)
                .map(|word| format!("{}: a file named by what it is, not `{word}`", source.path)),
        );
        for line in source.lines() {
            let name = defined(line.code).unwrap_or_default();
            let word = empty_word(words(&name).iter().map(String::as_str));
            found.extend(word.map(|word| format!("{}: `{name}`: `{word}` says nothing", source.at(&line))));
        }
    }
    found
}

fn empty_word<'a>(words: impl Iterator<Item = &'a str>) -> Option<&'static str> {
    let lower: Vec<String> = words.map(|word| word.to_lowercase()).collect();
    let is = |word: &&&str| lower.iter().any(|name| name == **word || *name == format!("{word}s"));
    EMPTY_WORDS.iter().find(is).copied()
}

/// The name of the type that a line defines.
fn defined(line: &str) -> Option<String> {
    let code = line.trim_start();
    let code = code.strip_prefix("pub ").or_else(|| code.strip_prefix("pub(crate) ")).unwrap_or(code);
    let rest = KEYWORDS.iter().find_map(|keyword| code.strip_prefix(keyword))?;
    Some(rest.chars().take_while(|c| c.is_alphanumeric()).collect())
}

/// `LogView` is `Log` and `View`; `Metadata` is one word.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for letter in name.chars() {
        match words.last_mut() {
            Some(word) if !letter.is_uppercase() => word.push(letter),
            _ => words.push(letter.to_string()),
        }
    }
    words
}

#[test]
fn names_say_something() {
    crate::none(&breaches(&all()));
}

#[test]
fn empty_names_are_found() {
    let sources = [
        Source::new("a/src/log_utils.rs", "pub struct ReplicaManager {\nstruct Metadata;\nimpl Base for X\n"),
        Source::new("a/src/base64.rs", "pub(crate) enum TopicInfo {\nlet handler = 1;\n"),
    ];
    let found = breaches(&sources);
    assert_eq!(
        found,
        [
            "a/src/log_utils.rs: a file named by what it is, not `util`",
            "a/src/log_utils.rs:1: `ReplicaManager`: `manager` says nothing",
            "a/src/base64.rs:1: `TopicInfo`: `info` says nothing",
        ]
    );
}
