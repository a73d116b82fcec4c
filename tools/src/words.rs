//! Command lines, and what is said about them, as the tests of all tools write them.

use std::fmt::Debug;

use crate::failure::Failure;

/// A command line without quotes.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// What is said about a command line that makes no sense.
#[track_caller]
pub(crate) fn refusal<T: Debug>(outcome: Result<T, Failure>) -> String {
    match outcome {
        Err(Failure::Usage { message, .. } | Failure::Sentence(message)) => message,
        other => panic!("{other:?}"),
    }
}
