//! The rules of the repository as ordinary tests: layers, bans, names, documents, licences.
//! How: each rule is a function from texts to a list of breaches; one test shows it on a sample that breaks it, another runs it
//! over the repository. A breach is one line: place, what is wrong, what to do.
#![expect(clippy::unwrap_used, reason = "a suite is test code from top to bottom")]
mod bans;
mod decisions;
mod documents;
mod layers;
mod licences;
mod marks;
mod metadata;
mod names;
mod source;
mod suites;

/// Fails with all breaches, one a line.
#[track_caller]
fn none(breaches: &[String]) {
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}
