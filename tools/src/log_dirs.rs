//! `kafka-log-dirs.sh`: what lies in the log directories of brokers, as one line of JSON.
//!
//! Order of keys and elements is that of Kafka 3.9, which comes from Java's maps. Source: LogDirsCommand.

use std::io::{self, Write};

use client::{Address, Client, DescribedLogDir, DescribedReplica};
use protocol::{BrokerId, ErrorCode};
use serde_json::Value;
use tokio::runtime::Builder;

use crate::failure::Failure;
use crate::java_hash::{in_hash_order, in_map_order, of_partition};
use crate::options::{Grammar, Options, Spec, flag, with};
use crate::{java_errors, java_properties};

static SPECS: &[Spec] = &[
    with("bootstrap-server", "host:port,…", "Brokers to ask. Required."),
    with("command-config", "file", "Properties of the admin client."),
    flag("describe", "Describe log directories. Required."),
    with("topic-list", "topic,…", "Only these topics; all without it."),
    with("broker-list", "id,…", "Only these brokers; all without it."),
];

static GRAMMAR: Grammar = Grammar { specs: SPECS };

const ABOUT: &str = "This tool helps to query log directory usage on the specified brokers.";

/// How many keys Java's sets and maps are made for.
const CAPACITY: usize = 16;

/// Runs the tool.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let options = read(args)?;
    let address = Address::list(options.text("bootstrap-server")?.unwrap_or_default())?;
    let settings = java_properties::admin_settings(options.text("command-config")?, "log-dirs-tool")?;
    let topics = elements(options.text("topic-list")?);
    let brokers = brokers(&elements(options.text("broker-list")?))?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut out = io::stdout();
    runtime.block_on(describe(&mut Client::new(address, settings), (&topics, &brokers), &mut out))?;
    Ok(out.flush()?)
}

fn read(args: &[String]) -> Result<Options, Failure> {
    let options = GRAMMAR.read_tersely(args, ABOUT)?;
    for required in ["bootstrap-server", "describe"] {
        if !options.has(required) {
            return Err(GRAMMAR.missing(required));
        }
    }
    Ok(options)
}

fn elements(list: Option<&str>) -> Vec<String> {
    list.unwrap_or_default().split(',').filter(|one| !one.is_empty()).map(str::to_owned).collect()
}

/// The ids in the order of Java's set.
fn brokers(given: &[String]) -> Result<Vec<BrokerId>, Failure> {
    let mut ids = Vec::with_capacity(given.len());
    for word in given {
        let id = word.parse().map_err(|_| Failure::Sentence(format!("For input string: \"{word}\"")))?;
        ids.push(BrokerId(id));
    }
    ids.sort();
    ids.dedup();
    Ok(in_set_order(ids))
}

fn in_set_order(ids: Vec<BrokerId>) -> Vec<BrokerId> {
    in_hash_order(ids, CAPACITY, |id| id.0.cast_unsigned())
}

/// All brokers where none is wanted.
async fn describe(
    cluster: &mut Client,
    (topics, wanted): (&[String], &[BrokerId]),
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let live: Vec<BrokerId> =
        cluster.describe_cluster().await?.brokers.iter().map(|broker| broker.id).collect();
    let live = in_set_order(live);
    let missing: Vec<BrokerId> = wanted.iter().copied().filter(|id| !live.contains(id)).collect();
    if !missing.is_empty() {
        return Err(Failure::Sentence(format!(
            "ERROR: The given brokers do not exist from --broker-list: {}. Current existent brokers: {}",
            listed(&missing),
            listed(&live)
        )));
    }
    let asked = if wanted.is_empty() { live.as_slice() } else { wanted };
    writeln!(out, "Querying brokers for log directories information")?;
    let mut found = Vec::with_capacity(asked.len());
    for id in asked {
        let dirs = cluster.describe_log_dirs(*id).await?;
        let dirs = dirs.map_err(|refusal| Failure::Sentence(java_errors::text(&refusal)))?;
        found.push((id.0, dirs));
    }
    writeln!(out, "Received log directory information from brokers {}", listed(asked))?;
    Ok(writeln!(out, "{}", report(found, topics))?)
}

fn listed(ids: &[BrokerId]) -> String {
    ids.iter().map(BrokerId::to_string).collect::<Vec<_>>().join(",")
}

/// Fields in the order in which Kafka's tool prints them.
fn report(found: Vec<(i32, Vec<DescribedLogDir>)>, topics: &[String]) -> String {
    let count = found.len();
    let found = in_hash_order(found, count, |(id, _)| id.cast_unsigned());
    let brokers = found.into_iter().map(|(id, dirs)| {
        let dirs = log_dirs(dirs, topics);
        format!("{{\"broker\":{id},\"logDirs\":{dirs}}}")
    });
    format!("{{\"brokers\":{},\"version\":1}}", list(brokers))
}

fn log_dirs(dirs: Vec<DescribedLogDir>, topics: &[String]) -> String {
    let count = dirs.len();
    let dirs = in_map_order(dirs, count, |dir| &dir.path).into_iter().map(|dir| {
        let error = (dir.error != ErrorCode::None).then(|| java_errors::class(dir.error));
        let (error, path) = (Value::from(error), Value::from(dir.path));
        let partitions = partitions(dir.replicas, topics);
        format!("{{\"partitions\":{partitions},\"error\":{error},\"logDir\":{path}}}")
    });
    list(dirs)
}

fn partitions(mut replicas: Vec<DescribedReplica>, topics: &[String]) -> String {
    replicas.retain(|replica| {
        topics.is_empty() || topics.iter().any(|topic| **topic == *replica.partition.topic)
    });
    let ordered = in_hash_order(replicas, CAPACITY, |replica| of_partition(&replica.partition));
    let partitions = ordered.into_iter().map(|replica| {
        let DescribedReplica { partition, size, offset_lag, is_future } = replica;
        let partition = Value::from(partition.to_string());
        format!(
            "{{\"partition\":{partition},\"size\":{size},\"offsetLag\":{offset_lag},\"isFuture\":{is_future}}}"
        )
    });
    list(partitions)
}

fn list(elements: impl Iterator<Item = String>) -> String {
    format!("[{}]", elements.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use protocol::TopicPartition;

    use super::*;
    use crate::words::{refusal, words};

    /// Recorded from Kafka 3.9.1.
    #[test]
    fn words_faults_as_kafka_does() {
        for (line, expected) in [
            ("", ABOUT),
            ("--foo", "foo is not a recognized option"),
            ("--bootstrap-server a:1", "Missing required argument \"[describe]\""),
            ("--describe", "Missing required argument \"[bootstrap-server]\""),
            ("--bootstrap-server a:1 --describe --broker-list 1,x", "For input string: \"x\""),
            ("--bootstrap-server a:1 --describe --topic-list", "Option topic-list requires an argument"),
        ] {
            assert_eq!(refusal(run(&words(line))), expected, "{line}");
        }
        assert_eq!(brokers(&elements(Some(",3,1,,3,"))).unwrap(), [BrokerId(1), BrokerId(3)]);
    }

    #[test]
    fn reports_as_kafka_does() {
        let replica = |topic, size| DescribedReplica {
            partition: TopicPartition::new(topic, 0),
            size,
            offset_lag: 0,
            is_future: false,
        };
        let dir = |path: &str, error, replicas| DescribedLogDir {
            path: path.to_owned(),
            error,
            replicas,
            total_bytes: None,
            usable_bytes: None,
        };
        let dirs = vec![
            dir("/b", ErrorCode::KafkaStorageError, Vec::new()),
            dir("/a", ErrorCode::None, vec![replica("seg", 7), replica("times", 9)]),
        ];
        let offline = r#"{"partitions":[],"error":"org.apache.kafka.common.errors.KafkaStorageException","logDir":"/b"}"#;
        let times = r#"{"partition":"times-0","size":9,"offsetLag":0,"isFuture":false}"#;
        let seg = r#"{"partition":"seg-0","size":7,"offsetLag":0,"isFuture":false}"#;
        let online =
            |partitions: &str| format!(r#"{{"partitions":[{partitions}],"error":null,"logDir":"/a"}}"#);
        let all = online(&format!("{times},{seg}"));
        let expected = format!(r#"{{"brokers":[{{"broker":1,"logDirs":[{all},{offline}]}}],"version":1}}"#);
        assert_eq!(report(vec![(1, dirs.clone())], &[]), expected);
        assert_eq!(log_dirs(dirs, &["seg".to_owned()]), format!("[{},{offline}]", online(seg)));
        assert_eq!(report(Vec::new(), &[]), r#"{"brokers":[],"version":1}"#);
    }
}
