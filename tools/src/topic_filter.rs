//! Topics by pattern: a comma-separated list of regular expressions, each for the whole name.
//!
//! Source: TopicFilter.IncludeList. Java's look-around and back references are refused, with the pattern named.

use regex::Regex;

/// Which topics a pattern takes.
#[derive(Debug)]
pub(crate) struct TopicFilter {
    whole_name: Regex,
}

/// A pattern that is no regular expression.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pattern} is an invalid regex.")]
pub(crate) struct BadPattern {
    pattern: String,
}

impl TopicFilter {
    /// Quotes around the pattern are ignored: properties files bring them.
    pub(crate) fn new(pattern: &str) -> Result<TopicFilter, BadPattern> {
        let pattern = pattern.trim().replace(',', "|").replace(' ', "");
        let pattern = pattern.trim_matches(['"', '\'']);
        let bad = |_| BadPattern { pattern: pattern.to_owned() };
        Regex::new(&format!("^(?:{pattern})$")).map(|whole_name| TopicFilter { whole_name }).map_err(bad)
    }

    pub(crate) fn takes(&self, topic: &str) -> bool {
        self.whole_name.is_match(topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_whole_names_only() {
        let taken = |pattern: &str| {
            let filter = TopicFilter::new(pattern).unwrap();
            let all = ["a1", "b.1", "b_1", "ab"];
            all.into_iter().filter(|topic| filter.takes(topic)).collect::<Vec<_>>()
        };
        assert_eq!(taken("a"), Vec::<&str>::new());
        assert_eq!(taken("a.*, b.1"), ["a1", "b.1", "b_1", "ab"]);
        assert_eq!(taken(r"'b\.1'"), ["b.1"]);
        assert_eq!(taken("a1|ab"), ["a1", "ab"]);
        assert_eq!(TopicFilter::new("a(").unwrap_err().to_string(), "a( is an invalid regex.");
    }
}
