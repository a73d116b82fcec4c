//! What ListOffsets answers for times and special times, where leader epochs end, and what a producer id request gets.

use protocol::ErrorCode;
use protocol::ids::LeaderEpoch;
use protocol::messages::leader_and_isr_request::{LeaderAndIsrPartitionState, LeaderAndIsrTopicState};
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use protocol::messages::{
    BrokerId, InitProducerIdRequest, LeaderAndIsrRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest,
    ProducerId, TransactionalId,
};

use super::produce;
use super::world::{World, batch, code, topic_name};
use crate::api::leader_and_isr;

pub(super) fn partition(index: i32, timestamp: i64) -> ListOffsetsPartition {
    ListOffsetsPartition::default()
        .with_partition_index(index)
        .with_timestamp(timestamp)
        .with_current_leader_epoch(-1)
}

pub(super) async fn list(
    world: &World,
    version: i16,
    wanted: ListOffsetsPartition,
) -> ListOffsetsPartitionResponse {
    let topic = ListOffsetsTopic::default().with_name(topic_name("t")).with_partitions(vec![wanted]);
    let request = ListOffsetsRequest::default()
        .with_replica_id(protocol::messages::BrokerId(-1))
        .with_topics(vec![topic]);
    world.ask(version, &request).await.topics[0].partitions[0].clone()
}

#[tokio::test(start_paused = true)]
async fn times_and_special_times_in_every_version() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &["message.timestamp.before.max.ms=9223372036854775807"]).await;
    for at in [100, 300, 200] {
        assert_eq!(world.produce(9, ("t", 0), batch(at, &["a", "b"], |_| {})).await.error_code, 0);
    }
    let none = ErrorCode::None;
    for version in 1..=9 {
        let since =
            |first, told| if version >= first { told } else { (ErrorCode::UnsupportedVersion, -1, -1) };
        for (time, expected) in [
            (-1, (none, 6, -1)),
            (-2, (none, 0, -1)),
            (-3, since(7, (none, 2, 300))),
            (-4, since(8, (none, 0, -1))),
            (-5, since(9, (none, -1, -1))),
            (-6, (ErrorCode::UnsupportedVersion, -1, -1)),
            (0, (none, 0, 100)),
            (101, (none, 2, 300)),
            (301, (none, -1, -1)),
        ] {
            let told = list(&world, version, partition(0, time)).await;
            let found = (code(told.error_code), told.offset, told.timestamp);
            assert_eq!(found, expected, "time {time} in version {version}");
            let epoch = if version >= 4 && told.offset >= 0 { 0 } else { -1 };
            assert_eq!(told.leader_epoch, epoch, "time {time} in version {version}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_listed() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    let epoch = |epoch| partition(0, -1).with_current_leader_epoch(epoch);
    for (wanted, expected) in [
        (partition(5, -1), ErrorCode::UnknownTopicOrPartition),
        (epoch(3), ErrorCode::UnknownLeaderEpoch),
        (epoch(0), ErrorCode::None),
        // Only -1 is no epoch.
        (epoch(-2), ErrorCode::FencedLeaderEpoch),
    ] {
        assert_eq!(code(list(&world, 9, wanted).await.error_code), expected);
    }
    let topic = ListOffsetsTopic::default()
        .with_name(topic_name("t"))
        .with_partitions(vec![partition(0, -1), partition(0, -2)]);
    let twice = world.ask(9, &ListOffsetsRequest::default().with_topics(vec![topic])).await;
    for partition in &twice.topics[0].partitions {
        assert_eq!(code(partition.error_code), ErrorCode::InvalidRequest);
    }
    let odd = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_isolation_level(2);
    let topic =
        ListOffsetsTopic::default().with_name(topic_name("t")).with_partitions(vec![partition(0, -1)]);
    let answer = world.ask(9, &odd.with_topics(vec![topic])).await;
    assert_eq!(code(answer.topics[0].partitions[0].error_code), ErrorCode::UnknownServerError);
    world.broker.hosted.get("t", 0).unwrap().leadership.resign();
    assert_eq!(code(list(&world, 9, partition(0, -1)).await.error_code), ErrorCode::NotLeaderOrFollower);
}

/// What version 0 answers for a time and a number of offsets.
async fn segments(world: &World, (index, time, count): (i32, i64, i32)) -> (ErrorCode, Vec<i64>) {
    let wanted = ListOffsetsPartition::default()
        .with_partition_index(index)
        .with_timestamp(time)
        .with_max_num_offsets(count);
    let told = list(world, 0, wanted).await;
    (code(told.error_code), told.old_style_offsets)
}

#[tokio::test(start_paused = true)]
async fn the_oldest_version_answers_offsets_of_segments() {
    let world = World::start(&[]).await;
    world.topic("t", 2, &["segment.bytes=1000"]).await;
    let value = "x".repeat(600);
    for _ in 0..4 {
        assert_eq!(world.produce(9, ("t", 0), batch(-1, &[&value], |_| {})).await.error_code, 0);
    }
    let none = ErrorCode::None;
    for (asked, expected) in [
        ((0, -1, 1), (none, vec![4])),
        ((0, -1, 3), (none, vec![4, 3, 2])),
        ((0, -1, 100), (none, vec![4, 3, 2, 1, 0])),
        ((0, -1, 0), (none, vec![])),
        ((0, -2, 5), (none, vec![0])),
        ((0, 0, 5), (none, vec![])),
        ((0, i64::MAX, 2), (none, vec![4, 3])),
        ((0, -3, 5), (ErrorCode::UnsupportedVersion, vec![])),
        ((0, -1, -1), (ErrorCode::UnknownServerError, vec![])),
        ((1, -1, 5), (none, vec![0])),
        ((9, -1, -1), (ErrorCode::UnknownTopicOrPartition, vec![])),
    ] {
        assert_eq!(segments(&world, asked).await, expected, "{asked:?}");
    }
    world.broker.hosted.get("t", 0).unwrap().leadership.resign();
    assert_eq!(segments(&world, (0, -1, 1)).await, (ErrorCode::NotLeaderOrFollower, vec![]));
}

/// Makes broker 1 the leader of `t-0` in this epoch, with broker 2 in sync as well.
pub(super) async fn lead_with_follower(world: &World, epoch: i32) {
    let state = LeaderAndIsrPartitionState::default()
        .with_leader(BrokerId(1))
        .with_leader_epoch(epoch)
        .with_isr(vec![BrokerId(1), BrokerId(2)])
        .with_replicas(vec![BrokerId(1), BrokerId(2)]);
    let topic = LeaderAndIsrTopicState::default()
        .with_topic_name(topic_name("t"))
        .with_topic_id(world.broker.metadata.picture().topics["t"].id)
        .with_partition_states(vec![state]);
    let request = LeaderAndIsrRequest::default()
        .with_controller_epoch(world.broker.office.epoch().map_or(0, |epoch| epoch.0))
        .with_broker_epoch(-1)
        .with_topic_states(vec![topic]);
    let answer = leader_and_isr::apply(&world.broker, request).await;
    assert_eq!(answer.topics[0].partition_errors[0].error_code, 0, "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_does_not_take_consumers_back() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &["message.timestamp.before.max.ms=9223372036854775807"]).await;
    let append = |at| produce::request(vec![("t", 0, Some(batch(at, &["a", "b"], |_| {})))]).with_acks(1);
    world.ask(9, &append(100)).await;
    lead_with_follower(&world, 5).await;
    world.ask(9, &append(200)).await;
    let latest = list(&world, 9, partition(0, -1)).await;
    assert_eq!((latest.offset, latest.leader_epoch), (2, 5), "the follower has not fetched yet");

    // The new epoch begins at 4, where consumers may have been already under the leader before.
    lead_with_follower(&world, 6).await;
    for (version, refusal) in [(4, ErrorCode::LeaderNotAvailable), (5, ErrorCode::OffsetNotAvailable)] {
        for time in [-1, 150] {
            assert_eq!(code(list(&world, version, partition(0, time)).await.error_code), refusal);
        }
        for (time, offset) in [(-2, 0), (50, 0)] {
            let told = list(&world, version, partition(0, time)).await;
            assert_eq!((code(told.error_code), told.offset), (ErrorCode::None, offset));
        }
    }
    let topic =
        ListOffsetsTopic::default().with_name(topic_name("t")).with_partitions(vec![partition(0, -1)]);
    let follower = ListOffsetsRequest::default().with_replica_id(BrokerId(2)).with_topics(vec![topic]);
    assert_eq!(world.ask(9, &follower).await.topics[0].partitions[0].offset, 4);
}

/// What is answered for the end of `epoch`: error, epoch, offset.
async fn epoch_end(
    world: &World,
    version: i16,
    (name, index): (&'static str, i32),
    (believed, epoch): (i32, i32),
) -> (ErrorCode, i32, i64) {
    let partition = OffsetForLeaderPartition::default()
        .with_partition(index)
        .with_current_leader_epoch(if version >= 2 { believed } else { -1 })
        .with_leader_epoch(epoch);
    let topic = OffsetForLeaderTopic::default().with_topic(topic_name(name)).with_partitions(vec![partition]);
    let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
    let answer = world.ask(version, &request).await;
    let told = &answer.topics[0].partitions[0];
    assert_eq!((&*answer.topics[0].topic.0, told.partition), (name, index));
    (code(told.error_code), told.leader_epoch, told.end_offset)
}

#[tokio::test(start_paused = true)]
async fn leader_epochs_end_where_the_next_begins() {
    let world = World::start(&[]).await;
    world.topic("t", 2, &[]).await;
    assert_eq!(world.produce(9, ("t", 0), batch(-1, &["a", "b"], |_| {})).await.error_code, 0);
    lead_with_follower(&world, 5).await;
    let append = produce::request(vec![("t", 0, Some(batch(-1, &["c"], |_| {})))]).with_acks(1);
    world.ask(9, &append).await;
    let (none, t0) = (ErrorCode::None, ("t", 0));
    for version in 0..=4 {
        for (epoch, found, end) in
            [(-1, -1, -1), (-2, -2, 0), (0, 0, 2), (1, 0, 2), (4, 0, 2), (5, 5, 3), (6, -1, -1)]
        {
            let found = if version >= 1 { found } else { -1 };
            assert_eq!(
                epoch_end(&world, version, t0, (-1, epoch)).await,
                (none, found, end),
                "epoch {epoch}"
            );
        }
    }
    let refused = |error| (error, -1, -1);
    for version in 2..=4 {
        for (believed, expected) in [
            (5, (none, 0, 2)),
            (4, refused(ErrorCode::FencedLeaderEpoch)),
            (-2, refused(ErrorCode::FencedLeaderEpoch)),
            (6, refused(ErrorCode::UnknownLeaderEpoch)),
        ] {
            assert_eq!(epoch_end(&world, version, t0, (believed, 0)).await, expected, "believed {believed}");
        }
    }
    assert_eq!(world.broker.hosted.get("t", 0).unwrap().leadership.check(LeaderEpoch(5)), Ok(LeaderEpoch(5)));
    for unknown in [("none", 0), ("t", 2), ("t", -1)] {
        let expected = refused(ErrorCode::UnknownTopicOrPartition);
        assert_eq!(epoch_end(&world, 4, unknown, (-1, 0)).await, expected);
    }
    world.broker.hosted.take_offline(&protocol::TopicPartition::new("t", 0));
    assert_eq!(epoch_end(&world, 4, t0, (-1, 0)).await, refused(ErrorCode::KafkaStorageError));
    world.broker.hosted.remove(&protocol::TopicPartition::new("t", 1));
    assert_eq!(epoch_end(&world, 4, ("t", 1), (-1, 0)).await, refused(ErrorCode::NotLeaderOrFollower));
}

#[tokio::test(start_paused = true)]
async fn producer_ids_are_fresh() {
    let world = World::start(&[]).await;
    let plain =
        || InitProducerIdRequest::default().with_transactional_id(None).with_producer_id(ProducerId(-1));
    for version in 0..=5 {
        let answer = world.ask(version, &plain().with_producer_epoch(-1)).await;
        let told = (code(answer.error_code), answer.producer_id.0, answer.producer_epoch);
        assert_eq!(told, (ErrorCode::None, i64::from(version), 0));
    }
    let half = world.ask(3, &plain().with_producer_epoch(4)).await;
    assert_eq!((code(half.error_code), half.producer_id.0), (ErrorCode::InvalidRequest, -1));
    let named = plain().with_producer_epoch(-1).with_transactional_id(Some(TransactionalId("tx".into())));
    let answer = world.ask(3, &named).await;
    assert_eq!((code(answer.error_code), answer.producer_epoch), (ErrorCode::UnsupportedVersion, -1));
}
