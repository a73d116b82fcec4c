//! What a fetch answers, and when: limits, long polls, sessions, topic ids, epochs.

use std::time::Duration;

use protocol::ErrorCode;
use protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use protocol::messages::fetch_response::PartitionData;
use protocol::messages::{BrokerId, DeleteTopicsRequest, FetchRequest, FetchResponse};
use tokio::time::Instant;
use uuid::Uuid;
use zookeeper::paths;
use zookeeper::store::Watch;

use super::offsets::lead_with_follower;
use super::produce;
use super::world::{World, batch, code, decode, topic_name};
use crate::api::context::{Outcome, Pending};

const LARGE: i32 = 1 << 20;

fn partition(index: i32, offset: i64) -> FetchPartition {
    FetchPartition::default().with_partition(index).with_fetch_offset(offset).with_partition_max_bytes(LARGE)
}

fn request(partitions: Vec<FetchPartition>) -> FetchRequest {
    let topic = FetchTopic::default().with_topic(topic_name("t")).with_partitions(partitions);
    FetchRequest::default().with_max_bytes(LARGE).with_min_bytes(1).with_topics(vec![topic])
}

fn incremental(id: i32, epoch: i32) -> FetchRequest {
    request(vec![]).with_topics(vec![]).with_session_id(id).with_session_epoch(epoch)
}

fn size(partition: &PartitionData) -> usize {
    partition.records.as_ref().map_or(0, bytes::Bytes::len)
}

/// The partitions of an answer, with their errors and the bytes of their records.
fn told(answer: &FetchResponse) -> Vec<(i32, ErrorCode, usize)> {
    let partitions = answer.responses.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|p| (p.partition_index, code(p.error_code), size(p))).collect()
}

impl World {
    async fn begin_fetch(&self, request: &FetchRequest) -> impl Future<Output = Outcome> + use<> {
        match self.begin(12, request).await {
            Pending::Later(outcome) => outcome,
            Pending::Ready(_) => panic!("a fetch is answered later"),
        }
    }

    /// What a fetch of partition `index` of `t` says.
    pub(super) async fn read(&self, version: i16, index: i32) -> PartitionData {
        let answer = self.ask(version, &request(vec![partition(index, 0)])).await;
        answer.responses[0].partitions[0].clone()
    }

    async fn append(&self, index: i32, values: &[&str]) -> usize {
        let records = batch(-1, values, |_| {});
        let size = records.len();
        assert_eq!(self.produce(9, ("t", index), records).await.error_code, 0);
        size
    }
}

fn answered(outcome: Outcome) -> FetchResponse {
    match outcome {
        Outcome::Answer(response) => decode(12, response),
        other @ (Outcome::Throttled(..) | Outcome::Silent | Outcome::Close(_)) => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn every_version_reads_what_was_written() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    let size = world.append(0, &["a", "b"]).await;
    let id = world.broker.metadata.picture().topics["t"].id;
    for version in 0..=17 {
        let mut request = request(vec![partition(0, 1)]);
        request.topics[0].topic_id = if version >= 13 { id } else { Uuid::nil() };
        if version < 3 {
            request.max_bytes = i32::MAX;
        }
        let answer = world.ask(version, &request).await;
        // One message of an old format, since nothing below the asked offset is sent in those.
        let size = [28, 36, size][usize::from(version >= 2) + usize::from(version >= 4)];
        assert_eq!(told(&answer), [(0, ErrorCode::None, size)], "version {version}");
        let partition = &answer.responses[0].partitions[0];
        let stable = if version >= 4 { 2 } else { -1 };
        assert_eq!((partition.high_watermark, partition.last_stable_offset), (2, stable));
        let start = if version >= 5 { 0 } else { -1 };
        assert_eq!(partition.log_start_offset, start);
        assert_eq!(answer.responses[0].topic_id.is_nil(), version < 13);
    }
}

#[tokio::test(start_paused = true)]
async fn limits_hold_but_one_batch_is_always_sent() {
    let world = World::start(&[]).await;
    world.topic("t", 2, &[]).await;
    let size = world.append(0, &["a"]).await;
    world.append(0, &["b"]).await;
    world.append(1, &["c"]).await;
    let both = || vec![partition(0, 0), partition(1, 0)];
    let sent = |first, second| vec![(0, ErrorCode::None, first), (1, ErrorCode::None, second)];
    for (max_bytes, expected) in [
        (LARGE, sent(2 * size, size)),
        (1, sent(size, 0)),
        (0, sent(size, 0)),
        (2 * size as i32, sent(2 * size, 0)),
    ] {
        let answer = world.ask(11, &request(both()).with_max_bytes(max_bytes)).await;
        assert_eq!(told(&answer), expected, "max_bytes {max_bytes}");
    }
    let narrow = both().into_iter().map(|p| p.with_partition_max_bytes(1)).collect();
    assert_eq!(told(&world.ask(11, &request(narrow)).await), sent(size, 0));
}

#[tokio::test(start_paused = true)]
async fn errors_are_answered_at_once() {
    let world = World::start(&[]).await;
    world.topic("t", 2, &[]).await;
    world.append(0, &["a"]).await;
    let epoch = |epoch| partition(0, 0).with_current_leader_epoch(epoch);
    for (wanted, expected) in [
        (partition(0, 2), ErrorCode::OffsetOutOfRange),
        (partition(0, -1), ErrorCode::OffsetOutOfRange),
        (partition(9, 0), ErrorCode::UnknownTopicOrPartition),
        (epoch(7), ErrorCode::UnknownLeaderEpoch),
        (epoch(0), ErrorCode::None),
    ] {
        let begun = Instant::now();
        let request = request(vec![wanted]).with_max_wait_ms(60_000);
        let answer = world.ask(11, &request).await;
        assert_eq!(told(&answer)[0].1, expected);
        assert!(begun.elapsed() < Duration::from_secs(1), "{expected}");
        if expected != ErrorCode::None {
            let partition = &answer.responses[0].partitions[0];
            assert_eq!((partition.high_watermark, partition.log_start_offset), (-1, -1));
        }
    }
    let hosted = world.broker.hosted.get("t", 0).unwrap();
    hosted.leadership.lead(protocol::LeaderEpoch(3));
    let mut behind = request(vec![epoch(2)]);
    behind.topics[0].topic_id = hosted.topic_id;
    let fenced = world.ask(16, &behind).await;
    assert_eq!(told(&fenced)[0].1, ErrorCode::FencedLeaderEpoch);
    assert_eq!(fenced.responses[0].partitions[0].current_leader.leader_id.0, 1);
    assert_eq!(fenced.node_endpoints[0].port, 9092);
    let mut unknown = request(vec![partition(0, 0)]);
    unknown.topics[0].topic_id = Uuid::from_u128(9);
    assert_eq!(told(&world.ask(13, &unknown).await)[0].1, ErrorCode::UnknownTopicId);
    let follower = request(vec![partition(0, 0)]).with_replica_id(BrokerId(2));
    assert_eq!(told(&world.ask(11, &follower).await)[0].1, ErrorCode::NotLeaderOrFollower);
}

/// A tool that compares replicas asks as -2, a replica's copy in another log directory as -3.
#[tokio::test(start_paused = true)]
async fn only_brokers_are_followers() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    let seen = world.append(0, &["a"]).await;
    lead_with_follower(&world, 5).await;
    let behind = batch(-1, &["b"], |_| {});
    let all = seen + behind.len();
    world.ask(9, &produce::request(vec![("t", 0, Some(behind))]).with_acks(1)).await;
    for (replica, isolation, size) in [(-2, 0, seen), (-2, 1, seen), (-3, 0, all), (-3, 1, all)] {
        let wanted =
            request(vec![partition(0, 0)]).with_replica_id(BrokerId(replica)).with_isolation_level(isolation);
        let answer = world.ask(11, &wanted).await;
        assert_eq!(told(&answer), [(0, ErrorCode::None, size)], "replica {replica}, isolation {isolation}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_ends_by_an_append_or_by_the_clock() {
    let world = World::start(&[]).await;
    world.topic("t", 2, &[]).await;
    let wanted = || request(vec![partition(0, 0), partition(1, 0)]);
    let begun = Instant::now();
    let idle = world.ask(11, &wanted().with_max_wait_ms(5_000)).await;
    assert_eq!(told(&idle), [(0, ErrorCode::None, 0), (1, ErrorCode::None, 0)]);
    assert_eq!(begun.elapsed().as_secs(), 5);

    let begun = Instant::now();
    let polled = world.begin_fetch(&wanted().with_max_wait_ms(60_000)).await;
    let (outcome, size) = tokio::join!(polled, world.append(1, &["a"]));
    assert_eq!(told(&answered(outcome)), [(0, ErrorCode::None, 0), (1, ErrorCode::None, size)]);
    assert!(begun.elapsed() < Duration::from_secs(1));

    let patient = wanted().with_max_wait_ms(60_000).with_min_bytes(2 * size as i32 + 1);
    let begun = Instant::now();
    let polled = world.begin_fetch(&patient).await;
    let (outcome, _) = tokio::join!(polled, async {
        world.append(0, &["b"]).await;
        tokio::time::advance(Duration::from_secs(3)).await;
        world.append(0, &["c"]).await;
    });
    assert_eq!(told(&answered(outcome)), [(0, ErrorCode::None, 2 * size), (1, ErrorCode::None, size)]);
    assert!((3..6).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_deleted_wakes_who_waits_for_it() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    let begun = Instant::now();
    let polled = world.begin_fetch(&request(vec![partition(0, 0)]).with_max_wait_ms(60_000)).await;
    let deletion =
        DeleteTopicsRequest::default().with_topic_names(vec![topic_name("t")]).with_timeout_ms(1000);
    let (outcome, _) = tokio::join!(polled, world.ask(5, &deletion));
    let error = told(&answered(outcome))[0].1;
    let gone = [ErrorCode::UnknownTopicOrPartition, ErrorCode::NotLeaderOrFollower];
    assert!(gone.contains(&error), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn a_session_reads_the_topic_that_is_made_anew_under_the_same_name() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    world.append(0, &["old", "older"]).await;
    let all = request(vec![partition(0, 1)]).with_session_epoch(0);
    let id = world.ask(12, &all).await.session_id;
    let deletion =
        DeleteTopicsRequest::default().with_topic_names(vec![topic_name("t")]).with_timeout_ms(60_000);
    assert_eq!(world.ask(5, &deletion).await.responses[0].error_code, 0);
    // The znode goes after the answer.
    while world.broker.store.exists(&paths::topic("t"), Watch::None).await.unwrap().is_some() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    world.topic("t", 1, &[]).await;
    let size = world.append(0, &["new"]).await;
    let ended = world.append(0, &["newer"]).await;
    let answer = world.ask(12, &incremental(id, 1)).await;
    assert_eq!(told(&answer), [(0, ErrorCode::None, ended)]);
    let moved = request(vec![partition(0, 0)]).with_session_id(id).with_session_epoch(2);
    assert_eq!(told(&world.ask(12, &moved).await), [(0, ErrorCode::None, size + ended)]);
}

#[tokio::test(start_paused = true)]
async fn a_session_answers_news_only() {
    let world = World::start(&[]).await;
    world.topic("t", 3, &[]).await;
    let all = request(vec![partition(0, 0), partition(1, 0), partition(2, 0)]).with_session_epoch(0);
    let first = world.ask(12, &all).await;
    assert_eq!(told(&first).len(), 3);
    let id = first.session_id;
    assert_ne!(id, 0);
    assert_eq!(told(&world.ask(12, &incremental(id, 1)).await), []);
    let size = world.append(1, &["a"]).await;
    assert_eq!(told(&world.ask(12, &incremental(id, 2)).await), [(1, ErrorCode::None, size)]);
    assert_eq!(
        told(&world.ask(12, &incremental(id, 3)).await),
        [(1, ErrorCode::None, size)],
        "not taken yet"
    );
    let moved = request(vec![partition(1, 1)]).with_session_id(id).with_session_epoch(4);
    assert_eq!(told(&world.ask(12, &moved).await), []);

    let forgotten = ForgottenTopic::default().with_topic(topic_name("t")).with_partitions(vec![1]);
    let without = incremental(id, 5).with_forgotten_topics_data(vec![forgotten]);
    assert_eq!(told(&world.ask(12, &without).await), []);
    world.append(1, &["b"]).await;
    let polled = world.begin_fetch(&incremental(id, 6).with_max_wait_ms(60_000)).await;
    let (outcome, size) = tokio::join!(polled, world.append(2, &["c"]));
    assert_eq!(told(&answered(outcome)), [(2, ErrorCode::None, size)]);

    let skipped = world.ask(12, &incremental(id, 9)).await;
    assert_eq!(code(skipped.error_code), ErrorCode::InvalidFetchSessionEpoch);
    let elsewhere = world.reconnect();
    assert_eq!(told(&elsewhere.ask(12, &incremental(id, 7)).await), [(2, ErrorCode::None, size)]);
    let closed = request(vec![partition(0, 0)]).with_session_id(id).with_session_epoch(-1);
    assert_eq!(world.ask(12, &closed).await.session_id, 0);
    let gone = elsewhere.ask(12, &incremental(id, 8)).await;
    assert_eq!(code(gone.error_code), ErrorCode::FetchSessionIdNotFound);
}

#[tokio::test(start_paused = true)]
async fn sessions_compete_for_the_places_of_their_shard() {
    let world = World::start(&["max.incremental.fetch.session.cache.slots=17"]).await;
    world.topic("t", 1, &[]).await;
    let all = request(vec![partition(0, 0)]).with_session_epoch(0);
    let mut ids = vec![];
    for _ in 0..16 {
        // Each from a connection of its own, which it outlives.
        ids.push(world.reconnect().ask(12, &all).await.session_id);
    }
    let shards: Vec<i32> = ids.iter().map(|id| id / (i32::MAX / 8)).collect();
    assert_eq!(shards, [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(world.ask(12, &all).await.session_id, 0, "the next is the first shard");
    let closed = all.clone().with_session_id(ids[2]).with_session_epoch(-1);
    assert_eq!(world.ask(12, &closed).await.session_id, 0);
    assert_eq!(world.ask(12, &all).await.session_id, 0);
    assert_ne!(world.ask(12, &all).await.session_id, 0);
    // A follower pushes out a consumer.
    let follower = all.with_replica_id(BrokerId(2));
    assert_ne!(world.ask(12, &follower).await.session_id, 0);
}

#[tokio::test(start_paused = true)]
async fn ids_that_no_shard_gives_are_unknown() {
    let world = World::start(&[]).await;
    for id in [0, 1, -1, i32::MIN, i32::MAX] {
        let answer = world.ask(12, &incremental(id, 1)).await;
        assert_eq!(code(answer.error_code), ErrorCode::FetchSessionIdNotFound, "{id}");
        assert_eq!(answer.session_id, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_takes_the_session_over_from_one_that_waits() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    let id = world.ask(12, &request(vec![partition(0, 0)]).with_session_epoch(0)).await.session_id;
    let begun = Instant::now();
    let patient = world.begin_fetch(&incremental(id, 1).with_max_wait_ms(60_000)).await;
    let elsewhere = world.reconnect();
    let next = incremental(id, 2);
    let (interrupted, answer) = tokio::join!(patient, elsewhere.ask(12, &next));
    let interrupted = answered(interrupted);
    assert_eq!(code(interrupted.error_code), ErrorCode::InvalidFetchSessionEpoch);
    assert_eq!((interrupted.session_id, told(&interrupted)), (id, vec![]));
    assert_eq!((answer.session_id, told(&answer)), (id, vec![]));
    assert!(begun.elapsed() < Duration::from_secs(1));
    let size = world.append(0, &["a"]).await;
    assert_eq!(told(&world.ask(12, &incremental(id, 3)).await), [(0, ErrorCode::None, size)]);
}

#[tokio::test(start_paused = true)]
async fn a_session_outlives_a_request_that_is_dropped() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    let id = world.ask(12, &request(vec![partition(0, 0)]).with_session_epoch(0)).await.session_id;
    let patient = world.begin_fetch(&incremental(id, 1).with_max_wait_ms(60_000)).await;
    assert!(tokio::time::timeout(Duration::from_secs(1), patient).await.is_err(), "nothing to send");
    let size = world.append(0, &["a"]).await;
    let answer = world.reconnect().ask(12, &incremental(id, 2)).await;
    assert_eq!(told(&answer), [(0, ErrorCode::None, size)]);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_nobody_uses_costs_its_partitions_nothing() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    let id = world
        .ask(12, &request(vec![partition(0, 0)]).with_session_epoch(0).with_max_wait_ms(1))
        .await
        .session_id;
    let hosted = world.broker.hosted.get("t", 0).unwrap();
    assert_eq!(hosted.watchers.count(), 1);
    for _ in 0..1001 {
        hosted.watchers.wake();
    }
    assert_eq!(hosted.watchers.count(), 0);
    let size = world.append(0, &["a"]).await;
    assert_eq!(told(&world.ask(12, &incremental(id, 1)).await), [(0, ErrorCode::None, size)]);
    let moved = request(vec![partition(0, 1)]).with_session_id(id).with_session_epoch(2);
    assert_eq!(told(&world.ask(12, &moved.with_max_wait_ms(1)).await), []);
    assert_eq!(hosted.watchers.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_shows_more_to_who_looks_deeper() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    let seen = world.append(0, &["a"]).await;
    lead_with_follower(&world, 5).await;
    let behind = batch(-1, &["b"], |_| {});
    let size = behind.len();
    world.ask(9, &produce::request(vec![("t", 0, Some(behind))]).with_acks(1)).await;
    let all = request(vec![partition(0, 1)]).with_session_epoch(0).with_max_wait_ms(1);
    let id = world.ask(12, &all).await.session_id;
    assert_eq!(told(&world.ask(12, &incremental(id, 1).with_max_wait_ms(1)).await), []);
    let deeper = incremental(id, 2).with_replica_id(BrokerId(-3));
    assert_eq!(told(&world.ask(12, &deeper).await), [(0, ErrorCode::None, size)]);
    assert_ne!(seen, 0);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_isolation_level_fails_the_request() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    let asked = |level| request(vec![partition(0, 0)]).with_isolation_level(level).with_max_wait_ms(60_000);
    for level in [-1, 2, 127] {
        let answer = world.ask(12, &asked(level).with_session_epoch(0)).await;
        assert_eq!((answer.error_code, answer.session_id), (-1, 0));
        assert_eq!(told(&answer), [(0, ErrorCode::UnknownServerError, 0)]);
        let mut by_id = asked(level);
        by_id.topics[0].topic_id = world.broker.metadata.picture().topics["t"].id;
        let answer = world.ask(13, &by_id).await;
        assert_eq!((answer.error_code, told(&answer)), (-1, vec![]));
        // Nothing is read, so nobody looks at the level.
        let unknown = request(vec![partition(9, 0)]).with_isolation_level(level);
        assert_eq!(world.ask(12, &unknown).await.error_code, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn partitions_take_turns() {
    let world = World::start(&[]).await;
    world.topic("t", 3, &[]).await;
    for index in 0..3 {
        world.append(index, &["a"]).await;
    }
    let all = request(vec![partition(0, 0), partition(1, 0), partition(2, 0)]);
    let first = world.ask(12, &all.with_session_epoch(0).with_max_bytes(1)).await;
    let mut served = vec![];
    for epoch in 1..=5 {
        let answer = world.ask(12, &incremental(first.session_id, epoch).with_max_bytes(1)).await;
        served.extend(told(&answer).into_iter().filter(|(_, _, size)| *size > 0).map(|(index, _, _)| index));
    }
    assert_eq!(served, [0, 1, 2, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_failing_fetch_leaves_no_registration_behind() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    let first =
        world.ask(12, &request(vec![partition(0, 0)]).with_session_epoch(0).with_max_wait_ms(1)).await;
    let hosted = world.broker.hosted.get("t", 0).unwrap();
    assert_eq!(hosted.watchers.count(), 1);
    for round in 0..3 {
        let epoch = |believed, at| {
            request(vec![partition(0, 0).with_current_leader_epoch(believed)])
                .with_session_id(first.session_id)
                .with_session_epoch(at)
                .with_max_wait_ms(1)
        };
        world.ask(12, &epoch(7, 2 * round + 1)).await;
        assert_eq!(hosted.watchers.count(), 0);
        world.ask(12, &epoch(0, 2 * round + 2)).await;
        assert_eq!(hosted.watchers.count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn read_committed_names_aborted_transactions() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    let size = world.append(0, &["a"]).await;
    let answer = world.ask(11, &request(vec![partition(0, 0)]).with_isolation_level(1)).await;
    assert_eq!(told(&answer), [(0, ErrorCode::None, size)]);
    assert_eq!(answer.responses[0].partitions[0].aborted_transactions, Some(vec![]));
    let answer = world.ask(11, &request(vec![partition(0, 0)])).await;
    assert_eq!(answer.responses[0].partitions[0].aborted_transactions, None);
}
