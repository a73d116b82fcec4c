//! Quotas set in ZooKeeper and what they do to fetches and to changes of topics. Time is stepped, so nothing but what a test does takes any.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use protocol::messages::create_partitions_request::CreatePartitionsTopic;
use protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, FetchRequest,
    FetchResponse,
};
use protocol::{ErrorCode, StrBytes};
use zookeeper::paths;
use zookeeper::session::create_all;
use zookeeper::store::{CreateMode, Expected};
use zookeeper::znodes::{ConfigChange, EntityConfig};

use super::world::{World, batch, code, creatable, decode, topic_name};
use crate::api::context::Outcome;

impl World {
    /// Writes a quota as tools do, and waits until it is in force. With none it is taken away.
    async fn limit(&self, kind: &str, entity: &str, quota: Option<(&str, &str)>) {
        let path = paths::config(kind, entity);
        let quotas: BTreeMap<_, _> =
            quota.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        create_all(&*self.broker.store, &path).await.unwrap();
        self.broker.store.set(&path, EntityConfig(quotas).encode(), Expected::Any).await.unwrap();
        let change = ConfigChange { entity_type: kind.to_owned(), entity: entity.to_owned() }.encode();
        let announced = self.broker.store.create(
            &paths::config_change_prefix(),
            Some(change),
            CreateMode::PersistentSequential,
        );
        announced.await.unwrap();
        self.until("the quota", || self.broker.quotas.in_force() == quota.is_some()).await;
    }

    fn called(mut self, id: &'static str) -> World {
        self.context.client_id = Some(StrBytes::from_static_str(id));
        self
    }

    async fn create(&self, version: i16, name: &'static str, partitions: i32) -> (ErrorCode, Duration) {
        let topic = creatable(name).with_num_partitions(partitions);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(60_000);
        let (answer, throttle) = held_back(self.outcome(version, &request).await);
        let answer: CreateTopicsResponse = decode(version, answer);
        assert_eq!(answer.throttle_time_ms as u128, throttle.as_millis());
        (code(answer.topics[0].error_code), throttle)
    }

    async fn fetched(&self, request: &FetchRequest) -> (FetchResponse, Duration) {
        let (answer, throttle) = held_back(self.outcome(12, request).await);
        (decode(12, answer), throttle)
    }
}

fn held_back(outcome: Outcome) -> (protocol::response::Response, Duration) {
    match outcome {
        Outcome::Answer(response) => (response, Duration::ZERO),
        Outcome::Throttled(response, throttle) => (response, throttle),
        other @ (Outcome::Silent | Outcome::Close(_)) => panic!("{other:?}"),
    }
}

fn fetch(id: i32, epoch: i32) -> FetchRequest {
    let partition = FetchPartition::default().with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(topic_name("t")).with_partitions(vec![partition]);
    FetchRequest::default()
        .with_max_bytes(1 << 20)
        .with_session_id(id)
        .with_session_epoch(epoch)
        .with_topics(vec![topic])
}

fn size(answer: &FetchResponse) -> usize {
    let partitions = answer.responses.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|partition| partition.records.as_ref().map_or(0, Bytes::len)).sum()
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn who_has_fetched_too_much_gets_nothing_and_its_session_goes_on() {
    let world = World::start(&[]).await.called("c");
    world.topic("t", 1, &[]).await;
    let value = "x".repeat(20_000);
    for _ in 0..3 {
        assert_eq!(world.produce(9, ("t", 0), batch(-1, &[&value], |_| {})).await.error_code, 0);
    }
    let (first, _) = world.fetched(&fetch(0, 0)).await;
    assert!(first.session_id != 0 && size(&first) > 60_000);
    world.limit("clients", "c", Some(("consumer_byte_rate", "3000"))).await;
    // Ten seconds' worth may be fetched at once, so no more is tried: one batch.
    let (second, throttle) = world.fetched(&fetch(first.session_id, 1)).await;
    assert_eq!((size(&second) / 1000, throttle), (20, Duration::ZERO));
    // The next one makes more than 40,000 in ten seconds: over 3 s to wait. It is not charged, so the same is said again.
    for epoch in [2, 3] {
        let (held, throttle) = world.fetched(&fetch(first.session_id, epoch)).await;
        assert_eq!((held.session_id, held.error_code, held.responses.len()), (first.session_id, 0, 0));
        assert!(throttle > 3 * SECOND && throttle < 4 * SECOND, "{throttle:?}");
    }
    let (held, _) = world.fetched(&fetch(0, 0)).await;
    assert_eq!((held.session_id, held.responses.len()), (0, 0), "a session is not made while held back");
    let other = world.reconnect().called("other");
    assert!(size(&other.fetched(&fetch(0, -1)).await.0) > 60_000, "others are not");
    world.limit("clients", "c", None).await;
    let (last, throttle) = world.fetched(&fetch(first.session_id, 4)).await;
    assert_eq!((size(&last) > 60_000, throttle), (true, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn changes_of_topics_beyond_the_quota_are_refused_or_make_old_clients_wait() {
    let settings = ["controller.quota.window.num=2", "controller.quota.window.size.seconds=5"];
    let world = World::start(&settings).await;
    world.limit("users", "ANONYMOUS", Some(("controller_mutation_rate", "1"))).await;
    // The bucket holds ten; the last token buys any number.
    assert_eq!(world.create(7, "a", 9).await, (ErrorCode::None, Duration::ZERO));
    assert_eq!(world.create(6, "b", 6).await, (ErrorCode::None, Duration::ZERO));
    let (error, throttle) = world.create(6, "c", 1).await;
    assert_eq!(error, ErrorCode::ThrottlingQuotaExceeded);
    assert!(throttle > 4 * SECOND && throttle <= 5 * SECOND, "{throttle:?}");
    assert!(!world.broker.metadata.picture().topics.contains_key("c"));

    let topic =
        CreatePartitionsTopic::default().with_name(topic_name("a")).with_count(12).with_assignments(None);
    let grow = CreatePartitionsRequest::default().with_topics(vec![topic]).with_timeout_ms(60_000);
    let refused = held_back(world.outcome(3, &grow).await);
    let answer: protocol::messages::CreatePartitionsResponse = decode(3, refused.0);
    assert_eq!(code(answer.results[0].error_code), ErrorCode::ThrottlingQuotaExceeded);
    let text = answer.results[0].error_message.as_deref();
    assert_eq!(text, Some("The throttling quota has been exceeded."));
    let (_, throttle) = held_back(world.outcome(2, &grow).await);
    assert!(throttle > 7 * SECOND && throttle <= 8 * SECOND, "it was carried out: {throttle:?}");
    assert_eq!(world.broker.metadata.picture().topics["a"].partitions.len(), 12);

    let delete =
        DeleteTopicsRequest::default().with_topic_names(vec![topic_name("b")]).with_timeout_ms(60_000);
    let refused = held_back(world.outcome(5, &delete).await);
    let answer: protocol::messages::DeleteTopicsResponse = decode(5, refused.0);
    assert_eq!(code(answer.responses[0].error_code), ErrorCode::ThrottlingQuotaExceeded);
    assert_eq!(answer.responses[0].error_message, None);
    tokio::time::sleep(8 * SECOND).await;
    let (_, throttle) = held_back(world.outcome(5, &delete).await);
    assert_eq!(throttle, Duration::ZERO);
    assert!(!world.broker.metadata.picture().topics.contains_key("b"));
    let (error, throttle) = world.create(5, "d", 1).await;
    assert_eq!(error, ErrorCode::None);
    assert!(throttle > 5 * SECOND && throttle <= 7 * SECOND, "{throttle:?}");
    world.limit("users", "ANONYMOUS", None).await;
    assert_eq!(world.create(7, "e", 100).await, (ErrorCode::None, Duration::ZERO));
}
