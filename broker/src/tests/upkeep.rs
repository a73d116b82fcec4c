//! What happens to the log directories while a broker runs: checkpoint files, retention, flushes, and a directory that fails.

use std::collections::BTreeMap;
use std::path::Path;

use protocol::ErrorCode;
use protocol::messages::DeleteTopicsRequest;

use super::bad_disk::EIO;
use super::world::{World, batch, code, error_in, topic_name};
use crate::hosted::Absent;

/// Makes every schedule a matter of a moment.
const QUICK: [&str; 6] = [
    "log.retention.check.interval.ms=100",
    "log.initial.task.delay.ms=10",
    "replica.high.watermark.checkpoint.interval.ms=50",
    "log.flush.offset.checkpoint.interval.ms=50",
    "log.flush.start.offset.checkpoint.interval.ms=50",
    "log.flush.scheduler.interval.ms=50",
];

/// The partitions that the checkpoint files of both directories list.
fn listed(world: &World, file: &str) -> BTreeMap<String, i64> {
    let read = |dir: &Path| std::fs::read_to_string(dir.join(file)).unwrap_or_default();
    let texts = world.dirs().map(|dir| read(&dir));
    let lines = texts.iter().flat_map(|text| text.lines().skip(2));
    let entry = |line: &str| {
        let (partition, offset) = line.rsplit_once(' ')?;
        Some((partition.to_owned(), offset.parse().ok()?))
    };
    lines.filter_map(entry).collect()
}

fn entries(entries: &[(&str, i64)]) -> BTreeMap<String, i64> {
    entries.iter().map(|(partition, offset)| ((*partition).to_owned(), *offset)).collect()
}

#[tokio::test(start_paused = true)]
async fn checkpoint_files_follow_the_logs() {
    let world = World::start(&QUICK).await;
    world.topic("t", 2, &[]).await;
    world.topic("flushed", 1, &["flush.messages=1"]).await;
    let high = "replication-offset-checkpoint";
    world.until("the first", || listed(&world, high).len() == 3).await;
    for (topic, index) in [("t", 1), ("flushed", 0)] {
        assert_eq!(world.produce(9, (topic, index), batch(-1, &["a", "b"], |_| {})).await.error_code, 0);
    }
    let expected = entries(&[("flushed 0", 2), ("t 0", 0), ("t 1", 2)]);
    world.until("the second", || listed(&world, high) == expected).await;
    let flushed = || listed(&world, "recovery-point-offset-checkpoint").get("flushed 0") == Some(&2);
    world.until("the flush", flushed).await;

    let deletion =
        DeleteTopicsRequest::default().with_topic_names(vec![topic_name("t")]).with_timeout_ms(60_000);
    assert_eq!(world.ask(5, &deletion).await.responses[0].error_code, 0);
    let expected = entries(&[("flushed 0", 2)]);
    world.until("the deletion", || listed(&world, high) == expected).await;
}

#[tokio::test(start_paused = true)]
async fn retention_by_size_deletes_the_oldest() {
    let world = World::start(&QUICK).await;
    world.topic("t", 1, &["segment.bytes=1000", "retention.bytes=1500", "file.delete.delay.ms=0"]).await;
    let value = "x".repeat(600);
    for _ in 0..5 {
        assert_eq!(world.produce(9, ("t", 0), batch(-1, &[&value], |_| {})).await.error_code, 0);
    }
    let hosted = world.broker.hosted.get("t", 0).unwrap();
    world.until("retention", || hosted.log.view().start.0 == 2).await;
    let home = world.dirs().into_iter().map(|dir| dir.join("t-0")).find(|dir| dir.exists()).unwrap();
    let files = || {
        let names =
            std::fs::read_dir(&home).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains(".log")).count()
    };
    world.until("the removal", || files() == 3).await;
    let answer = world.produce(9, ("t", 0), batch(-1, &["a"], |_| {})).await;
    assert_eq!((answer.base_offset, answer.log_start_offset), (5, 2));
}

#[tokio::test(start_paused = true)]
async fn a_failed_directory_takes_its_partitions_offline() {
    let world = World::start(&QUICK).await;
    world.topic("t", 4, &[]).await;
    let [bad, good] = world.dirs();
    world.broker.jobs.push(error_in(&bad, EIO));
    let lost = |index: &i32| world.broker.hosted.get("t", *index).err() == Some(Absent::Offline);
    world.until("the failure", || (0..4).filter(lost).count() == 2).await;
    for index in 0..4 {
        let inside = bad.join(format!("t-{index}")).exists();
        let expected = if inside { ErrorCode::KafkaStorageError } else { ErrorCode::None };
        let answer = world.produce(9, ("t", index), batch(-1, &["a"], |_| {})).await;
        assert_eq!(code(answer.error_code), expected, "partition {index}");
        for (version, old) in [(5, ErrorCode::NotLeaderOrFollower), (6, ErrorCode::KafkaStorageError)] {
            let read = world.read(version, index).await;
            assert_eq!(
                code(read.error_code),
                if inside { old } else { ErrorCode::None },
                "version {version}"
            );
        }
    }
    world.topic("new", 2, &[]).await;
    assert!(good.join("new-0").exists() && good.join("new-1").exists());
    assert!(world.broker.log_dirs.any_online());

    world.broker.jobs.push(error_in(&good, EIO));
    let failure = world.broker.tasks.failed().await.to_string();
    assert!(failure.contains("no log directory is left online"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_run_marked_is_removed_however_much_it_is() {
    let marked =
        |dir: &Path| std::fs::read_dir(dir).unwrap().filter(|e| e.as_ref().unwrap().path().is_dir()).count();
    let world = World::start_over(&["log.segment.delete.delay.ms=0"], |dir| {
        for partition in 0..1500 {
            let name = format!("t-{partition}.{:032x}-delete", partition);
            std::fs::create_dir(dir.join(name)).unwrap();
        }
        assert_eq!(marked(dir), 1500);
    })
    .await;
    let [first, _] = world.dirs();
    world.until("the removal of 1500 directories", || marked(&first) == 0).await;
}
