//! The texts of the repository, and which part of a Rust file is production code.
//! A file's tests stand at its bottom, below `#[cfg(test)]`; files of the crate `tests` are tests from top to bottom.
use std::path::Path;
use tests::project;

/// A text file, by its path from the root.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
    /// Declared below `#[cfg(test)]`: a file of tests as a whole.
    pub(crate) only_tests: bool,
}

/// A line of code without its comment.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    pub(crate) number: usize,
    pub(crate) code: &'a str,
}

pub(crate) const FOR_TESTS: &str = "#[cfg(test)]";

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned(), only_tests: false }
    }

    pub(crate) fn is_rust(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|extension| extension == "rs")
    }

    /// The crate's folder, or the first part of the path.
    pub(crate) fn folder(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }

    /// Lines that go into a program: none of the crate `tests` but its harness.
    pub(crate) fn production(&self) -> Vec<Line<'_>> {
        let suite = self.folder() == "tests" && !self.path.starts_with("tests/src/");
        if !self.is_rust() || suite || self.only_tests {
            return Vec::new();
        }
        let lines = code(&self.text);
        let is_tests =
            |pair: &[Line<'_>]| pair[0].code == FOR_TESTS && pair[1].code.starts_with("mod tests {");
        let end = lines.windows(2).position(is_tests).unwrap_or(lines.len());
        lines.into_iter().take(end).collect()
    }

    /// Lines of tests.
    pub(crate) fn testing(&self) -> Vec<Line<'_>> {
        if !self.is_rust() {
            return Vec::new();
        }
        let production = self.production().len();
        code(&self.text).into_iter().skip(production).collect()
    }

    /// Every line with its comments.
    pub(crate) fn lines(&self) -> Vec<Line<'_>> {
        self.text.lines().enumerate().map(|(at, code)| Line { number: at + 1, code }).collect()
    }

    pub(crate) fn at(&self, line: &Line<'_>) -> String {
        format!("{}:{}", self.path, line.number)
    }
}

/// Paths of the files that `source` declares for tests only: `#[cfg(test)]` and `mod name;` below it.
fn declared_for_tests(source: &Source) -> Vec<String> {
    let lines: Vec<&str> = source.text.lines().collect();
    let pairs = lines.windows(2).filter(|pair| pair[0] == FOR_TESTS);
    let names = pairs.filter_map(|pair| pair[1].strip_prefix("mod ")?.strip_suffix(';'));
    let stem = source.path.trim_end_matches(".rs");
    let folder = ["/lib", "/main"].iter().find_map(|root| stem.strip_suffix(root)).unwrap_or(stem);
    names.map(|name| format!("{folder}/{name}.rs")).collect()
}

fn code(text: &str) -> Vec<Line<'_>> {
    text.lines().enumerate().map(|(at, line)| Line { number: at + 1, code: before_comment(line) }).collect()
}

/// What stands before `//`, unless that is within a string.
fn before_comment(line: &str) -> &str {
    let starts = line.match_indices("//").map(|(at, _)| at);
    let mut outside = starts.filter(|at| line[..*at].matches('"').count().is_multiple_of(2));
    outside.next().map_or(line, |at| &line[..at])
}

/// Every text file that belongs to the repository.
pub(crate) fn all() -> Vec<Source> {
    let mut found = Vec::new();
    collect(project::root(), &mut found);
    assert!(found.len() > 50, "only {} files found below {}", found.len(), project::root().display());
    let for_tests: Vec<String> = found.iter().flat_map(declared_for_tests).collect();
    for source in &mut found {
        // A module of tests may have modules of its own, in a folder of its name.
        let below = |tests: &String| source.path.starts_with(&format!("{}/", tests.trim_end_matches(".rs")));
        source.only_tests = for_tests.contains(&source.path) || for_tests.iter().any(below);
    }
    found
}

/// Folders that hold what was built, kept or copied, not what was written.
const NOT_OURS: &[&str] = &["target", ".git"];

fn collect(folder: &Path, found: &mut Vec<Source>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let kind = std::fs::symlink_metadata(&path).unwrap();
        if kind.is_dir() && !NOT_OURS.contains(&name.as_str()) {
            collect(&path, found);
        } else if kind.is_file() && !NOT_OURS.contains(&name.as_str()) {
            // A file that is no text has no style.
            if let Ok(text) = std::fs::read_to_string(&path) {
                let below = path.strip_prefix(project::root()).unwrap();
                found.push(Source::new(&below.to_string_lossy(), &text));
            }
        }
    }
}

#[test]
fn code_ends_where_a_comment_begins() {
    assert_eq!(before_comment("let a = 1; // why"), "let a = 1; ");
    assert_eq!(before_comment(r#"let url = "http://x";"#), r#"let url = "http://x";"#);
}

#[test]
fn tests_are_at_the_bottom() {
    let source = Source::new("broker/src/a.rs", "fn a() {}\n#[cfg(test)]\nmod tests {\n}\n");
    assert_eq!((source.production().len(), source.testing().len()), (1, 3));
    let declares = Source::new("broker/src/lib.rs", "#[cfg(test)]\nmod random;\n\nmod api;\n");
    assert_eq!(
        (declares.production().len(), declared_for_tests(&declares)),
        (4, vec!["broker/src/random.rs".into()])
    );
    let suite = Source::new("tests/cluster/a.rs", "fn a() {}\n");
    assert_eq!((suite.production().len(), suite.testing().len()), (0, 1));
}
