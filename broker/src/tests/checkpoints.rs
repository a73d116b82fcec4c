//! Checkpoint files that must not wait for their time: nothing that is appended next may be taken for synced, or for lying below the
//! log's start, by a start after a power cut. The schedules never come round here.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use protocol::ErrorCode;
use protocol::ids::{Millis, Offset, TopicPartition};
use protocol::messages::DeleteTopicsRequest;
use storage::{Checkpoint, CreateOptions, Log, LogDir, LogSettings, OsDisk};

use super::world::{World, batch, code, topic_name};

const NEVER: [&str; 3] = [
    "replica.high.watermark.checkpoint.interval.ms=2000000000",
    "log.flush.offset.checkpoint.interval.ms=2000000000",
    "log.flush.start.offset.checkpoint.interval.ms=2000000000",
];

fn partition(name: &str) -> TopicPartition {
    TopicPartition::new(name, 0)
}

/// An empty log of partition 0 of each topic, and files that list them.
fn prepare(path: &Path, topics: &[&str], listed: &[(Checkpoint, &str, i64)]) {
    let dir = LogDir::open(path, Arc::new(OsDisk)).unwrap();
    for topic in topics {
        let partition = partition(topic);
        let (settings, now) = (LogSettings::default(), Millis(0));
        let create =
            CreateOptions { dir: dir.partition_dir(&partition), partition, topic_id: None, settings, now };
        drop(Log::create(create, Arc::new(OsDisk)).unwrap());
    }
    let mut files: BTreeMap<&str, (Checkpoint, BTreeMap<_, _>)> = BTreeMap::new();
    for (which, topic, offset) in listed {
        let (_, offsets) = files.entry(which.file_name()).or_insert_with(|| (*which, BTreeMap::new()));
        offsets.insert(partition(topic), Offset(*offset));
    }
    for (which, offsets) in files.values() {
        dir.write_offsets(*which, offsets).unwrap();
    }
    dir.close().unwrap();
}

impl World {
    /// What a file of the first log directory says.
    fn says(&self, which: Checkpoint) -> Vec<(String, i64)> {
        let dir = self.broker.log_dirs.online(&self.dirs()[0]).unwrap();
        let listed = dir.read_offsets(which).unwrap();
        listed.into_iter().map(|(partition, offset)| (partition.to_string(), offset.0)).collect()
    }

    async fn first_offset(&self, topic: &'static str) -> i64 {
        let answer = self.produce(9, (topic, 0), batch(-1, &["a"], |_| {})).await;
        assert_eq!(code(answer.error_code), ErrorCode::None);
        answer.base_offset
    }
}

fn listed(entries: &[(&str, i64)]) -> Vec<(String, i64)> {
    entries.iter().map(|(name, offset)| ((*name).to_owned(), *offset)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_log_below_its_recovery_point_serves_when_that_is_lowered() {
    let world = World::start_over(&NEVER, |dir| {
        let points = [(Checkpoint::RecoveryPoint, "t", 10), (Checkpoint::RecoveryPoint, "whole", 0)];
        prepare(dir, &["t", "whole"], &points);
    })
    .await;
    assert_eq!(world.says(Checkpoint::RecoveryPoint), listed(&[("t-0", 0), ("whole-0", 0)]));
    world.topic("t", 1, &[]).await;
    assert_eq!(world.first_offset("t").await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_start_forgets_what_is_listed_of_logs_that_are_gone() {
    let all = Checkpoint::ALL.map(|which| [(which, "gone", 7), (which, "t", 0)]).concat();
    let world = World::start_over(&NEVER, |dir| prepare(dir, &["t"], &all)).await;
    for which in Checkpoint::ALL {
        assert_eq!(world.says(which), listed(&[("t-0", 0)]), "{which:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_is_done_when_the_files_have_forgotten_the_log() {
    let all = Checkpoint::ALL.map(|which| [(which, "t", 0), (which, "stays", 0)]).concat();
    let world = World::start_over(&NEVER, |dir| prepare(dir, &["t", "stays"], &all)).await;
    world.topic("t", 1, &[]).await;
    assert_eq!(world.first_offset("t").await, 0);
    let deletion =
        DeleteTopicsRequest::default().with_topic_names(vec![topic_name("t")]).with_timeout_ms(60_000);
    assert_eq!(code(world.ask(5, &deletion).await.responses[0].error_code), ErrorCode::None);
    world.until("the deletion", || !world.dirs()[0].join("t-0").exists()).await;
    for which in [Checkpoint::RecoveryPoint, Checkpoint::LogStart, Checkpoint::Cleaner] {
        let is_forgotten = || world.says(which).iter().all(|(name, _)| name != "t-0");
        world.until(which.file_name(), is_forgotten).await;
    }
    assert_eq!(world.says(Checkpoint::RecoveryPoint), listed(&[("stays-0", 0)]));
    world.topic("t", 1, &[]).await;
    assert_eq!(world.first_offset("t").await, 0);
}
