//! Requests with long lists: nobody else waits for as long as it takes to go through one.

use std::future::poll_fn;
use std::pin::pin;

use protocol::StrBytes;
use protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::metadata_request::MetadataRequestTopic;
use protocol::messages::{
    BrokerId, DeleteRecordsRequest, DeleteTopicsRequest, ListOffsetsRequest, MetadataRequest, TopicName,
};

use super::world::{World, topic_name};

const ITEMS: i32 = 20_000;
/// Items that an API may go through at a stretch.
const STRETCH: usize = 200;

/// Counts the stretches in which `work` is done.
async fn stretches<T>(work: impl Future<Output = T>) -> (usize, T) {
    let (mut work, mut count) = (pin!(work), 0);
    let done = poll_fn(|context| {
        count += 1;
        work.as_mut().poll(context)
    })
    .await;
    (count, done)
}

fn names() -> Vec<TopicName> {
    (0..ITEMS).map(|n| TopicName(StrBytes::from_string(format!("topic-{n}")))).collect()
}

#[tokio::test(start_paused = true)]
async fn others_go_on_while_a_long_list_is_gone_through() {
    let (world, items) = (World::start(&[]).await, ITEMS as usize);

    let topics = names().into_iter().map(|name| MetadataRequestTopic::default().with_name(Some(name)));
    let metadata =
        MetadataRequest::default().with_topics(Some(topics.collect())).with_allow_auto_topic_creation(false);
    let (count, answer) = stretches(world.ask(9, &metadata)).await;
    assert_eq!(answer.topics.len(), items);
    assert!(count >= items / STRETCH, "{count} stretches of Metadata");

    let partition = |index| ListOffsetsPartition::default().with_partition_index(index).with_timestamp(-1);
    let topic = ListOffsetsTopic::default()
        .with_name(topic_name("t"))
        .with_partitions((0..ITEMS).map(partition).collect());
    let offsets = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic]);
    let (count, answer) = stretches(world.ask(1, &offsets)).await;
    assert_eq!(answer.topics[0].partitions.len(), items);
    assert!(count >= items / STRETCH, "{count} stretches of ListOffsets");

    let delete = DeleteTopicsRequest::default().with_topic_names(names());
    let (count, answer) = stretches(world.ask(3, &delete)).await;
    assert_eq!(answer.responses.len(), items);
    assert!(count >= items / STRETCH, "{count} stretches of DeleteTopics");

    let partition = |index| DeleteRecordsPartition::default().with_partition_index(index);
    let topic = DeleteRecordsTopic::default()
        .with_name(topic_name("t"))
        .with_partitions((0..ITEMS).map(partition).collect());
    let records = DeleteRecordsRequest::default().with_topics(vec![topic]);
    let (count, answer) = stretches(world.ask(1, &records)).await;
    assert_eq!(answer.topics[0].partitions.len(), items);
    assert!(count >= items / STRETCH, "{count} stretches of DeleteRecords");
}
