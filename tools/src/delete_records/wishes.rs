//! The file of `--offset-json-file`, with the words that Kafka has for what is wrong in it.
//!
//! Pure. What follows the first JSON value is not looked at. Source: DeleteRecordsCommand, JsonValue, DecodeJson.

use std::collections::BTreeSet;

use protocol::{Offset, TopicPartition};
use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::java_hash::{in_hash_order, of_partition};

/// The only version of the file there is, also where none is given.
const VERSION: i32 = 1;
const MAP_CAPACITY: usize = 16;

/// What is to be deleted, each partition once, in the order in which Java's map lists it.
pub(super) fn read(text: &[u8]) -> Result<Vec<(TopicPartition, Offset)>, Failure> {
    let first = serde_json::Deserializer::from_slice(text).into_iter::<Value>().next();
    let Some(Ok(json)) = first else { return refuse("The input string is not a valid JSON") };
    let file = object(&json)?;
    let version = file.get("version").map_or(Ok(VERSION), int)?;
    if version != VERSION {
        return refuse(format!("Not supported version field value {version}"));
    }
    let Some(partitions) = file.get("partitions") else { return refuse("Missing partitions field") };
    let Value::Array(partitions) = partitions else {
        return refuse(format!("Expected JSON array, received {partitions}"));
    };
    let mut wishes = Vec::with_capacity(partitions.len());
    for entry in partitions {
        let entry = object(entry)?;
        let topic = field(entry, "topic")?;
        let Value::String(topic) = topic else { return unexpected("String", topic) };
        let partition = TopicPartition::new(topic.as_str(), int(field(entry, "partition")?)?);
        let offset = field(entry, "offset")?;
        let Some(offset) = offset.as_i64() else { return unexpected("Long", offset) };
        wishes.push((partition, Offset(offset)));
    }
    each_once(wishes)
}

fn each_once(wishes: Vec<(TopicPartition, Offset)>) -> Result<Vec<(TopicPartition, Offset)>, Failure> {
    let mut seen = BTreeSet::new();
    let (mut wishes, again): (Vec<_>, Vec<_>) =
        wishes.into_iter().partition(|(partition, _)| seen.insert(partition.clone()));
    // Of keys that share a place HashMap.computeIfAbsent puts the newest first.
    wishes.reverse();
    let wishes = in_hash_order(wishes, MAP_CAPACITY, |(partition, _)| of_partition(partition));
    if again.is_empty() {
        return Ok(wishes);
    }
    let is_twice = |partition: &TopicPartition| again.iter().any(|(other, _)| other == partition);
    let twice = wishes.iter().map(|(partition, _)| partition).filter(|partition| is_twice(partition));
    let named: Vec<String> = twice.map(TopicPartition::to_string).collect();
    refuse(format!("Offset json file contains duplicate topic partitions: {}", named.join(",")))
}

fn object(value: &Value) -> Result<&Map<String, Value>, Failure> {
    let unexpected = || Failure::Sentence(format!("Expected JSON object, received {value}"));
    value.as_object().ok_or_else(unexpected)
}

fn field<'a>(entry: &'a Map<String, Value>, name: &str) -> Result<&'a Value, Failure> {
    entry.get(name).ok_or_else(|| Failure::Sentence(format!("No such field exists: `{name}`")))
}

fn int(value: &Value) -> Result<i32, Failure> {
    match value.as_i64().and_then(|number| i32::try_from(number).ok()) {
        Some(number) => Ok(number),
        None => unexpected("Integer", value),
    }
}

fn unexpected<T>(expected: &str, found: &Value) -> Result<T, Failure> {
    refuse(format!("Expected `{expected}` value, received {found}"))
}

fn refuse<T>(sentence: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Sentence(sentence.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(rest: &str) -> String {
        format!("{{\"partitions\":[{{{rest}}}]}}")
    }

    #[test]
    fn reads_what_kafka_reads() {
        let text = r#"{"partitions": [{"topic": "b", "partition": 1, "offset": -1},
                       {"topic": "a", "partition": 0, "offset": 9000000000}], "version": 1} and more"#;
        let wishes = read(text.as_bytes()).unwrap();
        let told: Vec<_> =
            wishes.iter().map(|(partition, offset)| (partition.to_string(), offset.0)).collect();
        assert_eq!(told, [("a-0".to_owned(), 9_000_000_000), ("b-1".to_owned(), -1)]);
        assert_eq!(read(br#"{"partitions":[]}"#).unwrap(), []);
    }

    /// Recorded from Kafka 3.9.1.
    #[test]
    fn words_faults_as_kafka_does() {
        for (text, expected) in [
            ("", "The input string is not a valid JSON"),
            ("{\"partitions\": [", "The input string is not a valid JSON"),
            ("[1]", "Expected JSON object, received [1]"),
            ("null", "Expected JSON object, received null"),
            ("{\"version\":1}", "Missing partitions field"),
            ("{\"version\":2}", "Not supported version field value 2"),
            ("{\"version\":\"1\"}", "Expected `Integer` value, received \"1\""),
            ("{\"version\":1.0}", "Expected `Integer` value, received 1.0"),
            ("{\"partitions\":{}}", "Expected JSON array, received {}"),
            ("{\"partitions\":null}", "Expected JSON array, received null"),
            ("{\"partitions\":[1]}", "Expected JSON object, received 1"),
            (&entry(r#""topic":"a","partition":0"#), "No such field exists: `offset`"),
            (&entry(r#""topic":1"#), "Expected `String` value, received 1"),
            (&entry(r#""topic":"a","partition":"0""#), "Expected `Integer` value, received \"0\""),
            (
                &entry(r#""topic":"a","partition":99999999999"#),
                "Expected `Integer` value, received 99999999999",
            ),
            (&entry(r#""topic":"a","partition":0,"offset":1.5"#), "Expected `Long` value, received 1.5"),
        ] {
            let Err(Failure::Sentence(told)) = read(text.as_bytes()) else { panic!("{text} is fine") };
            assert_eq!(told, expected, "{text}");
        }
        let one = |topic| format!(r#"{{"topic":"{topic}","partition":1,"offset":1}}"#);
        let text = format!(r#"{{"partitions":[{}]}}"#, ["t", "a", "t", "a"].map(one).join(","));
        let Err(Failure::Sentence(told)) = read(text.as_bytes()) else { panic!("{text} is fine") };
        assert_eq!(told, "Offset json file contains duplicate topic partitions: a-1,t-1");
    }
}
