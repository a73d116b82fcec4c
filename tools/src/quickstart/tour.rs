//! What the tour shows: a topic, records written to it and read back, its description.
//!
//! Goes through the same clients as the tools. Finds a topic of an earlier tour and writes after its records.

use std::time::{Duration, Instant};

use client::{Address, Client, NewTopic, OffsetQuery, Placement, Settings};
use config::properties::Properties;
use protocol::{ErrorCode, TopicPartition};
use rdkafka::Offset;
use rdkafka::consumer::BaseConsumer;
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tokio::runtime::{Builder, Runtime};

use crate::failure::Failure;
use crate::librdkafka::{self, Assignment, From, Log};
use crate::topics;

pub(super) const TOPIC: &str = "quickstart";
const RECORDS: [&str; 3] = ["one", "two", "three"];
const PATIENCE: Duration = Duration::from_secs(20);

/// Whose topic it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Made,
    Found,
}

/// What happened.
#[derive(Debug)]
pub(super) struct Toured {
    pub(super) origin: Origin,
    /// As they were read back.
    pub(super) records: Vec<String>,
    pub(super) description: String,
}

/// The whole tour.
pub(super) fn go(bootstrap: &str) -> Result<Toured, Failure> {
    let runtime = runtime()?;
    let mut cluster = client(bootstrap, PATIENCE)?;
    let origin = runtime.block_on(create_topic(&mut cluster))?;
    let end = runtime.block_on(end_offset(&mut cluster))?;
    produce(bootstrap)?;
    let records = consume(bootstrap, end)?;
    let mut description = Vec::new();
    let describe = ["--bootstrap-server", bootstrap, "--describe", "--topic", TOPIC].map(str::to_owned);
    topics::run_into(&describe, &mut description)?;
    Ok(Toured { origin, records, description: String::from_utf8_lossy(&description).into_owned() })
}

/// Whether a broker answers and knows its controller.
pub(super) fn is_ready(bootstrap: &str) -> bool {
    let (Ok(runtime), Ok(mut cluster)) = (runtime(), client(bootstrap, Duration::from_millis(500))) else {
        return false;
    };
    runtime.block_on(cluster.describe_cluster()).is_ok_and(|cluster| cluster.controller.is_some())
}

pub(super) fn delete_topic(bootstrap: &str) -> Result<(), Failure> {
    let mut cluster = client(bootstrap, PATIENCE)?;
    let outcomes = runtime()?.block_on(cluster.delete_topics(&[TOPIC.to_owned()]))?;
    outcomes.into_iter().collect::<Result<(), _>>().map_err(Failure::from)
}

async fn create_topic(cluster: &mut Client) -> Result<Origin, Failure> {
    let placement = Placement::Counts { partitions: Some(1), replication_factor: Some(1) };
    let topic = NewTopic { name: TOPIC.to_owned(), placement, configs: Default::default() };
    match cluster.create_topics(&[topic]).await?.into_iter().find_map(Result::err) {
        None => Ok(Origin::Made),
        Some(refusal) if refusal.code == ErrorCode::TopicAlreadyExists => Ok(Origin::Found),
        Some(refusal) => Err(refusal.into()),
    }
}

/// Where the next record goes, as soon as the partition has a leader.
async fn end_offset(cluster: &mut Client) -> Result<i64, Failure> {
    let partition = TopicPartition { topic: TOPIC.into(), partition: 0 };
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found =
            cluster.list_offsets(&[(partition.clone(), OffsetQuery::Latest)]).await?.remove(&partition);
        match found {
            Some(Ok(found)) => return Ok(found.offset.0),
            // The broker that answers may not have heard of the topic yet.
            Some(Err(_)) | None if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Some(Err(refusal)) => return Err(refusal.into()),
            None => return Err(Failure::Sentence(format!("{partition} cannot be found"))),
        }
    }
}

fn produce(bootstrap: &str) -> Result<(), Failure> {
    let settings = librdkafka::producer(&properties(bootstrap))?;
    let producer: BaseProducer = settings.config.create().map_err(|error| librdkafka::failed(&error))?;
    for record in RECORDS {
        let record = BaseRecord::<[u8], str>::to(TOPIC).payload(record);
        producer.send(record).map_err(|(error, _)| librdkafka::failed(&error))?;
    }
    producer.flush(PATIENCE).map_err(|error| librdkafka::failed(&error))
}

fn consume(bootstrap: &str, from: i64) -> Result<Vec<String>, Failure> {
    let config = librdkafka::consumer(&properties(bootstrap))?;
    let consumer: BaseConsumer<Log> =
        config.create_with_context(Log).map_err(|error| librdkafka::failed(&error))?;
    let mut assignment =
        Assignment::new(From::Partition(TOPIC.to_owned(), 0), Offset::Offset(from), PATIENCE);
    let deadline = Instant::now() + PATIENCE;
    let mut records = Vec::new();
    while records.len() < RECORDS.len() {
        assignment.keep(&consumer).map_err(|error| librdkafka::failed(&error))?;
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                records.push(String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned());
            }
            Some(Err(error)) => tracing::warn!("{error}"),
            None if Instant::now() > deadline => {
                return Err(Failure::Sentence(format!("only {} records came back", records.len())));
            }
            None => {}
        }
    }
    Ok(records)
}

fn properties(bootstrap: &str) -> Properties {
    [("bootstrap.servers", bootstrap), ("client.id", TOPIC)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into_iter()
        .collect()
}

fn client(bootstrap: &str, call_timeout: Duration) -> Result<Client, Failure> {
    let settings = Settings { client_id: TOPIC.to_owned(), call_timeout, ..Settings::default() };
    Ok(Client::new(Address::list(bootstrap)?, settings))
}

fn runtime() -> Result<Runtime, Failure> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}
