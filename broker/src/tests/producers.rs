//! What DescribeProducers tells of those who write.

use protocol::ErrorCode;
use protocol::ids::{ProducerEpoch, ProducerId, Sequence};
use protocol::messages::DescribeProducersRequest;
use protocol::messages::describe_producers_request::TopicRequest;
use protocol::messages::describe_producers_response::PartitionResponse;

use super::world::{World, batch, code, topic_name};

fn request(topics: &[(&'static str, &[i32])]) -> DescribeProducersRequest {
    let topics = topics.iter().map(|(name, partitions)| {
        TopicRequest::default().with_name(topic_name(name)).with_partition_indexes(partitions.to_vec())
    });
    DescribeProducersRequest::default().with_topics(topics.collect())
}

impl World {
    async fn describe(&self, topics: &[(&'static str, &[i32])]) -> Vec<PartitionResponse> {
        let answer = self.ask(0, &request(topics)).await;
        answer.topics.into_iter().flat_map(|topic| topic.partitions).collect()
    }

    async fn write_as(&self, id: i64, sequence: i32, change: i16) {
        let records = batch(5000 + i64::from(sequence), &["a", "b"], |batch| {
            batch.header.producer_id = ProducerId(id);
            batch.header.producer_epoch = ProducerEpoch(3);
            batch.header.base_sequence = Sequence(sequence);
            batch.header.attributes.0 |= change;
        });
        assert_eq!(self.produce(9, ("t", 0), records).await.error_code, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn producers_are_told_with_their_last_batch() {
    let world = World::start(&[]).await;
    world.topic("t", 2, &["message.timestamp.before.max.ms=9223372036854775807"]).await;
    assert_eq!(world.produce(9, ("t", 0), batch(-1, &["no producer"], |_| {})).await.error_code, 0);
    for sequence in [0, 2] {
        world.write_as(7, sequence, 0).await;
    }
    world.write_as(4, 0, 0).await;
    let described = world.describe(&[("t", &[0, 1])]).await;
    let told: Vec<_> = described[0]
        .active_producers
        .iter()
        .map(|it| (it.producer_id.0, it.producer_epoch, it.last_sequence, it.last_timestamp))
        .collect();
    assert_eq!(told, [(4, 3, 1, 5000), (7, 3, 3, 5002)]);
    let of_transactions = |it: &PartitionResponse| {
        let producers = it.active_producers.iter();
        producers.map(|it| (it.coordinator_epoch, it.current_txn_start_offset)).collect::<Vec<_>>()
    };
    assert_eq!(of_transactions(&described[0]), [(-1, -1); 2]);
    assert_eq!((described[1].partition_index, described[1].active_producers.len()), (1, 0));
    assert_eq!((described[1].error_code, described[1].error_message.clone()), (0, None));
}

#[tokio::test(start_paused = true)]
async fn errors_are_told_per_partition_as_by_kafka() {
    let world = World::start(&[]).await;
    world.topic("t", 1, &[]).await;
    let invalid = "Topic name is invalid: the empty string is not allowed";
    let unknown = "This server does not host this topic-partition.";
    for (topics, expected) in [
        (&[("t", &[0, 9, -1][..])][..], vec![(0, None), (3, None), (3, None)]),
        (&[("nix", &[0, 1]), ("t", &[0])], vec![(3, Some(unknown)), (3, Some(unknown)), (0, None)]),
        (&[("", &[0])], vec![(17, Some(invalid))]),
        (&[("t", &[0, 0]), ("t", &[0])], vec![(0, None)]),
        (&[("t", &[])], vec![]),
    ] {
        let described = world.describe(topics).await;
        let told: Vec<_> = described.iter().map(|it| (it.error_code, it.error_message.as_deref())).collect();
        assert_eq!(told, expected, "{topics:?}");
    }
    let hosted = world.broker.hosted.get("t", 0).unwrap();
    world.broker.hosted.take_offline(&hosted.name);
    let offline = world.describe(&[("t", &[0])]).await;
    assert_eq!(code(offline[0].error_code), ErrorCode::KafkaStorageError);
}
