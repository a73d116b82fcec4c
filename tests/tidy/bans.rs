//! Words and calls that have no place in the repository, or only one; each with the reason.
//! How: a table of bans is matched against every line; a sample shows what each finds.
use crate::source::{FOR_TESTS, Line, Source, all};

/// Where a ban looks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum In {
    /// Code that goes into a program.
    Production,
    /// Everything, comments and documents too.
    Everything,
}

struct Ban {
    text: &'static str,
    scope: In,
    /// Paths that begin so may have it.
    but: &'static [&'static str],
    reason: &'static str,
}

const TASKS: &[&str] = &["broker/src/tasks.rs"];
/// Where waiting is the work itself: design rule of `docs/decisions/0002-pure-machines.md`.
const ASYNC: &[&str] = &["broker/", "client/", "tools/", "zookeeper/src/session", "tests/"];
const SPAWN: &str = "every task has a kind with an owner and a consequence: use broker/src/tasks.rs";
const PATHS: &str = "names a folder of one machine";
const UNFINISHED: &str = "finish it, or leave it out";

// The texts are split so that this table is not a breach itself.
const BANS: &[Ban] = &[
    ban("async ", In::Production, ASYNC, "no waiting in pure code: only the shells are async"),
    ban(".await", In::Production, ASYNC, "no waiting in pure code: only the shells are async"),
    ban(concat!("tokio::", "spawn("), In::Production, TASKS, SPAWN),
    ban(concat!("task::", "spawn("), In::Production, TASKS, SPAWN),
    ban(concat!("spawn_", "blocking("), In::Production, TASKS, SPAWN),
    ban(concat!("unbounded_", "channel("), In::Production, &[], "every queue has a named capacity"),
    ban(concat!(".unwrap", "()"), In::Production, &[], "return an error, or expect() with the proof"),
    ban(concat!("dbg", "!("), In::Everything, &[], "remove it"),
    ban(concat!("todo", "!("), In::Everything, &[], UNFINISHED),
    ban(concat!("unimplemented", "!("), In::Everything, &[], UNFINISHED),
    ban(concat!("TO", "DO"), In::Everything, &[], UNFINISHED),
    ban(concat!("FIX", "ME"), In::Everything, &[], UNFINISHED),
    ban(concat!("#[ign", "ore"), In::Everything, &[], "a test that is not run proves nothing"),
    ban(concat!("#[should_", "panic"), In::Everything, &[], "assert on the value that tells"),
    ban(concat!("/wo", "rk/"), In::Everything, &[], PATHS),
    ban(concat!("/ro", "ot/"), In::Everything, &[], PATHS),
    ban(concat!("/ho", "me/"), In::Everything, &[], PATHS),
];

const fn ban(text: &'static str, scope: In, but: &'static [&'static str], reason: &'static str) -> Ban {
    Ban { text, scope, but, reason }
}

fn breaches(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        for ban in BANS.iter().filter(|ban| !ban.but.iter().any(|path| source.path.starts_with(path))) {
            let lines = lines_in(source, ban.scope);
            let hits = lines.iter().filter(|line| has(line.code, ban.text));
            found.extend(
                hits.map(|line| format!("{}: `{}`: {}", source.at(line), ban.text.trim(), ban.reason)),
            );
        }
    }
    found
}

fn lines_in(source: &Source, scope: In) -> Vec<Line<'_>> {
    match scope {
        In::Production => source.production(),
        In::Everything => source.lines(),
    }
}

/// Tests that wait for the real clock; tokio's paused one is stepped, not waited for.
fn sleeps(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| !source.text.contains("start_paused = true")) {
        let lines = source.testing();
        let asleep = lines.iter().filter(|line| line.code.contains(concat!("sle", "ep(")));
        found.extend(asleep.map(|line| format!("{}: step the time, or await a condition", source.at(line))));
    }
    found
}

/// Whether `text` occurs with no letter before it, where it begins with one.
fn has(code: &str, text: &str) -> bool {
    let word = text.starts_with(char::is_alphabetic);
    code.match_indices(text)
        .any(|(at, _)| !word || !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// Folders with a file named `mod.rs`, and test modules that do not end their file.
fn misplaced(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        if source.path.ends_with("/mod.rs") {
            found.push(format!("{}: name it after its folder, beside it", source.path));
        }
        let lines = source.lines();
        let pairs = lines.windows(2).filter(|pair| pair[0].code.trim() == FOR_TESTS);
        let odd = pairs.filter(|pair| !["mod ", "use "].iter().any(|word| pair[1].code.contains(word)));
        found.extend(
            odd.map(|pair| {
                format!("{}: only a `mod` or `use` stands below {FOR_TESTS}", source.at(&pair[1]))
            }),
        );
    }
    found
}

#[test]
fn nothing_banned() {
    crate::none(&breaches(&all()));
}

#[test]
fn no_test_sleeps() {
    crate::none(&sleeps(&all()));
}

#[test]
fn tests_stand_at_the_end_and_no_mod_rs() {
    crate::none(&misplaced(&all()));
}

#[test]
fn the_bans_find_what_they_should() {
    let text = format!(
        "//! Async is a word here, async too.\nasync fn a() {{}}\nlet b = c{}; // {}\n#[cfg(test)]\nmod tests {{\n    d{};\n{}\n",
        concat!(".unwrap", "()"),
        concat!("TO", "DO"),
        concat!(".unwrap", "()"),
        concat!("std::thread::", "sleep(x)")
    );
    let source = Source::new("storage/src/a.rs", &text);
    let found: Vec<String> =
        breaches(&[source]).iter().map(|line| line.split('`').next().unwrap().to_owned()).collect();
    let at = |line| format!("storage/src/a.rs:{line}: ");
    assert_eq!(found, [at(2), at(3), at(3)]);
    assert_eq!(sleeps(&[Source::new("storage/src/a.rs", &text)]).len(), 1);
}

#[test]
fn a_place_that_may_is_left_alone() {
    let spawn = format!("{}x);\n", concat!("tokio::", "spawn("));
    assert!(breaches(&[Source::new("broker/src/tasks.rs", &spawn)]).is_empty());
    assert_eq!(breaches(&[Source::new("broker/src/api.rs", &spawn)]).len(), 1);
    assert!(!has("my_async fn", "async "));
}

#[test]
fn misplaced_tests_are_found() {
    let sources = [
        Source::new("a/src/mod.rs", ""),
        Source::new("a/src/b.rs", "#[cfg(test)]\nconst LIMIT: u8 = 1;\n"),
        Source::new("a/src/c.rs", "#[cfg(test)]\nmod tests {\n"),
    ];
    let found = misplaced(&sources);
    assert_eq!(found.len(), 2, "{found:?}");
}
