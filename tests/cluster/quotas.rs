//! Quotas as a client measures them: rates of producing, fetching and changing topics, who is limited by which, changes while it runs.
//! How: a client of our own sends as fast as it is answered, and counts what went through for two windows of eleven seconds from its first request on,
//! as each begins with a burst of ten seconds' worth; quotas are set by Kafka's own kafka-configs. Five per cent are allowed.
use crate::scene::{SOON, Scene};
use anyhow::{Context, Result, ensure};
use bytes::{Buf, Bytes};
use protocol::batch::Codec;
use protocol::messages::create_topics_request::CreatableTopic;
use protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::{
    CreateTopicsRequest, CreateTopicsResponse, FetchRequest, FetchResponse, MetadataRequest,
    MetadataResponse, ProduceRequest, ProduceResponse, TopicName,
};
use protocol::record::{BatchBuilder, NewRecord};
use protocol::request::{RequestHeader, encode};
use protocol::{ApiKey, Decodable, Encodable, HeaderVersion, Millis, StrBytes};
use std::time::{Duration, Instant};
use tests::broker::Kind;
use tests::condition::until_ok;
use tests::wire::Wire;

/// Two windows, and half a sample: the third burst is not in.
const LONG: Duration = Duration::from_millis(22_500);
const RATE: f64 = 200_000.0;
const BATCH_BYTES: usize = 5_000;

/// A connection that calls itself something.
struct Client {
    wire: Wire,
    id: &'static str,
    last: i32,
}

impl Client {
    fn connect(scene: &Scene, id: &'static str) -> Result<Client> {
        Ok(Client { wire: scene.broker.connect()?, id, last: 0 })
    }

    /// The answer, and the bytes of request and answer on the wire.
    fn ask<Q, A>(&mut self, api: ApiKey, version: i16, request: &Q) -> Result<(A, usize, usize)>
    where
        Q: Encodable + HeaderVersion,
        A: Decodable + HeaderVersion,
    {
        self.last += 1;
        let client_id = Some(StrBytes::from_static_str(self.id));
        let header = RequestHeader { api, version, correlation_id: self.last, client_id };
        let sent = encode(&header, request)?;
        self.wire.send(&sent)?;
        let frame = self.wire.receive()?.context("the broker closed the connection")?;
        let received = frame.len();
        let mut answer = Bytes::from(frame);
        ensure!(answer.get_i32() == self.last, "an answer to another request");
        if A::header_version(version) >= 1 {
            ensure!(answer.get_u8() == 0, "tags in a header");
        }
        Ok((A::decode(&mut answer, version)?, sent.len() - 4, received))
    }

    fn produce(&mut self, topic: &str, records: &Bytes) -> Result<(usize, i32)> {
        let partition = PartitionProduceData::default().with_index(0).with_records(Some(records.clone()));
        let data = TopicProduceData::default().with_name(name(topic)).with_partition_data(vec![partition]);
        let request =
            ProduceRequest::default().with_acks(1).with_timeout_ms(10_000).with_topic_data(vec![data]);
        let (answer, sent, _): (ProduceResponse, _, _) = self.ask(ApiKey::Produce, 9, &request)?;
        let error = answer.responses[0].partition_responses[0].error_code;
        ensure!(error == 0, "produce failed with {error}");
        Ok((sent, answer.throttle_time_ms))
    }

    /// Produces until an answer tells of a quota.
    fn until_held_back(&mut self, records: &Bytes) -> Result<()> {
        until_ok("the quota is in force", SOON, || {
            let (_, ms) = self.produce("t", records)?;
            ensure!(ms > 0, "not yet");
            Ok(())
        })
    }

    fn fetch(&mut self, topic: &str) -> Result<(FetchResponse, usize)> {
        let partition = FetchPartition::default().with_partition_max_bytes(BATCH_BYTES as i32);
        let wanted = FetchTopic::default().with_topic(name(topic)).with_partitions(vec![partition]);
        let request = FetchRequest::default()
            .with_max_bytes(BATCH_BYTES as i32)
            .with_session_epoch(-1)
            .with_topics(vec![wanted]);
        let (answer, _, received) = self.ask(ApiKey::Fetch, 12, &request)?;
        Ok((answer, received))
    }
}

fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

fn records() -> Result<Bytes> {
    let mut batch = BatchBuilder::new(Codec::None);
    let value = vec![b'x'; BATCH_BYTES - 200];
    batch.push(&NewRecord { timestamp: Millis(0), key: None, value: Some(&value), headers: &[] });
    Ok(batch.build()?)
}

impl Scene {
    /// Sets or removes quotas by Kafka's tool.
    fn quota(&self, entity: &[&str], change: &[&str]) -> Result<()> {
        self.configs(&[&["--alter"][..], change, entity].concat())?;
        Ok(())
    }
}

fn close_to(measured: f64, expected: f64) -> Result<()> {
    let off = measured / expected - 1.0;
    ensure!(
        off.abs() < 0.05,
        "{measured:.0} a second where {expected:.0} are allowed: {:.1} % off",
        off * 100.0
    );
    Ok(())
}

/// What goes through in a second, while `once` says how much did each time.
fn rate(long: Duration, mut once: impl FnMut() -> Result<usize>) -> Result<f64> {
    let begun = Instant::now();
    let mut through = 0;
    while begun.elapsed() < long {
        through += once()?;
    }
    Ok(through as f64 / begun.elapsed().as_secs_f64())
}

#[test]
fn producers_and_consumers_get_their_rate() -> Result<()> {
    let scene = Scene::new()?;
    scene.create_topic("t", 1)?;
    let change = ["--add-config", "producer_byte_rate=200000,consumer_byte_rate=200000"];
    scene.quota(&["--entity-type", "clients", "--entity-name", "limited"], &change)?;
    let probe = ["--add-config", "producer_byte_rate=500"];
    scene.quota(&["--entity-type", "clients", "--entity-name", "probe"], &probe)?;
    // What was set before it is in force as well.
    let (mut producer, records) = (Client::connect(&scene, "limited")?, records()?);
    Client::connect(&scene, "probe")?.until_held_back(&records)?;
    let mut consumer = Client::connect(&scene, "limited")?;
    let fetching = std::thread::spawn(move || {
        rate(LONG, || {
            let (answer, bytes) = consumer.fetch("t")?;
            Ok(if answer.responses.is_empty() { 0 } else { bytes })
        })
    });
    close_to(rate(LONG, || Ok(producer.produce("t", &records)?.0))?, RATE).context("producing")?;
    close_to(fetching.join().expect("it does not panic")?, RATE).context("fetching")
}

#[test]
fn the_most_particular_quota_counts_and_changes_while_it_runs() -> Result<()> {
    let scene = Scene::new()?;
    scene.create_topic("t", 1)?;
    let records = records()?;
    let mut client = Client::connect(&scene, "c")?;
    let mut held_back = |what: &str, expected: bool| {
        until_ok(what, SOON, || {
            let (_, ms) = client.produce("t", &records)?;
            ensure!((ms > 0) == expected, "throttled for {ms} ms");
            Ok(())
        })
    };
    let (user, all) = (
        ["--entity-type", "users", "--entity-name", "ANONYMOUS"],
        ["--entity-type", "clients", "--entity-default"],
    );
    let pair = [&user[..], &["--entity-type", "clients", "--entity-name", "c"]].concat();
    // A request is half a second's worth.
    let little = ["--add-config", "producer_byte_rate=10000"];
    let much = ["--add-config", "producer_byte_rate=900000000"];
    held_back("nobody is limited", false)?;
    scene.quota(&all, &little)?;
    Client::connect(&scene, "other")?.until_held_back(&records)?;
    scene.quota(&user, &much)?;
    held_back("the user's own", false)?;
    scene.quota(&pair, &little)?;
    held_back("the pair's", true)?;
    scene.quota(&pair, &["--delete-config", "producer_byte_rate"])?;
    held_back("the user's again", false)?;
    scene.quota(&user, &["--delete-config", "producer_byte_rate"])?;
    held_back("the default again", true)?;
    scene.quota(&all, &["--delete-config", "producer_byte_rate"])?;
    held_back("nobody again", false)
}

#[test]
fn topics_are_made_at_the_allowed_rate() -> Result<()> {
    const TOPICS: f64 = 2.0;
    let window = [("controller.quota.window.num", "2"), ("controller.quota.window.size.seconds", "1")];
    let scene = Scene::with(&window)?;
    let change = format!("controller_mutation_rate={TOPICS}");
    scene.quota(&["--entity-type", "users", "--entity-default"], &["--add-config", &change])?;
    let mut client = Client::connect(&scene, "admin")?;
    let mut number = 0;
    let mut create = || -> Result<(bool, i32)> {
        number += 1;
        let topic = CreatableTopic::default()
            .with_name(name(&format!("t{number}")))
            .with_num_partitions(1)
            .with_replication_factor(1);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
        let (answer, _, _): (CreateTopicsResponse, _, _) = client.ask(ApiKey::CreateTopics, 7, &request)?;
        match answer.topics[0].error_code {
            0 => Ok((true, answer.throttle_time_ms)),
            89 => Ok((false, answer.throttle_time_ms)),
            error => anyhow::bail!("the topic was not created: {error}"),
        }
    };
    until_ok("the burst is used up", SOON, || {
        let (created, ms) = create()?;
        ensure!(!created && ms > 0, "not yet");
        Ok(())
    })?;
    let (begun, mut made) = (Instant::now(), Vec::new());
    while begun.elapsed() < Duration::from_secs(20) {
        if create()?.0 {
            made.push(Instant::now());
        }
    }
    let (first, last) = made.first().zip(made.last()).context("no topic was made")?;
    close_to((made.len() - 1) as f64 / (*last - *first).as_secs_f64(), TOPICS)
}

#[test]
fn request_time_is_limited_by_a_window_at_a_time() -> Result<()> {
    let scene = Scene::new()?;
    scene.create_topic("t", 50)?;
    let entity = ["--entity-type", "clients", "--entity-name", "busy"];
    scene.quota(&entity, &["--add-config", "request_percentage=0.01"])?;
    let mut client = Client::connect(&scene, "busy")?;
    let request = MetadataRequest::default().with_topics(None);
    let mut ask = || -> Result<i32> {
        let (answer, _, _): (MetadataResponse, _, _) = client.ask(ApiKey::Metadata, 12, &request)?;
        Ok(answer.throttle_time_ms)
    };
    until_ok("the quota is used up", SOON, || {
        let ms = ask()?;
        ensure!((1..=1000).contains(&ms), "throttled for {ms} ms");
        let begun = Instant::now();
        ask()?;
        let waited = begun.elapsed();
        ensure!(waited >= Duration::from_millis(ms as u64), "answered after {waited:?} of {ms} ms");
        Ok(())
    })?;
    scene.quota(&entity, &["--delete-config", "request_percentage"])?;
    until_ok("nobody is limited", SOON, || {
        ensure!(ask()? == 0, "not yet");
        Ok(())
    })
}

/// What a real Kafka prints for the same requests, but for times and sizes, is in protocol/src/json/tests.rs.
#[test]
fn requests_are_logged_once_the_level_is_set() -> Result<()> {
    let scene = Scene::new()?;
    if scene.broker.site.kind == Kind::Kafka {
        return Ok(());
    }
    let loggers = ["--entity-type", "broker-loggers", "--entity-name", "1"];
    let mut client = Client::connect(&scene, "logged")?;
    let request = MetadataRequest::default().with_topics(None);
    let _: (MetadataResponse, _, _) = client.ask(ApiKey::Metadata, 12, &request)?;
    scene.quota(&loggers, &["--add-config", "kafka.request.logger=DEBUG"])?;
    until_ok("the request is in the log", SOON, || {
        let _: (MetadataResponse, _, _) = client.ask(ApiKey::Metadata, 12, &request)?;
        let log = scene.broker.log()?;
        let line = log
            .lines()
            .find_map(|line| line.split_once("Completed request:")?.1.split_once("\"clientId\":\"logged\""));
        let (before, after) = line.context("no such line")?;
        ensure!(
            before.starts_with(
                r#"{"isForwarded":false,"requestHeader":{"requestApiKey":3,"requestApiVersion":12,"#
            ),
            "{before}"
        );
        ensure!(
            after.contains(
                r#""requestApiKeyName":"METADATA"},"request":{"topics":null,"allowAutoTopicCreation""#
            ),
            "{after}"
        );
        ensure!(after.contains(r#""response":{"throttleTimeMs":0,"brokers":[{"nodeId":1,"#), "{after}");
        ensure!(after.contains(r#""principal":"User:ANONYMOUS","listener":"PLAINTEXT""#), "{after}");
        Ok(())
    })
}
