//! What DeleteRecords answers, what is left of the log afterwards, and whom it waits for.

use std::time::Duration;

use protocol::ErrorCode;
use protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use protocol::messages::update_metadata_request::{
    UpdateMetadataBroker, UpdateMetadataPartitionState, UpdateMetadataTopicState,
};
use protocol::messages::{BrokerId, DeleteRecordsRequest, UpdateMetadataRequest};
use tokio::time::Instant;

use super::offsets::{list, partition};
use super::world::{World, batch, code, topic_name};

/// Deletes in one request, each `(topic, partition, offset)`.
fn deletion(wishes: &[(&'static str, i32, i64)]) -> DeleteRecordsRequest {
    let topics = wishes.iter().map(|&(topic, index, offset)| {
        let wish = DeleteRecordsPartition::default().with_partition_index(index).with_offset(offset);
        DeleteRecordsTopic::default().with_name(topic_name(topic)).with_partitions(vec![wish])
    });
    DeleteRecordsRequest::default().with_topics(topics.collect()).with_timeout_ms(1000)
}

async fn delete(world: &World, version: i16, wishes: &[(&'static str, i32, i64)]) -> Vec<(ErrorCode, i64)> {
    let answer = world.ask(version, &deletion(wishes)).await;
    let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|told| (code(told.error_code), told.low_watermark)).collect()
}

/// Six records in as many segments.
async fn six_records(settings: &[&'static str]) -> World {
    let world = World::start(&["log.retention.check.interval.ms=3600000"]).await;
    world.topic("t", 1, settings).await;
    let value = "x".repeat(600);
    for _ in 0..6 {
        assert_eq!(world.produce(9, ("t", 0), batch(-1, &[&value], |_| {})).await.error_code, 0);
    }
    world
}

#[tokio::test(start_paused = true)]
async fn records_below_an_offset_are_gone_for_everyone() {
    let world = six_records(&[]).await;
    let none = ErrorCode::None;
    for (version, offset, expected) in [
        (0, 1, (none, 1)),
        (1, 3, (none, 3)),
        (2, 2, (none, 3)),
        (2, 0, (none, 3)),
        (2, 7, (ErrorCode::OffsetOutOfRange, -1)),
        (2, -2, (ErrorCode::OffsetOutOfRange, -1)),
        (2, 4, (none, 4)),
    ] {
        assert_eq!(delete(&world, version, &[("t", 0, offset)]).await, [expected], "offset {offset}");
    }
    assert_eq!(code(world.read(11, 0).await.error_code), ErrorCode::OffsetOutOfRange);
    let appended = world.produce(9, ("t", 0), batch(-1, &["a"], |_| {})).await;
    assert_eq!((appended.base_offset, appended.log_start_offset), (6, 4));
    assert_eq!(delete(&world, 2, &[("t", 0, -1)]).await, [(none, 7)]);
    let view = world.broker.hosted.get("t", 0).unwrap().log.view();
    assert_eq!((view.start.0, view.high_watermark.0, view.end.0), (7, 7, 7));
}

#[tokio::test(start_paused = true)]
async fn whole_segments_go_without_waiting_for_retention() {
    let world = six_records(&["segment.bytes=1000", "file.delete.delay.ms=0"]).await;
    let home = world.dirs().into_iter().map(|dir| dir.join("t-0")).find(|dir| dir.exists()).unwrap();
    let logs = || {
        let names = std::fs::read_dir(&home).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().contains(".log")).count()
    };
    assert_eq!(logs(), 6);
    assert_eq!(delete(&world, 2, &[("t", 0, 4)]).await, [(ErrorCode::None, 4)]);
    world.until("the removal of four segments", || logs() == 2).await;
    // The segment that is written stays, though no record of it does.
    assert_eq!(delete(&world, 2, &[("t", 0, -1)]).await, [(ErrorCode::None, 6)]);
    world.until("the removal of another", || logs() == 1).await;
}

/// As Kafka 3.9.1 answered for the same log.
#[tokio::test(start_paused = true)]
async fn offsets_are_listed_from_the_new_start_on() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &["message.timestamp.before.max.ms=9223372036854775807"]).await;
    for at in [100, 300, 200] {
        assert_eq!(world.produce(9, ("t", 0), batch(at, &["a", "b"], |_| {})).await.error_code, 0);
    }
    assert_eq!(delete(&world, 2, &[("t", 0, 3)]).await, [(ErrorCode::None, 3)]);
    for (time, expected) in [
        (-1, (6, -1)),
        (-2, (3, -1)),
        // The first record with the largest time is deleted, and found all the same.
        (-3, (2, 300)),
        (-4, (3, -1)),
        (0, (3, 300)),
        (150, (3, 300)),
        (301, (-1, -1)),
    ] {
        let told = list(&world, 9, partition(0, time)).await;
        assert_eq!((told.offset, told.timestamp), expected, "time {time}");
    }
    for (time, expected) in [(-1, vec![6, 3]), (-2, vec![3]), (i64::MAX, vec![6, 3])] {
        let told = list(&world, 0, partition(0, time).with_max_num_offsets(9)).await;
        assert_eq!(told.old_style_offsets, expected, "time {time}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_new_start_is_written_down() {
    let world = World::start(&["log.flush.start.offset.checkpoint.interval.ms=50"]).await;
    world.topic("t", 1, &[]).await;
    assert_eq!(world.produce(9, ("t", 0), batch(-1, &["a", "b", "c"], |_| {})).await.error_code, 0);
    assert_eq!(delete(&world, 2, &[("t", 0, 2)]).await, [(ErrorCode::None, 2)]);
    let files = world.dirs().map(|dir| dir.join("log-start-offset-checkpoint"));
    let says =
        || files.iter().any(|file| std::fs::read_to_string(file).is_ok_and(|text| text == "0\n1\nt 0 2\n"));
    world.until("the checkpoint", says).await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_deleted() {
    let world = World::start(&[]).await;
    world.topic("t", 2, &[]).await;
    world.topic("compacted", 1, &["cleanup.policy=compact"]).await;
    world.topic("both", 1, &["cleanup.policy=compact,delete"]).await;
    world.topic("__consumer_offsets", 1, &[]).await;
    for topic in ["compacted", "both", "t"] {
        assert_eq!(world.produce(9, (topic, 0), batch(-1, &["a", "b"], |_| {})).await.error_code, 0);
    }
    let refused = |error| (error, -1);
    for (wish, expected) in [
        (("compacted", 0, 1), refused(ErrorCode::PolicyViolation)),
        (("compacted", 0, 100), refused(ErrorCode::PolicyViolation)),
        (("both", 0, 1), (ErrorCode::None, 1)),
        (("__consumer_offsets", 0, 0), refused(ErrorCode::InvalidTopicException)),
        (("__consumer_offsets", 9, 0), refused(ErrorCode::UnknownTopicOrPartition)),
        (("none", 0, 0), refused(ErrorCode::UnknownTopicOrPartition)),
        (("t", 2, 0), refused(ErrorCode::UnknownTopicOrPartition)),
        (("t", -1, 0), refused(ErrorCode::UnknownTopicOrPartition)),
    ] {
        assert_eq!(delete(&world, 2, &[wish]).await, [expected], "{wish:?}");
    }
    // One partition's trouble is not another's, and of two wishes the last counts.
    let mixed = delete(&world, 2, &[("t", 0, 2), ("none", 0, 1), ("t", 0, 1), ("t", 1, 5)]).await;
    let none = refused(ErrorCode::UnknownTopicOrPartition);
    assert_eq!(mixed, [none, (ErrorCode::None, 1), refused(ErrorCode::OffsetOutOfRange)]);
    assert_eq!(delete(&world, 2, &[]).await, []);

    world.broker.hosted.take_offline(&protocol::TopicPartition::new("t", 1));
    assert_eq!(delete(&world, 2, &[("t", 1, 0)]).await, [refused(ErrorCode::KafkaStorageError)]);
}

/// Tells the broker that `t-0` has a replica on broker 2 as well, and that these brokers are live.
fn replicated(world: &World, live: &[i32]) {
    let state = UpdateMetadataPartitionState::default()
        .with_leader(BrokerId(1))
        .with_isr(vec![BrokerId(1)])
        .with_replicas(vec![BrokerId(1), BrokerId(2)]);
    let topic = UpdateMetadataTopicState::default()
        .with_topic_name(topic_name("t"))
        .with_topic_id(world.broker.metadata.picture().topics["t"].id)
        .with_partition_states(vec![state]);
    let brokers = live.iter().map(|id| UpdateMetadataBroker::default().with_id(BrokerId(*id)));
    let picture = UpdateMetadataRequest::default()
        .with_controller_id(BrokerId(1))
        .with_live_brokers(brokers.collect())
        .with_topic_states(vec![topic]);
    world.broker.metadata.update(&picture);
}

#[tokio::test(start_paused = true)]
async fn the_answer_waits_for_live_replicas() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    assert_eq!(world.produce(9, ("t", 0), batch(-1, &["a", "b"], |_| {})).await.error_code, 0);
    replicated(&world, &[1]);
    let begun = Instant::now();
    assert_eq!(delete(&world, 2, &[("t", 0, 1)]).await, [(ErrorCode::None, 1)]);
    assert!(begun.elapsed() < Duration::from_secs(1), "a replica that is down holds nobody up");

    replicated(&world, &[1, 2]);
    let begun = Instant::now();
    assert_eq!(delete(&world, 2, &[("t", 0, 2)]).await, [(ErrorCode::RequestTimedOut, -1)]);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let at_once = deletion(&[("t", 0, 2)]).with_timeout_ms(-5);
    assert_eq!(
        code(world.ask(2, &at_once).await.topics[0].partitions[0].error_code),
        ErrorCode::RequestTimedOut
    );

    let wish = [("t", 0, 2)];
    let (answer, ()) = tokio::join!(delete(&world, 2, &wish), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        replicated(&world, &[1]);
    });
    assert_eq!(answer, [(ErrorCode::None, 2)], "broker 2 went away");
}
