//! What DescribeLogDirs tells of the log directories, those included that have failed.

use protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use protocol::messages::describe_log_dirs_response::DescribeLogDirsResult;
use protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use protocol::{ErrorCode, TopicPartition};

use super::bad_disk::EIO;
use super::world::{World, batch, code, error_in, topic_name};

async fn describe(
    world: &World,
    version: i16,
    topics: Option<&[(&'static str, &[i32])]>,
) -> DescribeLogDirsResponse {
    let topics = topics.map(|topics| {
        let topic = |(name, partitions): &(&'static str, &[i32])| {
            DescribableLogDirTopic::default()
                .with_topic(topic_name(name))
                .with_partitions(partitions.to_vec())
        };
        topics.iter().map(topic).collect()
    });
    let answer = world.ask(version, &DescribeLogDirsRequest::default().with_topics(topics)).await;
    assert_eq!(code(answer.error_code), ErrorCode::None);
    let named = answer.results.iter().map(|dir| dir.log_dir.to_string());
    assert!(named.eq(world.dirs().map(|dir| dir.display().to_string())), "{answer:?}");
    answer
}

/// Partitions with their sizes, of one directory.
fn inside(dir: &DescribeLogDirsResult) -> Vec<(TopicPartition, i64)> {
    let all = dir.topics.iter().flat_map(|topic| topic.partitions.iter().map(move |p| (topic, p)));
    all.map(|(topic, partition)| {
        assert_eq!((partition.offset_lag, partition.is_future_key), (0, false));
        (TopicPartition::new(&**topic.name, partition.partition_index), partition.partition_size)
    })
    .collect()
}

#[tokio::test(start_paused = true)]
async fn sizes_are_told_by_directory() {
    let world = World::start(&[]).await;
    world.topic("t", 2, &[]).await;
    world.topic("u", 2, &[]).await;
    let records = batch(-1, &["a", "b"], |_| {});
    assert_eq!(world.produce(9, ("t", 1), records.clone()).await.error_code, 0);
    for version in 0..=4 {
        let told = describe(&world, version, None).await;
        let mut all: Vec<_> = told.results.iter().flat_map(inside).collect();
        for (dir, result) in world.dirs().iter().zip(&told.results) {
            assert_eq!(inside(result).len(), 2, "they are spread evenly");
            for (partition, _) in inside(result) {
                assert!(dir.join(partition.to_string()).exists(), "{partition} is not in {}", dir.display());
            }
            let volume = (result.total_bytes, result.usable_bytes);
            match version {
                4 => assert!(0 < volume.1 && volume.1 <= volume.0, "{volume:?}"),
                _ => assert_eq!(volume, (-1, -1)),
            }
        }
        all.sort();
        let size = |name, index, size: usize| (TopicPartition::new(name, index), size as i64);
        assert_eq!(all, [size("t", 0, 0), size("t", 1, records.len()), size("u", 0, 0), size("u", 1, 0)]);
    }
    let some = describe(&world, 4, Some(&[("t", &[1, 1, 7]), ("none", &[0]), ("u", &[])])).await;
    let all: Vec<_> = some.results.iter().flat_map(inside).collect();
    assert_eq!(all, [(TopicPartition::new("t", 1), records.len() as i64)]);
    let none = describe(&world, 4, Some(&[])).await;
    assert!(none.results.iter().all(|dir| dir.topics.is_empty() && dir.total_bytes > 0));
}

#[tokio::test(start_paused = true)]
async fn a_failed_directory_is_a_storage_error() {
    let world = World::start(&[]).await;
    world.topic("t", 2, &[]).await;
    let [bad, _] = world.dirs();
    world.broker.jobs.push(error_in(&bad, EIO));
    world.until("the failure", || world.broker.log_dirs.online(&bad).is_none()).await;
    let told = describe(&world, 4, None).await;
    let [failed, good] = &told.results[..] else { panic!("{told:?}") };
    assert_eq!(code(failed.error_code), ErrorCode::KafkaStorageError);
    assert_eq!((failed.topics.len(), failed.total_bytes, failed.usable_bytes), (0, -1, -1));
    assert_eq!(code(good.error_code), ErrorCode::None);
    assert_eq!(inside(good).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_log_without_a_role_has_no_lag_to_tell() {
    let world = World::start_over(&[], |dir| std::fs::create_dir(dir.join("s-0")).unwrap()).await;
    let told = describe(&world, 4, None).await;
    let topics: Vec<_> = told.results.iter().flat_map(|dir| &dir.topics).collect();
    let [topic] = topics[..] else { panic!("{told:?}") };
    assert_eq!((&*topic.name.0, topic.partitions[0].offset_lag), ("s", -1));
}
