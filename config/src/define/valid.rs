//! Which values of its type a setting takes, and Kafka's words for those it does not.

use crate::define::Value;
use crate::version::ProtocolVersion;

/// The values that are allowed beyond what the type says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Valid {
    Any,
    AtLeast(i64),
    Between(f64, f64),
    /// -1, or any count above 0.
    CountOrMinusOne,
    /// A level of gzip: 1 to 9, or -1 for the library's own choice.
    GzipLevel,
    OneOf(&'static [&'static str]),
    OneOfAnyCase(&'static [&'static str]),
    /// Each element of a list is one of these.
    EachOf(&'static [&'static str]),
    NonEmpty,
    /// A version of the protocol between brokers such as `3.9` or `3.9-IV0`.
    ProtocolVersion,
    /// `*`, or replicas as `partition:broker`.
    ThrottledReplicas,
}

/// The part of a value that is not allowed, and what is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) value: String,
    pub(super) allowed: String,
}

impl Valid {
    pub(super) fn check(self, name: &str, value: &Value) -> Result<(), Problem> {
        match (self, value) {
            (Valid::OneOf(allowed), Value::Text(text)) => one_of(allowed, text),
            (Valid::EachOf(allowed), Value::List(items)) => {
                items.iter().try_for_each(|item| one_of(allowed, item))
            }
            _ => match self.objection(name, value) {
                None => Ok(()),
                Some(allowed) => Err(Problem { value: value.java(), allowed }),
            },
        }
    }

    fn objection(self, name: &str, value: &Value) -> Option<String> {
        match (self, value) {
            (Valid::AtLeast(least), _) => below(value, least as f64),
            (Valid::Between(least, most), _) => below(value, least).or_else(|| above(value, most)),
            (Valid::CountOrMinusOne, Value::Integer(n)) if *n < -1 || *n == 0 => {
                Some("Value can be -1 or greater than 0".to_owned())
            }
            (Valid::GzipLevel, Value::Integer(n)) if *n != -1 && !(1..=9).contains(n) => {
                Some("Value must be between 1 and 9 or equal to -1".to_owned())
            }
            (Valid::OneOfAnyCase(names), Value::Text(text)) => {
                let known = names.iter().any(|name| name.eq_ignore_ascii_case(text));
                (!known).then(|| format!("String must be one of (case insensitive): {}", names.join(", ")))
            }
            (Valid::NonEmpty, Value::Text(text)) if text.is_empty() => {
                Some("String must be non-empty".to_owned())
            }
            (Valid::ProtocolVersion, Value::Text(text)) => {
                let known = ProtocolVersion::parse(text).is_some();
                (!known).then(|| format!("Version {text} is not a valid version"))
            }
            (Valid::ThrottledReplicas, Value::List(items)) => {
                (!throttled_replicas(items)).then(|| format!("{name} {THROTTLED_REPLICAS}"))
            }
            _ => None,
        }
    }
}

const THROTTLED_REPLICAS: &str = "must be the literal '*' or a list of replicas in the following format: \
    [partitionId]:[brokerId],[partitionId]:[brokerId],...";

fn one_of(allowed: &[&str], text: &str) -> Result<(), Problem> {
    if allowed.contains(&text) {
        return Ok(());
    }
    let allowed = format!("String must be one of: {}", allowed.join(", "));
    Err(Problem { value: text.to_owned(), allowed })
}

/// Kafka compares as doubles and prints its bounds without a fraction where they have none.
fn below(value: &Value, least: f64) -> Option<String> {
    (value.number()? < least).then(|| format!("Value must be at least {least}"))
}

fn above(value: &Value, most: f64) -> Option<String> {
    (value.number()? > most).then(|| format!("Value must be no more than {most}"))
}

fn throttled_replicas(items: &[String]) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let replica =
        |item: &String| item.is_empty() || item.split_once(':').is_some_and(|(a, b)| digits(a) && digits(b));
    items.iter().all(replica) || items.concat() == "*"
}
