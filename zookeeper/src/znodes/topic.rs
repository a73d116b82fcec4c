//! `/brokers/topics/T`: which brokers hold each partition of a topic.
//!
//! Owns the layout: writes version 3, reads whatever has `partitions`, since tools of 2.8 leave the topic id out.
//! Source: Kafka 3.9 `TopicZNode`, `ReplicaAssignment`.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use protocol::{BrokerId, TopicId};
use serde_json::{Map, Value};

use super::ZnodeError;
use super::json::{Fields, Object, list};
use super::key_order::scala_mutable;

/// A topic's partitions, by number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topic {
    /// `None` until the controller has given a topic that a tool made its id.
    pub id: Option<TopicId>,
    pub partitions: BTreeMap<i32, Assignment>,
}

/// Who keeps a partition, and who is coming or going by a reassignment (KIP-455).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assignment {
    /// The preferred leader first; during a reassignment both the target and the origin.
    pub replicas: Vec<BrokerId>,
    pub adding: Vec<BrokerId>,
    pub removing: Vec<BrokerId>,
}

impl Topic {
    /// Version 3.
    pub fn encode(&self) -> Bytes {
        let mut object = Object::new().raw("partitions", self.replica_map(|assignment| &assignment.replicas));
        if let Some(id) = self.id {
            object = object.string("topic_id", &URL_SAFE_NO_PAD.encode(id.as_bytes()));
        }
        object
            .raw("adding_replicas", self.replica_map(|assignment| &assignment.adding))
            .raw("removing_replicas", self.replica_map(|assignment| &assignment.removing))
            .raw("version", 3)
            .into_bytes()
    }

    /// Partition to replicas, leaving out those that have none.
    fn replica_map(&self, replicas: impl Fn(&Assignment) -> &Vec<BrokerId>) -> String {
        let listed = self.partitions.iter().map(|(partition, assignment)| (partition, replicas(assignment)));
        let entries = listed
            .filter(|(_, replicas)| !replicas.is_empty())
            .map(|(partition, replicas)| (partition.to_string(), list(replicas)));
        let ordered = scala_mutable(entries.collect(), |(partition, _)| partition.as_str());
        ordered.iter().fold(Object::new(), |object, (key, replicas)| object.raw(key, replicas)).finish()
    }

    /// Any version; an id or a reassignment that is absent is none.
    pub fn decode(path: &str, data: &[u8]) -> Result<Topic, ZnodeError> {
        let fields = Fields::parse(path, data)?;
        let id = fields.get("topic_id").map(|value| topic_id(&fields, value)).transpose()?;
        let partitions =
            fields.object("partitions")?.ok_or_else(|| fields.error("the key partitions is missing"))?;
        let (adding, removing) = (fields.object("adding_replicas")?, fields.object("removing_replicas")?);
        let mut topic = Topic { id, partitions: BTreeMap::new() };
        for (key, value) in partitions {
            let index = key.parse().ok().filter(|index| *index >= 0);
            let index = index.ok_or_else(|| fields.error(format!("'{key}' is no partition")))?;
            let assignment = Assignment {
                replicas: replicas(&fields, key, value)?,
                adding: moving(&fields, adding, key)?,
                removing: moving(&fields, removing, key)?,
            };
            topic.partitions.insert(index, assignment);
        }
        Ok(topic)
    }
}

fn topic_id(fields: &Fields<'_>, value: &Value) -> Result<TopicId, ZnodeError> {
    let bytes = value.as_str().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let id = bytes.and_then(|bytes| TopicId::from_slice(&bytes).ok());
    id.ok_or_else(|| fields.wrong("topic_id", "22 characters of base64", value))
}

fn replicas(fields: &Fields<'_>, partition: &str, value: &Value) -> Result<Vec<BrokerId>, ZnodeError> {
    Ok(fields.as_ints(partition, value)?.into_iter().map(BrokerId).collect())
}

fn moving(
    fields: &Fields<'_>,
    map: Option<&Map<String, Value>>,
    partition: &str,
) -> Result<Vec<BrokerId>, ZnodeError> {
    match map.and_then(|map| map.get(partition)) {
        Some(value) => replicas(fields, partition, value),
        None => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/brokers/topics/t";

    fn check(live: &str) -> Topic {
        let topic = Topic::decode(PATH, live.as_bytes()).unwrap();
        assert_eq!(topic.encode(), live);
        topic
    }

    #[test]
    fn as_kafka_writes_it() {
        let topic = check(
            r#"{"partitions":{"0":[2,3,1],"1":[3,1,2]},"topic_id":"c1i5lDw0Sr-WDKNlXGYVOg","adding_replicas":{},"removing_replicas":{},"version":3}"#,
        );
        assert_eq!(topic.partitions[&1].replicas, [BrokerId(3), BrokerId(1), BrokerId(2)]);
    }

    #[test]
    fn during_a_reassignment() {
        let topic = check(
            r#"{"partitions":{"0":[3,2,1],"1":[1,2,3],"2":[3,1]},"topic_id":"MEpqe719TcWZP3wTfqFbhA","adding_replicas":{"0":[3],"1":[1]},"removing_replicas":{"0":[1],"1":[3]},"version":3}"#,
        );
        assert_eq!(topic.partitions[&0].adding, [BrokerId(3)]);
        assert!(topic.partitions[&2].removing.is_empty());
    }

    #[test]
    fn many_partitions_are_in_scalas_order() {
        check(
            r#"{"partitions":{"22":[1],"23":[1],"24":[1],"25":[1],"26":[1],"27":[1],"28":[1],"29":[1],"30":[1],"31":[1],"10":[1],"32":[1],"11":[1],"33":[1],"12":[1],"34":[1],"13":[1],"35":[1],"14":[1],"36":[1],"15":[1],"37":[1],"16":[1],"38":[1],"17":[1],"39":[1],"18":[1],"19":[1],"0":[1],"1":[1],"2":[1],"3":[1],"4":[1],"5":[1],"6":[1],"7":[1],"8":[1],"9":[1],"20":[1],"21":[1]},"topic_id":"nnOhbiX1QTSc0o_wFSAy8A","adding_replicas":{},"removing_replicas":{},"version":3}"#,
        );
    }

    #[test]
    fn a_tool_of_2_8_gives_no_id() {
        let topic = Topic::decode(PATH, br#"{"version":1,"partitions":{"0":[1]}}"#).unwrap();
        assert_eq!((topic.id, topic.partitions.len()), (None, 1));
        assert!(topic.encode().starts_with(br#"{"partitions":{"0":[1]},"adding_replicas""#));
    }

    #[test]
    fn garbage_is_named() {
        for (data, problem) in [
            ("{}", "partitions is missing"),
            (r#"{"partitions":[]}"#, "partitions should be an object"),
            (r#"{"partitions":{"x":[1]}}"#, "'x' is no partition"),
            (r#"{"partitions":{"0":1}}"#, "0 should be a list of numbers"),
            (r#"{"partitions":{},"topic_id":"short"}"#, "topic_id"),
        ] {
            let error = Topic::decode(PATH, data.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(problem) && error.contains(PATH), "{error}");
        }
    }
}
