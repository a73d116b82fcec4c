//! What ListOffsets answers for times and special times, and what a producer id request gets.

use protocol::ErrorCode;
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use protocol::messages::{InitProducerIdRequest, ListOffsetsRequest, ProducerId, TransactionalId};

use super::world::{World, batch, code, topic_name};

fn partition(index: i32, timestamp: i64) -> ListOffsetsPartition {
    ListOffsetsPartition::default()
        .with_partition_index(index)
        .with_timestamp(timestamp)
        .with_current_leader_epoch(-1)
}

async fn list(world: &World, version: i16, wanted: ListOffsetsPartition) -> ListOffsetsPartitionResponse {
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
    world.broker.hosted.get("t", 0).unwrap().leadership.resign();
    assert_eq!(code(list(&world, 9, partition(0, -1)).await.error_code), ErrorCode::NotLeaderOrFollower);
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
